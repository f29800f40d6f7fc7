"""Two groups of runs side by side: what was planted is found, where and when it was, and chance alone is not."""

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording
from gradflow.analysis.difference import difference
from gradflow.errors import GradflowError

STEPS = 40
LAYERS = [f"layer{number}" for number in range(6)]


def run(seed=0, scale=None, since=0, names=LAYERS, spread=0.0, steps=range(STEPS)):
    """Return a run whose norms vary by 0.1 decades from step to step; `scale` multiplies layers from a step on."""
    generator = np.random.default_rng(seed)
    rows = []
    for order, name in enumerate(names):
        level = spread * generator.normal()
        for step in steps:
            factor = (scale or {}).get(name, 1.0) if step >= since else 1.0
            gradient, weight = 10 ** (level + 0.1 * generator.normal(size=2)) * [factor, 1.0]
            rows.append((step, name, order, True, gradient, weight))
    columns = ["step", "layer", "order", "weighted", "grad_norm", "weight_norm"]
    return Recording(layers=pd.DataFrame(rows, columns=columns).sort_values(["step", "order"], ignore_index=True))


def test_a_run_does_not_differ_from_itself():
    found = difference(run(), run())
    assert (found.first, len(found.differing), found.steps) == (None, 0, STEPS)
    assert (found.rows["change"] == 0).all()


@pytest.mark.parametrize("since", [0, 7, 20])
@pytest.mark.parametrize("layer", [LAYERS[0], LAYERS[4]])
@pytest.mark.parametrize("factor", [30.0, 1 / 30])
def test_what_was_planted_is_found_where_and_when_it_was(layer, since, factor):
    found = difference(run(0), run(1, {layer: factor}, since))
    assert (found.first.step, found.first.layer, found.first.measure) == (since, layer, "grad_norm")
    assert np.sign(found.first.change) == np.sign(np.log10(factor))
    top = found.rows.iloc[0]
    assert (top["layer"], top["measure"], top["step"]) == (layer, "grad_norm", since)
    assert set(found.rows.loc[found.rows["step"] >= 0, "layer"]) == {layer}


def test_those_that_changed_more_come_first():
    found = difference(run(0), run(1, {"layer1": 300.0, "layer3": 30.0, "layer4": 3000.0}))
    assert found.differing["layer"].tolist() == ["layer4", "layer1", "layer3"]


def test_the_change_is_the_ratio_of_the_medians():
    before, after = run(0), run(1, {"layer2": 30.0})
    rows = difference(before, after).rows.set_index(["layer", "measure"])
    for layer in LAYERS:
        medians = [one.layers.loc[one.layers["layer"] == layer, "grad_norm"].median() for one in (before, after)]
        expected = np.log10(medians[1]) - np.log10(medians[0])
        assert rows.loc[(layer, "grad_norm"), "change"] == pytest.approx(expected, abs=0.02)  # of logs, not of norms


@pytest.mark.slow
def test_chance_alone_is_seldom_a_difference():
    """One of a hundred comparisons may be; of 100 some, 5 or more in 1 of 300 such tests."""
    alike = [difference(run(2 * seed), run(2 * seed + 1)) for seed in range(100)]
    assert sum(len(found.differing) > 0 for found in alike) < 5
    assert sum(found.first is not None for found in alike) < 5


def test_runs_that_vary_among_themselves_differ_less_easily():
    groups = [[run(seed + base, spread=1.0) for seed in range(3)] for base in (0, 50)]
    assert difference(*groups).differing.empty
    single = difference(run(0, spread=1.0), run(50, spread=1.0))
    assert len(single.differing) > 0  # one run each tells nothing of how much seeds vary
    planted = [run(seed + 50, {"layer2": 1e6}, spread=1.0) for seed in range(3)]
    assert difference(groups[0], planted).differing["layer"].tolist() == ["layer2"]


def test_networks_without_common_names_are_aligned_by_relative_depth():
    others = [f"block.{number}" for number in range(11)]
    found = difference(run(0), run(1, {"block.10": 1000.0}, names=others))
    assert found.by == "depth"
    assert dict(zip(found.rows["layer"], found.rows["other"], strict=True)) == {
        f"layer{number}": f"block.{2 * number}" for number in range(6)
    }
    assert (found.first.layer, found.first.other) == ("layer5", "block.10")
    assert found.only_now == tuple(f"block.{number}" for number in (1, 3, 5, 7, 9))
    turned = difference(run(1, names=others), run(0))
    assert set(zip(turned.rows["layer"], turned.rows["other"], strict=True)) == {
        (f"block.{2 * number}", f"layer{number}") for number in range(6)
    }


def test_layers_of_one_alone_are_named():
    found = difference(run(0), run(1, names=[*LAYERS[:4], "extra"]))
    assert (found.by, found.only_was, found.only_now) == ("name", ("layer4", "layer5"), ("extra",))


@pytest.mark.parametrize("value", [0.0, np.inf])
def test_zeros_and_infinities_differ_most(value):
    after = run(0)
    gone = after.layers.assign(grad_norm=after.layers["grad_norm"].where(after.layers["layer"] != "layer3", value))
    found = difference(run(0), Recording(layers=gone))
    assert found.rows.iloc[0][["layer", "measure"]].tolist() == ["layer3", "grad_norm"]
    assert (found.first.layer, found.first.step) == ("layer3", 0)
    assert difference(Recording(layers=gone), Recording(layers=gone)).first is None


def test_schedules_that_differ_are_compared_where_they_meet():
    assert difference(run(0), run(0, steps=range(0, STEPS, 10))).steps == 4
    with pytest.raises(GradflowError, match="no recorded step in common"):
        difference(run(0, steps=range(9)), run(0, steps=range(9, 18)))
    with pytest.raises(GradflowError, match="no layers were recorded in one of the two"):
        difference(run(0), Recording())
