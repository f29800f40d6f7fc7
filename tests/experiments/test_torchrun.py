"""One network over two real processes that torchrun started, beside one process that trains it alone."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from gradflow import storage
from gradflow.experiments import PlanError, plan
from gradflow.experiments.engines import LocalEngine
from gradflow.experiments.run import execute

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
COMPARE = ["-m", "gradflow", "compare", "--seeds", "1", "--no-demo", "--device", "cpu"]
NETS = """
import os
from torch import nn

class Net(nn.Module):
    def __init__(self, bad):
        super().__init__()
        self.bad, self.calls = bad, 0
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh(), nn.Dropout(0.2), nn.Linear(32, 10))

    def forward(self, x):
        self.calls += 1
        if self.bad == "later" and self.calls > 3:
            raise RuntimeError("bang")
        return self.body(x)

def make(kind="ok"):
    if kind == "second" and os.environ.get("RANK") == "1":
        raise ValueError("not on this machine")
    return Net(kind)
"""


def start(*options, folder, launch=TORCHRUN, **more):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*launch, *COMPARE, *options]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more
    )


def made(folder):
    return {recording.meta["run"]: recording for recording in map(storage.load, storage.find([folder]))}


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path):
    options = (
        "--model",
        "mlp",
        "--depths",
        "6",
        "--norm",
        "none",
        "--steps",
        "20",
        "--lr",
        "0.01",
        "--augment",
        "crop",
    )
    process = start(*options, "--clip", "0.5", "--accumulate", "2", "--out", "two", folder=tmp_path)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    two = {r.meta["family"]: r for r in made(tmp_path / "two").values()}
    settings = {"model": "mlp", "norm": "none", "steps": 20, "lr": 0.01, "augment": ("crop",), "clip": 0.5}
    runs = plan([6], seeds=1, accumulate=2, device="cpu", **settings)
    one = {r.meta["family"]: r for r in execute(runs, out=tmp_path / "one", workers=1)}
    assert set(one) == set(two) == {"plain", "residual"}
    for family, alone in one.items():
        together = two[family]
        assert together.meta["processes"] == 2
        columns = ["loss", "batch_error", "lr", "total_grad_norm", "unclipped_grad_norm", "train_error", "test_error"]
        pd.testing.assert_frame_equal(together.steps[columns], alone.steps[columns], rtol=1e-4, atol=1e-7)
        first, expected = (table.query("step == 0") for table in (together.layers, alone.layers))
        pd.testing.assert_frame_equal(first[["grad_norm"]], expected[["grad_norm"]], rtol=1e-5)


@pytest.mark.slow
def test_a_killed_process_costs_nothing(tmp_path):
    (tmp_path / "nets.py").write_text(NETS)
    options = ("--model", "nets.py:make", "--vary", "kind=ok", "--steps", "1000", "--checkpoint-every", "0.2")
    whole = start(*options, "--out", "whole", folder=tmp_path)
    said, _ = whole.communicate()
    assert whole.returncode == 0, said
    cut = start(*options, "--out", "cut", folder=tmp_path)
    os.kill(_training(tmp_path / "cut", cut), signal.SIGKILL)
    cut.communicate()
    assert cut.returncode != 0
    again = start(*options, "--out", "cut", folder=tmp_path)
    said, _ = again.communicate()
    assert again.returncode == 0, said
    (uncut,), (resumed,) = made(tmp_path / "whole").values(), made(tmp_path / "cut").values()
    assert resumed.meta["resumed_at"]
    assert not uncut.meta["resumed_at"]
    pd.testing.assert_frame_equal(resumed.steps, uncut.steps, check_exact=True)
    pd.testing.assert_frame_equal(resumed.layers, uncut.layers, check_exact=True)


def _training(folder, command):
    """Wait for the first checkpoint, and return the process that wrote it."""
    while not (found := list(folder.glob("unfinished/*/checkpoint-*.pt"))):
        assert command.poll() is None
        time.sleep(0.02)
    return json.loads((found[0].parent / "status.json").read_text())["pid"]


@pytest.mark.slow
def test_a_run_that_fails_does_not_end_the_others(tmp_path):
    (tmp_path / "nets.py").write_text(NETS)
    options = ("--model", "nets.py:make", "--vary", "kind=second,later,ok", "--steps", "10", "--out", "out")
    process = start(*options, folder=tmp_path)
    said, _ = process.communicate()
    assert "exitcode: 3" in said
    assert "process 1: ValueError: not on this machine" in said
    assert "RuntimeError: bang" in said
    assert len(made(tmp_path / "out")) == 1


@pytest.mark.slow
def test_bad_input_is_one_line(tmp_path):
    said, _ = start("--depths", "8", "--batch-size", "63", folder=tmp_path).communicate()
    ours = [line for line in said.splitlines() if line.startswith(("gradflow:", "Error:"))]
    assert ours == ["gradflow: batch size must be a multiple of the 2 processes times accumulate 1; got 63."]
    assert "exitcode: 2" in said


def test_an_engine_of_one_process_refuses_a_plan_for_two(tmp_path):
    with pytest.raises(PlanError, match=r"processes must be 1, .*; got 2"):
        execute(plan([8], seeds=1, device="cpu", processes=2), out=tmp_path / "out", engine=LocalEngine())
    assert not (tmp_path / "out").exists()


def test_processes_are_part_of_what_a_run_is():
    one, two = (plan([8], seeds=1, families=["plain"], device="cpu", processes=n)[0] for n in (1, 2))
    assert one.id != two.id
