"""How much of the gradient is left at the far end of each path through a network, and of each chain of calls."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import pandas as pd

from gradflow.analysis.numbered_rows import between
from gradflow.analysis.output_gradients import last_graph
from gradflow.analysis.profile import main_path
from gradflow.analysis.remembered import remembered
from gradflow.recording import Recording

Node = tuple[str, int]  # layer and call
Kind = Literal["path", "branch", "calls"]

MIN_CALLS = 3  # of a layer one after the other, of which the first and the last are compared
# What a branch must hold to be a path of its own. A projection shortcut holds one weighted layer, and so do query, key
# and value; the gradients of the latter two are small in healthy networks.
MIN_BRANCH = 2
# Its output's gradient is a constant of the loss, so that of the layer before is where the network's gradient begins.
PART_OF_LOSS = frozenset({"LogSoftmax"})


class PathEnds(NamedTuple):
    """One path: where the gradient comes to its end, where it set out, and what is left of its norm, in decades."""

    kind: Kind
    first: Node
    last: Node
    decades: float


class Lost(NamedTuple):
    """Two neighbours on a path between which the norm changes most, and by how many decades."""

    before: Node
    behind: Node
    decades: float


@dataclass(frozen=True, eq=False)
class Flow:
    """The measured outputs of one step, and which measured outputs each one leads to.

    `norms` holds positive finite norms alone: gradients that are exactly zero, missing or not finite have no decades,
    and the next one that has stands for them. `chained` are the layers whose calls are compared. Where `is_placed` is
    False, neither the graph nor the depth of layers is known, and they are a chain in the order of the rows.
    """

    norms: Mapping[Node, float]
    after: Mapping[Node, Sequence[Node]]
    weighted: Collection[str] = ()
    chained: Collection[str] = ()
    is_placed: bool = True

    @cached_property
    def order(self) -> list[Node]:
        """The nodes, each before what it leads to."""
        return _sorted(self.after)

    @cached_property
    def bit(self) -> dict[Node, int]:
        """A bit for each node: sets of nodes are integers."""
        return {node: 1 << place for place, node in enumerate(self.order)}

    @cached_property
    def reach(self) -> dict[Node, int]:
        """The nodes that each node leads to, itself left out."""
        found: dict[Node, int] = {}
        for node in reversed(self.order):
            found[node] = 0
            for following in self.after[node]:
                found[node] |= self.bit[following] | found[following]
        return found

    @cached_property
    def sources(self) -> list[Node]:
        """The nodes that no other leads to."""
        inner = {following for nodes in self.after.values() for following in nodes}
        return [node for node in self.order if node not in inner]

    @cached_property
    def _sinks(self) -> list[Node]:
        return [node for node in self.order if not self.after[node]]

    def sink(self, source: Node) -> Node | None:
        """Return where the gradient of a node sets out: of the ends it leads to, the one with the largest norm."""
        ends = [node for node in self._sinks if self.reach[source] & self.bit[node]]
        return max(ends, key=lambda node: self.norms[node], default=None)

    def between(self, first: Node, last: Node) -> list[Node]:
        """Return the nodes on the paths from one node to another, both included."""
        inside = self.reach[first] | self.bit[first]
        return [
            node
            for node in self.order
            if inside & self.bit[node] and (node == last or self.reach[node] & self.bit[last])
        ]

    def decades(self, first: Node, last: Node) -> float:
        """Return the norm at one node over that at another, in decades."""
        return math.log10(self.norms[first]) - math.log10(self.norms[last])

    def lost(self, first: Node, last: Node) -> Lost:
        """Return where on the way from one node to another the norm changes most, in the direction that it does."""
        sign = 1 if self.decades(first, last) > 0 else -1
        inside = dict.fromkeys(self.between(first, last))
        steps = []
        for node in list(inside)[:-1]:
            # A fork receives what all its branches send back, of which the strongest tells most.
            behind = max((one for one in self.after[node] if one in inside), key=lambda one: self.norms[one])
            steps.append(Lost(node, behind, self.decades(node, behind)))
        return max(steps, key=lambda step: sign * step.decades)


def flow(
    recording: Recording, step: int, measure: str = "out_grad_norm", *, without: Collection[str] = PART_OF_LOSS
) -> Flow:
    """Return what was measured (out_grad_norm, or grad_norm of weighted layers) of the gradient's way at one step.

    Where the recording's `graph` is empty (a compiled model, an old recording), the weighted layers of the main path
    are one chain. Layers of the classes `without` are passed over.
    """
    rows = _used_rows(recording, step)
    if recording.graph.empty:
        return _chain(rows, measure)
    layers = list(zip(*(rows[name].tolist() for name in ("layer", "kind", "weighted")), strict=True))
    passed = {layer for layer, kind, _ in layers if kind in without}
    norms = {node: norm for node, norm in _usable(_norms(rows, measure)).items() if node[0] not in passed}
    after = _successors(recording)
    norms = {node: norms[node] for node in _begun(recording, step, measure, [node for node in norms if node in after])}
    weighted = {layer for layer, _, is_weighted in layers if is_weighted}
    cells = {layer for layer, kind, _ in layers if kind.endswith("Cell")}
    return Flow(norms, _contracted(after, norms), weighted, weighted | cells)


def path_ends(found: Flow) -> list[PathEnds]:
    """Return both ends of each path through the network.

    "path": from each measured output that no other leads to, such as the first layer of a tower, to the end of the
    network that it leads to. "branch": from the first layer of each of several branches with two weighted layers or
    more that no shortcut goes round. "calls": from the first to the last of three or more calls of a weighted layer or
    a recurrent cell that follow one another.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": 0, "layer": list("abc"), "out_grad_norm": [0.001, 0.1, 1.0]})
    >>> graph = pd.DataFrame({"layer": list("bc"), "source": list("ab")})
    >>> path_ends(flow(Recording(layers=layers, graph=graph), 0))
    [PathEnds(kind='path', first=('a', 0), last=('c', 0), decades=-3.0)]
    """
    return [*_paths(found), *_branches(found), *_calls(found)]


@remembered
def has_shortcut(recording: Recording) -> bool:
    """Whether the network has skip connections: joins that were found, or an output that is also used further on.

    Examples
    --------
    >>> graph = pd.DataFrame({"layer": ["b", "c", "c"], "source": ["a", "b", "a"]})
    >>> has_shortcut(Recording(graph=graph)), has_shortcut(Recording(graph=graph[:2]))
    (True, False)
    """
    if len(recording.skips):
        return True
    after = _successors(recording)
    whole = Flow({}, _contracted(after, after))
    return any(_has_shortcut(whole, whole.after[fork]) for fork in whole.order)


def _has_shortcut(found: Flow, arms: Sequence[Node]) -> bool:
    """Whether one branch leads to the beginning of another, which is then a way round it."""
    starts = sum(found.bit[arm] for arm in arms)
    return any(found.reach[arm] & starts for arm in arms)


def _used_rows(recording: Recording, step: int) -> pd.DataFrame:
    """Return the layers' rows of passes at one step that are in the gradient that the optimizer used."""
    rows = between(recording.layers, step, step)
    return rows[rows["in_grad"]]


