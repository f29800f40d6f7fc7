"""The two ways from an addition back to where they part: the skip and the branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradflow.hooks import operations
from gradflow.hooks.graph import Graph, Use, Value, Weight

MAX_MAPS = 2  # linear maps in a projection: a depthwise and a pointwise convolution


@dataclass(frozen=True)
class Skip:
    """The way from a term straight back to the fork: `entry` is where it reads the fork."""

    fork: Value
    entry: Use
    weight: Weight


@dataclass(frozen=True)
class Branch:
    """The ways from a term back to the fork through other operations.

    `entries` are its readings of the fork, `nodes` what lies between.
    """

    entries: frozenset[Use]
    nodes: frozenset[int]
    weight: Weight


def skip_of(graph: Graph, term: Sequence[Use], others: Sequence[Use]) -> Skip | None:
    """Walk back from a term until the first tensor that the other terms come from as well.

    None if the walk meets a non-linear operation, one of several operands, too many maps, a linear map of a part of
    its data, or a node that the other terms come from by another of its outputs (they read other parts of a tensor).
    """
    if len(term) != 1:
        return None
    use = term[0]
    weight, n_maps, is_cut = Weight.NONE, 0, False
    while True:
        value = graph.source(use)
        if graph.n_uses[value.node] > 1:
            region = graph.behind(others, oldest=value.node)
            readers = {other for other in graph.uses[value] if other.node in region}
            if readers:
                return None if is_cut and weight is Weight.LINEAR else Skip(value, use, weight)
            if _is_reached(graph, value.node, region, others):
                return None
        carried = graph.carried(value.node)
        if len(carried) != 1 or not graph.is_linear(value.node):
            return None
        weight = max(weight, graph.weight(value.node))
        n_maps += graph.weight(value.node) is Weight.LINEAR
        is_cut = is_cut or operations.cuts(graph.operations[value.node])
        if weight > Weight.LINEAR or n_maps > MAX_MAPS:
            return None
        use = carried[0]


def branch_of(graph: Graph, fork: Value, term: Sequence[Use]) -> Branch:
    """Return what lies between a term and the fork; no entries if the term does not come from it."""
    region = graph.behind(term, oldest=fork.node)
    entries = frozenset(use for use in graph.uses[fork] if use.node in region)
    on_path = {use.node for use in entries}
    for node in sorted(region):  # forward order: what a node reads comes before it
        if any(value.node in on_path for value in graph.reads[node].values()):
            on_path.add(node)
    weight = max((graph.weight(node) for node in on_path), default=Weight.NONE)
    if weight is Weight.LINEAR and not all(graph.is_linear(node) for node in on_path):
        weight = Weight.NETWORK
    return Branch(entries, frozenset(on_path), weight)


def _is_reached(graph: Graph, node: int, region: set[int], others: Sequence[Use]) -> bool:
    """Whether the other terms come from any output of the node."""
    if any(graph.source(use).node == node for use in others):
        return True
    return any(value.node == node for reader in region for value in graph.reads[reader].values())
