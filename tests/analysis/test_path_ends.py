"""Paths of graphs drawn by hand, whose norms are laid out, so that each path's ends are known."""

import networkx
import numpy as np
import pandas as pd
import pytest

from gradflow import Recording
from gradflow.analysis.path_ends import flow, has_shortcut, path_ends


def drawn(edges, norms, *, kinds=(), unweighted=(), zero_first=()):
    """Return a recording of edges ("a b" or "a:0 a:1") and norms by node; `zero_first` had none at step 0."""
    nodes = {node: index for index, node in enumerate(norms)}
    rows = [
        {
            "step": step,
            "layer": node.partition(":")[0],
            "call": int(node.partition(":")[2] or 0),
            "order": index,
            "layer_depth": index,
            "kind": dict(kinds).get(node, "Linear"),
            "weighted": node not in unweighted,
            "out_grad_norm": 0.0 if step == 0 and node in zero_first else norms[node],
        }
        for step in ((0, 1) if zero_first else (0,))
        for node, index in nodes.items()
    ]
    pairs = [edge.split() for edge in edges]
    split = [[part.partition(":") for part in pair] for pair in pairs]
    graph = pd.DataFrame(
        [
            {"source": a, "source_call": int(a_call or 0), "layer": b, "call": int(b_call or 0)}
            for (a, _, a_call), (b, _, b_call) in split
        ],
        columns=["layer", "call", "source", "source_call"],
    )
    return Recording(layers=pd.DataFrame(rows), graph=graph, meta={"run": "drawn"})


def ends(recording, step=0):
    return {(one.kind, one.first, one.last): one.decades for one in path_ends(flow(recording, step))}


def test_each_tower_has_ends_of_its_own():
    edges = ["g1 g2", "g2 out", "b1 b2", "b2 out"]
    found = ends(drawn(edges, {"g1": 1.0, "g2": 1.0, "b1": 1e-6, "b2": 1e-3, "out": 1.0}))
    assert found == {
        ("path", ("g1", 0), ("out", 0)): 0.0,
        ("path", ("b1", 0), ("out", 0)): pytest.approx(-6),
    }


def test_branches_behind_a_stem_are_judged_one_by_one():
    edges = ["stem g1", "g1 g2", "g2 out", "stem b1", "b1 b2", "b2 out"]
    norms = {"stem": 1.0, "g1": 1.0, "g2": 1.0, "b1": 1e-6, "b2": 1e-3, "out": 1.0}
    found = ends(drawn(edges, norms))
    assert found["branch", ("b1", 0), ("out", 0)] == pytest.approx(-6)
    assert found["branch", ("g1", 0), ("out", 0)] == 0.0


@pytest.mark.parametrize(
    "edges",
    [
        ["stem b1", "b1 b2", "b2 out", "stem out"],
        ["stem b1", "b1 b2", "b2 out", "stem p", "p out"],
        ["stem q", "stem b1", "q out", "b1 out"],
    ],
    ids=["identity", "projection", "query and key"],
)
def test_the_branch_beside_a_shortcut_is_no_path(edges):
    names = {name for edge in edges for name in edge.split()}
    recording = drawn(edges, {name: 1e-6 if name.startswith("b") else 1.0 for name in sorted(names)})
    assert set(ends(recording)) == {("path", ("stem", 0), ("out", 0))}


def test_calls_that_follow_one_another_are_compared_and_parallel_ones_are_not():
    chain = drawn(["c:0 c:1", "c:1 c:2", "c:2 out"], {"c:0": 1e-4, "c:1": 1e-2, "c:2": 1.0, "out": 1.0})
    assert ends(chain)["calls", ("c", 0), ("c", 2)] == pytest.approx(-4)
    siamese = drawn(["c:0 out", "c:1 out", "c:2 out"], {"c:0": 1e-4, "c:1": 1e-2, "c:2": 1.0, "out": 1.0})
    assert {kind for kind, *_ in ends(siamese)} == {"path"}
    two = [f"c:{call} c:{call + 1}" for call in (0, 1, 3, 4)] + ["c:2 out", "c:5 out"]
    norms = {f"c:{call}": 10.0 ** -(5 - call) for call in range(6)} | {"out": 1.0}
    calls = {(first, last) for kind, first, last in ends(drawn(two, norms)) if kind == "calls"}
    assert calls == {(("c", 0), ("c", 2)), (("c", 3), ("c", 5))}


def test_an_activation_that_is_shared_is_no_chain():
    norms = {"relu:0": 1e-4, "relu:1": 1e-2, "relu:2": 1.0, "out": 1.0}
    edges = ["relu:0 relu:1", "relu:1 relu:2", "relu:2 out"]
    assert {kind for kind, *_ in ends(drawn(edges, norms, unweighted=norms))} == {"path"}


