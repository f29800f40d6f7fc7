import copy
import pickle

import pytest
import torch
from oracles import hook_counts, output_gradients
from torch import nn
from torch.nn import functional

from gradflow.hooks import on_output_gradients, on_parameter_gradients
from gradflow.models import cifar_net


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(inplace=True), nn.Linear(7, 7), nn.Tanh(), nn.Linear(7, 3))


@pytest.mark.parametrize("family", ["plain", "residual"])
def test_output_gradients_equal_those_of_added_zeros(family):
    model, x = cifar_net(8, in_channels=1, shortcut="B", family=family), torch.randn(4, 1, 8, 8)
    expected = output_gradients(model, x, lambda y: y.square().sum())
    found = {}
    with on_output_gradients(model, lambda layer, gradient: found.setdefault(layer, gradient.clone())):
        model(x).square().sum().backward()
    assert found.keys() == expected.keys()
    for layer, gradient in expected.items():
        if type(model.get_submodule(layer)) is nn.Identity:
            continue  # it returns its input: the gradient is that of all the tensor's uses
        torch.testing.assert_close(found[layer], gradient, rtol=1e-4, atol=1e-6)


def test_parameter_gradients_are_grad():
    model, x = net(), torch.randn(4, 5)
    found = {}
    with on_parameter_gradients(model, lambda name, gradient: found.setdefault(name, gradient.clone())):
        model(x).sum().backward()
    assert found.keys() == dict(model.named_parameters()).keys()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=0, atol=0)


def test_layers_are_chosen_by_pattern():
    model, seen = net(), []
    with (
        on_output_gradients(model, lambda layer, _: seen.append(layer), layers=["0", "4"]),
        on_parameter_gradients(model, lambda name, _: seen.append(name), layers="2"),
    ):
        model(torch.randn(4, 5)).sum().backward()
    assert sorted(seen) == ["0", "2.bias", "2.weight", "4"]


def test_tied_weights_have_their_first_name():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    seen = []
    with on_parameter_gradients(model, lambda name, _: seen.append(name)):
        model(torch.randn(2, 3)).sum().backward()
    assert seen == ["0.weight"]


def test_gradients_stay_bit_identical():
    x = torch.randn(4, 5)
    plain, watched = net(), net()
    plain(x).square().sum().backward()
    with on_output_gradients(watched, lambda *_: "ignored"), on_parameter_gradients(watched, lambda *_: "ignored"):
        watched(x).square().sum().backward()
    for a, b in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


@pytest.mark.parametrize("utility", [on_output_gradients, on_parameter_gradients])
def test_nothing_is_left_behind(utility):
    model = net()
    before = hook_counts(model)
    with pytest.raises(RuntimeError), utility(model, lambda *_: None):
        model(torch.randn(4, 6))  # the wrong width raises in the forward pass
    assert hook_counts(model) == before
    assert all(not parameter._backward_hooks for parameter in model.parameters())


def test_an_error_in_the_callback_reaches_the_caller_and_leaves_no_hook():
    model = net()
    before = hook_counts(model)

    def fail(layer, gradient):
        raise KeyError(layer)

    with pytest.raises(KeyError), on_output_gradients(model, fail):
        model(torch.randn(4, 5)).sum().backward()
    assert hook_counts(model) == before


def test_a_copy_made_meanwhile_is_inert():
    model, seen = net(), []
    with on_output_gradients(model, lambda layer, _: seen.append(layer)):
        twin = copy.deepcopy(model)
        again = pickle.loads(pickle.dumps(model))
        for other in (twin, again):
            other(torch.randn(4, 5)).sum().backward()
    assert seen == []


def test_calls_without_grad_make_no_call():
    model, seen = net(), []
    with on_output_gradients(model, lambda layer, _: seen.append(layer)):
        with torch.no_grad():
            model(torch.randn(4, 5))
        with torch.inference_mode():
            model(torch.randn(4, 5))
        functional.relu(model(torch.randn(4, 5))).sum().backward()
    assert len(seen) == 5


def test_unknown_pattern_names_the_nearest():
    with (
        pytest.raises(ValueError, match=r"layers='stage1.0.conv3' matches no layer. Nearest names: stage1.0.conv"),
        on_output_gradients(cifar_net(8), lambda *_: None, layers="stage1.0.conv3"),
    ):
        pass
