"""Which small changes to a module none of its quick tests notices: mutants made by cosmic-ray, each run against them.

    pip install cosmic-ray
    python -m benchmarks.mutants gradflow/hooks/norms.py gradflow/diagnosis/rules --sample 200

Mutants are cosmic-ray's (operators, comparisons, numbers, booleans, loops, decorators) and, beside them, each statement
left out and each operand of `and` and `or` left out. A mutant is killed by the first test that fails, or by running
five times as long as the tests do without it; it lives in memory, in a forked process, so that no file changes.
tests/mutants.md says why those that survive do.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import importlib
import importlib.util
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a forked process has no threads of its parent

import hypothesis
import pytest
import scipy.stats
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

for name in ("torch", "pandas", "pyarrow.parquet", "matplotlib.pyplot", "sklearn.model_selection"):
    importlib.import_module(name)  # once, for all forked processes

# Which tests are quick and of a module: their folders, each before what follows `test_` in the names of its files; the
# most specific path wins.
TESTS = {
    "gradflow/hooks/norms.py": "tests/hooks norms",
    "gradflow/hooks/joins.py": "tests/hooks joins shares",
    "gradflow/hooks/readings.py": "tests/hooks readings optimizers structure",
    "gradflow/hooks/capture.py": "tests/hooks passes recorder hazards tests/robustness bounded",
    "gradflow/hooks/thinning.py": "tests/hooks thinning",
    "gradflow/hooks/passes.py": "tests/hooks passes recorder hazards tests/robustness bounded",
    "gradflow/analysis/decay.py": "tests/analysis decay",
    "gradflow/analysis/trend.py": "tests/analysis trend",
    "gradflow/diagnosis/first_last_ratio.py": "tests/diagnosis ends diagnose",
    "gradflow/diagnosis/rules": "tests/diagnosis over_runs diagnose",
    "gradflow/diagnosis/rules/absent.py": "tests/diagnosis over_runs absent",
    "gradflow/diagnosis/rules/dead.py": "tests/diagnosis over_runs zeros diagnose",
    "gradflow/diagnosis/rules/diverged.py": "tests/diagnosis over_runs origins diagnose",
    "gradflow/diagnosis/rules/over_time.py": "tests/diagnosis over_time",
    "gradflow/diagnosis/rules/parameters.py": "tests/diagnosis over_runs parameters",
    "gradflow/diagnosis/rules/probabilities.py": "tests/probe probabilities",
    "gradflow/diagnosis/rules/shattered.py": "tests/diagnosis shatter",
    "gradflow/diagnosis/rules/unmoved.py": "tests/diagnosis over_runs unmoved",
    "gradflow/diagnosis/rules/unregistered.py": "tests/diagnosis over_runs unmoved",
    "gradflow/storage": "tests/storage locks manifest parts writer tests storage tests/robustness files_appear_whole",
}
# What an operator becomes. Others of cosmic-ray's swaps raise TypeError, or die wherever one of these does.
SWAPS = {
    "Add": {"Sub"}, "Sub": {"Add"}, "Mul": {"Div"}, "Div": {"Mul"}, "FloorDiv": {"Mul"}, "Mod": {"Mul"}, "Pow": {"Mul"},
    "BitAnd": {"BitOr"}, "BitOr": {"BitAnd"}, "BitXor": {"BitOr"}, "LShift": {"RShift"}, "RShift": {"LShift"},
    "Lt": {"LtE", "GtE"}, "LtE": {"Lt", "Gt"}, "Gt": {"GtE", "LtE"}, "GtE": {"Gt", "Lt"}, "Eq": {"NotEq"},
    "NotEq": {"Eq"}, "Is": {"IsNot"}, "IsNot": {"Is"}, "In": {"NotIn"}, "NotIn": {"In"},
}  # fmt: skip
STATEMENTS = (ast.Assign, ast.AugAssign, ast.Expr, ast.Raise, ast.Return, ast.If, ast.Delete)
PYTEST = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-m", "not slow"]
PYTEST += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of hypothesis, which is imported before the fork
PATIENCE = 5  # times what the tests take without a mutant
MEMORY = 4 * 2**30  # bytes: a loop that never ends may fill a list


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", help=f"modules or folders, of {', '.join(TESTS)}")
    parser.add_argument("--sample", type=int, default=100, help="mutants drawn per path, 0 for all (default: 100)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for path in options.paths:
        _report(Path(path), options.sample, options.seed)


def _report(path: Path, sample: int, seed: int) -> None:
    """Print the survivors of a module, or of a folder's modules together, and how many mutants were killed."""
    began = time.perf_counter()
    modules = sorted(path.glob("*.py")) if path.is_dir() else [path]
    mutants = [(module, mutant) for module in modules for mutant in dict.fromkeys(_mutants(module.read_text()))]
    n = min(sample or len(mutants), len(mutants))
    limits: dict[Path, float] = {}
    killed = 0
    for module, mutant in sorted(random.Random(seed).sample(mutants, n)):
        source = module.read_text()
        if module not in limits:
            limits[module] = _limit(module, source)
        if _passes(module, mutant, limits[module]):
            print(f"--- {module}", *_difference(source, mutant), sep="\n", flush=True)
        else:
            killed += 1
    low, high = scipy.stats.binomtest(killed, n).proportion_ci(method="exact")
    rate = f"{killed} of {n} killed, {killed / n:.1%} (95 %: {low:.1%} to {high:.1%})"
    print(f"{path}: {rate}; {len(mutants)} mutants in all; {time.perf_counter() - began:.0f} s", flush=True)