def _norms(rows: pd.DataFrame, measure: str, *, by_call: bool = True) -> dict[Node, float]:
    """Return one norm per layer and call, or per layer: outputs and backward passes are one vector."""
    if measure == "grad_norm":
        rows = rows[rows["weighted"]].drop_duplicates("layer")
    calls = rows["call"].tolist() if by_call else [0] * len(rows)
    found: dict[Node, float] = {}
    for layer, call, norm in zip(rows["layer"].tolist(), calls, rows[measure].tolist(), strict=True):
        if not math.isnan(norm):
            found[layer, call] = math.hypot(found.get((layer, call), 0.0), norm)
    return found


def _usable(norms: Mapping[Node, float]) -> dict[Node, float]:
    return {node: norm for node, norm in norms.items() if norm > 0 and math.isfinite(norm)}


def _chain(rows: pd.DataFrame, measure: str) -> Flow:
    """Return the weighted layers of the main path in order of depth, or in order of rows where no depth is known."""
    weighted = rows[rows["weighted"]]
    norms = _usable(_norms(weighted, measure, by_call=False))
    weighted = weighted.drop_duplicates("layer")
    path = main_path(weighted).sort_values("layer_depth", kind="stable")
    nodes = [(layer, 0) for layer in (path if len(path) else weighted)["layer"].tolist()]
    nodes = [node for node in nodes if node in norms]
    after = {node: nodes[place + 1 : place + 2] for place, node in enumerate(nodes)}
    return Flow(norms, after, is_placed=len(path) > 0)