@pytest.mark.parametrize("hidden", [np.nan, 0.0, np.inf])
def test_what_has_no_decades_is_passed_through(hidden):
    found = ends(drawn(["a b", "b c", "c d"], {"a": hidden, "b": 0.01, "c": hidden, "d": 1.0}))
    assert found == {("path", ("b", 0), ("d", 0)): pytest.approx(-2)}


def test_every_measured_output_takes_part():
    found = ends(drawn(["a n"], {"a": 1e-8, "n": 1.0}, unweighted=["n"], kinds=[("n", "LayerNorm")]))
    assert found == {("path", ("a", 0), ("n", 0)): pytest.approx(-8)}
    logs = drawn(["a b", "b n"], {"a": 1e-3, "b": 1e-3, "n": 1.0}, unweighted=["n"], kinds=[("n", "LogSoftmax")])
    assert ends(logs) == {("path", ("a", 0), ("b", 0)): 0.0}


def test_of_several_ends_the_strongest_is_where_the_gradient_sets_out():
    found = ends(drawn(["a main", "a aux"], {"a": 1.0, "main": 1.0, "aux": 1e-6}))
    assert found == {("path", ("a", 0), ("main", 0)): 0.0}


def test_what_began_at_zero_is_small_by_design():
    norms = {"x": 1.0, "lora": 1e-5, "out": 1.0}
    late = drawn(["x out", "lora out"], norms, zero_first=["lora"])
    assert set(ends(late, step=1)) == {("path", ("x", 0), ("out", 0))}
    head = drawn(["x lora", "lora out"], {"x": 1e-5, "lora": 1e-2, "out": 1.0}, zero_first=["x", "lora"])
    assert ends(head, step=1) == {("path", ("x", 0), ("lora", 0)): pytest.approx(-3)}


def test_rows_of_a_pass_that_the_optimizer_did_not_use_are_left_out():
    recording = drawn(["a b"], {"a": 1e-5, "b": 1.0})
    layers = pd.concat([recording.layers.assign(in_grad=False), recording.layers.assign(backward=1, out_grad_norm=1.0)])
    assert ends(Recording(layers=layers, graph=recording.graph)) == {("path", ("a", 0), ("b", 0)): 0.0}


def test_without_a_graph_weighted_layers_are_one_chain_by_depth_or_by_row():
    recording = drawn([], {"b": 1.0, "a": 1e-3, "act": 1e-9}, unweighted=["act"])
    known = Recording(layers=recording.layers.assign(layer_depth=[2, 1, 2]))
    assert ends(known) == {("path", ("a", 0), ("b", 0)): pytest.approx(-3)}
    unknown = Recording(layers=recording.layers.assign(layer_depth=-1))
    assert ends(unknown) == {("path", ("b", 0), ("a", 0)): pytest.approx(3)}
    assert not flow(unknown, 0).is_placed


def test_the_largest_loss_on_the_way_is_between_two_neighbours():
    found = flow(drawn(["a b", "b c", "c d"], {"a": 1e-7, "b": 2e-7, "c": 0.5, "d": 1.0}), 0)
    lost = found.lost(("a", 0), ("d", 0))
    assert (lost.before, lost.behind) == (("b", 0), ("c", 0))
    assert lost.decades == pytest.approx(np.log10(2e-7 / 0.5))


@pytest.mark.parametrize("seed", range(30))
def test_paths_of_random_graphs_against_networkx(seed):
    """A second library says which nodes have no predecessor, what they reach, and what a shortcut goes round."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 9))
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n) if rng.random() < 0.35]
    norms = {f"n{i}": float(10 ** rng.uniform(-6, 0)) for i in range(n)}
    recording = drawn([f"n{i} n{j}" for i, j in pairs], norms)
    graph = networkx.DiGraph([(f"n{i}", f"n{j}") for i, j in pairs])
    wanted = {}
    for node in graph:
        if graph.in_degree(node) == 0 and graph.out_degree(node):
            reached = [other for other in networkx.descendants(graph, node) if graph.out_degree(other) == 0]
            strongest = max(norms[other] for other in reached)
            wanted[node] = np.log10(norms[node] / strongest)
    if pairs:
        found = {one.first[0]: one.decades for one in path_ends(flow(recording, 0)) if one.kind == "path"}
        assert found == pytest.approx(wanted)
    longer = any(networkx.has_path(networkx.restricted_view(graph, [], [(a, b)]), a, b) for a, b in graph.edges)
    assert has_shortcut(recording) == longer


def test_a_graph_that_runs_in_a_circle_is_no_error():
    assert ends(drawn(["a b", "b a", "c d"], {"a": 1.0, "b": 1.0, "c": 0.1, "d": 1.0})) == {
        ("path", ("c", 0), ("d", 0)): pytest.approx(-1)
    }
