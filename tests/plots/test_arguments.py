"""The arguments of every plot: where frames, axes and options stand, and one line for a frame of something else."""

import importlib
import inspect
import pkgutil
import re

import pandas as pd
import pytest
from drawings import (
    along,
    chain,
    contribution,
    correlations,
    counterfactuals,
    degree,
    errors,
    heat,
    lags,
    laws,
    layer_bars,
    layers_after,
    lengths,
    networks,
    profile,
    ridges,
    settings,
    times,
    training,
    updates,
    weights,
)
from matplotlib.figure import Figure

from gradflow import plots

SHARED = {"DOUBLE", "SINGLE", "context", "save", "save_each", "sizes"}
KEYWORD, EITHER = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
FRAMES = ("pd.DataFrame", "Mapping[str, pd.DataFrame]", "Data", "Frame", "Several")
PAIRS = networks(2, 2)
RUNS, MEANS, DIFFERENCES = errors(PAIRS)
CURVES, WINDOWS = training(PAIRS)
TEST_MEANS = MEANS.assign(test_error_low=0.1, test_error_high=0.2)
PUBLISHED = pd.DataFrame(
    [{"family": "plain", "depth": 8, "error": 0.2, "source": "a paper", "kind": "published", "measure": ""}]
)
ONE_NORM = lags(PAIRS).query("norm == 'batch'")
# Frames that each plot draws, by the names of its arguments.
CASES = {
    "autocorrelation": {"frame": ONE_NORM},
    "autocorrelation_figure": {"frame": lags(PAIRS)},
    "contribution": {"frames": contribution(PAIRS, 0.9)},
    "contribution_figure": {"frames": {"skip_share": contribution(PAIRS, 0.9)}},
    "counterfactual": {"frame": counterfactuals(PAIRS[:1])},
    "counterfactuals": {"frame": counterfactuals(PAIRS)},
    "degradation": {"frame": RUNS, "over_seeds": MEANS, "published": PUBLISHED},
    "degradation_figure": {"frame": RUNS, "over_seeds": MEANS, "differences": DIFFERENCES, "published": PUBLISHED},
    "degree": {"frame": degree(PAIRS)},
    "degree_figure": {"frame": degree(PAIRS)},
    "distributions": {"frame": ridges(PAIRS[:1])},
    "distributions_figure": {"frame": ridges(PAIRS)},
    "gradient_flow": {"frame": layer_bars(PAIRS[:1])},
    "gradient_flow_figure": {"frame": layer_bars(PAIRS)},
    "gradient_over_time": {"frame": times(PAIRS, steps=[0])},
    "gradient_over_time_figure": {"frame": times(PAIRS)},
    "heatmap": {"frame": heat(PAIRS[:1])},
    "heatmaps": {"frame": heat(PAIRS)},
    "learning_curve": {"frame": along(PAIRS)},
    "learning_curves": {"frame": along(PAIRS)},
    "loss_curve": {"windows": WINDOWS},
    "loss_curves": {"windows": WINDOWS},
    "paired_difference": {"frame": DIFFERENCES},
    "paths": {"frame": lengths(8)},
    "paths_figure": {"frame": lengths(8)},
    "predicted": {"frame": laws(PAIRS)},
    "predicted_figure": {"frame": laws(PAIRS)},
    "profile": {"frames": profile(PAIRS, steps=[0])},
    "profiles": {"frames": profile(PAIRS)},
    "shattering": {"frame": correlations(PAIRS)},
    "shattering_figure": {"frame": correlations(PAIRS)},
    "shattering_layers": {"frame": layers_after(PAIRS)},
    "shattering_layers_figure": {"frame": layers_after(PAIRS)},
    "stall_figure": {"frame": chain(PAIRS)},
    "stall_link": {"frame": chain(PAIRS)},
    "training_curve": {"frame": CURVES, "windows": WINDOWS},
    "training_curves": {"frame": CURVES, "windows": WINDOWS},
    "vanishing": {"frame": settings(3)},
    "vanishing_figure": {"frame": settings(3)},
    "update_ratio": {"frame": updates(PAIRS[:1])},
    "update_ratios": {"frame": updates(PAIRS)},
    "weight_figure": {"frames": {"first_growth": weights(PAIRS)}},
    "weight_growth": {"frames": weights(PAIRS)},
}


