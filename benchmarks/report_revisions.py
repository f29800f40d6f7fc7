"""What `gradflow report` takes in one checkout beside another: processor time of both, interleaved, helpers included.

    git worktree add ../before COMMIT
    python benchmarks/report_revisions.py ../before . FOLDER ...

Each turn makes the report of each folder of recordings by each checkout, a process each, in a random order. A ratio is
the median over the turns. CONTRIBUTING.md says how a worktree gets the library of live figures.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def processor_seconds(checkout: Path, recordings: Path) -> float:
    """Return the processor time of one report, imports and the process that draws beside it included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "gradflow", "report", str(recordings), "--out", out]
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment, cwd=checkout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    checkouts = [given.before.resolve(), given.after.resolve()]
    print("| recordings | before, s | after, s | ratio | from | to |")
    print("|---|---|---|---|---|---|")
    for path in map(Path.resolve, given.recordings):
        turns = []
        for _ in range(given.turns):
            order = random.sample(checkouts, 2)
            seconds = {checkout: processor_seconds(checkout, path) for checkout in order}
            turns.append([seconds[checkout] for checkout in checkouts])
        before, after = np.array(turns).T
        ratios = after / before
        medians = f"{np.median(before):.1f} | {np.median(after):.1f} | {np.median(ratios):.2f}"
        print(f"| {path.name} | {medians} | {ratios.min():.2f} | {ratios.max():.2f} |", flush=True)


if __name__ == "__main__":
    main()
