"""Names for joins that whoever wrote the model recognises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gradflow.hooks.calls import Call, ModuleCalls
from gradflow.hooks.graph import Graph, Value, Weight
from gradflow.hooks.layers import ROOT

INPUT = "(input)"


@dataclass(frozen=True)
class Place:
    """Where a join is: its node, its fork, and the nodes of its branches."""

    node: int
    fork: Value
    branch: frozenset[int]


def name_joins(graph: Graph, places: Sequence[Place], calls: ModuleCalls | None) -> list[tuple[str, str]]:
    """Return a name for each join and for its fork; the joins' names are distinct.

    A join is named after the innermost module whose call made it. Where that call made several, the name is that of
    the child that the branch's last weighted layer is in: `h.7.attn`, `h.7.mlp`. A name that comes again gets
    the number of its occurrence: `layer#2`.
    """
    owners = [None if calls is None else calls.innermost(graph.nodes[place.node]) for place in places]
    n_of_owner = Counter(map(id, owners))
    names = [
        _own_name(graph, place, owner, calls, is_alone=n_of_owner[id(owner)] == 1)
        for place, owner in zip(places, owners, strict=True)
    ]
    names = _distinct(names)
    by_node = {place.node: name for place, name in zip(places, names, strict=True)}
    return [(name, _fork_name(graph, place.fork, by_node, calls)) for place, name in zip(places, names, strict=True)]


def _own_name(graph: Graph, place: Place, owner: Call | None, calls: ModuleCalls | None, *, is_alone: bool) -> str:
    if owner is None or calls is None:
        return "join"
    if is_alone:
        return owner.name
    children = {node: _child(owner, calls.innermost(graph.nodes[node])) for node in sorted(place.branch)}
    named = {node: child.name for node, child in children.items() if child is not None}
    weighted = [name for node, name in named.items() if graph.weight(node) >= Weight.LINEAR]
    if weighted:
        return weighted[-1]
    return Counter(named.values()).most_common(1)[0][0] if named else owner.name


def _child(owner: Call, call: Call | None) -> Call | None:
    """Return the call directly inside the owner's that a call belongs to."""
    while call is not None and call.parent is not owner:
        call = call.parent
    return call


def _fork_name(graph: Graph, fork: Value, by_node: dict[int, str], calls: ModuleCalls | None) -> str:
    if fork.node in by_node:
        return by_node[fork.node]
    if not graph.reads[fork.node] and hasattr(graph.nodes[fork.node], "variable"):
        return INPUT
    call = None if calls is None else calls.innermost(graph.nodes[fork.node])
    return ROOT if call is None else call.name


def _distinct(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return distinct
