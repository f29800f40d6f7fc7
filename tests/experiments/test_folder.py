"""One folder, one command at a time; a full disk and a lack of memory are told and cost no more than they must."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from made import one_run

import gradflow
from gradflow.experiments import PlanError, RunsFailedError, execute, keep_all, train
from gradflow.experiments.folder import SweepFolder
from gradflow.experiments.run_failures import is_disk_full, is_out_of_memory, reason_of, reason_of_death
from gradflow.experiments.run_with_resume import run_with_resume

TINY = {"steps": 12, "widths": (2, 2, 2), "batch_size": 16}


def status(folder, run):
    return json.loads((folder.run_directory(run).path / "status.json").read_text())


def test_a_second_command_says_who_is_at_work(tmp_path):
    folder, run = SweepFolder(tmp_path / "out", command="first"), one_run(**TINY)
    with folder.claimed():
        told = rf"out is in use: process {os.getpid()} on \S+ has been at work there since 20\S+\. Wait for it"
        with pytest.raises(PlanError, match=told):
            execute([run], out=tmp_path / "out", command="second")
        with pytest.raises(PlanError, match=told):
            keep_all([], tmp_path / "out", group="vanishing", command="second")
        assert json.loads((tmp_path / "out" / "gradflow.json").read_text())["command"] == "first"
    with folder.claimed():
        pass


def test_a_folder_whose_making_was_cut_is_no_foreign_one(tmp_path):
    for name in (".gradflow.lock", ".gradflow.json", ".gradflow.json.123.tmp"):
        (tmp_path / name).write_text("half")
    with SweepFolder(tmp_path, command="").claimed():
        pass


SCRIPT = """
import sys
sys.path[:0] = [{tests!r}]
from made import one_run
from gradflow.experiments import execute
run = one_run("residual", steps=200, widths=(4, 4, 4))
execute([run], out={out!r}, workers=1, checkpoint_every=0.2,
        on_event=lambda event: print(event.kind, event.step, event.pid, flush=True))
"""


@pytest.mark.slow
def test_a_killed_command_is_gone_on_with_at_once(tmp_path):
    """Its worker is alive when the second command starts, and lets go of the run after its step under way."""
    out, tests = str(tmp_path / "out"), os.path.dirname(os.path.dirname(__file__))
    code = SCRIPT.format(tests=tests, out=out)
    run = one_run("residual", steps=200, widths=(4, 4, 4))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as command:
        for line in command.stdout:
            kind, step, worker = line.split()
            if kind == "step" and int(step) >= 50:
                break
        os.kill(int(worker), signal.SIGSTOP)  # so that it is still there, however late this process comes to run
        command.send_signal(signal.SIGKILL)
        command.wait()
    os.kill(int(worker), signal.SIGCONT)
    events = []
    (recording,) = execute([run], out=out, workers=1, on_event=events.append)
    resumed = [event.step for event in events if event.kind == "resumed"]
    assert len(resumed) == 1
    assert resumed[0] >= 50  # the worker left a checkpoint when its parent was gone
    assert recording.meta["resumed_at"] == resumed
    torch.set_num_threads(1)
    whole = train(run)
    assert recording.steps.equals(whole.steps)
    assert recording.layers.equals(whole.layers)
    assert sorted(os.listdir(out)) == [".gradflow.json", ".gradflow.lock", "gradflow.json", "runs"]
    assert [event.kind for event in events if event.kind != "step"] == ["started", "resumed", "finished"]


def test_a_run_that_lacks_memory_fails_and_smaller_ones_go_on(tmp_path):
    large, small = one_run(**{**TINY, "widths": (2, 2**16, 2**16)}), one_run(**TINY)
    with pytest.raises(RunsFailedError, match="GiB of memory; there are") as caught:
        execute([large, small], out=tmp_path / "out", workers=1)
    assert list(caught.value.failures) == [large.id]
    assert [recording.name for recording in caught.value.recordings] == [small.id]
    folder = SweepFolder(tmp_path / "out", command="")
    assert status(folder, large)["status"] == "failed"
    assert "GiB of memory; there are" in status(folder, large)["reason"]
    assert not folder.run_directory(small).path.exists()


def test_reasons():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    assert reason_of(MemoryError()) == "out of memory (MemoryError)"
    assert reason_of(KeyError("a\nb")) == "KeyError: 'a\\nb'"
    again = "; the run was not tried again: the same command goes on with it"
    killed = "its worker process was killed by "
    assert reason_of_death(-9) == f"{killed}SIGKILL (signal 9), as the kernel does when memory runs out{again}"
    assert reason_of_death(-11) == f"{killed}SIGSEGV (signal 11){again}"
    assert reason_of_death(-40) == f"{killed}signal 40{again}"
    assert reason_of_death(7) == f"its worker process ended with exit code 7{again}"
    error = gradflow.storage.StorageError("cannot write")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_disk_full(error)
    assert not is_disk_full(OSError(errno.EACCES, "no"))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_full_disk_stops_the_sweep_and_keeps_what_there_is(small_disk):
    finished, *others = (one_run(seed=seed, **TINY) for seed in range(4))
    execute([finished], out=small_disk / "out", workers=1)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize - 40_000))
    events = []
    with pytest.raises(RunsFailedError) as caught:
        execute([finished, *others], out=small_disk / "out", workers=1, checkpoint_every=1e-3, on_event=events.append)
    reasons = list(caught.value.failures.values())
    assert "the disk is full" in reasons[0]
    assert "No space left on device" in reasons[0]
    assert reasons[1:] == ["not started: the disk is full"] * 2
    assert [recording.name for recording in caught.value.recordings] == [finished.id]
    ballast.unlink()
    assert len(execute([finished, *others], out=small_disk / "out", workers=1)) == 4


def test_demonstrations_are_kept_whole_or_not_at_all(tmp_path, monkeypatch):
    recording = gradflow.Recording(meta={"run": "one"})
    half = tmp_path / "vanishing" / ".fresh"
    SweepFolder(tmp_path, command="")
    half.mkdir(parents=True)
    (half / "steps-00000.parquet").write_bytes(b"half")
    for _ in range(2):
        home = keep_all([recording], tmp_path, group="vanishing", command="")
    assert os.listdir(home) == ["one"]
    assert gradflow.load(home / "one").name == "one"


def test_a_finished_run_of_other_data_is_made_again(tmp_path, monkeypatch):
    run, folder = one_run(**TINY), SweepFolder(tmp_path / "out", command="")
    recording = run_with_resume(folder, run)
    assert len(recording.meta["data_digest"]) == 16
    other = one_run(**TINY)
    object.__setattr__(other, "data", "cifar10:elsewhere")
    monkeypatch.setattr("gradflow.experiments.run.data_digest", lambda spec: recording.meta["data_digest"])
    os.replace(folder.runs / run.id, folder.runs / other.id)
    assert [found.name for found in execute([other], out=tmp_path / "out")] == [run.id]
    monkeypatch.setattr("gradflow.experiments.run.data_digest", lambda spec: "changed")
    monkeypatch.setattr("gradflow.experiments.run._check_data_of", lambda runs: None)
    events = []
    with pytest.raises(RunsFailedError, match="not a directory"):
        execute([other], out=tmp_path / "out", on_event=events.append, workers=1)
    assert events[0].kind == "set aside"
    assert "was made of other data than cifar10:elsewhere holds now" in events[0].detail
