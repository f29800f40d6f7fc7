"""Accelerate and Transformers, launched as two processes on the CPU: gradients averaged over both, to the bit."""

import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from steps import TOLERANCE, load

HERE = str(Path(__file__).parent)
ACCELERATE = """
    bare, _, seen = test_accelerate.train("nowhere", clip=0.05)
    for where in ("before", "after"):
        with steps.handed(patch) as used:
            model, recording, again = test_accelerate.train(where, clip=0.05)
        assert len(used) == 3, len(used)
        assert steps.same(bare, model)
        assert seen == again
        tell(steps.worst_error(recording, model, used))
"""
TRANSFORMERS = """
    bare, model = test_transformers.language_model(), test_transformers.language_model()
    test_transformers.train(folder / "bare", bare, max_grad_norm=0.05)
    with steps.handed(patch) as used:
        flow = test_transformers.GradientFlow(folder / "run")
        test_transformers.train(folder / "out", model, [flow], max_grad_norm=0.05)
    assert len(used) == 4
    assert steps.same(bare, model)
    if not torch.distributed.get_rank():
        tell(steps.worst_error(steps.load(folder / "run"), model, used))
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize(("module", "body", "n"), [("accelerate", ACCELERATE, 4), ("transformers", TRANSFORMERS, 1)])
def test_two_processes(tmp_path, module, body, n):
    script = tmp_path / "train.py"
    head = f"import os, sys, pathlib, torch, pytest; sys.path.insert(0, {HERE!r})\nimport steps, test_{module}\n"
    head += f"folder, patch = pathlib.Path({str(tmp_path)!r}), pytest.MonkeyPatch()\n"
    head += "tell = lambda error: (folder / f\"errors-{os.environ['RANK']}\").open('a').write(f'{error}\\n')\n"
    script.write_text(head + textwrap.dedent(body), encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    done = subprocess.run([*launch, str(script)], capture_output=True, text=True, timeout=280, check=False)
    assert not done.returncode, done.stderr[-3000:]
    worst = [float(line) for file in tmp_path.glob("errors-*") for line in file.read_text().splitlines()]
    assert len(worst) == n, done.stdout
    assert max(worst) < TOLERANCE
    if module == "transformers":
        assert len(load(tmp_path / "run").steps) == 4
