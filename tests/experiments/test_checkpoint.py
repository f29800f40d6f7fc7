"""Whatever cuts a run, it ends with the numbers of one that was not cut."""

import importlib
import json
import os
import signal
import threading

import pytest
import torch
from made import one_run

from gradflow import storage
from gradflow.experiments import checkpoint, train
from gradflow.experiments.checkpoint import CheckpointError, Checkpoints
from gradflow.experiments.folder import SweepFolder
from gradflow.experiments.run_directory import StoppedError
from gradflow.experiments.run_with_resume import run_with_resume

TINY = {"steps": 12, "widths": (2, 2, 2), "batch_size": 16, "record_every": 5, "eval_every": 6}
PRACTICES = {
    "momentum": {},
    "AdamW": {"optimizer": "adamw", "warmup": 4},
    "accumulation": {"accumulate": 2, "clip": 1.0, "schedule": "step"},
    "augmentation": {"augment": ("crop", "flip", "jitter")},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "warm-up until": {"warmup_until": 0.95, "steps": 22},
}


def sweep(tmp_path):
    return SweepFolder(tmp_path / "out", command="a test")


def go_on(folder, run, *, stop_at=None, every=1e9):
    """Make a run, or stop it after a step; returns the recording, or None, and where it went on from."""
    stop, resumed = threading.Event(), []

    def step_done(step):
        if step == stop_at:
            stop.set()

    try:
        recording = run_with_resume(
            folder, run, checkpoint_every=every, on_step=step_done, on_resume=resumed.append, stop=stop
        )
    except StoppedError:
        return None, resumed
    return recording, resumed


def same(recording, other):
    return recording.steps.equals(other.steps) and recording.layers.equals(other.layers)


@pytest.mark.parametrize("options", PRACTICES.values(), ids=PRACTICES)
def test_a_stopped_run_goes_on_bit_by_bit(tmp_path, options):
    run, folder = one_run("residual", **{**TINY, **options}), sweep(tmp_path)
    assert go_on(folder, run, stop_at=10) == (None, [])
    recording, resumed = go_on(folder, run)
    assert resumed == [11]
    assert recording.meta["resumed_at"] == [11]
    assert same(recording, train(run))
    assert not (folder.path / "unfinished" / run.id).exists()


class Noisy(torch.nn.Module):
    """A network that draws from the global random state in each forward pass."""

    def __init__(self):
        super().__init__()
        linear = torch.nn.Linear(64, 10)
        torch.nn.init.constant_(linear.weight, 0.1)
        torch.nn.init.zeros_(linear.bias)
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), linear)

    def forward(self, images):
        return self.layers(images)


def test_dropout_goes_on_where_it_was_and_depends_on_the_seed_alone(tmp_path, monkeypatch):
    module = importlib.import_module("gradflow.experiments.train")  # not the function of that name
    monkeypatch.setattr(module, "build", lambda run, data: Noisy())
    run, folder = one_run(**TINY), sweep(tmp_path)
    whole = train(run)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    go_on(folder, run, stop_at=10)
    torch.rand(7)
    assert same(go_on(folder, run)[0], whole)
    torch.manual_seed(99)
    train(run)
    assert torch.equal(torch.get_rng_state(), state)


def test_checkpoints_do_not_change_training(tmp_path):
    run = one_run("plain", **TINY)
    often, _ = go_on(sweep(tmp_path), run, every=1e-9)
    assert same(often, train(run))


def killed(act):
    """Do something in a process of its own that is killed in the midst of it."""
    pid = os.fork()
    if not pid:
        try:
            act()
        finally:
            os._exit(1)  # it should have been killed
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def dies_when(of, when, calls=1):
    """Return the function `of` so that it kills its process before the n-th call for which `when` holds."""
    left = [calls]

    def patched(*args, **options):
        left[0] -= bool(when(*args))
        return die() if not left[0] and when(*args) else of(*args, **options)

    return patched


