"""Measured beside predicted, on profiles made by hand and on networks that were run."""

import math

import numpy as np
import pandas as pd
import pytest
from compared import network

from gradflow import Recording, experiments, theory
from gradflow.analysis import predicted, vanishing_table

BATCH_NORM = math.sqrt(math.pi / (math.pi - 1))


def test_a_comparison_stage_by_stage():
    frame = predicted([network("plain", 1.2, seed, noise=0.02) for seed in range(4)])
    assert frame.stage.tolist() == [0, 1, 2]
    assert (frame.family == "plain").all()
    assert (frame.n == 4).all()
    assert frame.predicted.tolist() == pytest.approx([BATCH_NORM] * 3)
    np.testing.assert_allclose(frame.difference, frame.factor / BATCH_NORM - 1)
    np.testing.assert_allclose(frame.difference_high, frame.high / BATCH_NORM - 1)
    assert frame.inside.tolist() == [
        (low <= BATCH_NORM <= high) for low, high in zip(frame.low, frame.high, strict=True)
    ]
    assert (frame["shape"] == "exponential").all()


def test_transients_stay_out_of_plain_stages():
    run = network("plain", 1.2)
    layers = run.layers.copy()
    layers.loc[layers.layer_depth.isin([1, 2, 8]), "out_grad_norm"] *= 50
    frame = predicted(Recording(layers=layers, meta=run.meta))
    assert frame.factor.tolist() == pytest.approx([1.2] * 3)


def test_residual_networks_have_a_shape_and_no_number():
    frame = predicted([network("residual", 1.05, seed, noise=0.01) for seed in range(3)])
    assert len(frame) == 3
    assert frame[["predicted", "difference", "difference_low"]].isna().all(axis=None)
    assert frame.inside.isna().all()
    assert set(frame["shape"]) == {"power law"}
    assert frame.factor.tolist() == pytest.approx([1.05] * 3, rel=0.02)


def test_one_seed_is_neither_inside_nor_outside():
    frame = predicted(network("plain", 1.2))
    assert frame.inside.isna().all()
    assert frame.difference.notna().all()
    assert frame.difference_low.isna().all()


def test_the_demonstration_is_that_of_the_vanishing_table():
    settings = ["tanh-default", "relu-batch-norm", "residual-batch-norm"]
    runs = experiments.vanishing(depth=12, width=64, seeds=3, settings=settings)
    frame = predicted([*runs, *(network("plain", 1.2, seed) for seed in range(2))])
    table = vanishing_table(runs)
    assert frame.setting.tolist() == [*settings, "", "", ""]
    for column in ("factor", "low", "high", "predicted", "difference"):
        np.testing.assert_array_equal(frame[column][:3], table[column])
    assert frame.source.tolist()[:3] == ["schoenholz", "batch", "normed_skip"]
    assert frame.predicted[0] == pytest.approx(theory.factor_per_layer(activation="tanh", init="default"))
    pd.testing.assert_frame_equal(
        frame, predicted([*runs, *(network("plain", 1.2, s) for s in range(2))], measured=table)
    )


def test_recordings_without_a_law_are_left_out():
    mine = network("plain", 1.2)
    foreign = Recording(layers=mine.layers, meta={"run": "mine"})
    later = Recording(layers=mine.layers.assign(step=5), meta=mine.meta)
    dense = Recording(layers=mine.layers, meta={**mine.meta, "family": "dense"})
    frame = predicted([foreign, later, dense, Recording(meta={"run": "empty"})])
    assert frame.empty
    assert frame.dtypes["stage"] == "Int64"
