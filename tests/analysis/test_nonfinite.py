import math

import torch
from torch import nn

import gradflow
from gradflow.analysis import first_nonfinite


class Faulty(nn.Module):
    """Divides by zero in the chosen place from the third call on."""

    def __init__(self, where):
        super().__init__()
        self.where, self.calls = where, 0
        self.first, self.middle, self.last = (nn.Linear(3, 3) for _ in range(3))

    class Gradient(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient / 0

    def forward(self, x):
        self.calls += 1
        x = self.middle(self.first(x))
        if self.calls > 2:
            x = x / 0 if self.where == "forward" else self.Gradient.apply(x)
        return self.last(x)


def record(where):
    model = Faulty(where)
    with gradflow.record(model, statistics=True, name=where) as recorder:
        for _ in range(4):
            model.zero_grad()
            model(torch.ones(2, 3)).sum().backward()
            recorder.step()
    return recorder.recording


def test_the_first_layer_and_step_are_named():
    table = first_nonfinite([record("forward"), record("backward")]).set_index(["run", "direction"])
    assert table.loc[("forward", "forward"), ["step", "layer"]].tolist() == [2, "last"]
    assert table.loc[("backward", "backward"), ["step", "layer"]].tolist() == [2, "middle"]
    assert table.loc[("backward", "parameters"), ["step", "layer"]].tolist() == [2, "middle"]
    assert ("backward", "forward") not in table.index
    assert math.isinf(table.loc[("backward", "backward"), "value"])


def test_a_sound_run_has_no_row():
    model = nn.Linear(2, 1)
    with gradflow.record(model, statistics=True) as recorder:
        model(torch.ones(1, 2)).sum().backward()
        recorder.step()
    assert first_nonfinite(recorder.recording).empty
