"""The gradient at each output, against loops over rows."""

import math

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording
from gradflow.analysis.output_gradients import outputs


def by_loops(rows):
    """Return nodes in execution order, and norms by step and node."""
    nodes, norms = [], {}
    for row in sorted(rows, key=lambda row: (row["order"], row["call"])):
        node = row["layer"], row["call"]
        if node not in nodes:
            nodes.append(node)
        norms.setdefault((row["step"], node), []).append(row["out_grad_norm"])
    return nodes, {place: math.sqrt(sum(norm**2 for norm in found)) for place, found in norms.items()}


@pytest.mark.parametrize("seed", range(20))
def test_nodes_and_norms_are_those_of_loops_over_rows(seed):
    generator = np.random.default_rng(seed)
    n = int(generator.integers(1, 60))
    rows = pd.DataFrame(
        {
            "step": np.sort(generator.integers(0, 4, n)), "layer": generator.choice(list("abcd"), n),
            "call": generator.integers(-1, 3, n), "order": generator.integers(-1, 4, n),
            "output": generator.integers(0, 3, n), "in_grad": generator.random(n) < 0.8,
            "out_grad_norm": np.where(generator.random(n) < 0.2, np.nan, generator.exponential(size=n)),
        }
    ).drop_duplicates(["step", "layer", "call", "output"])  # fmt: skip
    graph = pd.DataFrame({"layer": ["b"], "source": ["a"]})
    counted = rows[rows["in_grad"] & rows["out_grad_norm"].notna()]
    if counted.empty:
        return
    found = outputs(Recording(layers=rows, graph=graph))
    nodes, norms = by_loops(counted.to_dict("records"))
    assert list(found.nodes) == nodes
    assert found.steps.tolist() == sorted(set(counted["step"]))
    for (row, column), value in np.ndenumerate(found.norms):
        expected = norms.get((found.steps[row], nodes[column]), math.nan)
        assert value == pytest.approx(expected, rel=1e-14, nan_ok=True)
