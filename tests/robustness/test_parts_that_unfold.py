"""A small Parquet file of a stranger's never unfolds into the memory of whoever loads it."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

import gradflow
from gradflow.storage import DamagedError, Writer
from gradflow.storage.parts import MAX_BYTES, joined

MANY = 30_000_000


def zeros(n):
    return pa.array(np.zeros(n, dtype=np.int8))


def repeated(word, n, kind=None):
    words = pa.DictionaryArray.from_arrays(zeros(n).cast(pa.int32()), [word])
    return words if kind is None else words.cast(kind)


BOMBS = {
    "rows": (lambda: pa.table({name: zeros(MANY) for name in "abcdef"}), {}),
    "columns": (lambda: pa.table({f"c{number}": zeros(200_000) for number in range(1000)}), {}),
    "one long word": (lambda: pa.table({"a": repeated("x" * 100_000, 50_000)}), {}),
    "a long word as a string": (lambda: pa.table({"a": repeated("x" * 10_000, 50_000, pa.string())}), {}),
    "long words in row groups": (
        lambda: pa.table({"a": repeated("x" * 20_000, 60_000, pa.large_string())}),
        {"row_group_size": 10_000},
    ),
    "long words one by one": (
        lambda: pa.table({"a": repeated("x" * 20_000, 60_000, pa.large_string())}),
        {"use_dictionary": False},
    ),
}
LOADS = """
import resource, sys, gradflow
try:
    gradflow.load(sys.argv[1]).steps
except gradflow.storage.DamagedError as error:
    print(error)
"""


def folder_with(path, table, **options):
    """A recording whose steps are a table of a stranger's, with the right size and checksum."""
    gradflow.save(gradflow.Recording(steps=pd.DataFrame({"step": [0]}), meta={"run": "r"}), path)
    part = path / "steps-00000.parquet"
    parquet.write_table(table, part, compression="zstd", **options)
    manifest = json.loads((path / "recording.json").read_text())
    content = part.read_bytes()
    manifest["parts"][0] |= {"bytes": len(content), "rows": len(table), "sha256": hashlib.sha256(content).hexdigest()}
    (path / "recording.json").write_text(json.dumps(manifest))
    return path, len(content)


PEAK = "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_part_that_unfolds_is_refused_in_little_memory(tmp_path, monkeypatch, bomb):
    make, options = bomb
    limit = MAX_BYTES if make().nbytes > MAX_BYTES else 2**28
    path, n_bytes = folder_with(tmp_path / "run", make(), **options)
    assert n_bytes < 3_000_000
    code = f"import gradflow.storage.parts as parts; parts.MAX_BYTES = {limit}\n" + LOADS
    empty = gradflow.save(gradflow.Recording(), tmp_path / "empty")
    said, peak = loaded(code, path)
    _, least = loaded(code, empty)
    assert "steps-00000.parquet: it unfolds to" in said
    assert f"a part has at most {limit}" in said
    assert peak - least < 150 * 2**20


def loaded(code, path):
    command = [sys.executable, "-c", code + PEAK, str(path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    return "\n".join(lines[:-1]), int(lines[-1])


def test_every_type_that_a_part_may_have_is_read_as_before(tmp_path):
    table = pa.table(
        {
            "step": pa.array(range(150)),
            "word": pa.array(["a", None, "é" * 300] * 50),
            "large": pa.array(["a", "b", "c"] * 50, pa.large_string()),
            "few": pa.array(["x", "y", None] * 50).dictionary_encode(),
            "none": pa.nulls(150),
            "yes": pa.array([True, None, False] * 50),
            "number": pa.array([1.5, None, float("nan")] * 50),
            "small": pa.array([1, 2, 3] * 50, pa.int8()),
        }
    )
    path, _ = folder_with(tmp_path / "run", table, row_group_size=40)
    found = joined(path, gradflow.storage.read_manifest(path)["parts"])
    direct = parquet.read_table(path / "steps-00000.parquet").replace_schema_metadata(None).to_pandas()
    for name in table.column_names:
        pd.testing.assert_series_equal(found[name], direct[name])


def test_a_large_table_is_written_in_parts_that_can_be_read(tmp_path):
    steps = pd.DataFrame({"step": np.arange(450_001), "loss": 0.5})
    gradflow.save(gradflow.Recording(steps=steps), tmp_path / "run")
    assert len(list((tmp_path / "run").glob("steps-*"))) == 3
    assert gradflow.load(tmp_path / "run").steps[["step", "loss"]].equals(steps)


def test_a_part_too_large_on_disk_is_not_read(tmp_path):
    path = gradflow.save(gradflow.Recording(steps=pd.DataFrame({"step": [0]})), tmp_path / "run")
    with (path / "steps-00000.parquet").open("r+b") as file:
        file.truncate(MAX_BYTES + 1)  # sparse: it takes no room
    manifest = json.loads((path / "recording.json").read_text())
    manifest["parts"][0]["bytes"] = MAX_BYTES + 1
    (path / "recording.json").write_text(json.dumps(manifest))
    with pytest.raises(DamagedError, match=r"steps-00000.parquet: it unfolds to"):
        _ = gradflow.storage.peek(path).steps


def test_parts_of_a_failed_append_are_none(tmp_path, monkeypatch):
    monkeypatch.setattr("gradflow.storage.writer.MERGED_ROWS", 2)
    writer = Writer(tmp_path / "run")
    real, calls = gradflow.storage.writer.write_part, []

    def second_fails(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr("gradflow.storage.writer.write_part", second_fails)
    frame = pd.DataFrame({"step": range(5)})
    with pytest.raises(OSError, match="No space"):
        writer.append("steps", frame)
    writer.append("steps", frame)
    writer.commit({})
    writer.close()
    assert gradflow.load(tmp_path / "run").steps.step.tolist() == list(range(5))
