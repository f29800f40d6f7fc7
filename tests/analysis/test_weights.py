import math

import numpy as np
import pandas as pd
import pytest

from gradflow.analysis import weight_growth, weight_growth_over_seeds, weights
from gradflow.recording import Recording

NORMS = {0: [1.0, 2.0, 5.0], 1: [50.0, 4.0, 5.0], 2: [100.0, 8.0, 10.0]}
RATES = {0: 0.1, 1: 0.2, 2: 0.0}


def made(scale=1.0, **meta):
    layers = pd.concat(
        pd.DataFrame({"step": step, "layer": ["a", "b", "c"], "weight_norm": np.multiply(norms, scale)})
        for step, norms in NORMS.items()
    ).assign(order=[0, 1, 2] * 3, layer_depth=[1, 2, 3] * 3, weighted=True)
    steps = pd.DataFrame({"step": list(RATES), "lr": list(RATES.values())})
    return Recording(layers=layers, steps=steps, meta={"run": "mine", **meta})


def test_growth_is_relative_to_the_start_and_lr_to_the_squared_norm():
    frame = weights(made()).set_index(["step", "layer"])
    assert frame.growth[1, "a"] == 50.0
    assert frame.growth[2, "b"] == 4.0
    assert frame.effective_lr[1, "a"] == pytest.approx(0.2 / 50.0**2)
    assert (frame.effective_lr[2] == 0).all()


def test_first_layer_and_median():
    frame = weight_growth(weights(made()))
    assert list(frame.first_growth) == [1.0, 50.0, 100.0]
    assert list(frame.median_growth) == [1.0, np.median([50, 2, 1]), np.median([100, 4, 2])]
    assert frame.median_effective_lr[1] == pytest.approx(np.median([0.2 / 50**2, 0.2 / 4**2, 0.2 / 5**2]))


def test_runs_without_depth_and_seed_have_one_row_a_step():
    frame = weight_growth(weights([made(), made()]))
    assert len(frame) == 6
    assert frame.notna()[["first_growth", "median_growth"]].all(axis=None)


def test_over_seeds_is_the_geometric_mean():
    runs = [made(scale, run=f"s{seed}", family="plain", depth=3, seed=seed) for seed, scale in enumerate([1.0, 4.0])]
    frame = weight_growth_over_seeds(weight_growth(weights(runs)), "first_effective_lr")
    assert frame["mean"].iloc[0] == pytest.approx(math.sqrt(0.1 * 0.1 / 16))
    assert frame.n_zero.iloc[2] == 2


def test_growth_needs_step_zero():
    late = made()
    late = Recording(layers=late.layers[late.layers.step > 0], steps=late.steps, meta=late.meta)
    assert weights(late).growth.isna().all()


def test_recordings_without_weight_norms_give_nan():
    recording = made()
    layers = recording.layers.assign(weight_norm=math.nan)
    frame = weights(Recording(layers=layers, steps=recording.steps))
    assert frame[["growth", "effective_lr"]].isna().all(axis=None)


def test_an_unknown_measure_is_refused():
    with pytest.raises(ValueError, match="got 'lr'"):
        weight_growth_over_seeds(weight_growth(weights(made())), "lr")
