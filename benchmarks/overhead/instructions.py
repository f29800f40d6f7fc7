"""Instructions of a training step, counted by valgrind's callgrind: what a noisy clock cannot tell apart.

One process holds every variant. Counting is switched on for blocks of steps alone, so that the interpreter's start,
imports and warm-up are not in it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from .variants import OWN

STEPS = 160  # a multiple of every schedule, and of the steps whose norms are taken together
BLOCKS = 3
INTERPRETER = ("python", "libpython")  # file names begin so; torch's bindings, libtorch_python, are not in it


def count(workload: str) -> list[tuple[str, list[Counter[str]]]]:
    """Return (variant, one count by object file for each block), instructions a step."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        options = ["--tool=callgrind", "--collect-atstart=no", "--trace-children=no", f"--callgrind-out-file={out}"]
        child = ["-m", f"{__package__}.counted", "--workload", workload, "--steps", str(STEPS), "--blocks", str(BLOCKS)]
        done = subprocess.run(["valgrind", *options, sys.executable, *child], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"valgrind ended with {done.returncode}:\n{done.stderr[-2000:]}")
        parts = [by_object(out.with_name(f"{out.name}.{n + 1}").read_text()) for n in range(len(OWN) * BLOCKS)]
    return [(variant.name, parts[n * BLOCKS : (n + 1) * BLOCKS]) for n, variant in enumerate(OWN)]


def by_object(dump: str) -> Counter[str]:
    """Return the instructions of a callgrind dump by object file, without those of the functions called."""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    current = ""
    is_call = False
    for line in dump.splitlines():
        if found := re.match(r"c?ob=\((\d+)\)(?: (.*))?", line):
            names.setdefault(found[1], found[2] or "")
            if line.startswith("ob="):
                current = found[1]
        elif line.startswith("calls="):
            is_call = True
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            if not is_call:
                counts[current] += int(line.split()[1])
            is_call = False
    return Counter({names[number]: count for number, count in counts.items()})


def table(workload: str, counted: list[tuple[str, list[Counter[str]]]]) -> str:
    """Return the counts as Markdown: the median block, and its spread over the blocks."""
    lines = [
        "| workload | variant | instructions a step, thousands | in the interpreter | ratio | interpreter's ratio |",
        "|---|---|---|---|---|---|",
    ]
    bare = bare_inside = 0.0
    for name, blocks in counted:
        alls = sorted(block.total() / STEPS / 1e3 for block in blocks)
        insides = sorted(_inside(block) / STEPS / 1e3 for block in blocks)
        middle, inside = alls[len(alls) // 2], insides[len(insides) // 2]
        bare, bare_inside = bare or middle, bare_inside or inside
        lines.append(
            f"| {workload} | {name} | {middle:.0f} ({alls[0]:.0f} to {alls[-1]:.0f}) | {inside:.0f} "
            f"({insides[0]:.0f} to {insides[-1]:.0f}) | {middle / bare:.3f} | {inside / bare_inside:.3f} |"
        )
    return "\n".join(lines)


def _inside(block: Counter[str]) -> int:
    return sum(count for name, count in block.items() if Path(name).name.startswith(INTERPRETER))
