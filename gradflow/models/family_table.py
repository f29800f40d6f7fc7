"""The table of the networks: what each is built of and what it costs, beside what He et al. 2015 published."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn

from gradflow.models.catalogue import CATALOGUE, build
from gradflow.models.costs import cost, n_parameters
from gradflow.models.resnet import STAGES
from gradflow.reference import he2015

PUBLISHED_FAMILY = "residual"
PAPERS_STRIDE = {"stride_on": "1x1"}
UNDRAWN = {"init": "default"}  # nothing that is counted depends on it, and it is the quickest
BARE = {"norm": "none", "activation": "identity"}  # a forward pass of what is counted alone


class Task(NamedTuple):
    """The images and classes that a kind of network is shown for, and the depths."""

    input_shape: tuple[int, int, int]
    num_classes: int
    depths: tuple[int, ...]


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "cifar": Task((3, 32, 32), 10, (20, 32, 44, 56, 110)),
        "resnet": Task((3, 224, 224), 1000, tuple(STAGES)),
        "mini": Task((3, 32, 32), 10, (10,)),
        "mlp": Task((1, 28, 28), 10, (20,)),
        "transformer": Task((3, 32, 32), 10, (6,)),
    }
)
BLOCKS: Mapping[str, str] = MappingProxyType(
    {"cifar": "basic", "mini": "basic", "mlp": "linear", "transformer": "attention"}
)


def family_rows() -> list[dict[str, Any]]:
    """Return what each network of the catalogue costs at its default options: one row per model, depth and family.

    Keys: model, depth, family, block; weighted_layers, parameters; multiply_adds of one image of input_shape
    (channels, height, width). Of the networks in table 1 of He et al. 2015, published_multiply_adds as printed there
    and multiply_adds_papers_stride, counted with bottlenecks that subsample by their first convolution, as the paper's
    do; both are None for all others.
    """
    return [
        _row(model, depth, family)
        for model, entry in CATALOGUE.items()
        for depth in TASKS[model].depths
        for family in entry.families
    ]


def block_of(model: str, depth: int) -> str:
    """Return what a network is made of: basic, bottleneck, linear or attention."""
    return STAGES[depth][0] if model == "resnet" else BLOCKS[model]


def _row(model: str, depth: int, family: str) -> dict[str, Any]:
    task, block = TASKS[model], block_of(model, depth)
    bare = cost(_network(model, depth, family, **BARE), task.input_shape)
    published = papers = None
    if model == "resnet" and family == PUBLISHED_FAMILY:
        published = he2015()["imagenet"]["multiply_adds_table1"][str(depth)]
        papers = cost(_network(model, depth, family, **BARE, **PAPERS_STRIDE), task.input_shape).multiply_adds
    return {
        "model": model,
        "depth": depth,
        "family": family,
        "block": block,
        "weighted_layers": bare.weighted_layers,
        "parameters": n_parameters(_network(model, depth, family)),
        "multiply_adds": bare.multiply_adds,
        "input_shape": list(task.input_shape),
        "num_classes": task.num_classes,
        "multiply_adds_papers_stride": papers,
        "published_multiply_adds": published,
    }


def _network(model: str, depth: int, family: str, **options: str) -> nn.Module:
    """Return a network for its task, without memory for its weights."""
    task = TASKS[model]
    with torch.device("meta"):
        return build(
            model,
            depth,
            family=family,
            input_shape=task.input_shape,
            num_classes=task.num_classes,
            options={**UNDRAWN, **options},
        )
