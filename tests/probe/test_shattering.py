"""Correlations against gradients by torch.func, one input at a time, and against closed forms."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from gradflow.models import cifar_net, rectifier_net
from gradflow.probe.gradient_agreement import ShatteringError, autocorrelation, shattering
from gradflow.recording import Recording


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def input_value(frame):
    return frame.loc[frame.layer == "(input)", "value"].item()


def mean_cosine(rows):
    """Mean over all pairs, by loops."""
    cosines = [
        torch.nn.functional.cosine_similarity(rows[i].flatten(), rows[j].flatten(), dim=0).item()
        for i in range(len(rows))
        for j in range(len(rows))
        if i != j
    ]
    return np.mean(cosines)


def gradients_one_by_one(model, inputs, seed):
    """Return d(r · f(x_i)) / dx_i, each from a pass of its own."""
    rows = []
    for i in range(len(inputs)):
        x = inputs[i : i + 1].clone().requires_grad_()
        output = model(x).reshape(1, -1)
        direction = torch.randn(output.shape[1], generator=generator(seed), dtype=torch.float32).to(output)
        rows.append(torch.autograd.grad((output @ direction).sum(), x)[0])
    return rows


def small_net():
    return nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 32), nn.ReLU(inplace=True), nn.Linear(32, 3))


def test_input_correlation_is_the_mean_cosine_of_gradients_taken_one_by_one():
    model, inputs = small_net().double(), torch.randn(5, 6, dtype=torch.float64)
    expected = mean_cosine(gradients_one_by_one(model, inputs, seed=3))
    assert input_value(shattering(model, inputs, seed=3)) == pytest.approx(expected, rel=1e-9)


def test_layer_correlation_is_that_of_the_gradient_at_its_output_before_an_in_place_activation():
    model, inputs = small_net().double(), torch.randn(5, 6, dtype=torch.float64)
    head, tail = model[:3], model[3:]
    expected = mean_cosine(gradients_one_by_one(lambda h: tail(h.clone()), head(inputs).detach(), seed=0))
    frame = shattering(model, inputs).set_index("layer")
    assert frame.loc["2", "value"] == pytest.approx(expected, rel=1e-9)
    assert frame["layer_depth"].tolist() == [0, 1, 2, 3]
    assert frame["x"].tolist() == [3.0, 2.0, 1.0, 0.0]


def test_batch_statistics_are_constants():
    """In eval mode, with running statistics set to the batch's, gradients one by one are what is meant."""
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, momentum=1.0), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2)
    )
    model, inputs = model.double(), torch.randn(8, 2, 5, 5, dtype=torch.float64)
    reference = copy.deepcopy(model)
    reference(inputs)
    reference[1].running_var *= (8 * 9 - 1) / (8 * 9)  # running variances are unbiased, those in use are not
    reference.eval()
    expected = mean_cosine(gradients_one_by_one(reference, inputs, seed=0))
    assert input_value(shattering(model, inputs)) == pytest.approx(expected, rel=1e-9)


def test_linear_network_does_not_shatter():
    frame = shattering(nn.Sequential(nn.Linear(4, 16), nn.Linear(16, 3)), torch.randn(6, 4))
    np.testing.assert_allclose(frame["value"], 1.0, rtol=1e-6)


def test_plain_batch_norm_halves_per_layer():
    """P(both active) / P(active) = 1/2 for unrelated inputs: 2^-L, here with the mean of 6 draws."""
    for depth in (1, 2, 3, 4):
        found = [
            input_value(shattering(rectifier_net(depth, norm="batch", generator=generator(s)), torch.randn(96, 256)))
            for s in range(6)
        ]
        error = np.std(found, ddof=1) / math.sqrt(6)
        assert np.mean(found) == pytest.approx(0.5**depth, abs=max(4 * error, 0.004))


def test_zero_gradients_have_no_direction_and_are_counted():
    model = nn.Sequential(nn.Linear(2, 1, bias=False), nn.ReLU())
    model[0].weight.data[:] = torch.tensor([[1.0, 0.0]])
    inputs = torch.tensor([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]])
    row = shattering(model, inputs).iloc[0]
    assert (row["value"], row["n"], row["n_zero"]) == (1.0, 2, 1)


