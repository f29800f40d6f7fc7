"""The gradient at each output, call by call, and which outputs it comes from in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import Floats, Ints
from gradflow.analysis.numbered_rows import blocks, numbered_layers
from gradflow.analysis.remembered import remembered
from gradflow.recording import Recording

Node = tuple[str, int]  # a layer and which call of it


class Outputs(NamedTuple):
    """Gradients by recorded step and output, a node (layer, call), in execution order: `norms` (steps, nodes).

    NaN where no gradient was measured. `users` are for each node whose place is known the measured nodes that use it,
    with no other measured one in between; none use the outputs to which the loss sends its gradient. `measure` is
    out_grad_norm, or grad_norm where no output was measured: then the nodes are layers with parameters. Where the
    layers' graph was not recorded (`follows_graph`), execution order stands for it, the calls of a layer are one node,
    and the next to run is the one user.
    """

    steps: Ints
    nodes: tuple[Node, ...]
    norms: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    users: Mapping[Node, tuple[Node, ...]]
    measure: str
    follows_graph: bool


@remembered
def outputs(recording: Recording) -> Outputs:
    """Return the gradient at each output; where none was measured, that of each layer's parameters.

    Rows of passes that are no part of the optimizer's gradient are left out.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": 0, "layer": ["a", "b"], "order": [0, 1], "out_grad_norm": [1.0, 2.0]})
    >>> outputs(Recording(layers=layers)).users
    {('a', 0): (('b', 0),), ('b', 0): ()}
    """
    layers = recording.layers
    measure = "out_grad_norm" if (layers["in_grad"] & layers["out_grad_norm"].notna()).any() else "grad_norm"
    is_measured = (layers["in_grad"] & layers[measure].notna()).to_numpy(dtype=bool)
    follows_graph = measure == "out_grad_norm" and len(recording.graph) > 0
    step, call, order, norm = (layers[name].to_numpy() for name in ("step", "call", "order", measure))
    of_layer, keys = numbered_layers(recording)
    lowest, n_calls = (int(call.min()), int(np.ptp(call)) + 1) if follows_graph and len(call) else (0, 1)

    def measured() -> Iterator[tuple[Ints, Ints]]:
        """Yield rows of some steps at a time, and a number for the node of each."""
        for block in blocks(step):
            rows = np.flatnonzero(is_measured[block]) + block.start
            yield rows, of_layer[rows].astype(np.int64) * n_calls + (call[rows] - lowest if n_calls > 1 else 0)

    ordered = _in_order(measured, order, n_calls, len(keys) * n_calls)
    place = np.full(len(keys) * n_calls, -1)
    place[ordered] = np.arange(len(ordered))
    nodes = tuple((keys[one // n_calls][0], one % n_calls + lowest) for one in ordered.tolist())
    users = _through(last_graph(recording), nodes) if follows_graph else _chain(nodes)
    pieces = [_by_node(step[rows], norm[rows], place[code], len(nodes)) for rows, code in measured()]
    steps = np.concatenate([steps for steps, _ in pieces] or [step[:0]])
    norms = np.concatenate([norms for _, norms in pieces] or [np.zeros((0, len(nodes)))])
    return Outputs(steps, nodes, norms, users, measure, follows_graph)


def nodes_of(rows: pd.DataFrame) -> list[Node]:
    """Return the node of each row of `Recording.layers`."""
    return list(zip(rows["layer"].tolist(), rows["call"].tolist(), strict=True))


@remembered
def last_graph(recording: Recording) -> pd.DataFrame:
    """Return how the layers are connected: those rows of the graph that hold since the model last changed."""
    graph: pd.DataFrame = recording.graph
    step = graph["step"].to_numpy()
    latest: pd.DataFrame = graph[step == step.max(initial=0)]
    return latest


def users_of(recording: Recording, nodes: Iterable[Node]) -> Mapping[Node, tuple[Node, ...]]:
    """Return which of the nodes use each of them, given in execution order; see `Outputs.users`."""
    return _through(last_graph(recording), nodes) if len(recording.graph) else _chain(nodes)


def _in_order(measured: Callable[[], Iterable[tuple[Ints, Ints]]], order: Ints, n_calls: int, n_numbers: int) -> Ints:
    """Return the numbers of the nodes in execution order; of one order and call, that which was recorded first."""
    least, first = np.full((2, n_numbers), np.iinfo(np.int64).max)
    for rows, node in measured():
        np.minimum.at(least, node, order[rows])
    for rows, node in measured():
        is_least = order[rows] == least[node]
        np.minimum.at(first, node[is_least], rows[is_least])
    seen = np.flatnonzero(first < np.iinfo(np.int64).max)
    found: Ints = seen[np.lexsort((first[seen], seen % n_calls, least[seen]))]
    return found


def _by_node(
    step: Ints, values: Floats, places: Ints, n_nodes: int
) -> tuple[Ints, np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    steps, index = np.unique(step, return_inverse=True)
    norms = np.full(len(steps) * n_nodes, np.nan)
    cells = index * n_nodes + places
    norms[cells] = values
    again = np.bincount(cells, minlength=1) > 1  # several outputs of one call, or several passes
    if again.any():
        several = again[cells]
        joint = pd.Series(values[several]).groupby(cells[several]).agg(_joint)
        norms[joint.index] = joint.to_numpy()
    return steps, norms.reshape(len(steps), n_nodes)


def _joint(norms: pd.Series[Any]) -> float:
    return float(np.hypot.reduce(norms.to_numpy(dtype=np.float64)))


def _chain(nodes: Iterable[Node]) -> dict[Node, tuple[Node, ...]]:
    ordered = list(nodes)
    return {node: tuple(ordered[place + 1 : place + 2]) for place, node in enumerate(ordered)}


def _through(graph: pd.DataFrame, nodes: Iterable[Node]) -> dict[Node, tuple[Node, ...]]:
    """Return the nodes' users in the graph, which passes over layers that are not among the nodes."""
    measured = list(nodes)
    direct: dict[Node, list[Node]] = {}
    sources = nodes_of(graph[["source", "source_call"]].set_axis(["layer", "call"], axis="columns"))
    for user, source in zip(nodes_of(graph), sources, strict=True):
        direct.setdefault(source, []).append(user)
        direct.setdefault(user, [])
    order = {node: place for place, node in enumerate(measured)}
    found: dict[Node, tuple[Node, ...]] = {}
    for node in measured:
        if node not in direct:
            continue
        seen, waiting, users = {node}, list(direct[node]), set()
        while waiting:
            user = waiting.pop()
            if user in seen:
                continue
            seen.add(user)
            if user in order:
                users.add(user)
            else:
                waiting.extend(direct[user])
        found[node] = tuple(sorted(users, key=order.__getitem__))
    return found
