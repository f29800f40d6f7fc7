"""Learning rates, momentum and gradients that are kept: drawn curves and updates of known size, and real layers."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import gradflow
from gradflow import Recording, diagnose
from gradflow.diagnosis.checks import checks
from gradflow.diagnosis.fresh_weights import is_fresh
from gradflow.diagnosis.learning import learning
from gradflow.diagnosis.movement import matrices
from gradflow.diagnosis.seed_groups import cases
from tests.diagnosis.test_beginning import NORMAL, recording

WAVE = (*np.linspace(2.0, 0.2, 60), *np.linspace(0.2, 1.2, 30), *np.linspace(1.2, 0.3, 30))


def steps_of(ratio, losses, lr=0.1, layers=(), **meta):
    """Weights of one matrix that each update moves by a share of their length."""
    rows = {"layer": "a", "parameter": "weight", "part": "", "dim": 2, "n_entries": 64, "status": "measured"}
    every = pd.DataFrame({"step": range(len(losses)), **rows, "weight_norm": 1.0, "update_norm": ratio, "lr": lr})
    found = recording([], [NORMAL], losses)
    return Recording(steps=found.steps, parameters=every, layers=pd.DataFrame(layers), meta={**found.meta, **meta})


def said(recording, key):
    return [one for one in diagnose(recording) if one.key == key]


@pytest.mark.parametrize(
    ("ratio", "jump", "words"),
    [(0.5, 2.5, "Within ten steps the loss rose to 2.50 times"), (0.5, 1.5, ""), (0.05, 2.5, "")],
)
def test_a_loss_that_jumps_under_large_updates_and_then_falls_is_named(ratio, jump, words):
    losses = (2.0, *(2.0 * jump,) * 20, *(2.0 * 0.9**step for step in range(60)))
    found = [str(one) for one in said(steps_of(ratio, losses), "lr_high")]
    assert len(found) == bool(words)
    assert all(words in one for one in found)


def test_updates_that_are_too_large_say_that_the_loss_is_no_longer_finite_and_not_that_it_stays_level():
    (found,) = said(steps_of(0.5, (2.0,) * 20 + (math.nan,) * 30), "lr_high")
    assert "The loss becomes NaN or infinite." in str(found)
    assert "does not fall" not in str(found)


def test_the_remedy_of_updates_that_are_too_small_goes_on_until_the_loss_falls():
    (found,) = said(steps_of(1e-9, (2.0,) * 60), "lr_low")
    assert found.remedies == ("remedy.raise_lr",)
    assert "1 part in " in str(found)


@pytest.mark.parametrize(("momentum", "losses", "n"), [(0.99, WAVE, 1), (0.9, WAVE, 0), (0.99, WAVE[:60], 0)])
def test_a_loss_that_rises_again_by_much_is_named_where_the_momentum_is_high(momentum, losses, n):
    run = steps_of(0.02, losses, optimizer_settings=[{"momentum": momentum}])
    assert [one.severity for one in said(run, "momentum_high")] == ["problem"] * n


@pytest.mark.parametrize(
    ("losses", "recorded", "n"),
    [
        ((2.0, 2.1, *(2.0 * 10.0**step for step in range(8)), *[math.nan] * 12), range(22), 1),
        ((2.0, 2.1, *(2.0 * 10.0**step for step in range(8)), *[math.nan] * 12), range(0, 22, 5), 0),  # or not cleared
        ((2.0,) * 10 + (math.nan,) * 12, range(22), 0),  # not the rate: it became NaN at once
    ],
)
def test_a_loss_that_grows_step_by_step_until_it_is_nan_is_the_rate_s(losses, recorded, n):
    layers = pd.DataFrame({"step": recorded, "layer": "a", "kind": "Linear", "grad_norm": 1.0, "in_grad": True})
    found = said(steps_of(0.05, losses, layers=layers), "lr_high")
    assert len(found) == n
    assert all("The loss grew from 2.00 to 2.00 × 10⁷ at step 9." in str(one) for one in found)
    assert not any("In the first ten steps" in str(one) for one in found)  # 5 % are not too much


@pytest.mark.parametrize(("end", "severity"), [(0.3, ["notice"]), (0.1, []), (1.8, ["problem"])])
def test_a_rate_that_fell_early_is_told_with_the_losses_since_then(end, severity):
    begin = max(0.32, end)
    losses = (*np.linspace(2.3, begin, 40), *np.linspace(begin, end, 80))
    rates = np.where(np.arange(120) < 40, 0.1, 1e-4)
    found = said(steps_of(0.02 * rates / 0.1, losses, lr=rates), "lr_decays")
    assert [one.severity for one in found] == severity


def test_a_mean_of_squares_far_below_the_outputs_own_is_a_scaled_loss_where_the_weights_hardly_move():
    for ratio, loss, n in ((1e-6, 1e-3, 1), (0.01, 1e-3, 0), (1e-6, 0.5, 0)):
        made = steps_of(ratio, (loss,) * 60)
        bias = {"step": [0], "layer": "a", "parameter": "bias", "dim": 1, "n_entries": 8, "weight_norm": 0.0}
        rows = pd.concat([made.parameters, pd.DataFrame(bias)]).sort_values("step", kind="stable")
        meta = {**made.meta, "loss_operations": ["MseLoss", "Addmm"]}
        assert len(said(Recording(steps=made.steps, parameters=rows, meta=meta), "loss_tiny")) == n


def test_a_loss_near_zero_all_along_is_solved_by_trained_weights_alone():
    assert learning(recording(losses=(1e-4,) * 60)) == "level"
    assert learning(Recording(steps=pd.DataFrame({"step": range(60), "loss": 1e-4}))) == "solved"


FALLING, UNCLEAR = (2.3, *(2.3 * 0.95**step for step in range(59))), (2.3,) * 30 + (2.15,) * 30


@pytest.mark.parametrize(("losses", "status"), [(FALLING, "fine"), (UNCLEAR, "unchecked")])
def test_whether_the_loss_falls_is_called_fine_only_where_it_clearly_does(losses, status):
    run = recording(losses=losses)
    (one,) = (one for one in checks(cases([run]), diagnose(run)) if one.name == "loss")
    assert (one.status, one.need) == (status, "clear_losses")


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return self.layer(x, x, x)[0]


class Last(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(24, 3)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


@pytest.mark.parametrize(
    ("model", "n_matrices"),
    [
        (Attention(), 4),  # query, key, value, output
        (Last(nn.GRU(8, 24, batch_first=True)), 7),  # three gates, of inputs and of the state, and the head
        (Last(nn.LSTM(8, 24, batch_first=True)), 9),
        (Last(nn.RNN(8, 24, batch_first=True)), 3),
    ],
)
def test_each_part_of_a_fused_parameter_is_a_matrix_and_fresh(model, n_matrices):
    recorder = gradflow.record(model, weights=True)
    model(torch.randn(4, 5, 8)).square().mean().backward()
    recorder.step()
    recorder.close()
    assert matrices(recorder.recording).sum() == n_matrices
    assert is_fresh(recorder.recording)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.7).add_(0.01)
    again = gradflow.record(model, weights=True)
    model(torch.randn(4, 5, 8)).square().mean().backward()
    again.step()
    again.close()
    assert not is_fresh(again.recording)
