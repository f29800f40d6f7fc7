import math

import numpy as np
import pandas as pd
import pytest

from gradflow import analysis, plots
from gradflow.plots import style
from gradflow.recording import Recording

N = 4  # joins
SHARES = [0.1, 0.4, 0.9, 1.0]


def recording(seed=0, *, run="mine", depth=None, family=None, shares=SHARES):
    """A made-up run of N joins over N + 1 layers: layer d has norm 10^d as it is, 100^d without the skips."""
    joins = pd.DataFrame(
        {"step": 0, "join": [f"block.{i}" for i in range(N)], "order": range(N), "kind": "identity", "n_branches": 2}
    )
    joins["skip_share"] = np.array(shares) + seed / 100
    joins["branch_ratio"] = [2.0, 1.0, 0.5, 0.0]
    joins.loc[1, "kind"] = "projection"
    layers = pd.DataFrame({"step": 0, "layer": [f"layer{d}" for d in range(N + 1)], "order": range(N + 1)})
    layers = layers.assign(layer_depth=layers.order + 1, weighted=True, kind="Conv2d", stage=0, n_nonfinite=0)
    layers["out_grad_norm"] = 10.0**-layers.layer_depth
    without = pd.DataFrame({"probe": "without skips", "layer": layers.layer, "x": layers.layer_depth})
    without["value"] = 100.0**-layers.layer_depth
    branches = without.assign(probe="without branches", value=[0.0, 1.0, 1.0, 1.0, 1.0])
    who = {"family": family, "depth": depth, "seed": seed} if depth else {}
    return Recording(layers=layers, skips=joins, probes=pd.concat([without, branches]), meta={"run": run, **who})


def shares_of(runs, measure="skip_share"):
    return analysis.contribution_over_seeds(analysis.contribution(runs), measure)


def variants_of(runs):
    return analysis.counterfactual_over_seeds(analysis.counterfactual(runs))


TWO = [recording(seed, run=f"r{d}-{seed}", depth=d, family="residual") for d in (20, 56) for seed in (0, 1)]


def test_the_share_is_drawn_at_its_join(ax):
    plots.contribution(shares_of([recording()]), ax)
    line = ax.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_allclose(line.get_ydata(), SHARES)
    markers = {one.get_marker(): list(one.get_xdata()) for one in ax.lines[1:] if len(one.get_xdata())}
    assert markers == {"o": [1, 3, 4], "s": [2]}


def test_a_branch_that_adds_nothing_leaves_a_gap_on_a_log_axis(ax):
    frame = shares_of([recording()], "branch_ratio")
    plots.contribution(frame, ax, measure="branch_ratio")
    assert ax.get_yscale() == "log"
    np.testing.assert_allclose(ax.lines[0].get_ydata()[:3], [2, 1, 0.5])
    assert np.isnan(ax.lines[0].get_ydata()[3])


def test_seeds_become_a_mean_and_a_band(ax):
    plots.contribution(shares_of(TWO), ax)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.array(SHARES) + 0.005)
    assert len(ax.collections) == 2


def test_variants_are_told_apart_and_zeros_named(ax):
    plots.counterfactual(variants_of([recording()]), ax)
    lines = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    assert set(lines) == {"as it is", "without skips", "without branches"}
    np.testing.assert_allclose(lines["as it is"].get_ydata(), 10.0 ** -np.arange(1, 6))
    np.testing.assert_allclose(lines["without skips"].get_ydata(), 100.0 ** -np.arange(1, 6))
    assert len({line.get_color() for line in lines.values()}) == 3
    figure = plots.counterfactuals(variants_of([recording()]))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "zero, at the foot" in labels
    assert labels[:3] == ["as it is", "without skips", "without branches"]
    assert "backward only; the activations keep their skips" in figure.get_suptitle()


def test_one_panel_a_network():
    figure = plots.counterfactuals(variants_of(TWO))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["residual-20", "residual-56"]
    assert len({ax.get_ylim() for ax in figure.axes}) == 1


def test_what_cannot_be_drawn_is_refused(ax):
    frame = shares_of([recording()])
    with pytest.raises(ValueError, match="must hold one step; got 0, 1"):
        plots.contribution(pd.concat([frame, frame.assign(step=1)]), ax)
    with pytest.raises(ValueError, match="lacks the column 'kind'"):
        plots.contribution(frame.drop(columns="kind"), ax)
    with pytest.raises(ValueError, match="must hold one network; got residual-20, residual-56"):
        plots.counterfactual(variants_of(TWO), ax)
    with pytest.raises(ValueError, match="has no rows"):
        plots.counterfactual(variants_of([recording()]).iloc[:0], ax)


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
@pytest.mark.parametrize("runs", [[recording(run="torchvision:wide_resnet101_2 of mine")], TWO], ids=["one", "two"])
def test_no_text_overlaps_or_leaves_the_figure(runs, width, overlaps):
    frames = {measure: shares_of(runs, measure) for measure in ("skip_share", "branch_ratio")}
    assert overlaps(plots.contribution_figure(frames, width=width)) == ([], [])
    assert overlaps(plots.counterfactuals(variants_of(runs), width=width)) == ([], [])


def test_frames_of_recordings_without_joins_are_empty():
    plain = Recording(layers=recording().layers, meta={"run": "plain"})
    assert analysis.contribution([plain]).empty
    assert analysis.counterfactual([plain]).empty
    mixed = analysis.counterfactual([plain, recording()])
    assert set(mixed.run) == {"mine"}
    assert math.isclose(mixed[mixed.variant == "without skips"].out_grad_norm.iloc[0], 0.01)
