"""Tables with values that nothing measures: each is one line that names part, column and value, or drawn and told."""

import hashlib
import itertools
import json
import math
import shutil
import warnings

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from gradflow import Recording, analysis, diagnose, load, report, save
from gradflow.analysis.paths import recorded_paths
from gradflow.cli import main
from gradflow.errors import GradflowError
from gradflow.recording import RecordingError, RecordingWarning

INF, NAN = math.inf, math.nan
STEPS = (0, 1, 10)
NAMES = [f"stage{place // 4 + 1}.{place % 4 // 2}.conv{place % 2 + 1}" for place in range(8)]
WHOLE_PROBES = ("path counts", "path gradients", "path gradients, low", "path gradients, high", "paths drawn")

# What each column holds, as its unit and meaning say: numbers that it cannot hold.
NEGATIVE = (-1.0, -INF, -1e-320)
NO_SHARE = (-0.1, 1.5, INF)
NO_COUNT = (-5, 2**63 - 1, 10**15 + 1)
NO_PLACE = (-2, -(2**63), 10**15 + 1)
NONSENSE = {
    "layers": {
        **dict.fromkeys(("grad_norm", "out_grad_norm", "weight_norm", "update_norm", "act_rms"), NEGATIVE),
        **dict.fromkeys(("act_zero_fraction", "act_saturation"), NO_SHARE),
        **dict.fromkeys(("step", "backward", "call", "output", "n_params"), NO_COUNT),
        **dict.fromkeys(("order", "layer_depth", "stage", "n_nonfinite"), NO_PLACE),
    },
    "steps": {"step": NO_COUNT, "total_grad_norm": NEGATIVE},
    "parameters": {
        **dict.fromkeys(("grad_norm", "weight_norm", "update_norm", "lr"), NEGATIVE),
        **dict.fromkeys(("step", "n_entries"), NO_COUNT),
        **dict.fromkeys(("dim", "n_nonfinite"), NO_PLACE),
    },
    "graph": dict.fromkeys(("call", "source_call"), NO_COUNT),
    "times": {**dict.fromkeys(("step", "time"), NO_COUNT), "grad_norm": NEGATIVE},
    "distributions": dict.fromkeys(("step", "count"), NO_COUNT),
    "skips": {
        **dict.fromkeys(("skip_sq", "branch_sq", "grad_norm", "branch_ratio"), NEGATIVE),
        "angle": (-1.0, 181.0),
        **dict.fromkeys(("step", "n_branches", "n_other_uses"), NO_COUNT),
        "order": NO_PLACE,
    },
    "probes": {"x": (NAN, INF, -1e300, 0.5), "n": NO_COUNT},
}
GIVEN = {"batch_error": (-0.1, 43.0), "train_error": (-1.0, 1.5), "test_error": (2.0, -INF), "lr": (-0.1,)}
REQUIRED = {
    "layers": ("step", "layer"),
    "steps": ("step",),
    "parameters": ("step", "layer", "parameter"),
    "graph": ("layer", "source"),
    "times": ("step", "layer", "tensor", "time"),
    "distributions": ("step", "layer", "kind", "count"),
    "skips": ("step", "join"),
    "probes": ("probe", "x", "value"),
}
# Columns of other types, by what they hold; only a column of words may hold words.
TYPES = {
    "words": lambda n: pyarrow.array(["x"] * n),
    "digits": lambda n: pyarrow.array(["12"] * n),
    "lists": lambda n: pyarrow.array([[1, 2]] * n),
    "structs": lambda n: pyarrow.array([{"a": 1}] * n),
    "decimals": lambda n: pyarrow.array([1] * n, pyarrow.decimal128(5, 0)),
    "timestamps": lambda n: pyarrow.array([0] * n, pyarrow.timestamp("us")),
    "categories": lambda n: pyarrow.array(["x"] * n).dictionary_encode(),
    "bytes": lambda n: pyarrow.array([b"\xff"] * n),
    "halves": lambda n: pyarrow.array([0.5] * n),
    "beyond int64": lambda n: pyarrow.array([2**64 - 1] * n, pyarrow.uint64()),
    "huge": lambda n: pyarrow.array([1e300] * n),
}
REFUSED = {
    "str": ("lists", "structs", "decimals", "timestamps", "bytes"),
    "float64": ("words", "digits", "lists", "structs", "decimals", "timestamps", "categories", "bytes"),
    "int64": tuple(TYPES),
    "bool": tuple(TYPES),
}
TEXTS = {
    "empty": "",
    "long": "x" * 4000,
    "controls": "a\x00\x1b[31m\r\nb",
    "turned round": "a\u202e\u05d0\u200f",
    "markup": "</script><img src=x onerror=alert(1)>",
    "mathematics": r"$\frac{a$ $x_{",
}
VALUES = {
    "list": [1, 2],
    "words": ["a", "b"],
    "mapping": {"a": 1},
    "huge": 10**400,
    "beyond int64": 2**63,
    "million": 10**6,
    "nan": NAN,
    "inf": INF,
    "true": True,
    "negative": -7,
    "half": 0.5,
    "nested": [[{}]],
    "deep": json.loads("[" * 200 + "]" * 200),
    **TEXTS,
}
KEYS = (
    *("run", "model", "family", "setting", "label", "experiment", "status", "norm", "activation", "init", "skip"),
    *("depth", "seed", "steps", "record_every", "n_train", "n_test", "wall_seconds", "recorder_seconds"),
    *("recorded_seconds", "constant_error", "certain_loss", "settings", "versions", "not_probed", "told_apart"),
    *("published", "published_probes", "set_aside", "joins", "unregistered", "optimizers", "optimizer_steps"),
    *("parameters", "inputs", "mode", "loss", "data", "command", "preset", "scaled", "started", "place", "width"),
)
INNER = ("settings.lr", "versions.torch", "unregistered.count", "unregistered.shapes", "not_probed.x", "told_apart.by")


