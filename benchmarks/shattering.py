"""Correlation of input gradients by depth, measured beside the closed forms.

python benchmarks/shattering.py [--seeds 10] [--width 256] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from gradflow import plots
from gradflow.analysis import autocorrelation_by_lag, shattering_by_depth
from gradflow.experiments.shattering_depths import SETTINGS
from gradflow.experiments.shattering_depths import shattering_by_depth as measure
from gradflow.settings import ShatteringSettings

LAG_DEPTHS = (1, 4, 16, 64)  # of the figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=ShatteringSettings.seeds)
    parser.add_argument("--width", type=int, default=ShatteringSettings.width)
    parser.add_argument("--out", type=Path, help="a folder for two figures")
    given = parser.parse_args()
    torch.set_num_threads(1)
    began = time.perf_counter()
    recordings = measure(seeds=given.seeds, width=given.width)
    frame = shattering_by_depth(recordings)
    print(f"| blocks | {' | '.join(setting.label for setting in SETTINGS)} |")
    print(f"|---|{'---|' * len(SETTINGS)}")
    for depth, rows in frame.groupby("depth"):
        found = rows.set_index(["family", "norm"])
        cells = [found.loc[(setting.family, setting.norm or "")] for setting in SETTINGS]
        written = [f"{c['mean']:.4f} ({c['low']:.4f} to {c['high']:.4f}); {c['predicted']:.4f}" for c in cells]
        print(f"| {depth} | {' | '.join(written)} |")
    print(f"\n{time.perf_counter() - began:.0f} s")
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        lags = autocorrelation_by_lag(recordings)
        plots.save(plots.shattering_figure(frame), given.out / "shattering.png")
        chosen = lags[lags["depth"].isin(LAG_DEPTHS)]
        plots.save(plots.autocorrelation_figure(chosen), given.out / "autocorrelation.png")


if __name__ == "__main__":
    main()
