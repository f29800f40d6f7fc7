"""Path lengths of the gradient in the paper's 110-layer residual network, before and after training.

python benchmarks/paths.py [--depth 110] [--seeds 3] [--steps 300] [--samples 10]

Veit et al. 2016 (arXiv 1605.06431, section 5) report, for this network on CIFAR-10, that nearly all gradient comes
through paths of 5 to 17 of its 54 modules.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from gradflow.analysis.intervals import Interval, mean_interval
from gradflow.analysis.paths import path_lengths
from gradflow.experiments.data import Dataset, batches, load_data
from gradflow.models import CifarNet, cifar_net
from gradflow.probe.effective_paths import effective_paths

BATCH_SIZE = 64
SMALLEST = 1e-35  # norms below it stand on entries that float32 rounds to few digits, or to 0
PUBLISHED = (5, 17)
LR, MOMENTUM, WEIGHT_DECAY = 0.02, 0.9, 1e-4  # of `gradflow compare`


def train(model: CifarNet, data: Dataset, steps: int, seed: int) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    order = batches(len(data.train_labels), BATCH_SIZE, torch.Generator().manual_seed(seed))
    for _ in range(steps):
        index = next(order)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data.train_images[index]), data.train_labels[index]).backward()
        optimizer.step()
        schedule.step()


def measure(depth: int, seed: int, steps: int, samples: int, when: str, data: Dataset) -> pd.DataFrame:
    torch.manual_seed(seed)
    model = cifar_net(depth, in_channels=data.in_channels)
    if when == "trained":
        train(model, data, steps, seed)
    index = next(batches(len(data.train_labels), BATCH_SIZE, torch.Generator().manual_seed(1000 + seed)))
    images, labels = data.train_images[index], data.train_labels[index]
    return effective_paths(model, images, labels, samples=samples, seed=seed).assign(seed=seed, when=when)


def written(values: Interval) -> str:
    if values.n < 2:
        return f"{values.mean:.1f}"
    return f"{values.mean:.1f} ({values.low:.1f} to {values.high:.1f})"


def decay(frame: pd.DataFrame) -> float:
    """Return by what factor one more module changes the gradient of a path, fitted to lengths from 1 on."""
    rows = frame[(frame["gradient"] > SMALLEST) & (frame["length"] > 0)]
    logs = rows["gradient"].map(math.log)
    return math.exp(
        ((logs - logs.mean()) * (rows["length"] - rows["length"].mean())).sum() / rows["length"].var() / (len(rows) - 1)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("depth", 110), ("seeds", 3), ("steps", 300), ("samples", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", help="a CSV file for all rows")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = load_data("digits")
    frames: list[pd.DataFrame] = []
    print(
        "| residual net on digits | mean length | quartiles | 99 % in | in 5 to 17 | factor per module | signed: mean |"
    )
    print("|---|---|---|---|---|---|---|")
    for when in ("at initialisation", "trained"):
        found = [measure(given.depth, seed, given.steps, given.samples, when, data) for seed in range(given.seeds)]
        frames += found
        lengths = [path_lengths(frame) for frame in found]
        columns = [
            written(mean_interval(one.mean for one in lengths)),
            " to ".join(written(mean_interval(float(one[part]) for one in lengths)) for part in (2, 4)),
            " to ".join(written(mean_interval(float(one[part]) for one in lengths)) for part in (5, 6)),
            " and ".join(f"{100 * frame['share'][frame['length'].between(*PUBLISHED)].sum():.0f} %" for frame in found),
            f"{mean_interval(map(decay, found)).mean:.3f}",
            written(mean_interval(float((frame.length * frame.signed_share).sum()) for frame in found)),
        ]
        print(f"| {given.depth} layers, {when}, n = {len(found)} | {' | '.join(columns)} |", flush=True)
    if given.out:
        pd.concat(frames, ignore_index=True).to_csv(Path(given.out), index=False)


if __name__ == "__main__":
    main()