MOMENTS = {
    "before the first checkpoint": (
        "gradflow.experiments.run_directory.CheckpointManager._keep",
        lambda *_: True,
        1,
        [],
    ),
    "in the middle of a checkpoint": ("os.fsync", lambda fd: ".pt." in os.readlink(f"/proc/self/fd/{fd}"), 3, [1]),
    "between a checkpoint's file and its name": ("os.replace", lambda a, b: str(b).endswith(".pt"), 3, [1]),
    "between parts and manifest": ("gradflow.storage.writer.write_json", lambda path, _: True, 4, [2]),
    "between two tables' parts": ("gradflow.storage.writer.write_part", lambda *a: a[2] == "layers", 3, [5]),
    "in the middle of the result": (
        "gradflow.storage.writer.write_json",
        lambda p, _: p.parent.name == "whole",
        1,
        [12],
    ),
    "before the result has its name": ("os.replace", lambda a, b: a.name == "whole", 1, [12]),
    "after the result has its name": (
        "gradflow.experiments.run_directory.RunDirectory.remove",
        lambda *_: True,
        1,
        None,
    ),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_killed_at_a_chosen_moment(tmp_path, monkeypatch, moment):
    name, when, calls, resumed_at = moment
    run, folder = one_run("residual", **TINY), sweep(tmp_path)
    with monkeypatch.context() as patch:
        module, _, function = name.rpartition(".")
        found = _imported(module)
        patch.setattr(found, function, dies_when(getattr(found, function), when, calls))
        killed(lambda: go_on(folder, run, every=1e-9))
    was_finished = (folder.runs / run.id).exists()
    assert was_finished == (resumed_at is None)
    recording, resumed = go_on(folder, run)
    assert same(recording, train(run))
    assert resumed == (resumed_at or [])
    assert not (folder.path / "unfinished" / run.id).exists()
    assert [file.name for file in folder.runs.iterdir()] == [run.id]


def _imported(name):
    """Return a module, or a class in one."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, last = name.rpartition(".")
        return getattr(importlib.import_module(module), last)


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_used(tmp_path):
    run, folder = one_run("residual", **TINY), sweep(tmp_path)
    go_on(folder, run, stop_at=10, every=1e-9)
    place = folder.run_directory(run).path
    older, newest = sorted(place.glob("*.pt"))
    newest.write_bytes(newest.read_bytes()[:-100])
    stopped, resumed = go_on(folder, run, stop_at=10)
    assert (stopped, resumed) == (None, [10])
    assert [file.name for file in place.glob("*.set-aside-*")] == [newest.name + ".set-aside-1"]
    for file in place.glob("*.pt"):
        content = bytearray(file.read_bytes())
        content[-50] ^= 1
        file.write_bytes(content)
    recording, resumed = go_on(folder, run)
    assert resumed == []
    assert same(recording, train(run))
    assert older.name != newest.name


def test_a_checkpoint_whose_rows_are_damaged_is_not_used(tmp_path):
    run, folder = one_run("residual", **TINY), sweep(tmp_path)
    go_on(folder, run, stop_at=10, every=1e-9)
    part = sorted((folder.run_directory(run).path / "recording").glob("layers-*"))[0]
    part.write_bytes(b"")
    recording, resumed = go_on(folder, run)
    assert resumed == []
    assert same(recording, train(run))


def test_another_run_s_checkpoint_is_never_used(tmp_path):
    run, other, folder = one_run("residual", **TINY), one_run("residual", **{**TINY, "lr": 0.5}), sweep(tmp_path)
    go_on(folder, run, stop_at=10)
    assert run.id != other.id
    os.replace(folder.run_directory(run).path, folder.run_directory(other).path)
    recording, resumed = go_on(folder, other)
    assert resumed == []
    assert same(recording, train(other))


def test_a_checkpoint_of_other_data_is_never_used(tmp_path, monkeypatch):
    run, folder = one_run("residual", **TINY), sweep(tmp_path)
    go_on(folder, run, stop_at=10)
    monkeypatch.setattr("gradflow.experiments.identity.data_digest", lambda spec: "other")
    assert go_on(folder, run, stop_at=10) == (None, [])


def test_no_pickle_is_read(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path}/pwned",))

    path = tmp_path / "checkpoint-000000001.pt"
    checkpoint.write(path, {"evil": Evil()})
    with pytest.raises(CheckpointError, match="holds more than tensors"):
        checkpoint.read(path)
    assert not list(Checkpoints(tmp_path, {}).states())
    assert path.with_name(path.name + ".set-aside-1").exists()
    assert not (tmp_path / "pwned").exists()


def test_a_checkpoint_that_cannot_be_written_leaves_the_earlier_one(tmp_path, monkeypatch):
    path = tmp_path / "c.pt"
    checkpoint.write(path, {"a": torch.ones(3)})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.write(path, {"a": torch.zeros(3)})
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]
    assert checkpoint.read(path)["a"].tolist() == [1, 1, 1]
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="cut short"):
        checkpoint.read(path)


def test_how_a_run_stands_is_told_while_it_goes_on(tmp_path, monkeypatch):
    run, folder = one_run("residual", **TINY), sweep(tmp_path)
    place, seen = folder.run_directory(run).path, []
    monkeypatch.setattr("gradflow.experiments.run_directory.PULSE_SECONDS", 0.0)

    def look(step):
        status = json.loads((place / "status.json").read_text())
        rows = len(storage.load(place / "recording").steps) if step else 0
        seen.append((status["status"], status["step"], rows, status["pid"]))

    run_with_resume(folder, run, on_step=look)
    assert seen == [("running", step, step and step, os.getpid()) for step in (0, 10)]
    go = threading.Event()
    go.set()
    with pytest.raises(StoppedError):
        run_with_resume(folder, one_run("plain", **TINY), stop=go)
    status = json.loads((folder.run_directory(one_run("plain", **TINY)).path / "status.json").read_text())
    assert (status["status"], status["reason"], status["label"]) == ("waiting", "interrupted", "plain-8 seed 0")
