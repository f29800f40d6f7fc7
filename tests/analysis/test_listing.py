import json
import os
import socket
import subprocess
import sys

import pandas as pd
import pytest

from gradflow import Recording, save
from gradflow.analysis.listing import listing
from gradflow.storage import StorageError


def run(folder, error=0.25, **meta):
    steps = pd.DataFrame(
        {"step": [0, 1, 2], "train_error": [None, error, None], "test_error": [0.9, None, error + 0.5]}
    )
    save(Recording(steps=steps, meta=meta), folder)


def status(folder, **said):
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(json.dumps(said))


def only(path):
    frame = listing([path])
    assert len(frame) == 1
    return frame.iloc[0]


def test_finished_runs_say_what_became_of_them(tmp_path):
    meta = {"family": "plain", "depth": 20, "seed": 3, "steps": 2, "wall_seconds": 7.5, "status": "diverged"}
    run(tmp_path / "runs" / "a", **meta, started="2026-11-23T17:29:40+00:00")
    row = only(tmp_path)
    assert (row.folder, row.run, row.status, row.family, row.depth, row.seed) == (
        str(tmp_path / "runs"), "a", "diverged", "plain", 20, 3,
    )  # fmt: skip
    assert (row.train_error, row.test_error, row.step, row.steps, row.wall_seconds) == (0.25, 0.75, 2, 2, 7.5)
    assert row.started == "2026-11-23T17:29:40+00:00"


def test_a_users_own_recording_is_recorded_and_lacks_what_it_does_not_say(tmp_path):
    save(Recording(steps=pd.DataFrame({"step": [0, 9]})), tmp_path / "mine")
    row = only(tmp_path)
    assert (row.status, row.step) == ("recorded", 9)
    assert row[["family", "depth", "seed", "train_error", "test_error", "steps", "started"]].isna().all()


@pytest.mark.parametrize("hurt", ["cut", "changed", "gone", "manifest"])
def test_damaged_runs_are_listed_beside_the_others(tmp_path, hurt):
    run(tmp_path / "whole", status="done")
    run(tmp_path / "hurt", status="done", family="plain")
    part = tmp_path / "hurt" / ("recording.json" if hurt == "manifest" else "steps-00000.parquet")
    content = part.read_bytes()
    part.unlink()
    if hurt != "gone":
        part.write_bytes(content[:-5] if hurt in ("cut", "manifest") else b"x" * len(content))
    rows = listing([tmp_path]).set_index("run")
    assert rows.status.to_dict() == {"hurt": "damaged", "whole": "done"}
    reasons = {"cut": "cut short", "changed": "checksum differs", "gone": "missing", "manifest": "cannot be read"}
    assert reasons[hurt] in rows.reason["hurt"]
    assert rows.reason["whole"] == ""


def gone_process():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_runs_under_way_and_failed(tmp_path):
    here, unfinished = socket.gethostname(), tmp_path / "unfinished"
    status(unfinished / "a", status="running", pid=os.getpid(), host=here, step=40, steps=300)
    status(unfinished / "b", status="running", pid=gone_process(), host=here, step=41, steps=300)
    status(unfinished / "c", status="running", pid=gone_process(), host="elsewhere", step=42, steps=300)
    status(unfinished / "d", status="failed", reason="out of memory", step=0, steps=300, settings={"depth": 56})
    run(unfinished / "a" / "recording", status="done")  # what it recorded so far is no run of its own
    rows = listing([tmp_path]).set_index("run")
    assert rows.status.to_dict() == {"a": "running", "b": "stopped", "c": "running", "d": "failed"}
    assert rows.step.to_dict() == {"a": 40, "b": 41, "c": 42, "d": 0}
    assert (rows.reason["d"], rows.depth["d"], rows.steps["d"]) == ("out of memory", 56, 300)


def test_the_errors_of_a_run_under_way_are_those_it_streamed(tmp_path):
    run(tmp_path / "unfinished" / "a", error=0.125, family="plain")
    (tmp_path / "unfinished" / "a" / "status.json").write_text(json.dumps({"status": "waiting", "step": 1, "steps": 5}))
    row = only(tmp_path)
    assert (row.status, row.family, row.train_error, row.step, row.steps) == ("waiting", "plain", 0.125, 1, 5)


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00"])
def test_a_status_that_cannot_be_read_is_damage(tmp_path, content):
    (tmp_path / "unfinished" / "a").mkdir(parents=True)
    (tmp_path / "unfinished" / "a" / "status.json").write_text(content)
    row = only(tmp_path)
    assert row.status == "damaged"
    assert "status" in row.reason


def test_values_of_another_type_are_not_given(tmp_path):
    odd = {
        "family": 3,
        "depth": "deep",
        "seed": True,
        "steps": 2**80,
        "wall_seconds": "long",
        "status": [],
        "started": 5,
    }
    run(tmp_path / "a", **odd)
    row = only(tmp_path)
    assert row.status == "recorded"
    assert row[["family", "depth", "seed", "steps", "wall_seconds", "started"]].isna().all()


def test_half_written_and_set_aside_runs(tmp_path):
    run(tmp_path / "runs" / ".part-12-a")
    run(tmp_path / "runs" / "b.damaged-1")
    run(tmp_path / "runs" / "c")
    (tmp_path / "runs" / "c" / "recording.json").unlink()
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "layers.parquet").write_bytes(b"a report's own table is no run")
    rows = listing([tmp_path]).set_index("run")
    assert rows.status.to_dict() == {"12-a": "half-written", "b.damaged-1": "set aside", "c": "half-written"}


def test_a_run_given_twice_is_one(tmp_path):
    run(tmp_path / "a")
    assert len(listing([tmp_path, tmp_path / "a"])) == 1
    with pytest.raises(StorageError, match="is not a directory"):
        listing([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageError, match="contains no run"):
        listing([tmp_path / "empty"])


def test_links_are_not_followed(tmp_path):
    run(tmp_path / "outside" / "a")
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "link").symlink_to(tmp_path / "outside" / "a")
    with pytest.raises(StorageError, match="contains no run"):
        listing([tmp_path / "sweep"])


def test_only_the_steps_are_read(tmp_path):
    layers = pd.DataFrame({"step": range(20_000), "layer": "a"})
    save(Recording(layers=layers, steps=pd.DataFrame({"step": [7]})), tmp_path / "a")
    part = tmp_path / "a" / "layers-00000.parquet"
    part.write_bytes(b"x" * part.stat().st_size)  # of the right size, and no Parquet
    assert only(tmp_path).step == 7
