"""Gradients planted by time step, and a healthy twin of each; last a recurrent network with either fault."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import gradflow
from gradflow import Recording, diagnose
from gradflow.text import language, text

LENGTH = 80
LEVEL, FALLS = [0.69] * 40, np.geomspace(2.0, 0.2, 40)


def rows(norms, tensor="input", step=39, layer="rnn"):
    return pd.DataFrame({"step": step, "layer": layer, "tensor": tensor, "time": range(len(norms)), "grad_norm": norms})


def made(norms, losses=LEVEL, seed=0, kind="LSTM", reads=1, **more):
    """A run whose gradient at a recurrent layer's input has these norms; the loss reads the last outputs."""
    read = np.where(np.arange(len(norms)) >= len(norms) - reads, 1.0, 0.0)
    times = pd.concat([rows(norms, step=step, **more) for step in (0, 39)] + [rows(read, "output")])
    layers = pd.DataFrame({"step": [0, 39], "layer": "rnn", "kind": kind, "grad_norm": 1.0, "n_params": 9})
    steps = pd.DataFrame({"step": range(len(losses)), "loss": losses})
    return Recording(times=times, layers=layers, steps=steps, meta={"family": "mine", "seed": seed, "run": f"r{seed}"})


def falling(factor):
    return factor ** np.arange(LENGTH - 1, -1, -1.0)


def found(*recordings):
    return [one for one in diagnose(recordings) if one.key.endswith("_over_time")]


def test_a_gradient_that_vanishes_over_time_is_a_problem_where_the_loss_does_not_fall():
    (one,) = found(made(falling(0.7)))
    assert (one.key, one.severity, one.figure) == ("vanishing_over_time", "problem", "times")
    assert (one.values["layer"], one.values["first"], one.values["last"]) == ("rnn", 0, 79)
    assert one.values["decades"].mean == pytest.approx(79 * math.log10(0.7))
    assert one.values["factor"] == pytest.approx(0.7)
    assert one.values["reach"] == 79 - math.floor(math.log(0.01) / math.log(0.7)) == 67
    assert "trillion times smaller at position 0 than at position 79" in str(one)
    assert "before position 67" in str(one)
    assert one.remedies == ("remedy.pool_over_time", "remedy.gate_bias")


def test_it_is_a_notice_without_advice_where_the_network_learns():
    (one,) = found(made(falling(0.7), losses=FALLS))
    assert (one.severity, one.remedies) == ("notice", ())


@pytest.mark.parametrize("factor", [1.0, 0.96, 1.04])
def test_a_gradient_that_reaches_back_is_no_finding(factor):
    assert found(made(falling(factor))) == []


def test_a_gradient_that_explodes_over_time():
    (one,) = found(made(falling(1.3)))
    assert (one.key, one.severity, one.remedies) == ("exploding_over_time", "problem", ())
    assert one.values["decades"].mean == pytest.approx(79 * math.log10(1.3))


def test_a_gradient_that_ends_exactly():
    norms = np.where(np.arange(LENGTH) < 50, 0.0, 1.0)
    (one,) = found(made(norms))
    assert (one.key, one.values["first"], one.values["last"]) == ("zero_over_time", 50, 79)
    assert "exactly zero before position 50" in str(one)


def test_no_remedy_is_named_that_the_layer_has():
    assert found(made(falling(0.7), reads=LENGTH))[0].remedies == ("remedy.gate_bias",)
    assert found(made(falling(0.7), kind="RNN"))[0].remedies == ("remedy.pool_over_time",)


def test_three_failing_seeds_are_never_less_than_each_alone():
    seeds = [made(falling(factor), seed=seed) for seed, factor in enumerate((0.7, 0.71, 0.9))]
    (together,) = found(*seeds)
    assert together.severity == "problem"
    assert (together.values["n_runs"], together.values["decades"].n) == (3, 3)
    assert " in 3 of 3 runs" in str(together)
    one_of_two = found(made(falling(0.7)), made(falling(1.0), seed=1))[0]
    assert (one_of_two.values["n_runs"], one_of_two.values["runs"]) == (1, 2)


def test_the_start_counts_where_the_end_is_sound():
    run = made(falling(1.0), losses=FALLS)
    mended = Recording(
        times=pd.concat([rows(falling(0.7), step=0), rows(falling(1.0))]),
        layers=run.layers, steps=run.steps, meta=run.meta,
    )  # fmt: skip
    (one,) = found(mended)
    assert (one.values["when"], one.values["step"]) == ("start", 0)


def test_norms_that_are_not_finite_are_left_to_other_rules():
    assert found(made(np.where(np.arange(LENGTH) < 40, math.nan, 1.0))) == []
    assert found(made(np.where(np.arange(LENGTH) < 40, math.inf, 1.0))) == []


def test_recordings_without_times_say_nothing():
    run = made(falling(0.7))
    assert found(Recording(layers=run.layers, steps=run.steps, meta=run.meta)) == []


@pytest.mark.parametrize("factor", [1e-3, 0.5, 0.9])
def test_the_words_are_the_numbers(factor):
    (one,) = found(made(falling(factor)))
    reach = one.values["reach"]
    norms = falling(factor)
    assert norms[reach] >= 0.01 * norms[-1] > norms[reach - 1]
    with language("zh"):
        assert f"位置 {reach} 之前得到的梯度不足" in str(one)
    assert all(text(key) for key in (one.cause, *one.remedies))


class Tagger(nn.Module):
    """Classes of sequences by their first token: from the last output, or from the outputs' mean."""

    def __init__(self, pools):
        super().__init__()
        torch.manual_seed(0)
        self.emb, self.rnn, self.head = nn.Embedding(20, 8), nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 2)
        self.pools = pools

    def forward(self, x):
        outputs = self.rnn(self.emb(x))[0]
        return self.head(outputs.mean(1) if self.pools else outputs[:, -1])


@pytest.mark.parametrize("pools", [False, True])
def test_a_network_whose_answer_hangs_on_the_first_token(pools):
    model, generator = Tagger(pools), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with gradflow.record(model, schedule=10) as recorder:
        for _ in range(30):
            x = torch.randint(0, 20, (8, 60), generator=generator)
            loss = nn.functional.cross_entropy(model(x), (x[:, 0] > 9).long())
            optimizer.zero_grad()
            loss.backward()
            recorder.step(loss=loss)
            optimizer.step()
    named = {one.key: one for one in diagnose(recorder.recording)}
    assert ("vanishing_over_time" in named) is not pools
    said = [remedy for one in named.values() for remedy in one.remedies]
    assert "remedy.init" not in said
    if not pools:
        assert named["vanishing_over_time"].values["reach"] > 40
