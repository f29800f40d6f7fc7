"""Every figure at many sets of families and depths, in both widths: which texts collide, and how long each takes.

python benchmarks/figures.py [--families 1 2 6] [--depths 2 3 12] [--only NAME ...] [--write FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from drawings import collisions, figures

from gradflow import plots

DPI = 100


def main() -> None:
    """Draw the grid and print what is wrong, then the time of each figure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--families", type=int, nargs="+", default=[1, 2, 3, 6])
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 2, 3, 5, 8, 12])
    parser.add_argument("--only", nargs="+", default=None)
    parser.add_argument("--write", type=Path, default=None)
    chosen = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    drawn = bad = 0
    for n_families in chosen.families:
        for n_depths in chosen.depths:
            for name, make in figures(n_families, n_depths).items():
                for column in ("single", "double") if not chosen.only or name in chosen.only else ():
                    began = time.perf_counter()
                    figure = make(plots.sizes(column))
                    found = collisions(figure)
                    seconds.setdefault(name, []).append(time.perf_counter() - began)
                    drawn, bad = drawn + 1, bad + bool(found)
                    case = f"{name}-{n_families}x{n_depths}-{column}"
                    if found:
                        print(f"{case}: {len(found)} collisions: {'; '.join(found[:3])}")
                    if chosen.write:
                        chosen.write.mkdir(parents=True, exist_ok=True)
                        plots.save(figure, chosen.write / f"{case}.png", dpi=DPI)
    print(f"{bad} of {drawn} figures with collisions")
    for name, times in seconds.items():
        print(f"{name:16} {sum(times) / len(times):.2f} s a figure, at most {max(times):.2f} s, n = {len(times)}")


if __name__ == "__main__":
    main()