def _limit(module: Path, source: str) -> float:
    """Return how many seconds a mutant's tests may take."""
    began = time.perf_counter()
    if not _passes(module, source, limit=600):
        sys.exit(f"{module}: {' '.join(_tests(module))} fails without a mutant")
    return PATIENCE * (time.perf_counter() - began) + 5


def _tests(module: Path) -> list[str]:
    files = []
    for word in TESTS[max((path for path in TESTS if module.is_relative_to(path)), key=len)].split():
        if word.startswith("tests"):
            folder = word
        else:
            files.append(f"{folder}/test_{word}.py")
    return files


def _difference(source: str, mutant: str) -> Iterator[str]:
    """Yield the lines that a mutant changes, after their number."""
    lines = difflib.unified_diff(source.splitlines(), mutant.splitlines(), n=0, lineterm="")
    yield from (line for line in lines if not line.startswith(("---", "+++")))


def _mutants(source: str) -> Iterator[str]:
    """Yield the source with one change each."""
    code = _code(source)
    for mutant in (*_by_cosmic_ray(source), *_by_omission(source)):
        with contextlib.suppress(SyntaxError):  # cosmic-ray takes the star of an unpacking for a product
            if _code(mutant) != code:
                yield mutant


def _code(source: str) -> str:
    """Return what of a source counts: neither annotations nor the `strict` of a `zip` whose lists are equally long."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            node.annotation = ast.Constant(0)
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.keyword) and node.arg == "strict":
            node.value = ast.Constant(0)
    return ast.dump(tree)


def _by_cosmic_ray(source: str) -> Iterator[str]:
    tree = get_ast(source)
    for name in operator_names():
        operator_class = get_operator(name)
        if operator_class.arguments() or not _makes_sense(name.rpartition("/")[2]):
            continue
        operator = operator_class()
        occurrences = sum(1 for node in ast_nodes(tree) for _ in operator.mutation_positions(node))
        yield from (mutant for n in range(occurrences) if (mutant := mutate_code(source, operator, n)))


def _makes_sense(name: str) -> bool:
    """Whether an operator makes mutants that are worth a run."""
    kind, _, swap = name.partition("_")
    old, _, new = swap.partition("_")
    if kind == "ReplaceUnaryOperator":
        return old == "Delete"
    if kind == "ExceptionReplacer":  # fails on `except module.Error`
        return False
    return new in SWAPS[old] if kind in ("ReplaceBinaryOperator", "ReplaceComparisonOperator") else True


def _by_omission(source: str) -> Iterator[str]:
    """Yield the source without one statement, or without one operand of `and` or `or`."""
    for node in ast.walk(ast.parse(source)):
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, STATEMENTS) and node.col_offset and not is_docstring:
            yield _replaced(source, node, "pass")
        if isinstance(node, ast.BoolOp):
            word = " and " if isinstance(node.op, ast.And) else " or "
            for left_out in node.values:
                kept = [ast.unparse(value) for value in node.values if value is not left_out]
                yield _replaced(source, node, "(" + word.join(f"({value})" for value in kept) + ")")


def _replaced(source: str, node: Any, by: str) -> str:
    lines = source.encode().splitlines(keepends=True)  # ast counts bytes
    before = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    after = lines[node.end_lineno - 1][node.end_col_offset :] + b"".join(lines[node.end_lineno :])
    return (before + by.encode() + after).decode()


class _Loader(SourceFileLoader):
    """Loads a module from a source that is on no disk."""

    source = ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source, self.path, "exec", dont_inherit=True)


class _Finder:
    def __init__(self, module: Path, source: str) -> None:
        self._name = ".".join(module.with_suffix("").parts).removesuffix(".__init__")
        self._loader = _Loader(self._name, str(module.resolve()))
        self._loader.source = source

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        is_package = self._loader.path.endswith("__init__.py")
        places = [os.path.dirname(self._loader.path)] if is_package else None
        return (
            importlib.util.spec_from_file_location(
                name, self._loader.path, loader=self._loader, submodule_search_locations=places
            )
            if name == self._name
            else None
        )


def _passes(module: Path, source: str, limit: float) -> bool:
    """Whether the tests pass, in a process of their own, with a module of that source."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setsid()  # so that what the tests start can be ended with them
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            sys.meta_path.insert(0, _Finder(module, source))
            hypothesis.configuration.set_hypothesis_home_dir(tempfile.gettempdir() + "/hypothesis")
            code = pytest.main([*PYTEST, *_tests(module)])
        finally:
            os._exit(code)
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


if __name__ == "__main__":
    main()
