"""The size of updates beside the weights, against the step."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import gradflow
from gradflow import analysis, plots
from gradflow.figures.updates_figure import USUAL, updates
from gradflow.recording import Recording
from gradflow.reporting.live.screen import live

NORMS = {"a": (2.0, [2e-3, 4e-3]), "b": (1.0, [1e-1, 0.0]), "c": (4.0, [4e-5, 4e-4])}  # layer -> weight, updates


def recording(**meta):
    rows = [
        {"step": step, "layer": layer, "order": place, "layer_depth": place + 1, "weighted": True}
        | {"weight_norm": weight, "update_norm": update}
        for place, (layer, (weight, every)) in enumerate(NORMS.items())
        for step, update in enumerate(every)
    ]
    return Recording(layers=pd.DataFrame(rows), meta={"run": "mine", **meta})


def test_ratios_are_those_of_the_weights_before_and_after_an_update():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.5, momentum=0.9)
    expected = []
    with gradflow.record(model, optimizer=optimizer, weights=True) as recorder:
        for _ in range(3):
            model(torch.ones(2, 3)).square().sum().backward()
            before = [torch.cat([one.detach().double().ravel() for one in layer.parameters()]) for layer in model[::2]]
            optimizer.step()
            after = [torch.cat([one.detach().double().ravel() for one in layer.parameters()]) for layer in model[::2]]
            expected.append(sorted(float((b - a).norm() / a.norm()) for a, b in zip(before, after, strict=True)))
            optimizer.zero_grad()
            recorder.step()
    found = analysis.updates(recorder.recording).pivot(index="step", columns="of", values="ratio")
    np.testing.assert_allclose(found["smallest"], [low for low, _ in expected], rtol=1e-4)
    np.testing.assert_allclose(found["largest"], [high for _, high in expected], rtol=1e-4)


def test_three_layers_are_drawn_beside_the_guide(ax):
    plots.update_ratio(recording(), ax)
    drawn = {line.get_label(): list(line.get_ydata()) for line in ax.lines if not line.get_label().startswith("_")}
    np.testing.assert_allclose(drawn["median layer"], [1e-3, 1e-4])
    np.testing.assert_allclose(drawn["largest ratio"], [1e-1, 2e-3])
    assert drawn["smallest ratio"][0] == pytest.approx(1e-5)
    assert math.isnan(drawn["smallest ratio"][1])  # an update of zero is at the foot
    assert [USUAL, USUAL] in [list(line.get_ydata()) for line in ax.lines]
    low, high = ax.get_ylim()
    assert low < USUAL < high


def test_seeds_are_averaged_by_their_logarithm():
    seeds = [recording(family="plain", depth=8, seed=seed) for seed in (0, 1)]
    seeds[1].layers["update_norm"] *= 100
    seeds = [Recording(layers=one.layers, meta={**one.meta, "run": f"seed{place}"}) for place, one in enumerate(seeds)]
    means = analysis.updates_over_seeds(analysis.updates(seeds))
    first = means[(means["step"] == 0) & (means["of"] == "median")]
    assert first["mean"].item() == pytest.approx(1e-2)
    rows = live(updates(means, every=True)).rows
    assert rows.loc[(rows["line"] == "smallest ratio") & (rows["step"] == 1), "mark"].tolist() == ["zero"]


def test_what_recorded_no_update_is_refused(ax):
    run = recording()
    run.layers["update_norm"] = math.nan
    with pytest.raises(ValueError, match="has no rows"):
        plots.update_ratio(run, ax)
