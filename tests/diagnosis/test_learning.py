"""Whether a loss was learnt from: drawn curves with a known end, and noise of known size."""

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording
from gradflow.diagnosis.learning import MIN_STEPS, learning, severity

N = 200
FALLING = 2.3 * np.exp(-np.arange(N) / 80)


def run(loss, **steps):
    return Recording(steps=pd.DataFrame({"step": range(len(loss)), "loss": loss, **steps}), meta={"run": "mine"})


def noisy(loss, spread, seed=0):
    return np.asarray(loss) + np.random.default_rng(seed).normal(0, spread, len(loss))


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (FALLING, "learns"),
        (noisy(FALLING, 0.3), "learns"),
        ([2.3] * N, "level"),
        ([2.5] + [2.3] * N, "level"),
        (np.linspace(2.3, 2.4, N), "level"),
        (np.linspace(2.0, 4.0, N), "rises"),
        ([2.3, *([np.nan] * (N - 1))], "diverged"),
        ([2.3] * 5 + [np.inf] * 5, "diverged"),
        (2.3 * 0.9 ** np.arange(N), "solved"),
        ([1e-4] * N, "solved"),
        (-np.linspace(1.0, 5.0, N), "learns"),
        (np.linspace(10.9, 9.4, 60), "learns"),
    ],
)
def test_a_curve_of_known_course(loss, said):
    if said == "diverged":
        recording = Recording(
            steps=pd.DataFrame({"step": range(len(loss)), "loss": loss}), meta={"run": "mine", "status": "diverged"}
        )
    else:
        recording = run(loss)
    assert learning(recording) == said


def test_an_infinite_loss_needs_no_word_of_the_run():
    assert learning(run([2.3] * 5 + [np.inf] * 5)) == "diverged"


def test_few_losses_and_none_say_nothing():
    assert learning(run(np.linspace(2.3, 0.1, MIN_STEPS - 1))) == "unknown"
    assert learning(run(np.linspace(2.3, 0.1, MIN_STEPS))) == "learns"
    assert learning(run([np.nan] * 50)) == "unknown"
    assert learning(Recording(meta={"run": "empty"})) == "unknown"


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_neither_learning_nor_rising(seed):
    assert learning(run(noisy([0.7] * 40, 0.1, seed))) in ("level", "unknown")


def test_the_fall_to_a_constant_answer_is_not_taken_for_learning():
    """An output layer's bias alone lowers the loss at once; then nothing follows."""
    assert learning(run(0.693 + 0.3 * np.exp(-np.arange(N) / 5))) == "unknown"


def test_a_rise_from_near_zero_says_little():
    assert learning(run([9e-4] * 2 + [1e-2] * 8 + [0.02] * 10)) == "unknown"


@pytest.mark.parametrize(("error", "said"), [(0.0, "solved"), (0.05, "learns"), (0.44, "unknown")])
def test_a_measured_training_error_outweighs_the_loss(error, said):
    errors = [np.nan] * (N - 1) + [error]
    assert learning(run(FALLING, train_error=errors)) == said


@pytest.mark.parametrize(
    ("verdict", "decades", "is_high", "said"),
    [
        ("learns", -10.0, False, "notice"),
        ("learns", -3.1, True, "problem"),
        ("learns", -2.9, True, "notice"),
        ("unknown", -3.1, False, "problem"),
        ("level", -2.1, False, "problem"),
    ],
)
def test_a_gradient_is_as_grave_as_what_became_of_the_loss(verdict, decades, is_high, said):
    assert severity(verdict, decades, is_high=is_high) == said
