"""Two recorders never write into one folder: the second is refused by one line that says who holds it."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from torch import nn

import gradflow
from gradflow.storage import InUseError

TELLS = r"is in use: process {} on \S+ has been at work there since 20\S+\. Wait for it to end"


def trained(path, **options):
    model = nn.Linear(2, 1)
    recorder = gradflow.record(model, path=path, **options)
    model(torch.ones(1, 2)).sum().backward()
    recorder.step(loss=1.0)
    return recorder


HOLDER = """
import os, sys, time, torch, gradflow
from torch import nn
model = nn.Linear(2, 1)
recorder = gradflow.record(model, path=sys.argv[1])
child = os.fork() if len(sys.argv) > 2 else 0
if len(sys.argv) > 2 and not child:
    time.sleep(600)
model(torch.ones(1, 2)).sum().backward()
recorder.step(loss=2.0)
recorder.flush()
print(child, flush=True)
time.sleep(600)
"""


def holder(path, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def test_of_two_recorders_in_one_process_the_second_is_refused(tmp_path):
    first = trained(tmp_path / "run")
    with pytest.raises(InUseError, match=TELLS.format(os.getpid())) as caught:
        trained(tmp_path / "run")
    assert "\n" not in str(caught.value)
    with pytest.raises(InUseError):
        trained(tmp_path / "x" / ".." / "run")  # another way to write the same folder
    first.close()
    assert gradflow.load(tmp_path / "run").steps.loss.tolist() == [1.0]
    assert not [file.name for file in (tmp_path / "run").iterdir() if file.name.startswith(".")]


def test_a_recorder_of_another_process_is_refused_until_that_is_killed(tmp_path):
    start = gradflow.record(nn.Linear(2, 1), path=tmp_path / "start").state_dict()
    with holder(tmp_path / "run") as other:
        other.stdout.readline()
        with pytest.raises(InUseError, match=TELLS.format(other.pid)):
            trained(tmp_path / "run")
        with pytest.raises(InUseError, match=TELLS.format(other.pid)):
            gradflow.save(gradflow.Recording(meta={"run": "mine"}), tmp_path / "run")
        other.kill()
        other.wait()
        assert gradflow.load(tmp_path / "run").steps.loss.tolist() == [2.0]  # flushed before
        recorder = gradflow.record(nn.Linear(2, 1), path=tmp_path / "run")
        recorder.load_state_dict(start)
        recorder.close()


def test_a_forked_child_that_outlives_its_parent_holds_nothing(tmp_path):
    with holder(tmp_path / "run", "fork") as other:
        try:
            child = int(other.stdout.readline())
            with pytest.raises(InUseError):
                trained(tmp_path / "run")
            other.kill()
            other.wait()
            os.kill(child, 0)  # it is alive
            gradflow.record(nn.Linear(2, 1), path=tmp_path / "run").close()
        finally:
            os.killpg(other.pid, signal.SIGKILL)


def test_a_recorder_that_was_refused_or_failed_holds_nothing(tmp_path):
    trained(tmp_path / "run").close()
    with pytest.raises(gradflow.storage.StorageError, match="already holds a recording") as kept:
        trained(tmp_path / "run")
    assert kept.traceback  # as a notebook keeps it, and by it the recorder
    with pytest.raises(LookupError) as kept_too:
        gradflow.record(nn.Linear(2, 1), path=tmp_path / "run").load_state_dict({})
    assert kept_too.traceback
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    for _ in range(2):
        with pytest.raises(gradflow.storage.StorageError, match=r"already holds files \(mine.txt\)"):
            trained(tmp_path / "other")
    with pytest.raises(gradflow.storage.StorageError, match="already holds a recording"):
        trained(tmp_path / "run")
