"""What the public plots share: recordings or frames, palettes, titles, axes of one's own."""

import inspect

import numpy as np
import pandas as pd
import pytest
import seaborn
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from gradflow import Recording, analysis, plots
from gradflow.analysis.paths import path_probes


def axes():
    return Figure(figsize=(7, 3)).subplots()


def lines(owner):
    found = [(line.get_xydata().tolist(), to_hex(line.get_color())) for ax in owner.axes for line in ax.lines]
    return found + [(bar.get_bbox().bounds, to_hex(bar.get_facecolor())) for ax in owner.axes for bar in ax.patches]


OF_RECORDINGS = {
    "profiles": lambda runs: analysis.profile_over_seeds(analysis.profile(runs), "grad_norm"),
    "degradation_figure": analysis.degradation,
    "degree_figure": lambda runs: analysis.degree_over_seeds(analysis.degree(runs)),
    "gradient_flow_figure": analysis.gradient_flow,
    "learning_curves": lambda runs: analysis.errors_over_seeds(analysis.training(runs)),
    "loss_curves": lambda runs: analysis.window_means(analysis.training(runs), window=1, measure="loss"),
    "stall_figure": lambda runs: analysis.stall_over_seeds(analysis.stall(runs)),
    "weight_figure": lambda runs: analysis.weight_growth_over_seeds(
        analysis.weight_growth(analysis.weights(runs)), "first_growth"
    ),
}


@pytest.mark.parametrize("name", OF_RECORDINGS)
def test_recordings_are_drawn_as_the_frames_made_of_them(name, runs):
    plot = getattr(plots, name)
    drawn = lines(plot(runs))
    np.testing.assert_equal(drawn, lines(plot(OF_RECORDINGS[name](runs))))
    np.testing.assert_equal(drawn, lines(plot(run for run in runs)))
    assert drawn


def test_means_and_differences_are_those_of_the_frame(runs):
    frame = analysis.degradation(runs).assign(test_error=lambda rows: rows["train_error"] * (rows["family"] == "plain"))
    means, pairs = analysis.degradation_over_seeds(frame), analysis.paired_difference(frame, measure="test_error")
    page = plots.degradation_figure(frame, measure="test_error")
    assert len(page.axes) == 2
    np.testing.assert_equal(lines(page), lines(plots.degradation_figure(frame, means, pairs, measure="test_error")))
    alone = plots.degradation(runs, ax=axes()).figure
    np.testing.assert_equal(lines(alone), lines(plots.degradation(frame, means, axes()).figure))
    alone = plots.paired_difference(runs, axes()).figure
    np.testing.assert_equal(
        lines(alone), lines(plots.paired_difference(analysis.paired_difference(frame), axes()).figure)
    )


def test_paths_are_drawn_of_one_recording():
    columns = ("paths", "gradient", "low", "high", "n", "share")
    frame = pd.DataFrame({"length": [0, 1], **dict.fromkeys(columns, 0.5)}).assign(n=3)
    run = Recording(probes=path_probes(frame), meta={"run": "mine"})
    np.testing.assert_equal(lines(plots.paths_figure(run)), lines(plots.paths_figure(frame)))
    with pytest.raises(ValueError, match=r"frame must be one recording; got 2\."):
        plots.paths_figure([run, run])


def test_the_demonstration_is_drawn_of_its_recordings():
    layer = np.arange(1, 9)
    layers = pd.DataFrame({"step": 0, "layer": [f"layer{one}" for one in layer], "order": layer, "layer_depth": layer})
    norms = 0.5 ** (8.0 - layer)
    layers = layers.assign(stage=layer // 8, weighted=True, kind="Linear", grad_norm=norms, out_grad_norm=norms)
    who = {"experiment": "vanishing", "setting": "mine", "label": "mine", "activation": "sigmoid", "init": "default"}
    run = Recording(layers=layers, meta={"run": "mine", "depth": 8, "width": 16, "seed": 0, **who})
    np.testing.assert_equal(
        lines(plots.vanishing_figure([run])), lines(plots.vanishing_figure(analysis.vanishing_profile([run])))
    )


def test_training_needs_no_windows(runs):
    frame = analysis.training(runs)
    np.testing.assert_equal(
        lines(plots.training_curves(runs)),
        lines(plots.training_curves(frame, windows=analysis.window_means(frame, window=10))),
    )


def test_steps_are_chosen_and_one_alone_is_drawn_on_axes(runs):
    assert [ax.get_title(loc="left") for ax in plots.profiles(runs, steps=[10, 20]).axes] == [
        "after 10 updates",
        "after 20 updates",
    ]
    assert plots.profile(runs, axes(), steps=[10]).lines
    with pytest.raises(ValueError, match=r"one pair of axes must hold one step; got 0, 1, 10, 20\."):
        plots.profile(runs, axes())


def test_axes_of_ones_own_have_labels_and_a_legend_that_can_be_placed(runs):
    ax = plots.profile(runs, axes(), steps=[0], title="mine")
    assert (ax.get_legend(), ax.get_title()) == (None, "mine")
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    legend = ax.legend(loc="lower right")
    assert [entry.get_text() for entry in legend.get_texts()] == ["plain-4", "residual-4", "plain-6", "residual-6"]


def test_a_palette_colours_depths_and_lines_that_have_none(runs):
    reds = [to_hex(color) for color in seaborn.color_palette("Reds", 2)]
    figure = plots.profiles(runs, steps=[0], palette="Reds")
    assert {color for _, color in lines(figure)} == set(reds)
    shallow, deep = figure.legends[0].legend_handles[:2]
    assert [to_hex(shallow.get_color()), to_hex(deep.get_color())] == reds
    bars = plots.gradient_flow(runs[0], axes(), palette=["red", "blue"])
    assert {to_hex(bar.get_facecolor()) for bar in bars.patches} == {"#ff0000", "#0000ff"}
    with pytest.raises(ValueError, match="'no such' is not a valid palette name"):
        plots.profiles(runs, palette="no such")


def test_titles_and_shared_axes_of_a_figure_can_be_asked_for(runs):
    figure = plots.profiles(runs, steps=[0, 10], title="Mine", sharey=False)
    assert figure.get_suptitle().startswith("Mine")
    first, second = figure.axes
    assert not first.get_shared_y_axes().joined(first, second)


def test_help_names_every_argument_once():
    for name in set(plots.__all__) - {"DOUBLE", "SINGLE"}:
        made = getattr(plots, name)
        if made.__module__ == plots.__name__:
            for argument in inspect.signature(made).parameters:
                assert made.__doc__.count(f"\n    {argument} : ") == 1, (name, argument)


def test_an_unknown_option_is_refused_by_name(runs):
    with pytest.raises(TypeError, match="unexpected keyword argument 'sizes'"):
        plots.profiles(runs, sizes=3)
