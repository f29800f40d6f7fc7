"""Flushed: a dozen numbers, against values worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest

import gradflow
from gradflow.analysis.flushed import Flushed


def layers(norms, step=0, **columns):
    n = len(norms)
    base = {"step": step, "layer": [f"l{i}" for i in range(n)], "out_grad_norm": norms, "grad_norm": norms}
    base |= {"weighted": True, "order": range(n), "layer_depth": range(1, n + 1), "n_nonfinite": 0}
    return gradflow.Recording(layers=pd.DataFrame(base | columns)).layers


def scalars(table, **steps):
    frame = pd.DataFrame({"step": [int(table["step"].iloc[-1])] if len(table) else [0], **steps})
    return Flushed(frame, table, {}).scalars


def test_ends_and_worst_factor():
    found = scalars(layers([0.001, 0.1, 0.01, 1.0]))
    assert found["first_to_last_decades"] == pytest.approx(-3.0)
    assert found["worst_factor"] == pytest.approx(0.01)  # from 1.0 to 0.01, and from 0.1 to 0.001
    assert scalars(layers([500.0, 1.0, 2.0]))["worst_factor"] == pytest.approx(500.0)


def test_only_the_last_step_is_looked_at_and_its_own_scalars():
    table = pd.concat([layers([1.0, 1.0], step=3), layers([0.1, 1.0], step=7)], ignore_index=True)
    steps = pd.DataFrame({"step": [3, 7, 8], "total_grad_norm": [9.0, 2.5, np.nan], "skipped": [True, False, True]})
    flushed = Flushed(steps, table, {})
    assert flushed.step == 7
    assert flushed.scalars["total_grad_norm"] == 2.5
    assert flushed.scalars["skipped_steps"] == 2
    assert flushed.scalars["first_to_last_decades"] == pytest.approx(-1.0)


def test_zeros_missing_and_nonfinite_layers_are_counted():
    status = ["measured", "measured", "no gradient", "measured"]
    found = scalars(layers([0.0, 3.0, math.nan, math.inf], status=status, n_nonfinite=[0, 0, 0, 4]))
    assert (found["zero_layers"], found["missing_layers"], found["nonfinite_layers"]) == (1, 1, 1)
    assert (found["smallest_grad_norm"], found["largest_grad_norm"]) == (0.0, math.inf)
    assert found["first_to_last_decades"] == -math.inf


def test_update_ratios_where_weights_were_recorded():
    table = layers([1.0, 1.0, 1.0], weight_norm=[10.0, 100.0, 0.0], update_norm=[0.1, 0.1, 0.1])
    found = scalars(table)
    assert (found["update_ratio"], found["largest_update_ratio"]) == pytest.approx((0.0055, 0.01))
    assert "update_ratio" not in scalars(layers([1.0, 1.0]))


def test_without_output_gradients_the_parameters_are_compared():
    found = scalars(layers([0.01, 1.0], out_grad_norm=math.nan))
    assert found["first_to_last_decades"] == pytest.approx(-2.0)


def test_steps_alone_are_enough():
    assert scalars(pd.DataFrame(), total_grad_norm=[math.nan], skipped=[False]) == {"skipped_steps": 0.0}


def test_calls_of_a_layer_count_as_one():
    table = pd.concat([layers([3.0, 1.0]), layers([4.0, 0.0], call=1, grad_norm=math.nan)], ignore_index=True)
    assert scalars(table)["first_to_last_decades"] == pytest.approx(math.log10(5.0))
