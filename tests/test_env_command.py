"""`gradflow env`: what a bug report needs, also where something is missing; and what is said of another gradflow."""

import json
import platform
import subprocess
import sys
from importlib.metadata import version

import torch

from tests.test_imports import BLOCK_TORCH


def python(code, *arguments, path=""):
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {path!r}) if {path!r} else None\n{code}",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


RUN = "from gradflow.cli import main; main(sys.argv[1:])"


def test_versions_are_those_that_are_installed():
    done = python(RUN, "env", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["python"].split()[0]) == (0, platform.python_version())
    assert (found["torch"], found["threads"].isdecimal()) == (torch.__version__, True)
    assert found["numpy"] == version("numpy")
    assert {"click", "gradflow", "pandas", "seaborn"} <= found.keys()
    lines = python(RUN, "env").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [*found]


def test_without_torch_it_says_so():
    done = python(BLOCK_TORCH + RUN, "env")
    assert done.returncode == 0
    assert "not installed (torch is blocked)" in done.stdout


def test_another_distribution_that_writes_into_the_same_folder_is_told(tmp_path):
    assert "UserWarning" not in python("import gradflow", path=str(tmp_path)).stderr
    (tmp_path / "gradflow-0.0.9.dist-info").mkdir()
    said = python("import gradflow", path=str(tmp_path)).stderr
    assert "UserWarning: an unrelated package called gradflow is installed (0.0.9)" in said
    assert "pip uninstall gradflow gradflow-torch" in said