def _begun(recording: Recording, step: int, measure: str, kept: Sequence[Node]) -> Sequence[Node]:
    """Return the nodes without those whose gradient began at exactly zero, as behind a zero-initialised layer.

    Theirs is small in the first steps by design. Where none but the end of the network had a gradient at first, as
    with a zero-initialised head, it is the end that says nothing.
    """
    start = int(recording.layers["step"].iloc[0]) if kept else step
    if start == step:
        return kept
    rows = _used_rows(recording, start)
    zero = {node for node, norm in _norms(rows, measure).items() if norm == 0}
    begun = [node for node in kept if node not in zero]
    return next((nodes for nodes in (begun, [node for node in kept if node in zero]) if len(nodes) > 1), kept)


@remembered
def _successors(recording: Recording) -> dict[Node, list[Node]]:
    """Return what each layer and call leads to."""
    graph = last_graph(recording)
    found: dict[Node, dict[Node, None]] = {}
    columns = (graph[name].tolist() for name in ("layer", "call", "source", "source_call"))
    for layer, call, source, source_call in zip(*columns, strict=True):
        found.setdefault((layer, call), {})
        if (layer, call) != (source, source_call):
            found.setdefault((source, source_call), {})[layer, call] = None
    return {node: list(following) for node, following in found.items()}


def _contracted(after: Mapping[Node, Sequence[Node]], kept: Collection[Node]) -> dict[Node, list[Node]]:
    """Return the graph of some nodes alone: those beyond a node that is left out follow the one before it."""
    found: dict[Node, dict[Node, None]] = {}
    for node in reversed(_sorted(after)):
        found[node] = {}
        for following in after[node]:
            beyond = found.get(following, {})
            found[node] |= {following: None} if following in kept and following in found else beyond
    return {node: list(following) for node, following in found.items() if node in kept}


def _sorted(after: Mapping[Node, Sequence[Node]]) -> list[Node]:
    """Return the nodes, each before what it leads to (Kahn 1962), without those on a cycle, which no network has."""
    waiting = dict.fromkeys(after, 0)
    for nodes in after.values():
        for node in nodes:
            waiting[node] += 1
    ready = [node for node, n in waiting.items() if not n]
    for node in ready:
        for following in after[node]:
            waiting[following] -= 1
            if not waiting[following]:
                ready.append(following)
    return ready


def _paths(found: Flow) -> Iterator[PathEnds]:
    for source in found.sources:
        sink = found.sink(source)
        if sink is not None:
            yield PathEnds("path", source, sink, found.decades(source, sink))


def _branches(found: Flow) -> Iterator[PathEnds]:
    for fork in found.order:
        arms = found.after[fork]
        if len(arms) < 2 or _has_shortcut(found, arms):
            continue
        deep = [arm for arm in arms if _weight(found, arm, arms) >= MIN_BRANCH]
        for arm in deep if len(deep) > 1 else ():
            sink = found.sink(arm)
            if sink is not None:
                yield PathEnds("branch", arm, sink, found.decades(arm, sink))


def _weight(found: Flow, arm: Node, arms: Sequence[Node]) -> int:
    """Return how many weighted layers lie on one branch alone."""
    own = found.reach[arm] | found.bit[arm]
    for other in arms:
        if other != arm:
            own &= ~found.reach[other]
    return sum(node[0] in found.weighted for node in found.order if own & found.bit[node])


def _calls(found: Flow) -> Iterator[PathEnds]:
    calls: dict[str, list[Node]] = {}
    for node in sorted(found.order, key=lambda node: node[1]):
        if node[0] in found.chained:
            calls.setdefault(node[0], []).append(node)
    for nodes in calls.values():
        breaks = [
            place for place in range(1, len(nodes)) if not found.reach[nodes[place - 1]] & found.bit[nodes[place]]
        ]
        for start, stop in itertools.pairwise([0, *breaks, len(nodes)]):
            if stop - start >= MIN_CALLS:
                first, last = nodes[start], nodes[stop - 1]
                yield PathEnds("calls", first, last, found.decades(first, last))