def whole(family="plain", depth=8, seed=0):
    """Return a small recording with rows in each table."""
    place, step = np.tile(np.arange(8), len(STEPS)), np.repeat(STEPS, 8)
    norms = {"grad_norm": 10.0 ** (place / 4), "weight_norm": 1.0 + step, "update_norm": 0.1}
    named = {"step": step, "layer": [NAMES[one] for one in place], "n_nonfinite": 0, "status": "measured", **norms}
    where = {"order": place, "layer_depth": place + 1, "stage": place // 4, "kind": "Conv2d", "weighted": True}
    outputs = {"n_params": 9, "dtype": "float32", "out_grad_norm": 3.0 ** (place / 4), "act_rms": 1.0, "act_mean": 0.1}
    layers = pd.DataFrame({**named, **where, **outputs, "act_zero_fraction": 0.5, "act_saturation": 0.1})
    layers = layers.assign(backward=0, call=0, output=0, in_grad=True)
    parameters = pd.DataFrame({**named, "parameter": "weight", "part": "", "n_entries": 9, "dim": 2, "lr": 0.1})
    every = np.arange(30)
    errors = dict.fromkeys(("batch_error", "train_error", "test_error"), 0.9 - every / 50)
    steps = pd.DataFrame({"step": every, "loss": 2.3 - every / 20, **errors, "lr": 0.1, "total_grad_norm": 1.0})
    steps = steps.assign(unclipped_grad_norm=2.0)
    ends = {"layer": [*NAMES[1:], NAMES[-1]], "source": [*NAMES[:-1], NAMES[-3]]}
    time = np.tile(np.arange(10), 2)
    times = pd.DataFrame({"step": np.repeat([0, 10], 10), "layer": "rnn", "tensor": "input", "time": time})
    bins = {"low": np.tile([-0.25, 0.0, 0.5, NAN], 9), "high": np.tile([-0.2, 0.0, 0.625, NAN], 9), "count": 3}
    kinds = {
        "layer": NAMES[0],
        "parameter": "weight",
        "kind": np.tile(np.repeat(["gradient", "weight", "activation"], 4), 3),
    }
    shares = {"skip_sq": 0.4, "branch_sq": 0.4, "cross": 0.2, "skip_share": 0.5, "angle": 80.0, "grad_norm": 1.0}
    joined = {"join": ["a", "b"] * 3, "order": [0, 1] * 3, "fork": ["c", "d"] * 3, "kind": "identity", "n_branches": 2}
    skips = pd.DataFrame({"step": np.repeat(STEPS, 2), **joined, **shares, "branch_ratio": 0.5, "n_other_uses": 0})
    rows = [("shattering", "(input)", 8.0, 0.3), *(("shattering", name, 7.0 - n, 0.4) for n, name in enumerate(NAMES))]
    rows += [("autocorrelation", "(input)", float(lag), 0.9**lag) for lag in range(6)]
    variants = ("as it is", "without skips", "without branches", "plain twin")
    rows += [(one, name, n + 1.0, 2.0**n) for one in variants for n, name in enumerate(NAMES)]
    rows += [(one, "(input)", float(length), 1.0) for one in WHOLE_PROBES for length in range(4)]
    rows += [("path shares", "(input)", float(length), 0.25) for length in range(4)]
    meta = {"run": f"{family}-{depth}-seed{seed}", "family": family, "depth": depth, "seed": seed, "lr": 0.1}
    meta |= {"experiment": "compare", "status": "done", "constant_error": 0.9, "wall_seconds": 3.0, "joins": "*"}
    return Recording(
        layers=layers,
        steps=steps,
        parameters=parameters,
        graph=pd.DataFrame({**ends, "call": 0, "source_call": 0}),
        times=times.assign(grad_norm=10.0**-time),
        distributions=pd.DataFrame({"step": np.repeat(STEPS, 12), **kinds, **bins}),
        skips=skips.assign(status="measured", lesion=0.1, lesion_status="measured"),
        probes=pd.DataFrame(rows, columns=["probe", "layer", "x", "value"]).assign(n=16),
        meta=meta,
    )


SOUND = whole()


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Return a folder of two sound runs."""
    folder = tmp_path_factory.mktemp("sound")
    save(SOUND, folder / "a")
    save(whole("residual", 14), folder / "b")
    return folder


@pytest.fixture
def runs(sound, tmp_path):
    """Return a copy of it, whose run "a" a test damages."""
    return shutil.copytree(sound, tmp_path / "runs")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return a folder with a run of each table, which holds no other."""
    folder = tmp_path_factory.mktemp("alone")
    for table in NONSENSE:
        save(Recording(**{table: getattr(SOUND, table)}), folder / table)
    return folder


@pytest.fixture
def run(alone, table, tmp_path):
    """Return a copy of the run with the table of the test, to be damaged."""
    return shutil.copytree(alone / table, tmp_path / "run")


def change_part(run, table, change):
    """Replace a table's part, with the checksum and the number of rows that fit."""
    manifest = json.loads((run / "recording.json").read_text())
    part = next(one for one in manifest["parts"] if one["table"] == table)
    rows = change(parquet.read_table(run / part["file"]))
    parquet.write_table(rows, run / part["file"])
    content = (run / part["file"]).read_bytes()
    part.update(rows=len(rows), bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    (run / "recording.json").write_text(json.dumps(manifest))
    return part["file"]


def change_meta(folder, /, **more):
    manifest = json.loads((folder / "recording.json").read_text())
    manifest["meta"].update(more)
    (folder / "recording.json").write_text(json.dumps(manifest))


def column(name, values):
    """Return a change of a table that gives a column other values: all of them, or a single one to the third row."""

    def change(table):
        given = values(len(table)) if callable(values) else [*table[name].to_pylist()]
        if not callable(values):
            given[2] = values
            given = pyarrow.array(given)
        return table.set_column(table.column_names.index(name), name, given)

    return change


def said_of(run, table):
    """Return the one line that reading a table raises."""
    with pytest.raises(GradflowError) as raised:
        getattr(load(run), table)
    said = str(raised.value)
    assert "\n" not in said
    assert len(said) < 1000
    return said


def raised_by(question, recordings):
    """Return what a reader raises that a user can mend, or an empty string."""
    try:
        question(recordings)
    except GradflowError as error:
        return str(error)
    return ""


def read(folder):
    """Read all that there is; what it raises must be one line that a user can mend."""
    for looked_at in (folder, folder / "a"):
        for question in (lambda runs: [str(one) for one in diagnose(runs)], analysis.summary, analysis.profile):
            said = raised_by(question, load(looked_at))
            assert "\n" not in said
            assert len(said) < 1000
    assert exit_code(["runs", str(folder)]) == 0


def exit_code(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code or 0


CASES = [(table, name, value) for table, columns in NONSENSE.items() for name in columns for value in columns[name]]


@pytest.mark.parametrize(("table", "name", "value"), CASES)
def test_a_number_that_a_column_cannot_hold_is_one_line(run, table, name, value):
    file = change_part(run, table, column(name, value))
    said = said_of(run, table)
    assert f"({file}: {table}.{name} " in said
    n_rows = len(getattr(SOUND, table))
    counted = n_rows if table != "probes" or "of '" not in said else 9  # those of the shattering probe
    assert f"got {np.float64(value) if isinstance(value, float) else value} in 1 of {counted} rows" in said


@pytest.mark.parametrize(("probe", "name", "value"), [
    ("shattering", "value", 1.5), ("autocorrelation", "value", -2.0), ("as it is", "value", -1.0),
    ("path shares", "value", 2.0), ("path counts", "x", 1.5), ("paths drawn", "value", NAN),
])  # fmt: skip
def test_a_probe_holds_what_it_measures(runs, probe, name, value):
    def change(table):
        place = table["probe"].to_pylist().index(probe)
        values = table[name].to_pylist()
        values[place] = value
        return table.set_column(table.column_names.index(name), name, pyarrow.array(values))

    change_part(runs / "a", "probes", change)
    assert f"probes.{name} of {probe!r} must " in said_of(runs / "a", "probes")


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GIVEN.items() for value in values])
def test_what_whoever_trained_passed_in_counts_as_not_measured_and_is_told(runs, name, value):
    change_part(runs / "a", "steps", column(name, value))
    with pytest.warns(RecordingWarning, match=rf"steps\.{name} must .*; got {value} in 1 of 30 rows, which count as"):
        steps = load(runs / "a").steps
    assert np.flatnonzero(steps[name].isna()).tolist() == [2]


TYPE_CASES = [
    (table, name, kind)
    for table in NONSENSE
    for name, dtype in getattr(SOUND, table).dtypes.astype(str).items()
    if name != "unclipped_grad_norm"
    for kind in REFUSED[dtype]
]


@pytest.mark.parametrize(("table", "name", "kind"), TYPE_CASES)
def test_a_column_of_another_type_is_one_line(run, table, name, kind):
    file = change_part(run, table, column(name, TYPES[kind]))
    said = said_of(run, table)
    assert file in said
    assert name in said


@pytest.mark.parametrize(("table", "name"), [(table, name) for table in NONSENSE for name in getattr(SOUND, table)])
def test_a_column_without_values_is_as_none(run, table, name):
    change_part(run, table, column(name, pyarrow.nulls))
    if name in REQUIRED[table]:
        assert f"{table}.{name} " in said_of(run, table)
        return
    found = getattr(load(run), table)
    if name != "unclipped_grad_norm":
        expected = Recording(**{table: getattr(SOUND, table).drop(columns=name)})
        pd.testing.assert_frame_equal(found, getattr(expected, table)[found.columns])


def test_a_name_is_missing_in_no_row(runs):
    file = change_part(runs / "a", "layers", column("layer", None))
    assert f"({file}: layers.layer must hold str values; got none in 1 of 24 rows)" in said_of(runs / "a", "layers")
    change_part(runs / "b", "layers", column("status", None))
    assert load(runs / "b").layers["status"].tolist() == ["measured"] * 24


@pytest.mark.parametrize(("table", "name"), [(table, name) for table in NONSENSE for name in getattr(SOUND, table)])
def test_an_older_recording_with_fewer_columns_is_read(run, table, name):
    change_part(run, table, lambda rows: rows.drop_columns([name]))
    if name in REQUIRED[table]:
        assert f"{table} lacks the column {name!r}" in said_of(run, table)
    else:
        assert len(getattr(load(run), table)) == len(getattr(SOUND, table))


@pytest.mark.parametrize("table", NONSENSE)
def test_rows_are_read_in_order_and_each_once(run, table):
    change_part(run, table, lambda rows: rows.take(list(range(len(rows)))[::-1]))
    found, expected = getattr(load(run), table), getattr(SOUND, table)
    if "step" in found:
        assert found["step"].tolist() == expected["step"].tolist()
    change_part(run, table, lambda rows: pyarrow.concat_tables([rows, rows]))
    n = len(expected)
    if table == "graph":  # a connection that is there twice is one
        assert len(load(run).graph) == 2 * n
        return
    with pytest.warns(RecordingWarning, match=rf"{table} holds {n} of {2 * n} rows again, which count once"):
        assert len(getattr(load(run), table)) == n


def test_a_step_has_one_loss(runs):
    change_part(runs / "a", "steps", lambda rows: pyarrow.concat_tables([rows, column("loss", 7.0)(rows)[2:3]]))
    assert "steps must hold one row for each step; got several for 2." in said_of(runs / "a", "steps")


def test_a_path_length_has_one_share(runs):
    def change(rows):
        place = rows["probe"].to_pylist().index("path shares")
        other = column("value", lambda n: pyarrow.array([0.5] * n))(rows[place : place + 1])
        return pyarrow.concat_tables([rows, other])

    change_part(runs / "a", "probes", change)
    with pytest.raises(GradflowError, match="one value of 'path shares' for each x; plain-8-seed0 has several at 0"):
        recorded_paths(load(runs / "a"))


@pytest.mark.parametrize("table", NONSENSE)
def test_a_table_without_rows_is_read(runs, table):
    change_part(runs / "a", table, lambda rows: rows[:0])
    assert not len(getattr(load(runs / "a"), table))
    read(runs)


def test_a_damaged_part_is_one_line_of_the_command_line(runs, tmp_path, capfd):
    file = change_part(runs / "a", "layers", column("grad_norm", -1.0))
    assert exit_code(["report", str(runs), "--out", str(tmp_path / "out")]) == 2
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"{file}: layers.grad_norm must be 0 or larger; got -1.0 in 1 of 24 rows" in said[0]


def test_a_damaged_part_can_be_set_aside(runs):
    file = change_part(runs / "a", "layers", column("grad_norm", -1.0))
    found = load(runs / "a", set_aside=True)
    assert found.meta["set_aside"] == [file]
    assert (len(found.layers), len(found.steps)) == (0, 30)
    assert (runs / "a" / f"{file}.damaged").is_file()


def test_tables_made_here_pass_the_same_gate():
    frame = pd.DataFrame({"step": [0, 0], "layer": ["a", "b"], "grad_norm": [1.0, -1.0]})
    with pytest.raises(RecordingError, match=r"^layers.grad_norm must be 0 or larger; got -1.0 in 1 of 2 rows\.$"):
        Recording(layers=frame)
    with pytest.raises(RecordingError, match="layers has two columns named 'step'"):
        Recording(layers=pd.concat([frame[["step", "layer"]], frame["step"]], axis=1))


@pytest.mark.parametrize(("table", "name", "kind"), [
    *itertools.product(["layers"], ["layer", "kind", "status"], TEXTS),
    *itertools.product(["parameters", "graph"], ["layer"], ["empty", "long"]),
])  # fmt: skip
def test_names_of_any_kind_are_names(runs, table, name, kind):
    change_part(
        runs / "a", table, column(name, lambda n: pyarrow.array([f"{place}{TEXTS[kind]}" for place in range(n)]))
    )
    read(runs)


@pytest.mark.parametrize("values", [(1e308, 1e-320), (0.0, 0.0), (INF, INF), (NAN, NAN), (1e308, INF)])
@pytest.mark.parametrize("name", ["grad_norm", "out_grad_norm"])
def test_norms_at_the_ends_of_float64_are_read(runs, name, values):
    change_part(runs / "a", "layers", column(name, lambda n: pyarrow.array((values * n)[:n])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(runs)


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize(
    "experiment",
    ["compare", *(pytest.param(one, marks=pytest.mark.exhaustive) for one in ("vanishing", "shattering", "analyze"))],
)
def test_a_description_of_other_types_is_read(runs, kind, experiment):
    kept = {"experiment": experiment, "family": "plain", "depth": 8}
    change_meta(runs / "a", **{**dict.fromkeys(KEYS, VALUES[kind]), "published": [], "published_probes": [], **kept})
    read(runs)


@pytest.mark.exhaustive
@pytest.mark.parametrize("key", [*KEYS, *INNER])
def test_each_key_of_a_description_may_hold_anything(runs, key, tmp_path):
    outer, _, inner = key.partition(".")
    before = (runs / "a" / "recording.json").read_text()
    for place, value in enumerate(VALUES.values()):
        (runs / "a" / "recording.json").write_text(before)
        change_meta(runs / "a", **{outer: {"count": 1, "shapes": [], inner: value} if inner else value})
        read(runs)
        if place % 5 == 0:
            assert exit_code(["report", str(runs), "--out", str(tmp_path / "out")]) in (0, 2)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", TEXTS)
def test_a_report_shows_names_of_any_kind(runs, kind, tmp_path):
    for table, name in (("layers", "layer"), ("layers", "kind"), ("layers", "status"), ("skips", "join")):
        change_part(
            runs / "a", table, column(name, lambda n: pyarrow.array([f"{one}{TEXTS[kind]}" for one in range(n)]))
        )
    change_meta(runs / "a", family=TEXTS[kind], run=TEXTS[kind])
    assert report(load(runs), tmp_path / "out").is_file()


@pytest.mark.exhaustive
def test_many_settings_and_long_texts_are_read(runs, tmp_path):
    settings = {f"setting {place}": place for place in range(300_000)}
    change_meta(runs / "a", settings=settings, command="xy $<" * 2_000_000)
    change_meta(runs / "b", settings={**settings, "setting 7": "other"}, family="plain", depth=8)
    assert report(load(runs), tmp_path / "out").is_file()
