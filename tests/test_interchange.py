"""Recordings as Arrow tables and CSV files, and back, to the last bit."""

import json
import math

import numpy as np
import pandas as pd
import pyarrow
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import gradflow
from gradflow import storage
from gradflow.cli import main
from gradflow.recording import TABLES, Recording, RecordingError
from gradflow.storage import StorageError, from_arrow, from_csv, to_arrow, to_csv


def recorded():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gradflow.record(model, optimizer=optimizer, weights=True, statistics=True, meta={"seed": 3}) as recorder:
        for _ in range(3):
            model(torch.randn(5, 3)).sum().backward()
            optimizer.step()
            recorder.step(loss=math.pi, mine=1 / 3)
    return recorder.recording


def are_equal(first, second):
    assert dict(first.meta) == dict(second.meta)
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(first, table), getattr(second, table), check_exact=True)


def test_csv_and_back(tmp_path):
    recording = recorded()
    assert to_csv(recording, tmp_path / "csv") == tmp_path / "csv"
    are_equal(recording, from_csv(tmp_path / "csv"))
    are_equal(recording, gradflow.load(tmp_path / "csv"))
    assert gradflow.diagnose(gradflow.load(tmp_path / "csv")) == gradflow.diagnose(recording)


def test_commands_read_a_folder_of_csv_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recording = Recording(layers=pd.DataFrame({"step": [0, 0], "layer": ["a", "b"], "grad_norm": [1e-9, 1.0]}))
    storage.to_csv(recording, tmp_path / "tables")
    assert storage.find([tmp_path / "tables"]) == [tmp_path / "tables"]
    assert storage.load_one(tmp_path / "tables").layers.equals(recording.layers)
    for words in (["diagnose", "tables"], ["report", "tables", "--out", "page"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code, capsys.readouterr().err
    assert (tmp_path / "page" / "report.html").exists()


def test_arrow_and_back():
    recording = recorded()
    tables = to_arrow(recording)
    assert all(isinstance(rows, pyarrow.Table) for rows in tables.values())
    assert tables["layers"].num_rows == len(recording.layers)
    are_equal(recording, from_arrow(tables))


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=6) | st.sampled_from(
    ["=1+1", "'=1", "'", "@x", "-1", "+", "nan", "NaN", "", "inf", 'a"b', "a,b", " a ", "1e5", "True", "None"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORDS, st.floats(min_value=0) | st.just(math.nan)), min_size=1, max_size=5))
def test_any_name_and_number(tmp_path_factory, rows):
    layers = pd.DataFrame({"step": range(len(rows)), "layer": [word for word, _ in rows]})
    recording = Recording(layers=layers.assign(grad_norm=[number for _, number in rows]), meta={"run": rows[0][0]})
    folder = tmp_path_factory.mktemp("csv") / "one"
    are_equal(recording, from_csv(to_csv(recording, folder)))
    are_equal(recording, from_arrow(to_arrow(recording)))
    first = (folder / "layers.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[2].lstrip('"')
    assert first[:1] not in ("=", "+", "-", "@") or first == "-inf"


def test_a_strangers_tables_need_only_the_required_columns(tmp_path):
    (tmp_path / "layers.csv").write_text("step,layer,grad_norm\n0,a,0.5\n1,a,\n", encoding="utf-8")
    recording = from_csv(tmp_path)
    assert recording.layers["grad_norm"].tolist() == [0.5, pytest.approx(np.nan, nan_ok=True)]
    assert recording.meta == {"run": tmp_path.name}


def test_what_is_no_recording_is_refused_in_one_line(tmp_path, monkeypatch):
    with pytest.raises(StorageError, match=r"holds none of steps\.csv"):
        from_csv(tmp_path)
    (tmp_path / "layers.csv").write_text("step,layer\n0,a\nx,b\n", encoding="utf-8")
    with pytest.raises(RecordingError, match=r"layers\.step must hold int64 values"):
        from_csv(tmp_path)
    with pytest.raises(StorageError, match="already holds files"):
        to_csv(Recording(), tmp_path)
    (tmp_path / "meta.json").write_text(json.dumps([1]), encoding="utf-8")
    with pytest.raises(StorageError, match="must hold a JSON object"):
        from_csv(tmp_path)
    monkeypatch.setattr("gradflow.storage.interchange.MAX_BYTES", 3)
    (tmp_path / "meta.json").unlink()
    with pytest.raises(StorageError, match="larger than 3 bytes"):
        from_csv(tmp_path)
    with pytest.raises(RecordingError, match="a recording has no table 'rows'"):
        from_arrow({"rows": pyarrow.table({"a": [1]})})
