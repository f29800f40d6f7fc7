"""Every reader of n_nonfinite says the same of a NaN that was counted and of one that was not, as on an accelerator."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from gradflow import Recording, diagnose, plots
from gradflow.analysis import decay, profile, profile_over_seeds
from gradflow.analysis.layer_ranking import NONFINITE, ranking
from gradflow.analysis.nonfinite import arrived_nonfinite, first_nonfinite, loss_lost, nonfinite_rows
from gradflow.cli.analyzing import _norms
from gradflow.diagnosis.rules.diverged import diverged_step
from gradflow.plots.heatmap import NONFINITE_COLOR
from gradflow.reporting.live.linked_heatmap import heatmap
from gradflow.reporting.profile_section import flow

NAN = float("nan")
LAYERS = ("first", "frozen", "middle", "norm", "last")


def run(*, is_counted):
    """Return steps 0 to 2; at step 2 the gradients of all layers but the last are NaN. One layer is frozen."""
    rows = []
    for step in range(3):
        for order, layer in enumerate(LAYERS):
            is_broken = step == 2 and layer != "last"
            grad = NAN if layer in ("frozen", "norm") or is_broken else 0.5
            count = (3 if is_broken else 0) if is_counted else -1
            rows.append((step, layer, order, NAN if is_broken else 2.0, grad, count))
    layers = pd.DataFrame(rows, columns=["step", "layer", "order", "out_grad_norm", "grad_norm", "n_nonfinite"])
    layers = layers.assign(
        layer_depth=layers["order"] + 1, weighted=layers["layer"] != "norm", weight_norm=1.0, status="measured", stage=0
    )
    layers["n_params"] = np.where(layers["layer"] == "norm", 0, 4)
    steps = pd.DataFrame({"step": range(3), "loss": [2.0, 1.9, NAN]})
    return Recording(layers=layers, steps=steps, meta={"run": "mine"})


@pytest.fixture(params=[True, False], ids=["counted", "not counted"])
def recording(request):
    return run(is_counted=request.param)


def broken_layers(recording, measure):
    rows = recording.layers[arrived_nonfinite(recording.layers, measure)]
    return list(zip(rows["step"], rows["layer"], strict=True))


def test_which_gradients_are_not_finite(recording):
    assert broken_layers(recording, "out_grad_norm") == [(2, layer) for layer in LAYERS[:4]]
    assert {layer for _, layer in broken_layers(recording, "grad_norm")} >= {"first", "middle"}
    assert {step for step, _ in broken_layers(recording, "grad_norm")} == {2}
    assert "norm" not in {layer for _, layer in broken_layers(recording, "grad_norm")}
    assert set(recording.layers.loc[nonfinite_rows(recording.layers), "step"]) == {2}


def test_the_tables_of_the_analysis(recording):
    over = profile_over_seeds(profile(recording, steps="recorded"), "out_grad_norm").set_index(["step", "layer_depth"])
    assert over["n_nonfinite"].loc[2].tolist() == [1, 1, 1, 0]
    assert over["n_nonfinite"].loc[[0, 1]].sum() == 0
    gradients = profile_over_seeds(profile(recording, steps="recorded"), "grad_norm").set_index(["step", "layer_depth"])
    assert gradients["n_nonfinite"].loc[[0, 1]].sum() == 0
    assert decay(recording, step=2)["n_nonfinite"].tolist() == [3]
    assert decay(recording, step=2, measure="weight_norm")["n_nonfinite"].tolist() == [0]
    assert decay(recording, step=1, measure="grad_norm")["n_nonfinite"].tolist() == [0]
    reasons = ranking(recording, step=2).set_index("layer")["reason"]
    assert reasons[["first", "middle"]].tolist() == [NONFINITE, NONFINITE]
    assert reasons["last"] != NONFINITE
    assert NONFINITE not in set(ranking(recording, step=0)["reason"])
    assert first_nonfinite(recording).set_index("direction").loc["backward", ["step", "layer"]].tolist() == [2, "norm"]


def test_the_loss(recording):
    assert diverged_step(recording) == 2
    assert loss_lost(recording)[0] == 2
    assert "healthy" not in {finding.severity for finding in diagnose(recording)}


def test_the_figures(recording):
    frame = profile(recording, steps="recorded")
    _, ax = plt.subplots()
    plots.heatmap(frame, ax, measure="out_grad_norm")
    crossed = [mesh for mesh in ax.collections if mesh.get_cmap()(0) == plt.matplotlib.colors.to_rgba(NONFINITE_COLOR)]
    cells = np.argwhere(~np.ma.getmaskarray(crossed[0].get_array())).tolist()
    assert cells == [[0, 2], [1, 2], [2, 2]]
    plt.close()
    live = heatmap(frame).rows
    marked = live[(live["measure"] == "out_grad_norm") & (live["mark"] == "nonfinite")]
    assert sorted(zip(marked["layer"], marked["step"], strict=True)) == [("first", 2), ("frozen", 2), ("middle", 2)]
    rows = flow(frame).rows
    marked = rows[(rows["measure"] == "out_grad_norm") & (rows["mark"] == "nonfinite")]
    assert set(marked["step"]) == {2}
    assert set(marked["layer"]) == {"first", "frozen", "middle"}


def test_the_printed_strip(recording):
    class Shown:
        layers = recording.layers[recording.layers["step"] == 2]

    assert _norms(Shown) == [np.inf] * 4 + [2.0]


@pytest.mark.parametrize(
    ("column", "row"),
    [
        ("out_grad_norm", {"status": "no gradient"}),
        ("out_grad_norm", {"status": "several passes"}),
        ("out_grad_norm", {"n_nonfinite": 0}),
        ("grad_norm", {"status": "frozen"}),
        ("grad_norm", {"n_params": 0}),
        ("grad_norm", {"out_grad_norm": 1.0}),  # without any row that has one: as frozen layers are
    ],
)
def test_a_gradient_that_was_not_measured_is_not_called_nonfinite(column, row):
    known = {"step": 0, "layer": "a", "n_params": 4, "status": "measured", "n_nonfinite": -1}
    layers = Recording(layers=pd.DataFrame([{**known, **row}])).layers
    assert not arrived_nonfinite(layers, column).any()


def test_a_second_call_has_no_parameters_gradient_of_its_own():
    layers = pd.DataFrame({"step": 0, "layer": "a", "call": [0, 1], "n_params": 4, "grad_norm": [1.0, NAN]})
    layers = Recording(layers=layers.assign(out_grad_norm=1.0, n_nonfinite=-1)).layers
    assert not arrived_nonfinite(layers, "grad_norm").any()


@pytest.mark.parametrize("counts", [(0, 3), (0, -1)], ids=["counted", "not counted"])
def test_a_nan_in_a_later_call_reaches_the_joint_norm(counts):
    layers = pd.DataFrame({"step": 0, "layer": "a", "call": [0, 1], "order": 0, "layer_depth": 1, "weighted": True})
    layers = layers.assign(out_grad_norm=[1.0, NAN], n_nonfinite=counts)
    frame = profile(Recording(layers=layers))
    assert arrived_nonfinite(frame, "out_grad_norm").tolist() == [True]
