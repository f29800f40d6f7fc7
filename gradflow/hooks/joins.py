"""Residual joins, found in the autograd graph of one forward pass of any model.

A *join* is an addition x + F(x): one of its terms, the *skip*, comes straight from a *fork*, a tensor from which
another term, the *branch*, has been computed with parameters. It is found from the addition backward: along the skip,
which holds no parameters or is a mere projection, to the first tensor that the other terms come from as well.

What counts, where the literature leaves it open:

- A skip may reshape, cut, pad, pool or scale (kind "identity"; the parameter-free shortcuts of He et al. 2015 are
  such), or hold norms, scales and up to two linear maps of all its data, without an activation ("projection"). It has
  to hold less than the branch: nothing < elementwise parameters < a linear map < a map and a non-linearity. So
  RepVGG's batch-normalised identity beside its convolutions is a skip, its 1x1 beside its 3x3 convolution is none.
- A sublayer without parameters is no branch (the Fourier mixing of FNet, pool(x) - x inside PoolFormer's mixer,
  rotary embeddings), nor is a gated carry (highway, GRU): its skip is multiplied by a function of the batch, also
  where it is written as n + z (h - n). What lies inside PyTorch's own recurrent layers is none: on an accelerator it is
  not to be seen at all.
- x + a(x) + m(x) is one join of three branches. A block whose own residual sum is the operand of an outer one makes
  two joins: one for each fork.
- The depthwise convolution of a position encoding, x + conv(x), is a join, and so is the residual inside a gated
  normalisation (GRN of ConvNeXt V2: x + gamma (x n) + beta). The D-skip of a state-space model is none: it holds a
  parameter, the scan beside it reads the same tensor with none.
- Where the fork is no function of the batch (a class token as it enters its first class attention, a decoder's
  constant queries) there is no join: what would return through the skip goes to a parameter.
- A tensor that enters the other terms only by being added to something else (a position bias shared by all layers) is
  no fork; nor is one that both paths cut parts out of (channel split), nor one that is broadcast by the addition.
- A concatenation of a tensor with what was computed from it (DenseNet, U-Net) is a join of kind "concatenation"; its
  skip holds no parameters and no activation. Where several of its operands qualify, the earliest fork counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from gradflow.hooks import operations
from gradflow.hooks.calls import Call, ModuleCalls
from gradflow.hooks.fork_paths import Branch, Skip, branch_of, skip_of
from gradflow.hooks.graph import Graph, Node, Use, Value, Weight
from gradflow.hooks.join_names import Place, name_joins
from gradflow.hooks.sums import Term, sums

IDENTITY = "identity"
PROJECTION = "projection"
CONCATENATION = "concatenation"


@dataclass(frozen=True)
class Edge:
    """Where an operation reads the fork: the node, and the slot of its operand."""

    node: Node
    slot: int


@dataclass(frozen=True)
class Operand:
    """One operand of an addition or concatenation: the node, and which operand it is."""

    node: Node
    place: int


@dataclass(frozen=True, eq=False)
class Join:
    """A place where a skip and one or more branches meet again; alive as long as the graph is.

    Attributes
    ----------
    name : str
        The module that joins the paths, and where it has several joins the branch's: `layer3.4`, `h.7.mlp`.
    fork : str
        Where the paths part: a join's name, a module's, or "(input)".
    kind : str
        "identity", "projection" or "concatenation".
    n_branches : int
        Paths that meet, the skip included: 2, or 3 where attention and MLP run side by side.
    node : Node
        The addition or concatenation.
    fork_node, fork_output : Node, int
        The fork: what made the tensor, and which of its outputs it is.
    skip_edge, branch_edges, other_edges : Edge
        Everything that reads the fork: the skip, the branches, and uses that do not lead to this join.
    skip_operand, branch_operands : Operand
        What is added up at the join.
    """

    name: str
    fork: str
    kind: str
    n_branches: int
    node: Node
    fork_node: Node
    fork_output: int
    skip_edge: Edge
    branch_edges: tuple[Edge, ...]
    other_edges: tuple[Edge, ...]
    skip_operand: Operand
    branch_operands: tuple[Operand, ...]

    def __repr__(self) -> str:
        """One line: what joins where."""
        return f"Join {self.name!r} from {self.fork!r}: {self.kind}, {self.n_branches} branches"


def find_joins(outputs: Any, inputs: Any, calls: ModuleCalls | None = None) -> list[Join]:
    """Return the residual joins behind a model's outputs, in forward order.

    To be called between the forward and the backward pass, which frees the graph; nothing is changed. The graph is
    that of the outputs: a loss may be left out.

    Parameters
    ----------
    outputs : Tensor or nest of tensors
        What the model returned, computed with grad enabled.
    inputs : Tensor or nest of tensors
        What the model was given. An input that is itself a fork is seen only if it requires grad; token numbers never
        have to.
    calls : ModuleCalls, optional
        The context in which the model was called: it knows the names. Without it joins are numbered.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> class Block(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.branch = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    ...     def forward(self, x):
    ...         return x + self.branch(x)
    >>> model = nn.Sequential(nn.Linear(4, 4), Block(), Block())
    >>> with ModuleCalls(model) as calls:
    ...     inputs = torch.ones(2, 4)
    ...     outputs = model(inputs)
    >>> find_joins(outputs, inputs, calls)
    [Join '1' from '0': identity, 2 branches, Join '2' from '1': identity, 2 branches]
    """
    graph = Graph(outputs, inputs)
    found = [meeting for terms in sums(graph) for meeting in _additions(graph, terms)]
    found += [meeting for node in range(len(graph.nodes)) for meeting in _concatenation(graph, node)]
    if calls is not None:
        found = [meeting for meeting in found if not _is_recurrent(calls.innermost(graph.nodes[meeting.node]))]
    found.sort(key=lambda meeting: (graph.nodes[meeting.node]._sequence_nr(), -meeting.skip.fork.node))
    names = name_joins(graph, [_place(meeting) for meeting in found], calls)
    return [_join(graph, meeting, *name) for meeting, name in zip(found, names, strict=True)]


def _is_recurrent(call: Call | None) -> bool:
    return call is not None and issubclass(call.kind, nn.RNNBase | nn.RNNCellBase)


@dataclass(frozen=True)
class _Meeting:
    """A join before it has a name, in the graph's numbers."""

    node: int
    kind: str
    n_branches: int
    skip: Skip
    skip_term: Term
    branches: dict[Term, Branch]


def _additions(graph: Graph, terms: list[Term]) -> Iterable[_Meeting]:
    """Return the joins of one sum, the innermost first: one for each fork, with the plainest skip that leads to it."""
    candidates: dict[Value, tuple[Skip, Term, dict[Term, Branch]]] = {}
    for term in terms:
        others = [other for other in terms if other is not term]
        skip, branches = _parted(graph, term, others)
        if skip is None or not branches:
            continue
        known = candidates.get(skip.fork)
        if known is None or skip.weight < known[0].weight:
            candidates[skip.fork] = (skip, term, branches)
    group = {term: place for place, term in enumerate(terms)}
    for skip, term, branches in sorted(candidates.values(), key=lambda candidate: -candidate[0].fork.node):
        groups = {group[branch] for branch in branches} - {group[term]}
        members = [member for member in terms if group[member] in groups | {group[term]}]
        group.update(dict.fromkeys(members, group[term]))
        kind = IDENTITY if skip.weight is Weight.NONE else PROJECTION
        yield _Meeting(_lowest_common(members), kind, 1 + len(groups), skip, term, branches)


def _parted(graph: Graph, term: Term, others: list[Term]) -> tuple[Skip | None, dict[Term, Branch]]:
    """Return the skip that ends in a term, and those of the other terms that are its branches."""
    uses = [use for other in others for use in other.uses]
    skip = skip_of(graph, term.uses, uses)
    if skip is None:
        return None, {}
    branches = {other: branch_of(graph, skip.fork, other.uses) for other in others}
    branches = {
        other: branch
        for other, branch in branches.items()
        if branch.entries and branch.weight > skip.weight and _same_shape(graph, other)
    }
    if not branches or not _same_shape(graph, term) or not _is_read(graph, skip, branches.values()):
        return None, {}
    return skip, branches


def _same_shape(graph: Graph, term: Term) -> bool:
    """Whether the addition broadcasts none of the term's parts."""
    shape = graph.shape(Value(term.addition, 0))
    return len(term.uses) > 1 or graph.shape(graph.source(term.uses[0])) in (shape, ()) or _is_matrix_term(graph, term)


def _is_matrix_term(graph: Graph, term: Term) -> bool:
    """Whether the term is a product within the addition: its factor has a shape of its own."""
    return term.operand == 1 and operations.is_product(graph.operations[term.addition])


def _is_read(graph: Graph, skip: Skip, branches: Iterable[Branch]) -> bool:
    """Whether a branch computes on the fork, and not only on another part of it or on a sum with something else."""
    entries = [entry for branch in branches for entry in branch.entries]
    if all(_adds_two(graph, entry) for entry in entries):
        return False
    cuts = [operations.cuts(graph.operations[use.node]) for use in (skip.entry, *entries)]
    return not all(cuts)


def _adds_two(graph: Graph, use: Use) -> bool:
    return graph.operations[use.node] in operations.ADDITIONS and len(graph.carried(use.node)) > 1


def _lowest_common(terms: Sequence[Term]) -> int:
    """Return the innermost addition that all the terms go into."""
    common = set(terms[0].enclosing).intersection(*(term.enclosing for term in terms))
    return next(addition for addition in terms[0].enclosing if addition in common)


def _concatenation(graph: Graph, node: int) -> list[_Meeting]:
    """Return the join that a concatenation is: of its operands that come straight from a fork, the earliest counts."""
    operands = graph.carried(node) if graph.operations[node] == operations.CONCATENATION else []
    if len(operands) < 2:
        return []
    terms = [Term(node, use.slot, (use,), (node,)) for use in operands]
    for term in sorted(terms, key=lambda term: graph.source(term.uses[0])):
        others = [use for use in operands if use not in term.uses]
        skip = skip_of(graph, term.uses, others)
        if skip is None or skip.weight > Weight.NONE:
            continue
        branch = branch_of(graph, skip.fork, others)
        if branch.weight >= Weight.LINEAR and _is_read(graph, skip, [branch]):
            on_path = {other: branch for other in terms if graph.source(other.uses[0]).node in branch.nodes}
            return [_Meeting(node, CONCATENATION, 1 + len(on_path), skip, term, on_path)]
    return []


def _place(meeting: _Meeting) -> Place:
    on_path = frozenset().union(*(branch.nodes for branch in meeting.branches.values()))
    return Place(meeting.node, meeting.skip.fork, on_path)


def _join(graph: Graph, meeting: _Meeting, name: str, fork: str) -> Join:
    skip = meeting.skip
    entries = {entry for branch in meeting.branches.values() for entry in branch.entries}
    others = [use for use in graph.uses[skip.fork] if use != skip.entry and use not in entries]
    return Join(
        name=name,
        fork=fork,
        kind=meeting.kind,
        n_branches=meeting.n_branches,
        node=graph.nodes[meeting.node],
        fork_node=graph.nodes[skip.fork.node],
        fork_output=skip.fork.output,
        skip_edge=_edge(graph, skip.entry),
        branch_edges=tuple(_edge(graph, use) for use in sorted(entries)),
        other_edges=tuple(_edge(graph, use) for use in others),
        skip_operand=_operand(graph, meeting.skip_term),
        branch_operands=tuple(_operand(graph, term) for term in meeting.branches),
    )


def _edge(graph: Graph, use: Use) -> Edge:
    return Edge(graph.nodes[use.node], use.slot)


def _operand(graph: Graph, term: Term) -> Operand:
    return Operand(graph.nodes[term.addition], term.operand)
