"""The training error of always answering the most frequent class: where it is drawn, in print and live alike."""

import math

import pytest
from matplotlib.figure import Figure

from gradflow import analysis, plots
from gradflow.reporting.degradation_section import on_screen as live_degradation
from gradflow.reporting.training_section import on_screen as live_training

NAME = "majority class"
# Runs of plain networks of 4 and 6 layers end at an error of 0.5: what their meta says, and whether it is drawn beside
# errors after training, and along training, whose axis always shows all of 0 to 100 %.
CASES = {
    "near": ([0.6, 0.6], True, True),
    "far": ([0.9, 0.9], False, True),
    "different": ([0.6, 0.5], False, False),
    "one without": ([0.6, None], False, False),
    "none": ([None, None], False, False),
    "no share": ([60, 60], False, False),
    "no number": (["0.6", "0.6"], False, False),
}


@pytest.fixture(params=CASES)
def case(request, make):
    values, at_end, along = CASES[request.param]
    runs = [make("plain", depth, 0, constant_error=value) for depth, value in zip((4, 6), values, strict=True)]
    return runs, values[0] if at_end else None, values[0] if along else None


def levels(ax):
    """Return the heights of lines from edge to edge."""
    return [line.get_ydata()[0] for line in ax.lines if list(line.get_xdata()) == [0, 1]]


def names(owner):
    return [entry.get_text() for entry in owner.get_texts()]


def rules(spec):
    return [part for part in spec["layer"] if part["mark"]["type"] == "rule" and "datum" in part["encoding"]["y"]]


def seen(live, column, **chosen):
    """Return whether the level is seen, by the choices of a column where others are as chosen."""
    (rule,) = rules(live.wide)
    signal = rule["mark"]["opacity"]["expr"].partition(" ")[0]
    return {scale.when[column]: scale.signals[signal] for scale in live.scales if chosen.items() <= scale.when.items()}


def test_it_is_drawn_beside_errors_that_come_near_it(case, ax):
    runs, level, _ = case
    frame = analysis.degradation(runs)
    over = analysis.degradation_over_seeds(frame)
    plots.degradation(frame, over, ax)
    assert levels(ax) == ([level] if level else [])
    assert (NAME in names(ax.get_legend())) == bool(level)
    assert level is None or level < ax.get_ylim()[1]
    figure = plots.degradation_figure(frame, over, analysis.paired_difference(frame))
    assert (NAME in names(figure.legends[0])) == bool(level)
    other = Figure().subplots()
    plots.degradation(frame, over, other, measure="test_error")
    assert levels(other) == []


def test_it_is_drawn_along_training(case):
    runs, _, level = case
    frame = analysis.training(runs)
    figure = plots.training_curves(frame, analysis.window_means(frame, window=5))
    assert [levels(ax) for ax in figure.axes] == [[level] if level else []] * 2
    assert (NAME in names(figure.legends[0])) == bool(level)


def test_live_figures_draw_it_where_printed_ones_do(case):
    runs, at_end, along = case
    frame = analysis.degradation(runs)
    live = live_degradation(frame, analysis.degradation_over_seeds(frame))
    assert [part["encoding"]["y"]["datum"] for part in rules(live.wide)] == ([at_end] if at_end else [])
    assert not at_end or seen(live, "measure", family="") == {"train_error": True, "test_error": False}
    assert at_end is None or at_end < live.scales[0].signals["hi"]
    curves = live_training(analysis.training(runs))
    assert [part["encoding"]["y"]["datum"] for part in rules(curves.wide)] == ([along] if along else [])
    measures = {"batch_error": bool(along), "train_error": bool(along), "test_error": False, "loss": False}
    assert not along or seen(curves, "measure") == measures
    (control,) = (one for one in curves.controls if one.column == "measure")
    assert {option.value: "most frequent" in option.note for option in control.options} == measures


def test_the_axis_of_a_family_that_is_far_below_it_stays_as_it_is(make):
    runs = [make("plain", depth, 0, constant_error=0.6) for depth in (4, 6)]
    low = make("residual", 4, 0, constant_error=0.6)
    low.steps["train_error"] /= 50
    frame = analysis.degradation([*runs, low])
    live = live_degradation(frame, analysis.degradation_over_seeds(frame))
    tops = {scale.when["family"]: scale.signals for scale in live.scales if scale.when["measure"] == "train_error"}
    assert seen(live, "family", measure="train_error") == {"": True, "plain": True, "residual": False}
    assert tops["residual"]["hi"] < 0.1


def test_frames_pass_on_what_the_runs_say(make):
    runs = [make("plain", 4, 0, constant_error=0.75), make("plain", 6, 0)]
    assert analysis.degradation(runs)["constant_error"].tolist()[0] == 0.75
    assert math.isnan(analysis.degradation(runs)["constant_error"].tolist()[1])
    by_run = analysis.training(runs).groupby("depth")["constant_error"]
    assert by_run.first().tolist()[0] == 0.75
    assert by_run.count().tolist() == [21, 0]


def test_frames_without_the_column_are_drawn_without_it(make, ax):
    frame = analysis.training([make("plain", 4, 0, constant_error=0.75)]).drop(columns="constant_error")
    plots.training_curve(frame, analysis.window_means(frame, window=5), ax)
    assert levels(ax) == []


def test_a_plot_by_itself_names_it(make):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    frame = analysis.training([make("plain", 4, 0, constant_error=0.75)])
    try:
        ax = plots.training_curve(frame, analysis.window_means(frame, window=5))
        assert NAME in names(ax.get_legend())
    finally:
        plt.close("all")
