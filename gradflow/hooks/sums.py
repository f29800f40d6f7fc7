"""Sums as the code wrote them: additions that feed nothing but another addition are taken together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradflow.hooks import operations
from gradflow.hooks.graph import Graph, Use, Value, Weight


@dataclass(frozen=True)
class Term:
    """One operand of a sum: the addition that reads it, which operand it is there, and the uses that make it up.

    A product that is added in one operation (`torch.addcmul`) is one operand of two uses if both factors carry the
    batch.
    """

    addition: int
    operand: int
    uses: tuple[Use, ...]
    enclosing: tuple[int, ...]  # the additions that the term goes into, the innermost first


def sums(graph: Graph) -> list[list[Term]]:
    """Return every sum of at least two terms that carry the batch, as the list of its terms, in forward order.

    Sums that only serve to interpolate, with a share that is a function of the batch, are left out.
    """
    operands = {}
    for node, name in enumerate(graph.operations):
        groups = [graph.carried(node, slots) for slots in operations.ADDITIONS.get(name, ())]
        if sum(map(bool, groups)) >= 2:
            operands[node] = groups
    gated = _interpolations(graph, operands)
    operands = {node: groups for node, groups in operands.items() if node not in gated}
    inner = {
        inner: node
        for node, groups in operands.items()
        for group in groups
        if (inner := _inner_addition(graph, group)) in operands
    }
    return [list(_terms(graph, node, (node,), operands, inner)) for node in operands if node not in inner]


def _interpolations(graph: Graph, operands: Mapping[int, list[list[Use]]]) -> set[int]:
    """Return the additions that make n + z (h - n), where z carries the batch: the outer ones and the differences."""
    found: set[int] = set()
    for node, groups in operands.items():
        if graph.operations[node] == "Lerp" and graph.carried(node, (2,)):
            found.add(node)
        for straight, product in (groups, reversed(groups)):
            ends = {graph.source(use) for use in straight}
            for factor in _factors(graph, product):
                difference = _inner_addition(graph, [factor])
                if (
                    difference is not None
                    and difference in operands
                    and ends & {graph.source(use) for use in graph.carried(difference)}
                ):
                    found |= {node, difference}
    return found


def _factors(graph: Graph, group: list[Use]) -> list[Use]:
    """Return the two operands, both of which carry the batch, of the product that an operand is; else none."""
    while len(group) == 1:
        node = graph.source(group[0]).node
        group = graph.carried(node)
        if len(group) == 2 and graph.operations[node] != "Mul":
            return []
        if len(group) == 1 and not operations.keeps_all(graph.operations[node]):
            return []
    return group if len(group) == 2 else []


def _terms(
    graph: Graph,
    node: int,
    enclosing: tuple[int, ...],
    operands: dict[int, list[list[Use]]],
    inner: dict[int, int],
) -> list[Term]:
    terms: list[Term] = []
    for operand, group in enumerate(operands[node]):
        below = _inner_addition(graph, group)
        if below is not None and inner.get(below) == node:
            terms += _terms(graph, below, (below, *enclosing), operands, inner)
        elif group:
            terms.append(Term(node, operand, tuple(group), enclosing))
    return terms


def _inner_addition(graph: Graph, group: list[Use]) -> int | None:
    """Return the addition that an operand comes from, if nothing else uses it and it is at most scaled on the way."""
    if len(group) != 1:
        return None
    use = group[0]
    while True:
        value = graph.source(use)
        if graph.n_uses[value.node] != 1:
            return None
        name = graph.operations[value.node]
        carried = graph.carried(value.node)
        if name in operations.ADDITIONS and len(carried) > 1:
            return value.node
        if len(carried) != 1 or not operations.keeps_all(name) or graph.weight(value.node) > Weight.NONE:
            return None
        use = carried[0]


def term_value(graph: Graph, term: Term) -> Value | None:
    """Return the one value that a term is, None for a product of two."""
    return graph.source(term.uses[0]) if len(term.uses) == 1 else None
