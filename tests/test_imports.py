"""What may be imported without what, and that a module's name says which one it is."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import gradflow
from gradflow.cli.commands import COMMANDS

BLOCK_TORCH = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ImportError("torch is blocked")
sys.meta_path.insert(0, Block())
"""


def python(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_no_two_modules_and_no_room_and_module_have_one_name():
    files = Path(gradflow.__file__).parent.rglob("*.py")
    names = Counter(file.parent.name if file.stem == "__init__" else file.stem for file in files)
    assert [name for name, n in names.items() if n > 1] == []


def test_reports_are_made_without_torch(tmp_path):
    from made import one_run

    from gradflow.experiments import train

    for family in ("plain", "residual"):
        gradflow.save(train(one_run(family, steps=2, widths=(4, 4, 4))), tmp_path / "runs" / family)
    code = BLOCK_TORCH + "from gradflow.cli import main; main(sys.argv[1:])"
    done = python(code, "report", str(tmp_path / "runs"), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_nothing_heavy(command):
    code = """
import sys
from gradflow.cli import main
try:
    main([*sys.argv[1:], "--help"])
except SystemExit as end:
    assert end.code == 0
heavy = {"torch", "numpy", "pandas", "matplotlib", "scipy", "rich", "pydantic"} & set(sys.modules)
assert not heavy, heavy
"""
    done = python(code, *filter(None, [command]))
    assert done.returncode == 0, done.stderr
    assert "Usage: gradflow" in done.stdout
    assert command or all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.slow
def test_a_dry_run_imports_nothing_that_draws_or_stores(tmp_path):
    code = """
import sys
from gradflow.cli import main
try:
    main(["compare", "--depths", "8", "--seeds", "1", "--dry-run", "--out", sys.argv[1]])
except SystemExit as end:
    assert end.code == 0
heavy = {"matplotlib", "gradflow.reporting", "fsspec"} & set(sys.modules)
assert not heavy, heavy
"""
    done = python(code, str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr


USES = [
    "import gradflow; gradflow.record",
    "from gradflow.hooks import Every, l2_norm, on_output_gradients, select_layers",
]


@pytest.mark.parametrize("use", USES)
def test_hooks_are_there_before_pandas_which_the_first_recorder_brings(use):
    code = f"""
import sys, torch
before = set(sys.modules)
{use}
heavy = {{"pandas", "pyarrow", "gradflow.hooks.recorder"}} & (set(sys.modules) - before)
assert not heavy, heavy
import gradflow
gradflow.record(torch.nn.Linear(1, 1)).close()
assert "pandas" in sys.modules
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_recording_imports_no_analysis_and_no_diagnosis():
    code = """
import sys
import torch
import gradflow
model = torch.nn.Linear(2, 1)
recorder = gradflow.record(model)
model(torch.ones(3, 2)).sum().backward()
recorder.step()
recorder.close()
assert len(recorder.recording.layers) == 1
heavy = {"gradflow.analysis", "gradflow.diagnosis"} & set(sys.modules)
assert not heavy, heavy
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_the_shelf_is_what_it_says():
    for name in gradflow.__all__:
        assert getattr(gradflow, name) is not None
    assert set(dir(gradflow)) == set(gradflow.__all__)


@pytest.mark.slow
def test_rooms_are_attributes_from_the_start():
    for name, part in {
        "reporting": "interactive_profile",
        "storage": "find",
        "diagnosis": "Finding",
        "probe": "effective_paths",
    }.items():
        done = python(f"import gradflow; print(gradflow.{name}.{part}.__name__)")
        assert done.stdout.strip() == part, done.stderr
