"""What is said of a gradient's two ends: of every path, in every seed, as grave as its harm, and in words that hold."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gradflow import Recording
from gradflow.diagnosis import diagnose
from gradflow.text import language

LEVEL, FALLING, RISING = [2.3] * 40, list(np.linspace(2.3, 1.0, 40)), list(np.linspace(2.3, 9.0, 40))
FITTED = list(np.linspace(2.3, 0.3, 40))


def net(norms, *, loss=None, seed=None, stages=None, kinds=None, edges=None, run="mine", **columns):
    """Return a chain of layers, or a graph of `edges`, with these norms at step 0."""
    names = [f"l{i}" for i in range(len(norms))]
    kinds = kinds or ["Linear"] * len(norms)
    layers = pd.DataFrame({"step": 0, "layer": names, "order": range(len(norms)), "out_grad_norm": norms})
    layers["n_nonfinite"] = 0  # so that NaN is not measured
    weighted = [kind in ("Linear", "Conv2d") for kind in kinds]
    layers = layers.assign(layer_depth=np.cumsum(weighted), stage=range(len(norms)) if stages is None else stages)
    layers = layers.assign(**({"kind": kinds, "weighted": weighted, "n_params": 5} | columns))
    layers["status"] = np.where(np.isnan(norms), "frozen", "measured")
    edges = list(itertools.pairwise(names)) if edges is None else edges
    graph = pd.DataFrame(edges, columns=["source", "layer"])
    steps = pd.DataFrame({"step": range(len(loss)), "loss": loss}) if loss else pd.DataFrame()
    meta = {"run": run} if seed is None else {"run": f"{run}{seed}", "family": run, "depth": 9, "seed": seed}
    return Recording(layers=layers, graph=graph, steps=steps, meta=meta)


def geometric(decades, n=9):
    return list(10 ** np.linspace(decades, 0, n))


def found_in(runs, key):
    return [one for one in diagnose(runs) if one.key == key]


def one(runs, key):
    (found,) = found_in(runs, key)
    return found


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_ratio_decides_where_no_stage_has_two_layers(sign):
    key = "vanishing" if sign < 0 else "exploding"
    found = one(net(geometric(sign * 6.8)), key)
    assert found.values["decades"].mean == pytest.approx(sign * 6.8)
    assert "factor" not in found.values
    assert "per layer" not in str(found)
    assert not found_in(net(geometric(sign * 1.9)), key)


def test_a_factor_explains_where_a_stage_has_three_layers():
    found = one(net(geometric(-8), stages=0, kinds=["Linear", "Sigmoid"] * 4 + ["Linear"]), "vanishing")
    assert found.values["factor"].mean == pytest.approx(0.01)
    assert "with Sigmoid" in str(found)
    assert found.remedies[0] == "remedy.relu"


@pytest.mark.parametrize(("n", "has_factor"), [(2, False), (3, True), (4, True)])
def test_a_stage_of_three_layers_is_enough_although_its_first_stays_out_of_the_fit(n, has_factor):
    found = one(net(geometric(-8, n), stages=0), "vanishing")
    assert ("factor" in found.values) == has_factor
    assert not has_factor or found.values["factor"].mean == pytest.approx(10 ** (-8 / (n - 1)))


def test_the_place_of_a_sudden_loss_is_named():
    found = one(net([1e-8, 1e-8, 1.0, 1.0]), "vanishing")
    assert "Most of the change is between layer l1 and layer l2: it is 100 million times smaller at layer l1." in str(
        found
    )


@pytest.mark.parametrize(
    ("decades", "loss", "severity"),
    [
        (-10, LEVEL, "problem"),
        (-2.5, LEVEL, "problem"),
        (-2.5, RISING, "problem"),
        (-10, FALLING, "problem"),  # it fell, and is still high
        (-10, FITTED, "notice"),
        (-10, None, "problem"),
        (-2.5, None, "notice"),
        (10, LEVEL, "problem"),
        (2.5, FALLING, "notice"),
    ],
)
def test_one_run_is_as_grave_as_its_harm(decades, loss, severity):
    found = one(net(geometric(decades), loss=loss), "vanishing" if decades < 0 else "exploding")
    assert found.severity == severity
    if loss is FALLING and severity == "notice":
        assert not found.remedies


def test_three_failing_seeds_are_never_less_than_each_alone():
    decades = (-8.5, -8.3, -3.5)
    runs = [net(geometric(size), seed=seed) for seed, size in enumerate(decades)]
    found = one(runs, "vanishing")
    assert found.severity == "problem"
    low, high = stats.t.interval(0.95, 2, np.mean(decades), stats.sem(decades))
    assert found.values["decades"][:3] == pytest.approx((np.mean(decades), low, high))
    assert "in 3 of 3 runs" in str(found)
    assert "up to 316 million times smaller" in str(found)
    assert "; on average 5.84 million times smaller (95 % interval " in str(found)


def test_one_failing_seed_of_three_is_found_and_counted():
    runs = [net(geometric(size), seed=seed) for seed, size in enumerate((-8.0, 0.1, 0.2))]
    found = one(runs, "vanishing")
    assert (found.values["n_runs"], found.values["runs"]) == (1, 3)
    assert not found_in(runs, "healthy")


def test_only_runs_beyond_the_threshold_that_way_are_counted():
    runs = [net(geometric(size), seed=seed) for seed, size in enumerate((-8.0, -1.0, -1.9, 5.0, 1.9))]
    for key, worst in (("vanishing", -8.0), ("exploding", 5.0)):
        found = one(runs, key)
        assert (found.values["n_runs"], found.values["runs"]) == (1, 5)
        assert found.values["worst"] == pytest.approx(worst)


def test_a_factor_that_does_not_go_the_paths_way_explains_nothing():
    growing = list(10 ** np.linspace(3, 0, 7))
    found = one(net([1e-8, *growing], stages=[0] + [1] * 7), "vanishing")
    assert "factor" not in found.values
    assert (found.values["before"], found.values["behind"]) == ("l0", "l1")
    assert "factor" not in one(net([1e8, *growing[::-1]], stages=[0] + [1] * 7), "exploding").values


def test_between_two_layers_there_is_no_place_to_name():
    found = one(net([1e-8, 1.0]), "vanishing")
    assert not {"before", "factor"} & found.values.keys()


def test_the_factor_of_one_run_has_the_interval_of_its_line_and_that_of_several_is_over_seeds():
    wiggle = 10 ** (0.2 * np.sin(np.arange(9) ** 2))
    alone = one(net(geometric(-8) * wiggle, stages=0), "vanishing").values["factor"]
    assert alone.n == 1
    assert alone.low < alone.mean < alone.high
    assert alone.high - alone.low < 0.1
    sizes = (-8.0, -9.0, -7.0)
    together = one([net(geometric(size), stages=0, seed=seed) for seed, size in enumerate(sizes)], "vanishing")
    steps = np.array(sizes) / 8
    low, high = stats.t.interval(0.95, 2, steps.mean(), stats.sem(steps))
    assert together.values["factor"] == pytest.approx((0.1, 10**low, 10**high, 3))


def test_the_worst_tower_is_named_with_both_ends():
    norms = [1.0, 1.0, 1e-6, 1e-3, 1.0]
    edges = [("l0", "l1"), ("l1", "l4"), ("l2", "l3"), ("l3", "l4")]
    for order in (range(5), [2, 3, 0, 1, 4]):
        found = one(net(norms, edges=edges, order=list(order)), "vanishing")
        assert (found.values["first"], found.values["last"]) == ("l2", "l4")
        assert "at layer l2 than at layer l4" in str(found)


def test_calls_of_one_layer_are_named_by_number():
    rows = pd.DataFrame({"step": 0, "layer": ["c"] * 5 + ["o"], "call": [*range(5), 0], "order": [0] * 5 + [1]})
    rows = rows.assign(layer_depth=[1] * 5 + [6], weighted=True, kind="Linear", out_grad_norm=[*geometric(-8, 5), 0.1])
    graph = pd.DataFrame({"source": "c", "source_call": range(5), "layer": ["c"] * 4 + ["o"], "call": [1, 2, 3, 4, 0]})
    found = one(Recording(layers=rows, graph=graph, meta={"run": "cell"}), "vanishing")
    assert (found.values["first"], found.values["first_call"], found.values["last_call"]) == ("c", 0, 4)
    assert found.values["factor"].mean == pytest.approx(0.01)
    assert "at call 0 of layer c than at call 4 of layer c" in str(found)


def test_a_cell_before_a_head_is_explained_by_its_calls():
    rows = pd.DataFrame({"step": 0, "layer": ["c"] * 5 + ["o"], "call": [*range(5), 0], "order": [0] * 5 + [1]})
    rows = rows.assign(layer_depth=[1] * 5 + [6], weighted=True, kind="Linear", out_grad_norm=[*geometric(-8, 5), 9.0])
    graph = pd.DataFrame({"source": "c", "source_call": range(5), "layer": ["c"] * 4 + ["o"], "call": [1, 2, 3, 4, 0]})
    found = one(Recording(layers=rows, graph=graph, meta={"run": "cell"}), "vanishing")
    assert "at call 0 of layer c than at layer o" in str(found)
    assert "Each call of c, from the last to the first, multiplies it by 0.0100" in str(found)


def test_unknown_depth_is_judged_in_the_models_order_and_says_so():
    layers = net(geometric(-6)).layers.assign(layer_depth=-1, order=-1, grad_norm=geometric(-6), out_grad_norm=np.nan)
    found = one(Recording(layers=layers, meta={"run": "compiled"}), "vanishing")
    assert "the model's own order" in str(found)
    assert "parameter gradient" in str(found)


def test_a_frozen_first_layer_does_not_hide_the_others():
    norms = [np.nan, *geometric(-6, 8)]
    found = one(net(norms), "vanishing")
    assert found.values["first"] == "l1"
    assert not found_in(net(norms), "ends_not_measured")


def test_not_measured_is_said_where_fewer_than_two_were():
    assert one(net([np.nan, np.nan, 1.0]), "ends_not_measured").severity == "unmeasured"


def test_healthy_quotes_the_ends_that_are_farthest_apart_and_within_holds():
    norms = [1.0, 1.0, 0.02, 0.1, 1.0]
    edges = [("l0", "l1"), ("l1", "l4"), ("l2", "l3"), ("l3", "l4")]
    found = one(net(norms, edges=edges), "healthy")
    assert found.values["decades"].mean == pytest.approx(np.log10(0.02))
    assert "between layer l2 and layer l4: it is 50.0 times smaller at layer l2; up to 100 times is normal." in str(
        found
    )
    wide = one([net(geometric(size), seed=seed) for seed, size in enumerate((-1.9, 1.0))], "healthy")
    assert "all runs are in the normal range, up to 100 times" in str(wide)


def test_healthy_says_whether_the_loss_was_judged():
    assert "the gradient or the loss" in str(one(net([1.0, 1.0], loss=FALLING), "healthy"))
    assert "and loss" not in str(one(net([1.0, 1.0]), "healthy"))


def test_a_network_with_skips_is_not_told_to_add_them():
    edges = [(f"l{i}", f"l{i + 1}") for i in range(8)]
    assert "remedy.skip" in one(net(geometric(-6), edges=edges), "vanishing").remedies
    assert "remedy.skip" not in one(net(geometric(-6), edges=[*edges, ("l2", "l5")]), "vanishing").remedies


def test_prose_on_batch_norm_needs_one():
    rows = {"stages": 0}
    assert one(net(geometric(6), **rows), "exploding").cause == "cause.factor_above_one"
    kinds = ["Linear"] * 8 + ["BatchNorm1d"]
    assert one(net([*geometric(6, 8), 1.0], kinds=kinds, **rows), "exploding").cause == "cause.batch_norm"


def test_the_closed_form_stands_beside_the_measured_factor_where_the_weights_are_known():
    kinds = ["Linear", "Sigmoid"] * 5 + ["Linear"]
    made = net(geometric(-8, 11), kinds=kinds, stages=0)
    width = 64
    weight_norm = np.sqrt(width * width / (3 * width))  # PyTorch's default: variance 1 / (3 fan_in)
    linear = [f"l{i}" for i in range(0, 10, 2)]
    parameters = pd.DataFrame({"step": 0, "layer": linear, "parameter": "weight", "n_entries": width * width, "dim": 2})
    known = Recording(
        layers=made.layers, graph=made.graph, meta=made.meta, parameters=parameters.assign(weight_norm=weight_norm)
    )
    assert "theory predicts 0.141." in str(one(known, "vanishing"))  # shared by the table of laws
    assert "closed form" not in str(one(made, "vanishing"))


def test_no_remedy_for_a_stack_is_named_for_a_sudden_loss():
    assert one(net([1e-8, 1e-8, 1.0, 1.0]), "vanishing").remedies == ()


def test_only_remedies_that_repaired_half_of_a_kind_of_fault_are_named_best_first(monkeypatch):
    def fault(**counts):
        return {"findings": ["vanishing"], "remedies": {f"remedy.{name}": pair for name, pair in counts.items()}}

    faults = {
        "vanishing/sigmoid": fault(init=[0, 6], skip=[3, 6], relu=[6, 6], warmup=[2, 6]),
        "vanishing/tanh": fault(init=[6, 6], relu=[6, 6]),
    }
    monkeypatch.setattr("gradflow.diagnosis.remedies.remedy_studies", lambda: ({"faults": faults},))
    kinds = ["Linear", "Sigmoid"] * 4 + ["Linear"]
    assert one(net(geometric(-8), stages=0, kinds=kinds), "vanishing").remedies == ("remedy.relu", "remedy.skip")
    assert one(net(geometric(-8), stages=0), "vanishing").remedies == ("remedy.init", "remedy.skip")


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("decades", [-600.0, -3.0, 3.0, 600.0])
def test_extreme_values_make_sentences(lang, decades):
    norms = [10.0 ** (decades / 2), 1.0, 10.0 ** (-decades / 2)]
    (found,) = [one for one in diagnose(net(norms)) if one.key in ("vanishing", "exploding")]
    with language(lang):
        said = str(found)
    assert not {"nan", "inf", "∞", "{"} & set(said.replace("(", " ").split())
    assert ("10⁶⁰⁰" in said) == (abs(decades) == 600)
