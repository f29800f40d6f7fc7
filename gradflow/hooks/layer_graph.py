"""Which layers a tensor is made of and how deep it lies, read off the autograd graph while the graph is built."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

from torch import Tensor

from gradflow.hooks.operations import is_convolution, is_product, operation

Sources = frozenset[Hashable]
_NOTHING: Sources = frozenset()


class Place(NamedTuple):
    """Where a layer's output lies: its depth in weighted layers, and the nearest outputs before it."""

    depth: int
    sources: Sources


def leaves_behind(tensor: Tensor) -> list[Tensor]:
    """Return the leaves that a tensor was computed from, itself if it is one; only those that require a gradient."""
    if tensor.grad_fn is None:
        return [tensor] if tensor.requires_grad else []
    found, seen, stack = [], set(), [tensor.grad_fn]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            found.append(leaf)
        stack.extend(maker for maker, _ in node.next_functions if maker is not None)
    return found


class LayerGraph:
    """The outputs of layers, marked in the autograd graph by keys, and the nearest marks behind each.

    Depth is the longest chain of weighted layers: projection shortcuts lie beside a longer chain and so do not count,
    which is the rule of He et al. 2015, by which a basic ResNet of b blocks has 2 b + 2 layers and a bottleneck one
    3 b + 2. Every graph node is visited once; `clear` lets go of the graph.

    Parameters
    ----------
    on_leaf : callable, optional
        Receives each leaf that requires a gradient, and returns the key by which it is marked, or None. A leaf lies as
        deep as what it is first combined with.

    Attributes
    ----------
    depths : dict
        Depth by key, also of outputs whose graph is gone.
    multiplied : set
        The keys of leaves that the first operation which combines them multiplies, as a weight matrix.
    """

    def __init__(self, on_leaf: Callable[[Tensor], Hashable | None] | None = None) -> None:
        self.depths: dict[Hashable, int] = {}
        self.multiplied: set[Hashable] = set()
        self._on_leaf = on_leaf
        self._sources: dict[Any, Sources] = {}
        self._unplaced: set[Hashable] = set()  # leaves that nothing was combined with so far

    def place(self, outputs: Iterable[Tensor], key: Hashable, *, weighted: bool) -> Place | None:
        """Return where a layer's outputs lie, and mark them by its key; None if no output has a graph."""
        nodes = [output.grad_fn for output in outputs if output.grad_fn is not None]
        if not nodes:
            return None
        sources = _NOTHING.union(*map(self._behind, nodes)) - {key}
        self._settle(sources, _NOTHING, weighted=False)
        depth = max((self.depths[source] for source in sources), default=0) + int(weighted)
        self.depths[key] = depth
        self._sources.update(dict.fromkeys(nodes, frozenset((key,))))
        return Place(depth, sources)

    def mark(self, outputs: Iterable[Tensor], key: Hashable) -> None:
        """Mark outputs whose place is known already."""
        mark = frozenset((key,))
        self._sources.update({output.grad_fn: mark for output in outputs if output.grad_fn is not None})

    def look_behind(self, outputs: Iterable[Tensor]) -> None:
        """Find the leaves behind outputs that are no layer's."""
        for output in outputs:
            if output.grad_fn is not None:
                self._settle(self._behind(output.grad_fn), _NOTHING, weighted=False)

    def clear(self) -> None:
        """Let go of the graph."""
        self._sources.clear()
        self._unplaced.clear()

    def _behind(self, root: Any) -> Sources:
        """Return the nearest marks on all paths behind a node (depth first, without recursion)."""
        known = self._sources
        stack = [root]
        while stack:
            node = stack[-1]
            if node in known:
                stack.pop()
                continue
            parents = [parent for parent, _ in node.next_functions if parent is not None]
            waiting = [parent for parent in parents if parent not in known]
            if waiting:
                stack.extend(waiting)
            else:
                known[node] = self._joined(node, parents) if parents else self._leaf(node)
                stack.pop()
        return known[root]

    def _leaf(self, node: Any) -> Sources:
        variable = getattr(node, "variable", None)
        key = None if variable is None or self._on_leaf is None else self._on_leaf(variable)
        if key is None:
            return _NOTHING
        if key not in self.depths:
            self._unplaced.add(key)
        return frozenset((key,))

    def _joined(self, node: Any, parents: list[Any]) -> Sources:
        sources = _NOTHING.union(*(self._sources[parent] for parent in parents))
        if self._unplaced and not self._unplaced.isdisjoint(sources):
            name = operation(node.name())
            is_weight = is_product(name) or is_convolution(name)
            others = sources - self._unplaced
            if others or is_weight:
                self._settle(sources, others, weighted=is_weight)
        return sources

    def _settle(self, sources: Sources, others: Sources, *, weighted: bool) -> None:
        """Place the leaves among the sources beside the others."""
        leaves = self._unplaced & sources
        if leaves:
            self._unplaced -= leaves
            depth = max((self.depths[other] for other in others), default=0) + int(weighted)
            self.depths.update(dict.fromkeys(leaves, depth))
            if weighted:
                self.multiplied |= leaves
