import math

import pytest
import torch
from torch import nn

from gradflow.hooks.additions import Additions
from gradflow.hooks.calls import ModuleCalls
from gradflow.hooks.joins import find_joins
from gradflow.probe.lesion import lesions

WIDTH = 6


class Block(nn.Module):
    def __init__(self, add):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH))
        self.add = add
        self.is_removed = False

    def forward(self, x):
        return x.clone() if self.is_removed else self.add(x, self.f(x))


ADDS = {
    "x + f": lambda x, f: x + f,
    "f + x": lambda x, f: f + x,
    "f += x": lambda x, f: f.add_(x),
    "x += f": lambda x, f: x.clone().add_(f),
    "alpha": lambda x, f: torch.add(x, f, alpha=0.3),
    "x - f": lambda x, f: x - f,
    "addcmul": lambda x, f: torch.addcmul(x, f, torch.ones(WIDTH)),
}


def measured(model, inputs):
    with torch.random.fork_rng(), ModuleCalls(model) as calls, Additions() as additions:
        outputs = model(inputs)
    joins = find_joins(outputs, inputs, calls)
    return joins, additions


@pytest.mark.parametrize("add", ADDS.values(), ids=ADDS)
def test_a_lesion_is_the_model_without_the_branch(add):
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), Block(add), nn.Dropout(0.2), Block(add), nn.Linear(WIDTH, 2))
    inputs = torch.randn(16, WIDTH)
    joins, additions = measured(model, inputs)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    frame = lesions(model, lambda: model(inputs).square().mean(), joins, additions)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert list(frame.status) == ["measured"] * 2

    def loss(block=None):
        if block is not None:
            block.is_removed = True
        with torch.random.fork_rng(), torch.no_grad():
            found = model(inputs).square().mean().item()
        model[1].is_removed = model[3].is_removed = False
        return found

    whole = loss()
    expected = [loss(model[1]), loss(model[3])]
    assert frame.loss.tolist() == pytest.approx(expected, rel=1e-6)
    assert frame.change.tolist() == pytest.approx([value - whole for value in expected], rel=1e-4)


def test_what_cannot_be_left_out_is_named():
    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.f = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

        def forward(self, x):
            x = self.stem(x)
            return torch.cat([x, self.f(x).relu()], 1)

    model, inputs = Dense(), torch.randn(4, WIDTH)
    joins, additions = measured(model, inputs)
    frame = lesions(model, lambda: model(inputs).sum(), joins, additions)
    assert frame.status.tolist() == ["no addition"]
    assert math.isnan(frame.loss[0])
    block = nn.Sequential(nn.Linear(WIDTH, WIDTH), Block(lambda x, f: torch.lerp(x, f, 0.5)))
    joins, additions = measured(block, inputs)
    assert lesions(block, lambda: block(inputs).sum(), joins, additions).status.tolist() == ["addition not seen"]
