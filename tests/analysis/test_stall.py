"""The chain from gradient to stall: against hand-made runs and a real first update."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from gradflow import Recording, record
from gradflow.analysis.stall import LINKS, stall, stall_over_seeds
from gradflow.models import cifar_net


def run(seed=0, *, grown=(1.0, 5.0, 10.0), steps=(0, 1, 300), kind="BatchNorm2d", **meta):
    """Return three layers whose first one's weights grow; the gradient falls from 1e3 to 1e-2 of the last layer's."""
    table = []
    for step, growth, ratio in zip(steps, grown, (1e3, 10.0, 1e-2), strict=True):
        table.append(
            pd.DataFrame(
                {
                    "step": step,
                    "layer": ["conv", "middle", "last", "norm"],
                    "kind": ["Conv2d", "Conv2d", "Linear", kind],
                    "order": range(4),
                    "layer_depth": [1, 2, 3, 3],
                    "weighted": [True, True, True, False],
                    "weight_norm": [2.0 * growth, 2.0, 1.0, 1.0],
                    "grad_norm": [ratio * 98.0 / 1e3, 1.0, 0.5, 1.0],
                    "out_grad_norm": [ratio * 0.1, 1.0, 0.1, 1.0],
                }
            )
        )
    lr = pd.DataFrame({"step": range(301), "lr": np.linspace(0.1, 0.0, 301)}).assign(train_error=math.nan)
    lr.loc[300, "train_error"] = 0.8
    who = {"run": f"r{seed}", "family": "plain", "depth": 3, "seed": seed, "momentum": 0.9}
    return Recording(layers=pd.concat(table), steps=lr, meta=who | meta)


def test_the_links_are_those_of_the_first_layer():
    row = stall(run()).iloc[0]
    assert row.batch_norm
    assert row.last_step == 300
    assert row.start_decades == pytest.approx(3)
    assert row.predicted_growth == pytest.approx(math.sqrt(1 + (0.1 * 98 / 2) ** 2))
    assert (row.first_growth, row.growth) == (5.0, 10.0)
    assert row.effective_lr_start == pytest.approx(0.1 / 4)
    assert row.effective_lr_end == pytest.approx(0.1 / 400)
    assert row.end_decades == pytest.approx(-2)
    assert row.end_decades_scaled == pytest.approx(math.log10(98e-5 * 20 / 0.5))
    assert row.train_error == 0.8


def test_the_first_update_of_a_network_with_batch_norm_grows_its_weights_as_predicted():
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = cifar_net(32, family="plain", in_channels=1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
        with record(model, optimizer=optimizer, weights=True) as recorder:
            for _ in range(2):
                optimizer.zero_grad()
                images, labels = torch.randn(32, 1, 8, 8), torch.randint(10, (32,))
                torch.nn.functional.cross_entropy(model(images), labels).backward()
                optimizer.step()
    found = recorder.recording
    steps = found.steps.assign(lr=0.1)
    row = stall(Recording(layers=found.layers, steps=steps, meta={"run": "mine", "momentum": 0.9})).iloc[0]
    assert row.predicted_growth > 1.5
    assert row.first_growth == pytest.approx(row.predicted_growth, rel=1e-3)
    assert math.isnan(stall(Recording(layers=found.layers, steps=steps)).predicted_growth[0])


def test_what_was_not_recorded_is_nan():
    assert math.isnan(stall(run(steps=(0, 2, 300))).first_growth[0])
    late = stall(run(steps=(1, 2, 300))).iloc[0]
    assert np.isnan([late.start_decades, late.growth, late.predicted_growth, late.effective_lr_start]).all()
    assert late.end_decades == pytest.approx(-2)
    recording = run()
    at_start = Recording(layers=recording.layers[recording.layers.step == 0], steps=recording.steps)
    row = stall(at_start).iloc[0]
    assert row.start_decades == pytest.approx(3)
    assert np.isnan([row.growth, row.end_decades, row.end_decades_scaled, row.effective_lr_end]).all()
    assert (
        stall(Recording())
        .drop(columns=["run", "family", "depth", "seed", "batch_norm", "last_step"])
        .isna()
        .all(axis=None)
    )


def test_a_network_without_batch_norm_is_marked():
    assert not stall(run(kind="LayerNorm")).batch_norm[0]


def test_over_seeds_growths_are_geometric_and_decades_arithmetic():
    frame = stall([run(0), run(1, grown=(1.0, 20.0, 1000.0))])
    row = stall_over_seeds(frame).iloc[0]
    assert row.growth == pytest.approx(100)
    assert row.growth_low < 100 < row.growth_high
    assert row.effective_lr_end == pytest.approx(0.025 / 100**2)
    assert row.start_decades == pytest.approx(3)
    assert (row.n, row.last_step) == (2, 300)
    assert {f"{link}{bound}" for link in LINKS for bound in ("", "_low", "_high")} <= set(row.index)
    assert math.isnan(stall_over_seeds(stall(run())).growth_low[0])


def test_a_vanished_end_does_not_count_in_decades():
    gone = run(1)
    layers = gone.layers.assign(out_grad_norm=gone.layers.out_grad_norm.mask(gone.layers.layer == "conv", 0.0))
    frame = stall([run(0), Recording(layers=layers, steps=gone.steps, meta=gone.meta)])
    assert frame.end_decades.tolist() == [pytest.approx(-2), -math.inf]
    assert stall_over_seeds(frame).end_decades[0] == pytest.approx(-2)


def test_two_runs_of_one_seed_are_refused():
    with pytest.raises(ValueError, match="one run per family, depth and seed"):
        stall_over_seeds(stall([run(), run(run="again")]))
