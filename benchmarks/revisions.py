"""What recording costs in one checkout of gradflow beside another: steps of both, interleaved in one process.

    git worktree add ../before COMMIT
    python -m benchmarks.revisions ../before .

A turn times a block of steps of each variant, twice, in a random order. A ratio is the median over the turns of their
processor times, with its 95 % bootstrap interval.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

SETTINGS = {"parameters": {"activations": False}, "activations": {}}
Workload = tuple[nn.Module, Tensor, Tensor]


class Variant(NamedTuple):
    """A network in training, and how it is recorded: by which checkout, which settings, and which of two copies."""

    checkout: str
    settings: str
    copy: int


def mlp() -> Workload:
    """Three layers of 64, batch 32."""
    layers = [nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)]
    return nn.Sequential(*layers), torch.randn(32, 64), torch.randint(0, 10, (32,))


def cnn() -> Workload:
    """Nine convolutions of 16 channels with batch norm, 16 px, batch 32."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1)]
    for _ in range(8):
        layers += [nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)]
    return nn.Sequential(*layers), torch.randn(32, 3, 16, 16), torch.randint(0, 10, (32,))


class Block(nn.Module):
    """A pre-norm transformer block, 128 wide."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.attention = nn.LayerNorm(128), nn.MultiheadAttention(128, 4, batch_first=True)
        self.between = nn.LayerNorm(128)
        self.mlp = nn.Sequential(nn.Linear(128, 512), nn.GELU(), nn.Linear(512, 128))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the shape of its input."""
        h = self.before(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        out: Tensor = x + self.mlp(self.between(x))
        return out


def transformer() -> Workload:
    """Four blocks, batch 8 of 32 tokens."""
    layers = [*(Block() for _ in range(4)), nn.Flatten(), nn.Linear(128 * 32, 10)]
    return nn.Sequential(*layers), torch.randn(8, 32, 128), torch.randint(0, 10, (8,))


WORKLOADS: dict[str, tuple[Callable[[], Workload], int]] = {  # steps of a block
    "MLP": (mlp, 100),
    "CNN": (cnn, 4),
    "transformer": (transformer, 2),
}


def record_of(checkout: str) -> Callable[..., Any]:
    """Return `gradflow.record` of a checkout, whose modules no other import will find."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "gradflow"]:
        del sys.modules[name]
    sys.path.insert(0, str(Path(checkout).resolve()))
    try:
        package = importlib.import_module("gradflow")
        record: Callable[..., Any] = package.record
    finally:
        sys.path.pop(0)
    assert package.__file__ is not None
    if not Path(package.__file__).is_relative_to(Path(checkout).resolve()):
        raise SystemExit(f"{checkout} holds no gradflow.")
    return record


def ratios(workload: str, records: dict[str, Callable[..., Any]], turns: int, *, with_optimizer: bool) -> None:
    """Time one workload and print its rows."""
    make, n_steps = WORKLOADS[workload]
    every = [Variant(checkout, name, copy) for checkout in records for name in SETTINGS for copy in (0, 1)]
    every += [Variant("bare", "", copy) for copy in (0, 1)]
    running = {}
    for variant in every:
        torch.manual_seed(0)
        model, x, y = make()
        optimizer = torch.optim.SGD(model.parameters(), 1e-3)
        given = {"optimizer": optimizer} if with_optimizer else {}
        recorder = records[variant.checkout](model, **given, **SETTINGS[variant.settings]) if variant.settings else None
        running[variant] = model, x, y, optimizer, recorder
    times: dict[tuple[str, str], list[float]] = {}
    for turn in range(turns + 2):
        random.shuffle(every)
        spent: dict[tuple[str, str], float] = {}
        for variant in every:
            model, x, y, optimizer, recorder = running[variant]
            began = time.process_time()
            for _ in range(n_steps):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
                if recorder is not None:
                    recorder.step(loss=loss)
                optimizer.step()
            spent[variant[:2]] = spent.get(variant[:2], 0.0) + time.process_time() - began
        if turn > 1:
            for key, seconds in spent.items():
                times.setdefault(key, []).append(seconds)
    old, new = records
    bare = np.array(times["bare", ""])
    for name in SETTINGS:
        own = np.array(times[new, name])
        cells = [shown(own / np.array(times[old, name])), shown(own / bare)]
        print(f"| {workload} | {1000 * np.median(bare) / n_steps / 2:.3g} | {name} | {' | '.join(cells)} |", flush=True)


def shown(found: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    """Return the median and its interval."""
    draws = np.median(np.random.default_rng(0).choice(found, (2000, len(found))), axis=1)
    return f"{np.median(found):.3f} [{np.quantile(draws, 0.025):.3f}, {np.quantile(draws, 0.975):.3f}]"


def main() -> None:
    """Compare two checkouts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--with-optimizer", action="store_true", help="record updates, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    records = {"old": record_of(arguments.old), "new": record_of(arguments.new)}
    print("| workload | ms a bare step | recorded | new / old | new / bare |\n|---|---|---|---|---|")
    for workload in WORKLOADS:
        ratios(workload, records, arguments.turns, with_optimizer=arguments.with_optimizer)


if __name__ == "__main__":
    main()
