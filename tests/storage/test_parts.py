"""How much a part may take in memory: to the byte, by what it says of itself and by what it holds."""

import json
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from gradflow.recording import Recording
from gradflow.storage import MANIFEST, DamagedError, Writer, load, peek, save

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


def test_parts_of_a_table_are_its_rows_in_their_order_whatever_scalars_they_hold(tmp_path):
    generator = np.random.default_rng(0)
    frames = [
        pd.DataFrame({"step": range(9 * number, 9 * number + 9), "loss": generator.random(9)}) for number in range(4)
    ]
    others = [frame.assign(extra=generator.random(9)) if number % 2 else frame for number, frame in enumerate(frames)]
    for name, parts in (("alike", frames), ("apart", others)):
        with closing(Writer(tmp_path / name)) as writer:
            for part in parts:
                writer.append("steps", Recording(steps=part).steps)
            writer.commit({})
        expected = Recording(steps=pd.concat(parts)).steps
        pd.testing.assert_frame_equal(load(tmp_path / name).steps, expected)
