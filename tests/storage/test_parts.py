"""How much a part may take in memory: to the byte, by what it says of itself and by what it holds."""

import json

import pandas as pd
import pytest
from pyarrow import parquet

from gradflow.recording import Recording
from gradflow.storage import MANIFEST, DamagedError, load, peek, save

WORDS = {"few": ["é", "abc"], "one": ["abcdef"], "none": [None], "some": ["x", None]}


@pytest.mark.parametrize("words", WORDS)
def test_words_count_once_a_row_and_numbers_eight_bytes(tmp_path, monkeypatch, words):
    column = pd.Series(WORDS[words] * 600, dtype="string")[:600]
    frame = pd.DataFrame({"step": range(600), "layer": [f"layer {row}" for row in range(600)], "dtype": column})
    path = save(Recording(layers=frame), tmp_path / "r")
    columns = parquet.read_table(path / "layers-00000.parquet").to_pydict()
    n_bytes = len(columns) * 8 * 600
    n_bytes += sum(len(word.encode()) for values in columns.values() for word in values if isinstance(word, str))
    monkeypatch.setattr("gradflow.storage.parts.MAX_BYTES", n_bytes)
    assert load(path).layers.step.tolist() == list(range(600))
    monkeypatch.setattr("gradflow.storage.parts.MAX_BYTES", n_bytes - 1)
    with pytest.raises(DamagedError, match=f"it unfolds to {n_bytes} bytes, and a part has at most {n_bytes - 1}"):
        _ = load(path).layers


@pytest.mark.parametrize(("n_bytes", "problem"), [(2**30, "cut short or changed"), (2**30 + 1, "it unfolds to")])
def test_a_part_may_have_a_gibibyte(tmp_path, n_bytes, problem):
    path = save(Recording(steps=pd.DataFrame({"step": [0]})), tmp_path / "r")
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["parts"][0]["bytes"] = n_bytes
    (path / MANIFEST).write_text(json.dumps(manifest))
    with (path / "steps-00000.parquet").open("r+b") as file:
        file.truncate(n_bytes)  # sparse: it takes no room
    opened = peek(path)
    with (path / "steps-00000.parquet").open("r+b") as file:
        file.truncate(9)
    with pytest.raises(DamagedError, match=f"steps-00000.parquet: {problem}"):
        _ = opened.steps
