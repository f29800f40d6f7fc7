"""Degree of vanishing: synthetic profiles of known law, and moments that are named as recorded."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradflow import Recording
from gradflow.analysis.vanishing_degree import GRADIENTS, degree, degree_over_seeds, longest, moments
from gradflow.experiments import vanishing


def recording(norms, *, steps=(0,), stages=0, **meta):
    """Return a run whose norms fall by a tenth from step to step, all layers alike."""
    n = len(norms)
    layers = pd.concat(
        pd.DataFrame(
            {
                "step": step,
                "layer": [f"l{i}" for i in range(n)],
                "out_grad_norm": np.asarray(norms) * 0.1**place,
                "grad_norm": 1.0 + np.arange(n),
                "weight_norm": 2.0,
                "weighted": True,
                "order": range(n),
                "layer_depth": range(1, n + 1),
                "stage": stages,
            }
        )
        for place, step in enumerate(steps)
    )
    return Recording(layers=layers, meta={"run": "mine", **meta})


def with_noise(norms, seed, size):
    """Return norms times a random walk, as each layer's own factor makes one."""
    return norms * np.exp(size * np.random.default_rng(seed).standard_normal(len(norms)).cumsum())


@settings(deadline=None, max_examples=25)
@given(st.integers(14, 40), st.floats(0.1, 0.5), st.booleans(), st.integers(0, 99))
def test_an_exponential_is_found_with_its_factor(layers, rate, vanishes, seed):
    depth = np.arange(1, layers + 1)
    sign = 1 if vanishes else -1
    row = degree(recording(with_noise(np.exp(sign * rate * depth), seed, 0.003)), measures=["out_grad_norm"]).iloc[0]
    assert row.law == "exponential"
    assert row.factor == pytest.approx(math.exp(-sign * rate), rel=0.01)


@settings(deadline=None, max_examples=25)
@given(st.integers(14, 40), st.floats(0.3, 2.0), st.booleans(), st.integers(0, 99))
def test_a_power_law_is_found_with_its_exponent(layers, exponent, vanishes, seed):
    depth = np.arange(1.0, layers + 1)
    signed = exponent if vanishes else -exponent
    row = degree(recording(with_noise(depth**signed, seed, 0.003)), measures=["out_grad_norm"]).iloc[0]
    assert row.law == "power law"
    assert row.exponent == pytest.approx(signed, rel=0.1)


def test_noise_alone_is_no_law():
    layers = degree([recording(with_noise(np.ones(20), seed, 0.1), run=f"{seed}") for seed in range(100)])
    laws = layers.law[layers.measure == "out_grad_norm"]
    assert laws.isin(["no trend", "undecided"]).mean() >= 0.85


def test_short_stages_are_too_few_layers():
    assert set(degree(recording(2.0 ** -np.arange(6)), measures=["out_grad_norm"]).law) == {"too few layers"}


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ([0, 1, 10, 100, 300], {"0": 0, "1": 1, "10": 10, "100": 100, "end": 300}),
        ([0], {"0": 0}),
        ([0, 10], {"0": 0, "end": 10}),
        ([0, 8, 13, 20], {"0": 0, "10": 8, "end": 20}),
        ([0, 25, 50, 150, 400], {"0": 0, "100": 50, "end": 400}),
        ([500, 1000], {"end": 1000}),
        ([0, 2, 100], {"0": 0, "1": 2, "end": 100}),
    ],
)
def test_the_nearest_recorded_step_is_named_and_none_is_used_twice(recorded, expected):
    assert moments(recording([1.0, 2.0], steps=recorded)) == expected


def test_every_measure_and_moment_has_its_own_row():
    frame = degree(recording(2.0 ** np.arange(12), steps=(0, 12, 50)))
    assert [*zip(frame.measure, frame.moment, frame.step, strict=True)] == [
        (measure, moment, step) for moment, step in (("0", 0), ("10", 12), ("end", 50)) for measure in GRADIENTS
    ]
    weights = frame[frame.measure != "out_grad_norm"]
    np.testing.assert_allclose(weights.decades, -math.log10(12))


def test_the_first_layer_of_a_stage_stays_out_unless_told():
    norms = [999.0, *(2.0 ** np.arange(11))]
    row = degree(recording(norms), measures=["out_grad_norm"]).iloc[0]
    assert (row.first_depth, row.factor) == (2, pytest.approx(0.5))
    assert row.ratio == pytest.approx(999 / 2**10)
    assert degree(recording(norms), measures=["out_grad_norm"], leave_out=(0, 0)).n_layers[0] == 12


def test_over_seeds_the_law_needs_seeds_that_agree():
    depth = np.arange(1.0, 21)
    laws = {"exponential": np.exp(-0.2 * depth), "power law": depth**-0.7}
    same = [recording(with_noise(laws["power law"], s, 0.01), run=f"{s}", family="plain", depth=20) for s in range(3)]
    frame = degree_over_seeds(degree(same, measures=["out_grad_norm"]))
    assert (frame.law[0], frame.n[0], frame.steps[0], frame.n_layers[0]) == ("power law", 3, "0", 19)
    mixed = [
        recording(with_noise(norms, s, 0.01), run=f"{law} {s}", family="plain", depth=20)
        for law, norms in laws.items()
        for s in range(3)
    ]
    found = degree(mixed, measures=["out_grad_norm"])
    assert found.law.tolist() == [law for law in laws for _ in range(3)]
    assert degree_over_seeds(found).law.tolist() == ["undecided"]


def test_seeds_recorded_at_other_steps_name_them_all():
    runs = [recording(2.0 ** np.arange(12), steps=(0, end), run=f"r{end}", family="a", depth=3) for end in (50, 60)]
    frame = degree_over_seeds(degree(runs, measures=["out_grad_norm"]))
    assert dict(zip(frame.moment, frame.steps, strict=True)) == {"0": "0", "end": "50, 60"}


def test_longest_keeps_one_stage_per_network():
    stages = [0] * 5 + [1] * 12 + [2] * 12
    runs = [recording(1.5 ** np.arange(29), stages=stages), recording(1.5 ** np.arange(29), stages=0, run="other")]
    frame = longest(degree_over_seeds(degree(runs)))
    assert set(zip(frame.family, frame.stage, strict=True)) == {("mine", 1), ("other", 0)}
    assert len(frame) == 6


def test_nothing_recorded_is_no_row_and_unknown_measures_are_named():
    assert degree(Recording()).empty
    assert degree([]).empty
    with pytest.raises(ValueError, match="got 'norm'"):
        degree(recording([1.0]), measures=["norm"])


@pytest.mark.parametrize(
    ("setting", "law"),
    [("sigmoid-default", "exponential"), ("relu-batch-norm", "exponential"), ("residual-batch-norm", "power law")],
)
def test_the_laws_of_networks_at_initialisation(setting, law):
    torch.set_num_threads(1)
    runs = vanishing(settings=[setting], seeds=2, width=128, batch_size=64)
    frame = degree(runs, measures=["out_grad_norm"], leave_out=(2, 1))
    assert set(frame.law[frame.stage == 0]) == {law}
