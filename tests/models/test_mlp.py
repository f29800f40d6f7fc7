"""Fully connected networks: what is drawn, what is computed, what is refused."""

import math

import pytest
import torch
from torch import nn

from gradflow import theory
from gradflow.models import mlp


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def linears(model):
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def test_depth_counts_weighted_layers_and_names_are_readable():
    model = mlp(5, width=8, in_features=4, num_classes=3)
    assert len(linears(model)) == 5
    assert [layer.in_features for layer in linears(model)] == [4, 8, 8, 8, 8]
    assert "hidden.layer4.act" in dict(model.named_modules())
    assert model(torch.zeros(2, 1, 2, 2)).shape == (2, 3)


@pytest.mark.parametrize("init", ["xavier", "kaiming", "kaiming-0.8", "critical"])
def test_weights_have_the_variance_of_the_theory(init):
    for layer in linears(mlp(4, width=400, in_features=300, num_classes=200, init=init, generator=generator())):
        expected = theory.weight_variance(init, "relu") / layer.in_features
        assert layer.weight.var().item() == pytest.approx(expected, rel=0.03)
        assert layer.bias is None


def test_default_is_that_of_linear():
    for layer in linears(mlp(3, width=400, in_features=300, init="default", generator=generator())):
        bound = 1 / math.sqrt(layer.in_features)
        reference = nn.Linear(layer.in_features, layer.out_features)
        for name, parameter in layer.named_parameters():
            drawn = getattr(reference, name)
            assert bound * 0.9 < drawn.abs().max() <= bound
            assert parameter.abs().max() <= bound
        assert layer.weight.var().item() == pytest.approx(bound**2 / 3, rel=0.03)
        assert layer.bias is not None


def test_weights_come_from_the_generator_alone():
    before = torch.get_rng_state()
    first, second = (mlp(4, width=8, init="default", generator=generator(3)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("norm", [None, "batch"])
def test_forward_is_the_formula(norm, skip):
    model = mlp(4, width=6, in_features=5, activation="tanh", init="xavier", norm=norm, skip=skip).double()
    inputs = torch.randn(7, 5, dtype=torch.float64, generator=generator())
    x = inputs
    for index, layer in enumerate(linears(model)[:-1]):
        h = x @ layer.weight.T
        if norm:
            h = (h - h.mean(0)) / torch.sqrt(h.var(0, correction=0) + 1e-5)
        x = torch.tanh(h) + (x if skip and index else 0)
    torch.testing.assert_close(model(inputs), x @ linears(model)[-1].weight.T)


@pytest.mark.parametrize("activation", theory.ACTIVATIONS)
def test_every_activation_of_the_theory(activation):
    model = mlp(3, width=6, in_features=5, activation=activation, init="xavier", norm="layer").double()
    x = inputs = torch.randn(7, 5, dtype=torch.float64, generator=generator())
    for layer in linears(model)[:-1]:
        h = x @ layer.weight.T
        h = (h - h.mean(1, keepdim=True)) / torch.sqrt(h.var(1, correction=0, keepdim=True) + 1e-5)
        x = torch.from_numpy(theory.CURVES[activation].value(h.detach().numpy()))
    torch.testing.assert_close(model(inputs), x @ linears(model)[-1].weight.T, atol=1e-8, rtol=1e-6)


def test_plain_and_skip_differ_by_the_addition_alone():
    plain, residual = (mlp(4, norm="batch", skip=skip, generator=generator()) for skip in (False, True))
    assert plain.state_dict().keys() == residual.state_dict().keys()
    for name, value in plain.state_dict().items():
        assert torch.equal(value, residual.state_dict()[name])


def test_bias_free_relu_net_is_homogeneous():
    """<W, dL/dW> is the same in every layer, so that only activation gradients show the level's decay."""
    model = mlp(12, width=32, in_features=16, init="kaiming-0.8", generator=generator()).double()
    inputs = torch.randn(9, 16, dtype=torch.float64, generator=generator(1))
    nn.functional.cross_entropy(model(inputs), torch.arange(9)).backward()
    products = torch.stack([(layer.weight * layer.weight.grad).sum() for layer in linears(model)])
    torch.testing.assert_close(products, products[:1].expand(12), rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 1}, r"depth must be at least 2 .*; got 1"),
        ({"width": 0}, r"width must be at least 1; got 0"),
        ({"in_features": 0}, r"in_features must be at least 1; got 0"),
        ({"num_classes": -1}, r"num_classes must be at least 1; got -1"),
        ({"activation": "mish"}, r"activation must be one of .*; got 'mish'"),
        ({"init": "orthogonal"}, r"init must be one of .*; got 'orthogonal'"),
        ({"norm": "group"}, r"norm must be None, 'batch' or 'layer'; got 'group'"),
        ({"activation": "sigmoid", "init": "critical"}, r"init='critical' is for .*; got 'sigmoid'"),
    ],
)
def test_errors_name_what_is_allowed(arguments, message):
    with pytest.raises(ValueError, match=message):
        mlp(**{"depth": 3, **arguments})
