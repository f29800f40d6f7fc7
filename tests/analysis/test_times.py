import math

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording
from gradflow.analysis import gradient_over_time, gradient_over_time_over_seeds, reach_over_time
from gradflow.analysis.times import reach


def made(norms, seed=0, layer="rnn", tensor="input", step=0, **meta):
    times = pd.DataFrame(
        {"step": step, "layer": layer, "tensor": tensor, "time": range(len(norms)), "grad_norm": norms}
    )
    return Recording(times=times, meta={"run": f"mine {seed}", "family": "lstm", "seed": seed, **meta})


def test_a_row_for_each_position():
    frame = gradient_over_time([made([0.1, 1.0]), made([0.2, 1.0], seed=1)])
    assert frame.columns.tolist() == [
        "run", "family", "depth", "seed", "step", "layer", "tensor", "time", "grad_norm",
    ]  # fmt: skip
    assert frame.grad_norm.tolist() == [0.1, 1.0, 0.2, 1.0]


def test_few_steps_unless_all_are_asked_for():
    steps = range(0, 50, 2)
    times = pd.concat([made([0.1, 1.0], step=step).times for step in steps])
    recording = Recording(times=times)
    assert gradient_over_time(recording).step.unique().tolist() == [0, 10, 48]
    assert gradient_over_time(recording, steps="recorded").step.unique().tolist() == list(steps)


def test_recordings_without_times_have_no_rows():
    frame = gradient_over_time(Recording(meta={"run": "old"}))
    assert frame.empty
    assert reach_over_time(frame).empty
    assert gradient_over_time([]).empty


def test_seeds_are_averaged_as_logarithms():
    found = gradient_over_time_over_seeds(gradient_over_time([made([1e-8, 1.0]), made([1e-4, 0.0], seed=1)]))
    assert found["mean"].to_numpy() == pytest.approx([1e-6, 1.0])
    assert found.n.tolist() == [2, 1]
    assert found.n_zero.tolist() == [0, 1]


def test_layers_keep_their_order():
    frame = pd.concat([made([1.0], layer=name).times for name in ("z", "a")])
    assert gradient_over_time_over_seeds(gradient_over_time(Recording(times=frame))).layer.tolist() == ["z", "a"]


def test_a_geometric_fall_is_its_factor():
    norms = 0.7 ** np.arange(79, -1, -1)
    found = reach_over_time(gradient_over_time(made(norms))).iloc[0]
    assert (found["first"], found["last"]) == (0, 79)
    assert found.decades == pytest.approx(79 * math.log10(0.7))
    assert found.factor == pytest.approx(0.7)
    assert found.reach == 79 - math.floor(math.log(0.01) / math.log(0.7))


def test_the_end_is_the_last_position_that_receives_any():
    found = reach(range(5), [0.0, 1e-3, 1.0, 0.0, 0.0])
    assert (found.first, found.last, found.reach, found.n_zero_before) == (1, 2, 2, 1)
    assert found.decades == pytest.approx(-3)


@pytest.mark.parametrize("norms", [[0.0, 0.0], [], [1.0, math.nan], [math.inf, 1.0]])
def test_nothing_is_known_of_what_is_zero_or_not_finite(norms):
    assert math.isnan(reach(range(len(norms)), norms).decades)


def test_norms_at_the_ends_of_what_floats_hold():
    found = reach([0, 1], [5e-324, 1e300])
    assert found.decades == pytest.approx(math.log10(5e-324) - 300)
