"""Bars of gradient norms by layer name."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import gradflow
from gradflow import plots
from gradflow.analysis import gradient_flow
from gradflow.figures.gradient_flow_figure import gradient_flow as described
from gradflow.plots import gradient_flow_figure
from gradflow.recording import Recording
from gradflow.reporting.live.screen import live


def recording(norms, **meta):
    """A run whose layers have these norms by step: layer -> norms."""
    rows = [
        {"step": step, "layer": layer, "order": place, "layer_depth": place + 1, "weighted": True, "grad_norm": norm}
        for place, (layer, every) in enumerate(norms.items())
        for step, norm in enumerate(every)
    ]
    return Recording(layers=pd.DataFrame(rows).assign(n_nonfinite=0), meta={"run": "mine", **meta})


NORMS = {"block.0.conv": [1e-3, 3e-3, 2e-3], "block.1.conv": [1.0, 9.0, 4.0], "head": [0.0, 0.0, 0.0]}


def test_bars_are_medians_before_the_largest_norms(ax):
    plots.gradient_flow(gradient_flow(recording(NORMS)), ax)
    tops = [[bar.get_y() + bar.get_height() for bar in bars] for bars in ax.containers]
    np.testing.assert_allclose(tops[0][:2], [3e-3, 9.0])  # behind
    np.testing.assert_allclose(tops[1][:2], [2e-3, 4.0])
    assert math.isnan(tops[1][2])
    assert [label.get_text() for label in ax.get_xticklabels()] == list(NORMS)
    assert ax.get_yscale() == "log"


def test_a_layer_without_gradient_is_a_triangle_at_the_foot_on_both(ax):
    frame = gradient_flow(recording(NORMS))
    plots.gradient_flow(frame, ax)
    marks = [line for line in ax.lines if line.get_marker() == "v"]
    assert [list(line.get_xdata()) for line in marks] == [[2], [2]]
    rows = live(described(frame)).rows
    assert rows.loc[rows["layer"] == "head", "mark"].tolist() == ["zero", "zero"]


def test_norms_are_those_of_autograd():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    found = []
    with gradflow.record(model) as recorder:
        for scale in (1.0, 2.0, 3.0):
            loss = model(scale * torch.ones(2, 3)).square().sum()
            gradients = torch.autograd.grad(loss, list(model[0].parameters()), retain_graph=True)
            found.append(math.hypot(*(float(one.double().norm()) for one in gradients)))
            model.zero_grad()
            loss.backward()
            recorder.step()
    frame = gradient_flow(recorder.recording).set_index("layer")
    assert frame.loc["0", "median"] == pytest.approx(np.median(found), rel=1e-6)
    assert frame.loc["0", "largest"] == pytest.approx(max(found), rel=1e-6)
    assert frame.loc["0", "n"] == 3


def test_several_runs_are_panels_and_refused_on_one_pair_of_axes(ax):
    frame = gradient_flow([recording(NORMS), recording(NORMS, run="other")])
    assert [one.get_title(loc="left") for one in gradient_flow_figure(frame).axes] == ["mine", "other"]
    with pytest.raises(ValueError, match="must hold one run; got mine, other"):
        plots.gradient_flow(frame, ax)


@pytest.mark.parametrize("width", [plots.SINGLE, plots.DOUBLE])
@pytest.mark.parametrize("n_layers", [1, 30, 300])
def test_no_text_overlaps_or_leaves_the_figure(width, n_layers, overlaps):
    norms = {f"features.{place}.a_long_name_of_a_convolution": [1.0, 2.0] for place in range(n_layers)}
    assert overlaps(gradient_flow_figure(gradient_flow(recording(norms)), width)) == ([], [])


def test_one_step_has_one_bar_a_layer(ax):
    plots.gradient_flow(gradient_flow(recording(NORMS), step=1), ax)
    tops = [[bar.get_y() + bar.get_height() for bar in bars] for bars in ax.containers]
    np.testing.assert_allclose([tops[0][:2]], [[3e-3, 9.0]])
    assert ax.get_legend() is None


def test_the_outputs_gradient_is_drawn_where_it_is_asked_for(ax):
    run = recording(NORMS)
    run.layers["out_grad_norm"] = 7.0
    plots.gradient_flow(run, ax, measure="out_grad_norm", step=0)
    np.testing.assert_allclose([bar.get_y() + bar.get_height() for bar in ax.containers[0]], 7.0)
    assert ax.get_ylabel() == "gradient norm of the layer's output"
