"""The layout of a recorded step: which rows it has and where each row's numbers come from.

Training repeats itself, so that nearly all steps of a run share one layout. A step is then kept as bare numbers, and
the rows of all steps of a layout are made at once, column by column.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from gradflow.hooks.capture import (
    ARRIVED,
    FAILED,
    LOST,
    MEASURED,
    NO_GRADIENT,
    NOT_IN_GRAPH,
    OWN_DERIVATIVE,
    SEVERAL_PASSES,
    TOO_MANY,
)
from gradflow.hooks.layers import Layer, OwnParameter
from gradflow.hooks.readings import Parameters

PARAMETERS_ONLY = "parameters only"
FROZEN = "frozen"
NOT_CALLED = "not called"
NO_TENSOR = "no tensor"
WITHOUT_GRADIENTS = "called without gradients"
COMPILED = "compiled"
SCRIPTED = "scripted"
NOT_USED = "not of the loss"
ADDED = "added"
GONE = "gone"


_WITH_ROWS = ARRIVED | {SEVERAL_PASSES, OWN_DERIVATIVE}


class OutputKey(NamedTuple):
    """Where one watched output belongs, and what became of it."""

    number: int  # the layer's
    backward: int
    call: int
    output: int
    status: str
    in_grad: bool = True


class Conditions(NamedTuple):
    """What a step was like, beside what arrived."""

    is_watched: bool = True  # whether layers were watched running at all
    is_compiled: bool = False
    unseen: frozenset[int] = frozenset()  # layers that ran without gradients
    without_tensor: frozenset[int] = frozenset()  # layers of which a call returned none
    added: frozenset[int] = frozenset()  # layers whose module came into the model in this step
    is_full: bool = False  # whether there were more outputs than are kept
    frozen: frozenset[int] = frozenset()  # pieces of parameters that required no gradient


class Signature(NamedTuple):
    """All that the layout of a step depends on."""

    outputs: tuple[tuple[int, int, int, int, str, bool], ...]  # the entries of an OutputKey each
    arrived: frozenset[int]  # pieces of parameters with a gradient
    updated: frozenset[int]
    failed: frozenset[int]  # of those with a gradient: its norm could not be taken
    conditions: Conditions


class RowLayout(NamedTuple):
    """The rows of a step. Sources of a row are pieces of parameters, or the place of an output among the outputs."""

    number: list[int]  # the layer's
    backward: list[int]
    call: list[int]
    output: list[int]
    status: list[str]
    in_grad: list[bool]
    source: list[int]  # the output that gives out_grad_norm, -1 none
    described: list[int]  # the output that gives the statistics, -1 none
    gradients: dict[int, list[int]]  # pieces by row
    weights: dict[int, list[int]]
    updates: dict[int, list[int]]
    pieces: list[tuple[int, str, int, str]]  # of parameters: the layer's number, name in the layer, piece, status
    failed: frozenset[int]  # pieces of parameters; see `Signature`


def layout_of(signature: Signature, layers: Sequence[Layer], parameters: Parameters) -> RowLayout:
    """Return the rows of a step: one per output whose gradient arrived, or one that says why there is none."""
    by_layer: list[list[tuple[int, OutputKey]]] = [[] for _ in layers]
    for place, key in enumerate(itertools.starmap(OutputKey, signature.outputs)):
        by_layer[key.number].append((place, key))
    layout = RowLayout([], [], [], [], [], [], [], [], {}, {}, {}, [], signature.failed)
    for layer in layers:
        pieces = [(own, piece) for own in layer.owned for piece in parameters.pieces_of(own.parameter)]
        own = [piece for _, piece in pieces]
        row = len(layout.number)
        if own:
            layout.gradients[row] = [piece for piece in own if piece in signature.arrived]
            layout.weights[row] = own
            layout.updates[row] = [piece for piece in own if piece in signature.updated]
        held = [piece for parameter in layer.parameters for piece in parameters.pieces_of(parameter)]
        is_frozen = bool(held) and signature.conditions.frozen.issuperset(held)
        has_gradients = bool(own and layout.gradients[row])
        status = _absence(layer, by_layer[layer.number], signature, has_gradients=has_gradients, is_frozen=is_frozen)
        for source, described, key in _rows(layer.number, by_layer[layer.number], status):
            layout.number.append(layer.number)
            layout.backward.append(key.backward)
            layout.call.append(key.call)
            layout.output.append(key.output)
            layout.status.append(key.status)
            layout.in_grad.append(key.in_grad)
            layout.source.append(source)
            layout.described.append(described)
        for owned, piece in pieces:
            layout.pieces.append((layer.number, owned.name, piece, _status(owned, piece, signature)))
    return layout


def _status(owned: OwnParameter, piece: int, signature: Signature) -> str:
    """Return what became of the gradient of a parameter's piece."""
    if piece in signature.failed:
        return FAILED
    if piece in signature.arrived:
        return MEASURED
    if piece in signature.conditions.frozen:
        return FROZEN
    return NO_GRADIENT


def joint(norms: NDArray[np.float64], rows: dict[int, list[int]], n_rows: int) -> NDArray[np.float64]:
    """Return the norms of parameters taken together by row, shape (steps, rows); NaN where a row has none.

    `norms` has shape (steps, pieces).
    """
    found = np.full((len(norms), n_rows), np.nan)
    for row, numbers in rows.items():
        if len(numbers) == 1:
            found[:, row] = norms[:, numbers[0]]
        elif numbers:
            found[:, row] = np.hypot.reduce(norms[:, numbers], axis=1)
    return found


def _rows(number: int, outputs: list[tuple[int, OutputKey]], absence: str) -> Iterator[tuple[int, int, OutputKey]]:
    """Yield source, described output and labels of each row of a layer, those of the gradient that was used first."""
    arrived = [(place, key) for place, key in outputs if _has_row(key)]
    if not any(key.in_grad for _, key in arrived):
        yield -1, outputs[0][0] if outputs else -1, OutputKey(number, 0, 0, 0, absence)
    for place, key in sorted(arrived, key=lambda found: (not found[1].in_grad, found[1])):
        yield place, place, key


def _has_row(key: OutputKey) -> bool:
    """Whether an output has a row of its own: its gradient arrived, or could not be measured and was perhaps used."""
    return key.status in _WITH_ROWS or (key.status == FAILED and key.in_grad)


def _absence(
    layer: Layer, outputs: list[tuple[int, OutputKey]], signature: Signature, *, has_gradients: bool, is_frozen: bool
) -> str:
    """Return why no gradient arrived at a layer's output in this step."""
    statuses = {key.status for _, key in outputs}
    conditions = signature.conditions
    if layer.is_gone:
        return GONE
    if conditions.is_full:
        return TOO_MANY
    if isinstance(layer.module, torch.jit.ScriptModule):
        return SCRIPTED
    if conditions.is_compiled:
        return COMPILED
    for status in (FAILED, LOST):
        if status in statuses:
            return status
    if not statuses.isdisjoint(_WITH_ROWS):
        return NOT_USED
    if layer.number in conditions.added and conditions.is_watched and not statuses:
        return ADDED
    if has_gradients:
        return PARAMETERS_ONLY
    if is_frozen:
        return FROZEN
    if NO_GRADIENT in statuses or layer.module is None:
        return NO_GRADIENT
    if statuses or not conditions.is_watched:
        return NOT_IN_GRAPH
    if layer.number in conditions.without_tensor:
        return NO_TENSOR
    return WITHOUT_GRADIENTS if layer.number in conditions.unseen else NOT_CALLED