def test_single_live_input_has_no_correlation():
    model = nn.Sequential(nn.Linear(2, 1, bias=False), nn.ReLU())
    model[0].weight.data[:] = torch.tensor([[1.0, 0.0]])
    assert math.isnan(shattering(model, torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).iloc[0]["value"])


def test_rows_fit_a_recording():
    frame = shattering(small_net(), torch.randn(4, 6))
    probes = Recording(probes=frame).probes
    assert probes["probe"].unique().tolist() == ["shattering"]
    np.testing.assert_array_equal(probes["value"], frame["value"])


def test_autocorrelation_is_that_of_the_formula():
    model, line = rectifier_net(2, width=32, in_features=1, generator=generator()), torch.linspace(-2, 2, 40)[:, None]
    x = line.clone().requires_grad_()
    direction = torch.randn(32, generator=generator())
    slopes = torch.autograd.grad((model(x) @ direction).sum(), x)[0].flatten().double().numpy()
    centred = slopes - slopes.mean()
    expected = [sum(a * b for a, b in zip(centred, centred[k:], strict=False)) / sum(centred**2) for k in range(6)]
    frame = autocorrelation(model, line, lags=5)
    np.testing.assert_allclose(frame[frame.layer == "(input)"]["value"], expected, rtol=1e-5)


def state(model):
    return {
        "state": {name: value.clone() for name, value in model.state_dict().items()},
        "grads": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()],
        "rng": torch.get_rng_state(),
    }


def assert_same(before, after):
    assert all(torch.equal(value, after["state"][name]) for name, value in before["state"].items())
    for a, b in zip(before["grads"], after["grads"], strict=True):
        assert (a is None and b is None) or torch.equal(a, b)
    assert before["modes"] == after["modes"]
    assert before["hooks"] == after["hooks"]
    assert torch.equal(before["rng"], after["rng"])


@pytest.mark.parametrize("fails", [False, True])
def test_model_is_left_as_found(fails):
    model = nn.Sequential(cifar_net(8, in_channels=1, widths=(4, 4, 4)), nn.Dropout(0.5))
    images = torch.randn(4, 1, 8, 8)
    model(images).sum().backward()
    model[0].stage1.eval()
    if fails:
        model.append(nn.Linear(99, 1))
    before = state(model)
    if fails:
        with pytest.raises(RuntimeError):
            shattering(model, images)
    else:
        shattering(model, images)
    assert_same(before, state(model))
    assert not images.requires_grad


def test_no_grad_around_it_changes_nothing():
    model, inputs = small_net(), torch.randn(4, 6)
    expected = shattering(model, inputs)
    with torch.no_grad():
        assert shattering(model, inputs).equals(expected)
    with torch.inference_mode():
        assert shattering(model, inputs).equals(expected)


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        (small_net(), torch.zeros(4, 6, dtype=torch.long), "floating-point tensor.*torch.int64"),
        (small_net(), [1.0], "floating-point tensor.*list"),
        (small_net(), torch.zeros(1, 6), r"n at least 2; got shape \(1, 6\)"),
        (torch.compile(nn.Linear(6, 6), backend="eager"), torch.zeros(4, 6), "neither compiled nor scripted"),
        (nn.Flatten(0), torch.zeros(4, 6), r"must start with the 4 inputs; got shape \(24,\)"),
    ],
)
def test_bad_input_is_named_in_one_line(model, inputs, message):
    with pytest.raises(ShatteringError, match=message) as caught:
        shattering(model, inputs)
    assert "\n" not in str(caught.value)


def test_output_that_does_not_depend_on_the_input_is_said():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return self.weight.expand(len(x), 3) * 2

    with pytest.raises(ShatteringError, match="does not depend on its inputs"):
        shattering(Constant(), torch.randn(4, 6))


def test_lags_out_of_range_are_named():
    with pytest.raises(ShatteringError, match=r"lags must be from 1 to 3.*got 4"):
        autocorrelation(small_net(), torch.randn(4, 6), lags=4)
