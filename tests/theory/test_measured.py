"""The laws against wide networks that are drawn, run and differentiated here, without gradflow's models or hooks."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch_activations import TORCH

from gradflow import theory

WIDTH, BATCH, SEEDS = 512, 64, 4


def normed(h, norm):
    if norm == "batch":
        return (h - h.mean(0)) / h.std(0, correction=0)
    return functional.layer_norm(h, h.shape[1:]) if norm else h


def gradient_norms(activation, weights, biases, norm, skip, depth, seed):
    """Norms of a random gradient at the output of each weighted layer of `depth` hidden ones."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    x, outputs = normal(BATCH, WIDTH), []
    for index in range(depth):
        weight = normal(WIDTH, WIDTH) * math.sqrt(weights / WIDTH)
        h = (x @ weight.T + math.sqrt(biases) * normal(WIDTH)).requires_grad_()
        outputs.append(h)
        branch = TORCH[activation](normed(h, norm))
        x = x + branch if skip and index else branch
    return torch.stack([g.norm() for g in torch.autograd.grad(x, outputs, normal(BATCH, WIDTH))]).numpy()


# 512 wide and 64 inputs a batch: batch norm's factor is 1 % above that of large batches, and means over layers of
# one mean (ReLU with layer norm and skip) scatter by 5 %.
def measured(activation, law, depth):
    logs = [
        np.log(gradient_norms(activation, law.weight_variance, law.bias_variance, law.norm, law.skip, depth, seed))
        for seed in range(SEEDS)
    ]
    return np.mean(logs, axis=0)


@pytest.mark.parametrize(
    ("activation", "init", "norm", "skip"),
    [
        ("relu", "default", None, False),
        ("leaky-relu", "kaiming", None, False),
        ("silu", "xavier", None, False),
        ("softplus", "xavier", None, False),
        ("selu", "xavier", None, False),
        ("elu", "default", None, False),
        ("sigmoid", "xavier", None, False),
        ("sigmoid", "critical", None, False),
        ("relu", "kaiming", "batch", False),
        ("gelu", "kaiming", "batch", False),
        ("silu", "default", "batch", False),
        ("leaky-relu", "default", "batch", False),
        ("relu", "kaiming", "layer", False),
        ("tanh", "xavier", "layer", False),
        ("gelu", "default", "layer", False),
        ("sigmoid", "xavier", "layer", False),
        ("softplus", "default", "layer", False),
        ("relu", "xavier", None, True),
    ],
)
def test_a_constant_factor_is_that_of_wide_networks(activation, init, norm, skip):
    law = theory.law(activation=activation, init=init, norm=norm, skip=skip)
    depth, first = 12, 5  # layers in which the variance settles stay out
    logs = measured(activation, law, depth)
    factor = math.exp((logs[first] - logs[-2]) / (depth - 2 - first))
    assert factor == pytest.approx(law.factor, rel=0.02)


@pytest.mark.parametrize(
    ("activation", "init", "norm", "skip"),
    [
        ("tanh", "critical", None, False),
        ("selu", "critical", None, False),
        ("tanh", "default", None, True),
        ("sigmoid", "kaiming", None, True),
        ("gelu", "default", None, True),
        ("softplus", "default", None, True),
        ("relu", "kaiming", "batch", True),
        ("gelu", "kaiming", "batch", True),
        ("sigmoid", "default", "batch", True),
        ("relu", "kaiming", "layer", True),
        ("tanh", "default", "layer", True),
        ("gelu", "critical", "layer", True),
    ],
)
def test_a_profile_is_that_of_wide_networks(activation, init, norm, skip):
    law = theory.law(activation=activation, init=init, norm=norm, skip=skip)
    depth = 12
    logs = measured(activation, law, depth)
    expected = law.profile(depth + 1)
    known = np.isfinite(expected)
    assert known.sum() >= depth - 1
    np.testing.assert_allclose(np.exp(logs - logs[-1])[known], expected[known], rtol=0.06)


def test_what_a_wide_network_lacks_shrinks_with_the_width(monkeypatch):
    """With a skip and no norm the direction of the mean outgrows the others: 1/width of the gradient, compounded."""
    law = theory.law(activation="gelu", init="xavier", skip=True)
    depth, off = 12, []
    for width in (128, 1024):
        monkeypatch.setitem(globals(), "WIDTH", width)
        logs = measured("gelu", law, depth)
        off.append(float(logs[0] - logs[-1] - np.log(law.profile(depth + 1)[0])))
    assert off[0] > 0.25
    assert off[1] < 0.15
