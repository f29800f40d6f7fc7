import random

import numpy as np
import pytest
import torch
from torch import nn

from gradflow.probe.preserved import left_as_found


class Stateful(nn.Module):
    """Changes whatever a module can change in a forward pass."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("replaced", torch.ones(2))
        self.register_buffer("scratch", torch.ones(2), persistent=False)
        self.calls = 0

    def forward(self, x):
        with torch.no_grad():
            self.linear.bias.add_(1)
        self.count += 1
        self.replaced = self.replaced * 2
        self.scratch.fill_(float("nan"))
        self.linear.weight.data = self.linear.weight.data * 2
        self.calls += 1
        self.last = x
        return self.linear(x) + torch.rand(3) + random.random() + np.random.rand()


def snapshot(model):
    return {
        "values": {name: value.detach().clone() for name, value in [*model.named_parameters(), *model.named_buffers()]},
        "objects": {name: id(value) for name, value in [*model.named_parameters(), *model.named_buffers()]},
        "memory": {name: value.data_ptr() for name, value in model.named_parameters()},
        "gradients": {name: value.grad for name, value in model.named_parameters()},
        "requires": {name: value.requires_grad for name, value in model.named_parameters()},
        "modes": [module.training for module in model.modules()],
        "attributes": {name: set(vars(module)) for name, module in model.named_modules()},
        "random": (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()),
    }


def assert_same(now, before):
    assert now["values"].keys() == before["values"].keys()
    for name, value in now["values"].items():
        assert value.numpy().tobytes() == before["values"][name].numpy().tobytes(), name
    for key in ("objects", "memory", "requires", "modes", "attributes"):
        assert now[key] == before[key], key
    assert all(now["gradients"][name] is gradient for name, gradient in before["gradients"].items())
    assert torch.equal(now["random"][0], before["random"][0])
    assert now["random"][1:] == before["random"][1:]


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_put_back(fails):
    model = Stateful()
    model(torch.ones(3)).sum().backward()
    before, calls = snapshot(model), model.calls
    kept = model.linear.weight.grad.clone()

    def work():
        with left_as_found(model):
            assert model.linear.weight.grad is None
            model(torch.ones(3)).sum().backward()
            model.eval()
            model.linear.weight.requires_grad_(False)
            if fails:
                raise RuntimeError("in the middle")

    if fails:
        with pytest.raises(RuntimeError, match="in the middle"):
            work()
    else:
        work()
    assert_same(snapshot(model), before)
    assert model.calls == calls
    assert torch.equal(model.linear.weight.grad, kept)


def test_what_did_not_change_is_not_written_to():
    model = nn.Linear(2, 2)
    loss = model(torch.ones(1, 2)).square().sum()
    version = model.weight._version
    with left_as_found(model):
        model(torch.ones(1, 2)).sum().backward()
    assert model.weight._version == version
    loss.backward()  # the graph from before still works
    assert model.weight.grad is not None


def test_nan_and_the_sign_of_zero_count_as_bits():
    model = nn.Linear(1, 2)
    with torch.no_grad():
        model.bias.copy_(torch.tensor([float("nan"), -0.0]))
    with left_as_found(model), torch.no_grad():
        model.bias.zero_()
    assert model.bias[0].isnan()
    assert torch.signbit(model.bias[1])
