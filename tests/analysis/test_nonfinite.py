import math

import pandas as pd
import pytest
import torch
from torch import nn

import gradflow
from gradflow.analysis import first_nonfinite
from gradflow.analysis.nonfinite import loss_lost
from gradflow.recording import Recording


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


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([2.0, 1.9, NAN, NAN], (2, "nan")),
        ([2.0, 1.9, INF, NAN], (2, "nan")),
        ([INF], (0, "inf")),
        ([2.0, INF, 1.0], None),
        ([2.0, 1.0], None),
        ([NAN, NAN], None),  # none was passed in
        ([2.0, NAN, NAN, 1.8, NAN, NAN], None),  # passed in at every third step
        ([2.0, NAN], None),
        ([], None),
    ],
)
def test_since_when_no_loss_was_finite(losses, expected):
    steps = pd.DataFrame({"step": range(len(losses)), "loss": losses})
    found = loss_lost(Recording(steps=steps))
    assert (None if found is None else (found[0], str(found[1]))) == expected


def test_a_loss_of_nan_is_known_by_its_gradients_and_by_what_the_run_says():
    steps = pd.DataFrame({"step": [0, 1, 2], "loss": NAN})
    layers = pd.DataFrame({"step": [1], "layer": ["a"], "n_nonfinite": [3]})
    assert loss_lost(Recording(steps=steps, layers=layers))[0] == 1
    assert loss_lost(Recording(steps=steps, meta={"status": "diverged"}))[0] == 0
