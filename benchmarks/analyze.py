"""Price of `analyze_gradients` in plain forward-backward passes of the same model, interleaved in one run.

    python benchmarks/analyze.py [--target torchvision:resnet50] [--input 8,3,224,224] [--rounds 7] [--threads 1]

Every round times each variant once, in a new random order. A ratio is the variant's time over the plain pass's in the
same round; the table gives the median of the rounds' ratios with its 95 % bootstrap interval. "plain again" is a
second plain pass: what it differs from 1 is the noise. Times are the process's own (`time.process_time`), so
that a busy machine disturbs them little. Finding the joins is timed inside the analyses with skips.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from gradflow.probe import analyze_gradients, counterfactual_pass, residual
from gradflow.targets import Target, load_target

BOOTSTRAPS = 4000


def plain(target: Target) -> None:
    """One pass as in training: forward, a loss, backward into fresh gradients."""
    target.model.zero_grad(set_to_none=True)
    outputs = target.model(target.inputs)
    outputs.square().mean().backward()


def variants(target: Target) -> dict[str, Callable[[], None]]:
    def analyzed(*, skips: bool) -> None:
        analyze_gradients(target.model, target.inputs, skips=skips)

    return {
        "plain": lambda: plain(target),
        "plain again": lambda: plain(target),
        "analyze, without skips": lambda: analyzed(skips=False),
        "analyze, with skips, no counterfactual": lambda: _without_counterfactuals(lambda: analyzed(skips=True)),
        "analyze, with skips (2 counterfactuals)": lambda: analyzed(skips=True),
    }


def _without_counterfactuals(work: Callable[[], None]) -> None:
    kept = counterfactual_pass.Counterfactuals.measure
    counterfactual_pass.Counterfactuals.measure = lambda self, loss, joins, wanted: None
    try:
        work()
    finally:
        counterfactual_pass.Counterfactuals.measure = kept


@contextmanager
def timed_parts(seconds: dict[str, list[float]]) -> Iterator[None]:
    """Note how long finding the joins takes, and how many there are."""
    kept = residual.find_joins

    def timed(*args: object) -> list[residual.Join]:
        began = time.process_time()
        found = kept(*args)
        seconds["finding the joins"].append(time.process_time() - began)
        return found

    residual.find_joins = timed
    try:
        yield
    finally:
        residual.find_joins = kept


def measure(target: Target, rounds: int) -> dict[str, np.ndarray]:
    works = variants(target)
    seconds: dict[str, list[float]] = defaultdict(list)
    generator = np.random.default_rng(0)
    for work in works.values():
        work()
    with timed_parts(parts := defaultdict(list)):
        for _ in range(rounds):
            for name in generator.permutation(list(works)):
                began = time.process_time()
                works[name]()
                seconds[name].append(time.process_time() - began)
    found = {name: np.array(times) for name, times in seconds.items()}
    return found | {name: np.array(times) for name, times in parts.items()}


def interval(ratios: np.ndarray) -> tuple[float, float]:
    generator = np.random.default_rng(0)
    medians = np.median(generator.choice(ratios, (BOOTSTRAPS, len(ratios))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="torchvision:resnet50")
    parser.add_argument("--input", default="8,3,224,224")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    target = load_target(arguments.target, shape=tuple(map(int, arguments.input.split(","))))
    assert isinstance(target.model, nn.Module)
    seconds = measure(target, arguments.rounds)
    base = seconds["plain"]
    print(f"{arguments.target} {arguments.input}, {arguments.rounds} rounds, {arguments.threads} thread(s), "
          f"torch {torch.__version__}; a plain pass takes {np.median(base):.2f} s of processor")  # fmt: skip
    for name, times in seconds.items():
        ratios = times[: len(base)] / base if len(times) == len(base) else times / np.median(base)
        low, high = interval(ratios)
        print(f"{name:<42} {np.median(ratios):6.3f}  ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
