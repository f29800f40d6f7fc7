"""What the first batch says, from meta that a recorder wrote or a stranger made up."""

import math

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording, diagnose
from gradflow.diagnosis.beginning import constant_loss, empty_loss

NORMAL = {
    "n": 640, "examples": 64, "features": 10, "width": 10, "min": -2.0, "max": 2.0, "mean": 0.0, "rms": 1.0,
    "nonfinite": 0, "constant": 0, "spread": 1.0,
}  # fmt: skip
CROSS_ENTROPY = ["NllLoss", "LogSoftmax", "Addmm"]


def recording(inputs=(), outputs=(), losses=(2.3,) * 60, operations=CROSS_ENTROPY, **meta):
    first = {"inputs": list(inputs), "outputs": list(outputs), **meta}
    steps = pd.DataFrame({"step": range(len(losses)), "loss": losses})
    sizes = {"dim": [2, 1], "n_entries": [64, 8], "weight_norm": [3.0, 0.0]}
    parameters = pd.DataFrame({"step": 0, "layer": "a", "parameter": ["weight", "bias"], **sizes})
    return Recording(
        steps=steps, parameters=parameters, meta={"run": "mine", "first_batch": first, "loss_operations": operations}
    )


def problems(*arguments, **options):
    return [one.key for one in diagnose(recording(*arguments, **options)) if one.severity == "problem"]


FALLING = tuple(2.3 * 0.95**step for step in range(60))


def test_a_constant_answer_s_loss_is_known_where_the_loss_is_a_mean_of_cross_entropies():
    assert constant_loss(recording([], [NORMAL])) == pytest.approx(math.log(10))
    assert math.isnan(constant_loss(recording([], [NORMAL], operations=["MseLoss", "Addmm"])))
    assert math.isnan(constant_loss(recording([], [NORMAL], losses=(64 * 2.3,) * 60)))
    assert math.isnan(constant_loss(recording([], [])))


@pytest.mark.parametrize(("rms", "key"), [(300.0, "inputs_unscaled"), (1.0, None), (1e-3, "inputs_unscaled")])
def test_inputs_of_another_size_are_named_before_the_loss_that_does_not_fall(rms, key):
    found = problems([NORMAL | {"rms": rms}], [NORMAL])
    assert found == [*([key] if key else []), "loss_constant"]


def test_odd_inputs_of_a_network_that_learns_are_no_problem():
    assert problems([NORMAL | {"rms": 300.0}], [NORMAL], FALLING) == []


def test_nan_in_the_inputs_is_a_problem():
    assert problems([NORMAL | {"nonfinite": 3}], [NORMAL], FALLING) == ["inputs_nonfinite"]


@pytest.mark.parametrize(
    ("operations", "key"),
    [
        (["NllLoss", "LogSoftmax", "Softmax", "Addmm"], "squashed_logits"),
        (["NllLoss", "LogSoftmax", "Relu", "Addmm"], "squashed_logits"),
        (["BinaryCrossEntropyWithLogits", "Sigmoid", "Addmm"], "squashed_logits"),
        (["BinaryCrossEntropyWithLogits", "Softmax", "Addmm"], "softmax_of_one"),
        (["BinaryCrossEntropy", "Sigmoid", "Addmm"], None),
        (CROSS_ENTROPY, None),
        (["NllLoss", "Log", "Softmax", "Addmm"], None),
    ],
)
def test_what_stands_between_outputs_and_loss_is_named_where_it_does_not_fit(operations, key):
    width = 1 if key == "softmax_of_one" else 10
    assert problems([NORMAL], [NORMAL | {"width": width}], FALLING, operations) == ([key] if key else [])


def test_a_negative_loss_that_cannot_be_one_is_named_first():
    losses = [-2.3 * 1.2**step for step in range(60)]
    assert problems([NORMAL], [NORMAL], losses)[0] == "loss_negative"
    assert "loss_negative" not in problems([NORMAL], [NORMAL], losses, ["Mean", "Gather"])


def test_a_level_loss_of_a_game_or_a_policy_is_no_problem():
    assert problems([NORMAL], [NORMAL], operations=["Gather", "LogSoftmax"]) == []
    assert problems([NORMAL], [NORMAL | {"width": 3}], (1.5,) * 60, ["MseLoss", "Addmm"]) == ["loss_level"]


def test_outputs_that_begin_far_too_large_are_a_problem_once_enough_was_recorded():
    large = NORMAL | {"rms": 20.0, "min": -60.0, "max": 60.0}
    assert problems([NORMAL], [large], (40.0,) * 60)[0] == "outputs_large"
    short = recording([NORMAL], [large], (40.0, 38.0))
    assert {one.key: one.severity for one in diagnose(short)}["outputs_large"] == "notice"
    assert problems([NORMAL], [large], (40.0, *FALLING)) == []


ODD = [None, "no", [], {}, {"inputs": 3, "outputs": [[]]}, {"inputs": [{"rms": "x", "n": math.inf}], "alike": [1]},
       {"outputs": [NORMAL | {"width": math.nan, "examples": -1}], "n_alike": math.nan, "dropout": "much"}]  # fmt: skip


@pytest.mark.parametrize("first", ODD)
@pytest.mark.parametrize("operations", [None, "NllLoss", [None, 3], CROSS_ENTROPY])
def test_meta_that_no_recorder_wrote_ends_nothing(first, operations):
    made = recording()
    odd = Recording(
        steps=made.steps, meta={"first_batch": first, "loss_operations": operations, "optimizer_settings": first}
    )
    assert all(str(one) for one in diagnose(odd))


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0])
def test_the_loss_of_answering_zero_is_the_mean_square_of_the_targets(scale):
    """Of outputs that know nothing of the targets, drawn here apart from them."""
    draws = np.random.default_rng(0)
    targets, outputs = 3.0 * draws.standard_normal(100_000), scale * draws.standard_normal(100_000)
    loss = float(np.square(outputs - targets).mean())
    first = NORMAL | {"rms": math.sqrt(float(np.square(outputs).mean()))}
    found = empty_loss(recording([], [first], losses=(loss,) * 60, operations=["MseLoss", "Addmm"]))
    assert found == pytest.approx(float(np.square(targets).mean()), rel=0.01)


def test_the_loss_of_answering_zero_is_lost_beside_outputs_that_are_large():
    large = NORMAL | {"rms": 100.0}
    assert math.isnan(empty_loss(recording([], [large], losses=(10_001.0,) * 60, operations=["MseLoss", "Addmm"])))
    assert empty_loss(recording([], [NORMAL])) == pytest.approx(math.log(10))
