"""What finding joins and measuring shares costs, against a plain forward and backward pass of the same batch.

    python -m benchmarks.joins_cost [--rounds 10] [--batch 8] [--size 224]

ResNet-50 on one thread; each round times every variant once, in a new random order, in processor time, so that other
processes count little. A ratio is a variant's time over the plain pass's in the same round; printed are the median over
the rounds, the lowest and the highest.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from gradflow.hooks.additions import Additions
from gradflow.hooks.calls import ModuleCalls
from gradflow.hooks.edges import without_shares
from gradflow.hooks.joins import find_joins
from gradflow.hooks.shares import measure_shares

Pass = Callable[[nn.Module, Tensor, Tensor], None]


def plain(model: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    functional.cross_entropy(model(inputs), targets).backward()


def with_shares(model: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    with ModuleCalls(model) as calls, Additions() as additions:
        outputs = model(inputs)
    joins = find_joins(outputs, inputs, calls)
    with measure_shares(joins) as shares:
        functional.cross_entropy(outputs, targets).backward()
    shares.frame(additions.ratios(joins))


def with_counterfactual(model: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    with ModuleCalls(model) as calls, Additions() as additions:
        outputs = model(inputs)
    joins = find_joins(outputs, inputs, calls)
    loss = functional.cross_entropy(outputs, targets)
    with measure_shares(joins) as shares:
        loss.backward(retain_graph=True)
    with without_shares(skips=joins):
        loss.backward()
    shares.frame(additions.ratios(joins))


VARIANTS: dict[str, Pass] = {
    "plain again": plain,
    "with shares and ratios": with_shares,
    "the same, and one counterfactual": with_counterfactual,
}


def seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=224)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = models.resnet50().train()
    inputs, targets = torch.randn(args.batch, 3, args.size, args.size), torch.randint(0, 1000, (args.batch,))
    plain(model, inputs, targets)
    times: dict[str, list[float]] = {name: [] for name in ("plain", *VARIANTS, "finding joins")}
    shuffled = random.Random(0)
    for _ in range(args.rounds):
        runs = {"plain": plain, **VARIANTS}
        for name in shuffled.sample(list(runs), len(runs)):
            times[name].append(seconds(partial(runs[name], model, inputs, targets)))
        with ModuleCalls(model) as calls:
            outputs = model(inputs)
        times["finding joins"].append(seconds(partial(find_joins, outputs, inputs, calls)))
    print(f"plain pass: median {np.median(times['plain']):.2f} s of processor time, {args.rounds} rounds")
    for name in (*VARIANTS, "finding joins"):
        ratios = np.divide(times[name], times["plain"])
        print(f"{name}: {np.median(ratios):.3f} plain passes ({ratios.min():.3f} to {ratios.max():.3f})")


if __name__ == "__main__":
    main()
