"""What is read of one step: a gradient read again as it is by then, in whole parameters and in parts of fused ones."""

import math

import pytest
import torch
from oracles import norm64
from torch import nn

import gradflow


def backward(model, factor=1.0):
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    (model(x) * factor).sum().backward()


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))


def test_entries_counted_before_they_were_mended_do_not_count():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer, activations=False) as recorder:
        backward(model)
        model[0].weight.grad[0, :3] = math.nan
        model[1].weight.grad[0, 0] = math.inf
        recorder.step()
        model[0].weight.grad.nan_to_num_(0.0)
        expected = norm64(model[0].weight.grad, model[0].bias.grad)
        optimizer.step()
    rows = recorder.recording.layers.set_index("layer")
    assert rows.n_nonfinite[["0", "1"]].tolist() == [0, 1]
    assert rows.grad_norm.tolist() == pytest.approx([expected, math.inf], rel=1e-6)


def test_entries_of_either_reading_are_counted_where_two_optimizers_step():
    model = net()
    first, last = (torch.optim.SGD(layer.parameters(), lr=0.0) for layer in model)
    with gradflow.record(model, optimizer=[first, last], activations=False) as recorder:
        backward(model)
        for layer in model:
            layer.bias.grad[:2] = math.nan
        first.step()
        last.step()
    assert recorder.recording.layers.n_nonfinite.tolist() == [2, 2]


def test_a_gradient_that_is_gone_at_the_second_reading_is_not_measured():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer, activations=False) as recorder:
        backward(model)
        recorder.step()
        model[0].weight.grad = model[0].bias.grad = None
        expected = norm64(*[parameter.grad for parameter in model[1].parameters()])
        optimizer.step()
    recording = recorder.recording
    rows = recording.layers.set_index("layer")
    assert math.isnan(rows.grad_norm["0"])
    assert rows.grad_norm["1"] == pytest.approx(expected, rel=1e-6)
    assert recording.steps.total_grad_norm.tolist() == pytest.approx([expected], rel=1e-6)