def every_plot():
    """Return each public function of the package whose first argument is a frame and which returns Axes or a Figure."""
    found = {name: made for name, made in vars(plots).items() if getattr(made, "__module__", "") == plots.__name__}
    for module in pkgutil.iter_modules(plots.__path__, f"{plots.__name__}."):
        for name, made in vars(importlib.import_module(module.name)).items():
            if name.startswith("_") or not inspect.isfunction(made) or made.__module__ != module.name:
                continue
            signature = inspect.signature(made)
            first = next(iter(signature.parameters.values()), None)
            if first and first.annotation in FRAMES and signature.return_annotation in ("Axes", "Figure"):
                found[name] = made
    return found


PLOTS = every_plot()


def draw(name, **frames):
    where = {"ax": Figure().subplots()} if "ax" in inspect.signature(PLOTS[name]).parameters else {}
    return PLOTS[name](**frames, **where)


def test_every_public_plot_is_among_those_checked_here():
    assert set(PLOTS) == set(CASES)
    assert set(plots.__all__) - SHARED <= set(PLOTS)


@pytest.mark.parametrize("name", PLOTS)
def test_frames_come_first_then_the_axes_or_the_width_then_options_by_keyword(name):
    signature = inspect.signature(PLOTS[name])
    asked = list(signature.parameters.values())
    frames = [one for one in asked if one.default is inspect.Parameter.empty or one.annotation == "Frame"]
    assert asked[: len(frames)] == frames
    assert all(one.annotation in FRAMES and one.kind is EITHER for one in frames)
    where, *options = asked[len(frames) :]
    if signature.return_annotation == "Axes":
        assert (where.name, where.default, where.kind) == ("ax", None, EITHER)
    else:
        assert (where.name, where.default, where.kind) == ("width", plots.DOUBLE, EITHER)
    assert {one.kind for one in options} <= {KEYWORD}


@pytest.mark.parametrize(("name", "argument"), [(name, one) for name, frames in CASES.items() for one in frames])
def test_a_frame_that_lacks_a_column_is_refused_in_one_line_that_names_both(name, argument):
    draw(name, **CASES[name])
    whole = CASES[name][argument]
    is_mapping = isinstance(whole, dict)
    key, frame = next(iter(whole.items())) if is_mapping else (None, whole)
    shown = f"{argument}[{key!r}]" if is_mapping else argument
    said = {}
    for column in frame.columns:
        less = frame.drop(columns=column)
        given = {**CASES[name], argument: {key: less} if is_mapping else less}
        try:
            draw(name, **given)
        except ValueError as error:
            said[column] = str(error)
    assert said
    for column, line in said.items():
        assert re.fullmatch(rf"{re.escape(shown)} lacks the column '{column}'; pass what [^\n]+ returns\.", line)


@pytest.mark.parametrize("missing", ["n", "n_test", "test_error", "test_error_low", "test_error_high"])
def test_means_without_the_measure_asked_for_are_refused(missing, ax):
    with pytest.raises(ValueError, match=f"over_seeds lacks the column '{missing}'"):
        plots.degradation(RUNS.assign(test_error=0.1), TEST_MEANS.drop(columns=missing), ax, measure="test_error")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda ax: plots.training_curve(CURVES, ax),
            "windows must be a DataFrame from gradflow.analysis.window_means",
        ),
        (lambda ax: plots.degradation(RUNS, ax), "over_seeds must be a DataFrame from gradflow.analysis.degradation_o"),
        (lambda ax: plots.degradation(RUNS, MEANS, ax, published=[]), "published must be a DataFrame from gradflow."),
    ],
)
def test_axes_in_a_frames_place_are_refused(call, said, ax):
    with pytest.raises(TypeError, match=re.escape(said)):
        call(ax)
