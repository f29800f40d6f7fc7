"""What moves: parameters with gradients that nothing changes, and tensors that the model does not hold."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

import gradflow
from gradflow import Recording, diagnose
from gradflow.hooks import GradflowWarning
from tests.diagnosis.frames import NAN, chain, keys, only


def made(*, moving="abc", held="abc", lr=0.1, weights=True, steps=4, n_entries=9, old=False, meta=None):
    """Return a chain whose layers outside `moving` keep their weights; those outside `held` are in no optimizer."""
    rows = []
    for step in range(steps):
        for name in "abc":
            moves, in_one = name in moving, name in held
            rows.append(
                {
                    "step": step,
                    "layer": name,
                    "parameter": "weight",
                    "dim": 2,
                    "n_entries": n_entries if name == "b" else 9,
                    "grad_norm": 1.0,
                    "weight_norm": (2.0 + 0.001 * step * moves) if weights else NAN,
                    "update_norm": 0.1 * moves if in_one else NAN,
                    "lr": lr if in_one else NAN,
                    "status": "measured",
                }
            )
    table = pd.DataFrame(rows)
    whole = chain(dict.fromkeys("abc", 1.0), steps=steps)
    layers = whole.layers.merge(table[["step", "layer", "weight_norm"]], on=["step", "layer"], suffixes=("_old", ""))
    layers = layers.drop(columns="weight_norm_old")
    return Recording(
        layers=layers,
        parameters=pd.DataFrame() if old else table,
        steps=whole.steps,
        meta={"run": "mine", **(meta or {})},
    )


@pytest.mark.parametrize("old", [True, False])
def test_weights_that_never_change_are_a_problem(old):
    one = only(diagnose(made(moving="", held="", old=old)), "never_changed")
    assert (one.severity, one.values["parameters"]) == ("problem", 3)
    assert not keys(diagnose(made(old=old)))
    assert only(diagnose(made(moving="", held="", steps=3, old=old)), "never_changed").values["steps"] == 3
    assert not keys(diagnose(made(moving="", held="", steps=2, old=old)))
    assert not keys(diagnose(made(moving="", held="", weights=False, old=old)))


def test_one_that_never_changes_is_named():
    one = only(diagnose(made(moving="ac", held="")), "not_changed")
    assert (one.severity, one.values["example"]) == ("problem", "b.weight")
    assert "at all 4 recorded steps" in str(one)


@pytest.mark.parametrize("weights", [True, False])
def test_one_that_no_optimizer_holds_is_named(weights):
    one = only(diagnose(made(moving="ac", held="ac", weights=weights)), "left_out")
    assert (one.severity, one.values["example"]) == ("problem", "b.weight")


def test_a_tiny_one_is_a_notice():
    small = made(moving="ac", held="ac")
    rows = small.parameters.assign(n_entries=np.where(small.parameters["layer"] == "b", 1, 5000))
    assert only(diagnose(Recording(layers=small.layers, parameters=rows)), "left_out").severity == "notice"


def test_one_that_another_optimizer_moves_is_no_fault():
    assert not keys(diagnose(made(moving="abc", held="ac")))


def test_a_norm_that_updates_leave_as_it_is_is_no_evidence():
    turning = made(moving="")
    rows = turning.parameters.assign(update_norm=0.1)
    assert not keys(diagnose(Recording(layers=turning.layers, parameters=rows)))


def test_weights_without_gradient_need_not_change():
    still = made(moving="ac", held="")
    rows = still.parameters.assign(grad_norm=np.where(still.parameters["layer"] == "b", NAN, 1.0))
    rows["status"] = np.where(rows["layer"] == "b", "frozen", "measured")
    assert not keys(diagnose(Recording(layers=still.layers, parameters=rows)))


def test_a_learning_rate_of_zero():
    assert keys(diagnose(made(moving="", lr=0.0))) == {"lr_zero"}
    whole = made(moving="", held="")
    steps = whole.steps.assign(lr=0.0)
    assert keys(diagnose(Recording(layers=whole.layers, parameters=whole.parameters, steps=steps))) == {"lr_zero"}
    warm = whole.steps.assign(lr=np.linspace(0, 0.1, 4))
    found = keys(diagnose(Recording(layers=made().layers, parameters=made().parameters, steps=warm)))
    assert "lr_zero" not in found


def test_an_optimizer_that_never_stepped_is_said_to_be_one():
    empty = Recording(meta={"run": "mine", "optimizers": 1, "optimizer_steps": 0})
    assert keys(diagnose(empty)) == {"never_stepped"}
    assert not keys(diagnose(Recording(meta={"run": "mine", "optimizers": 0, "optimizer_steps": 0})))
    assert not keys(diagnose(made(meta={"optimizers": 1, "optimizer_steps": 4})))


def test_unregistered_tensors():
    meta = {"unregistered": {"count": 12, "shapes": [[8, 8], [8], [8, 8]]}}
    one = only(diagnose(made(meta=meta)), "unregistered")
    assert one.severity == "problem"
    assert "12 tensors that require a gradient" in str(one)
    assert "(shapes: 8 × 8, 8)" in str(one)
    assert not keys(diagnose(made(meta={"unregistered": {"count": 0, "shapes": []}})))


class Hidden(nn.Module):
    """Its layers in a Python list, so that the model does not hold them."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)
        self.hidden = [nn.Linear(8, 8) for _ in range(3)]

    def forward(self, x):
        x = self.first(x).relu()
        for layer in self.hidden:
            x = layer(x).relu()
        return self.last(x)


def recorded(model, *, optimizer=None, steps=5, does_step=True, tells=True):
    torch.manual_seed(0)
    x, y = torch.randn(16, 4), torch.randint(0, 2, (16,))
    optimizer = optimizer or torch.optim.SGD(model.parameters(), 0.1)
    with gradflow.record(model, optimizer=optimizer if tells else None, weights=True) as recorder:
        for _ in range(steps):
            model.zero_grad()
            loss = functional.cross_entropy(model(x), y)
            loss.backward()
            recorder.step(loss=loss)
            if does_step:
                optimizer.step()
    return {one.key: one for one in diagnose(recorder.recording) if one.severity in ("problem", "notice")}


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))


@pytest.mark.parametrize("tells", [True, False])
def test_real_networks(tells):
    assert recorded(mlp(), tells=tells) == {}
    model = mlp()
    part = torch.optim.SGD([*model[0].parameters(), *model[4].parameters()], 0.1)
    (one,) = recorded(model, optimizer=part, tells=tells).values()
    assert (one.key, one.values["example"]) == ("left_out" if tells else "not_changed", "2.weight, 2.bias")
    model = mlp()
    zero = torch.optim.SGD(model.parameters(), 0.0)
    assert set(recorded(model, optimizer=zero, tells=tells)) == {"lr_zero" if tells else "never_changed"}


def test_a_forgotten_step():
    assert set(recorded(mlp(), does_step=False, tells=False)) == {"never_changed"}
    with pytest.warns(GradflowWarning, match="made no step"):
        assert set(recorded(mlp(), does_step=False)) == {"never_stepped"}


def test_layers_in_a_list_are_found():
    assert recorded(Hidden())["unregistered"].values["tensors"] == 6
