"""Residual joins found in library models, beside those that their configurations say, and how exact the shares are.

    python -m benchmarks.joins [--only PATTERN] [--library timm]

For each architecture, in train mode with fresh weights: joins found and expected (additions, of them with three
branches, concatenations), and the largest relative difference, over all joins, between the sum of the shares and the
gradient at the fork from an independent call of `torch.autograd.grad`. Parameters that start at zero get small random
values first: a zero-initialised head would make every gradient zero, and every difference too.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from benchmarks.zoo.architectures import Architecture, architectures
from benchmarks.zoo.specimen import LeftOutError, first_that_runs, one_line, tensors_in
from gradflow.hooks.calls import ModuleCalls
from gradflow.hooks.edges import on_shares
from gradflow.hooks.joins import CONCATENATION, Join, find_joins


@dataclass(frozen=True)
class Row:
    """What one architecture showed; an error instead where it did not run."""

    architecture: Architecture
    joins: list[Join]
    largest_error: float = 0.0
    note: str = ""

    @property
    def found(self) -> tuple[int, int, int]:
        """Additions, additions with three branches, concatenations."""
        added = [join for join in self.joins if join.kind != CONCATENATION]
        return len(added), sum(join.n_branches == 3 for join in added), len(self.joins) - len(added)

    @property
    def expected(self) -> tuple[int, int, int]:
        """The same by the configuration."""
        return self.architecture.additions, self.architecture.three_way, self.architecture.concatenations

    @property
    def is_right(self) -> bool:
        """Whether the model ran and all three numbers agree."""
        return not self.note and self.found == self.expected


def check(architecture: Architecture) -> Row:
    """Build the model, find its joins, and compare the shares with the gradients at the forks."""
    try:
        model, batch = first_that_runs([architecture.specimen])
    except LeftOutError as error:
        return Row(architecture, [], note=one_line(error))
    torch.manual_seed(0)
    random.seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.02)
    images = (batch.args, batch.kwargs.get("pixel_values"))  # wav2vec2 has its input require grad by itself
    inputs = [tensor for tensor in tensors_in(images) if tensor.is_floating_point()]
    for tensor in inputs:
        tensor.requires_grad_()
    with ModuleCalls(model) as calls:
        outputs = model(*batch.args, **batch.kwargs)
    joins = find_joins(outputs, inputs, calls)
    return Row(architecture, joins, _largest_error(outputs, joins))


def _largest_error(outputs: Any, joins: list[Join]) -> float:
    """Return the largest |s + b + other uses - g| / |g|, g from `torch.autograd.grad` with respect to the fork."""
    roots = [tensor for tensor in tensors_in(outputs) if tensor.grad_fn is not None and tensor.is_floating_point()]
    seeds = [torch.randn_like(root) for root in roots]
    if not joins:
        return 0.0
    edges = [GradientEdge(join.fork_node, join.fork_output) for join in joins]
    expected = torch.autograd.grad(roots, edges, seeds, retain_graph=True, allow_unused=True)
    direct = {(root.grad_fn, root.output_nr): seed for root, seed in zip(roots, seeds, strict=True)}
    found = {join: direct.get((join.fork_node, join.fork_output), torch.zeros(())).double() for join in joins}

    def add(join: Join, *parts: Tensor | None) -> None:
        for part in parts:
            if part is not None:
                found[join] = found[join] + part.double()

    handles = [
        edge.node.register_hook(lambda grads, _, join=join, slot=edge.slot: add(join, grads[slot]))
        for join in joins
        for edge in join.other_edges
    ]
    with on_shares(joins, add):
        torch.autograd.backward(roots, seeds)
    for handle in handles:
        handle.remove()
    return max(_difference(found[join], g) for join, g in zip(joins, expected, strict=True))


def _difference(found: Tensor, expected: Tensor | None) -> float:
    if expected is None:
        return found.norm().item()
    scale = expected.double().norm().item()
    return (found - expected.double()).norm().item() / (scale or 1.0)


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of the table and its summary."""
    yield "| architecture | library | joins found | expected | largest relative error of the shares' sum |"
    yield "|---|---|---|---|---|"
    seen = []
    for row in rows:
        seen.append(row)
        mark = "" if row.is_right else f" **differs** {row.note}"
        name, library = row.architecture.name, row.architecture.library
        counts = f"{_counts(row.found)} | {_counts(row.expected)}{mark}"
        yield f"| {name} | {library} | {counts} | {row.largest_error:.1e} |"
    right = sum(row.is_right for row in seen)
    worst = max((row.largest_error for row in seen), default=0.0)
    n_joins = sum(len(row.joins) for row in seen)
    yield f"\n{right} of {len(seen)} architectures right; {n_joins} joins; largest error {worst:.1e}."


def _counts(counts: tuple[int, int, int]) -> str:
    added, three_way, joined = counts
    text = f"{added}" + (f" ({three_way} three-way)" if three_way else "")
    return text + (f" + {joined} concatenations" if joined else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="shell pattern of names")
    parser.add_argument("--library", default="*", help="torchvision, timm or transformers")
    args = parser.parse_args()
    torch.set_num_threads(1)
    chosen = [a for a in architectures() if fnmatch(a.name, args.only) and fnmatch(a.library, args.library)]
    for line in table(map(check, chosen)):
        print(line)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
