"""What runs the programs of `examples/`, with the lines that attach gradflow and without them."""

import contextlib
import io
import re
import sys
from pathlib import Path
from unittest.mock import patch

EXAMPLES = Path(__file__).parent.parent / "examples"
MARKED = re.compile(r"# gradflow\b")


def printed(name, *, attached=True, steps=3):
    """What a program prints last."""
    path = EXAMPLES / f"{name}.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    source = "\n".join(line for line in lines if attached or not MARKED.search(line))
    out = io.StringIO()
    with patch.object(sys, "argv", [name, "--steps", str(steps)]), contextlib.redirect_stdout(out):
        exec(compile(source, path, "exec"), {"__name__": "__main__", "__file__": str(path)})
    return out.getvalue().splitlines()[-1]


def listed():
    """How many of gradflow's lines a program has, as the table of the README says."""
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    return {name: int(n) for name, n in re.findall(r"\]\((\w+)\.py\) \|.*\| (\d) \|", table)}


def marked(name):
    return len(MARKED.findall((EXAMPLES / f"{name}.py").read_text(encoding="utf-8")))
