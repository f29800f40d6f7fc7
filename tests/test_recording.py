import pandas as pd
import pytest

from gradflow.recording import LAYER_COLUMNS, TABLES, Recording, RecordingError, RecordingWarning


def test_every_table_has_its_columns_in_order_and_type():
    recording = Recording(layers=pd.DataFrame({"extra": [1.5], "layer": ["a"], "step": [0]}))
    assert recording.layers.columns.tolist() == [*LAYER_COLUMNS, "extra"]
    for table, columns in TABLES.items():
        frame = getattr(recording, table)
        assert {name: str(frame[name].dtype) for name in columns} == {n: c.dtype for n, c in columns.items()}


def test_absent_measures_are_missing_not_zero():
    row = Recording(layers=pd.DataFrame({"step": [0], "layer": ["a"]})).layers.iloc[0]
    assert row[["grad_norm", "out_grad_norm", "weight_norm"]].isna().all()
    assert (row.layer_depth, row.stage, row.n_nonfinite) == (-1, -1, -1)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"layers": pd.DataFrame({"layer": ["a"]})}, "layers lacks the column 'step'; it has layer"),
        ({"steps": pd.DataFrame({"step": ["x"]})}, "steps.step must hold int64 values"),
        ({"steps": pd.DataFrame({"step": [1, 2**63 - 1]})}, "steps.step must lie between 0 and 10.15; got 922"),
        ({"skips": pd.DataFrame({"step": 0, "join": ["a"], "order": -(2**63)})}, "skips.order must lie .* got -92233"),
        ({"steps": [1, 2]}, "steps must be a pandas DataFrame; got list"),
    ],
)
def test_bad_tables(tables, message):
    with pytest.raises(RecordingError, match=message):
        Recording(**tables)


def test_shows_itself_in_a_notebook_with_hostile_names_as_text():
    layers = pd.DataFrame({"step": [0, 3], "layer": ["old", "<img src=x onerror=alert(1)>"], "grad_norm": [1.0, 0.25]})
    html = Recording(layers=layers, meta={"run": "</p><script>"})._repr_html_()
    assert "Last recorded step: 3<" in html
    assert "0.25" in html
    assert "old" not in html
    assert "<img" not in html
    assert "<script>" not in html


def test_the_frames_passed_in_are_not_changed():
    frame = pd.DataFrame({"step": [1], "layer": ["a"]}, index=[5])
    Recording(layers=frame)
    assert frame.columns.tolist() == ["step", "layer"]
    assert frame.index.tolist() == [5]


@pytest.mark.parametrize("compared", [1, 2, 3, 5, 100])
def test_rows_that_are_there_twice_count_once_however_many_are_compared_at_a_time(monkeypatch, compared):
    monkeypatch.setattr("gradflow.recording.COMPARED_ROWS", compared)
    rows = [(0, "a"), (0, "b"), (0, "a"), (1, "a"), (2, "b"), (2, "c"), (2, "b"), (2, "b"), (3, "a")]
    with pytest.warns(RecordingWarning, match="layers holds 3 of 9 rows again"):
        kept = Recording(layers=pd.DataFrame(rows, columns=["step", "layer"])).layers
    expected = list(dict.fromkeys(rows))
    assert list(kept[["step", "layer"]].itertuples(index=False, name=None)) == expected


def test_a_recording_with_other_metadata_reads_no_table_that_was_deferred_and_checks_those_it_is_given():
    def never():
        raise AssertionError("read")

    deferred = Recording.deferred({"layers": never}, {"run": "mine"})
    other = deferred.having(meta={"run": "yours"}, steps=pd.DataFrame({"loss": [2.0], "step": [0]}))
    assert (deferred.name, other.name) == ("mine", "yours")
    assert list(other.steps.columns) == list(TABLES["steps"])
    with pytest.raises(AssertionError, match="read"):
        other.layers  # noqa: B018  # the first use reads it
    with pytest.raises(RecordingError, match="grad_norm must be 0 or larger"):
        other.having(layers=pd.DataFrame({"step": [0], "layer": ["a"], "grad_norm": [-1.0]}))
