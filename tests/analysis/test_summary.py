import math

import pandas as pd
import pytest

from gradflow.analysis import summary
from gradflow.recording import Recording


def run(family, depth, seed, first, **meta):
    layers = pd.DataFrame(
        {"step": [0, 0], "layer": ["a", "b"], "grad_norm": [first, 2.0], "out_grad_norm": [1.0, 10 * first]}
        | {"order": [0, 1], "layer_depth": [1, 2], "weighted": True}
    )
    steps = pd.DataFrame({"step": [0, 9], "train_error": [0.9, seed / 10], "test_error": [0.9, seed / 5]})
    who = {"run": f"{family}-{depth}-{seed}", "family": family, "depth": depth, "seed": seed}
    return Recording(layers=layers, steps=steps, meta={**who, "wall_seconds": 3.0 + seed, **meta})


def test_one_row_a_network_with_errors_ratios_and_time():
    frame = summary([run("plain", 20, 1, 2e-4), run("plain", 20, 3, 2e4), run("residual", 20, 1, 2.0)])
    plain, residual = frame.iloc[0], frame.iloc[1]
    assert (plain.family, plain.depth, plain.n) == ("plain", 20, 2)
    assert (plain.train_error, plain.test_error) == pytest.approx((0.2, 0.4))
    assert plain.grad_ratio == pytest.approx(1.0)
    assert plain.grad_ratio_low < 1e-4 < 1e4 < plain.grad_ratio_high
    assert residual.out_grad_ratio == pytest.approx(1 / 20)
    assert plain.seconds == pytest.approx(5.0)
    assert (residual.n, residual.n_diverged) == (1, 0)
    assert math.isnan(residual.train_error_low)


def test_diverged_runs_are_counted():
    assert summary([run("plain", 20, 1, 1.0, status="diverged"), run("plain", 20, 2, 1.0)]).n_diverged.item() == 1


def test_a_recording_of_steps_alone_has_no_ratios():
    frame = summary(Recording(steps=pd.DataFrame({"step": [0], "loss": [1.0]}), meta={"run": "mine"}))
    assert frame.family.item() == "mine"
    assert math.isnan(frame.grad_ratio.item())
    assert math.isnan(frame.seconds.item())


def test_a_network_that_did_not_record_step_zero_has_no_ratio():
    late = run("residual", 20, 1, 1.0)
    late = Recording(layers=late.layers.assign(step=5), steps=late.steps, meta=late.meta)
    frame = summary([run("plain", 20, 1, 4.0), late]).set_index("family")
    assert frame.grad_ratio["plain"] == pytest.approx(2.0)
    assert math.isnan(frame.grad_ratio["residual"])
