"""Rows reach the disk however a run ends, and a kill costs no more than is said."""

import gc
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
import torch
from torch import nn

import gradflow
from gradflow.hooks import endings, stream

STEPS = 200
TRAIN = f"""
import os, signal, sys, threading, time, torch, gradflow
from torch import nn
torch.set_num_threads(1)
path = sys.argv[1]
model = nn.Linear(8, 2)
def train(recorder, steps={STEPS}):
    for step in range(steps):
        model.zero_grad()
        model(torch.ones(4, 8)).sum().backward()
        recorder.step(loss=float(step))
    return recorder
"""
ENDS = {
    "a normal end": ("recorder = train(gradflow.record(model, path=path))", 0),
    "an error": ("recorder = train(gradflow.record(model, path=path), 3000); raise RuntimeError('mine')", 1),
    "Ctrl-C": ("recorder = train(gradflow.record(model, path=path)); signal.raise_signal(signal.SIGINT)", 1),
    "SIGTERM": ("recorder = train(gradflow.record(model, path=path)); os.kill(os.getpid(), 15); time.sleep(60)", -15),
    "SIGTERM in the middle of a step": (
        "from gradflow.hooks.rows import Buffer as buffer\n"
        "add = buffer.add_scalars\n"
        "def then_end(self, scalars):\n"
        f"    if scalars['step'] == {STEPS} - 1: os.kill(os.getpid(), 15)\n"
        "    add(self, scalars)\n"
        "buffer.add_scalars = then_end\n"
        "recorder = train(gradflow.record(model, path=path))\n"
        "time.sleep(60)",
        -15,
    ),
    "SIGTERM in the middle of a write": (
        "recorder = train(gradflow.record(model, path=path))\n"
        "write = gradflow.storage.writer.write_part\n"
        "def then_end(folder, stem, table, frame):\n"
        "    if table == 'layers': os.kill(os.getpid(), 15)\n"
        "    return write(folder, stem, table, frame)\n"
        "gradflow.storage.writer.write_part = then_end\n"
        "recorder.flush(); time.sleep(60)",
        -15,
    ),
    "the end of another thread's recorder": (
        "thread = threading.Thread(target=lambda: globals().update(kept=train(gradflow.record(model, path=path))))\n"
        "thread.start(); thread.join()",
        0,
    ),
}


def run(code, path):
    return subprocess.run([sys.executable, "-c", TRAIN + code, str(path)], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_all_rows_are_there_after(tmp_path, code):
    code, status = code
    ended = run(code, tmp_path / "run")
    assert ended.returncode == status, ended.stderr
    assert ("RuntimeError: mine" in ended.stderr) == ("'mine'" in code), ended.stderr
    kept = gradflow.load(tmp_path / "run")
    n_steps = 3000 if "3000" in code else STEPS
    assert kept.steps.loss.tolist() == [float(step) for step in range(n_steps)]
    assert kept.layers.step.tolist() == list(range(n_steps))


def test_a_handler_of_the_users_decides(tmp_path):
    code = "signal.signal(15, lambda *_: os._exit(7))\nr = train(gradflow.record(model, path=path))\n"
    ended = run(code + "os.kill(os.getpid(), 15); time.sleep(60)", tmp_path / "before")
    assert ended.returncode == 7
    assert not list((tmp_path / "before").glob("*.parquet"))
    later = (
        "recorder = train(gradflow.record(model, path=path))\n"
        "ours = signal.getsignal(15)\n"
        "signal.signal(15, lambda *given: (ours(*given), print('goes on', flush=True)))\n"
        "os.kill(os.getpid(), 15); print(len(gradflow.load(path).steps), flush=True); os._exit(8)"
    )
    ended = run(later, tmp_path / "after")
    assert (ended.returncode, ended.stdout.split()) == (8, ["goes", "on", str(STEPS)])


def test_sigterm_is_as_it_was_after_close(tmp_path):
    for left_open in list(endings._open):  # by another test
        left_open.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # one that a thread let go leaves the handler until the next one
    recorders = [gradflow.record(nn.Linear(2, 1), path=tmp_path / name) for name in "ab"]
    assert signal.getsignal(signal.SIGTERM) is endings._terminate
    recorders[0].close()
    recorders[0].close()
    recorders[1].close()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    gradflow.record(nn.Linear(2, 1))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_recorder_that_is_garbage_writes_and_lets_go(tmp_path):
    def train():
        model = nn.Linear(2, 1)
        recorder = gradflow.record(model, path=tmp_path / "run")
        model(torch.ones(1, 2)).sum().backward()
        recorder.step(loss=1.5)

    train()
    gc.collect()
    assert gradflow.load(tmp_path / "run").steps.loss.tolist() == [1.5]
    gradflow.record(nn.Linear(2, 1), path=tmp_path / "run").close()


@pytest.mark.parametrize("end", ["recorder.flush(); recorder.close()", "del recorder"])
def test_a_forked_child_never_writes(tmp_path, end):
    code = (
        "recorder = train(gradflow.record(model, path=path), 5)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    import gc\n"
        f"    {end}; model = None; gc.collect(); sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "assert sorted(os.listdir(path)) == ['.gradflow.json', '.gradflow.lock'], os.listdir(path)\n"
        "train(recorder, 5).close()"
    )
    ended = run(code, tmp_path / "run")
    assert ended.returncode == 0, ended.stderr
    assert gradflow.load(tmp_path / "run").steps.step.tolist() == list(range(10))


def test_workers_of_a_data_loader_never_write(tmp_path):
    code = (
        "recorder = train(gradflow.record(model, path=path), 5)\n"
        "class Data(torch.utils.data.Dataset):\n"
        "    owner = recorder\n"
        "    def __len__(self): return 8\n"
        "    def __getitem__(self, index): self.owner.flush(); return torch.ones(8)\n"
        "batches = list(torch.utils.data.DataLoader(Data(), num_workers=2, multiprocessing_context='fork'))\n"
        "assert len(batches) == 8\n"
        "assert not [name for name in os.listdir(path) if name.endswith('.parquet')]\n"
        "train(recorder, 5).close()"
    )
    ended = run(code, tmp_path / "run")
    assert ended.returncode == 0, ended.stderr
    assert gradflow.load(tmp_path / "run").steps.step.tolist() == list(range(10))


def test_a_kill_costs_half_of_a_short_run_and_half_a_minute_of_a_long_one(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(stream.time, "perf_counter", lambda: now[0])
    model, written, began = nn.Linear(2, 1), [], now[0]
    with gradflow.record(model, path=tmp_path / "run") as recorder:
        for step in range(2000):
            model(torch.ones(1, 2)).sum().backward()
            recorder.step(loss=float(step))
            if recorder._buffer.n_waiting == 0:
                written.append(round(now[0] - began, 1))
            now[0] += 0.1
        monkeypatch.undo()
    gaps = pd.Series([0.0, *written]).diff().dropna()
    assert written[:5] == pytest.approx([1, 3, 7, 15, 31], abs=0.6)
    assert gaps.max() <= 30.2
    assert (gaps.to_numpy() <= pd.Series([0.0, *written[:-1]]).to_numpy() + 1.2).all()


def test_sigkill_leaves_what_was_flushed(tmp_path):
    code = "r = train(gradflow.record(model, path=path))\nr.flush()\ntrain(r)\nos.kill(os.getpid(), 9)"
    assert run(code, tmp_path / "run").returncode == -9
    assert len(gradflow.load(tmp_path / "run").steps) == STEPS
    assert os.listdir(tmp_path) == ["run"]
