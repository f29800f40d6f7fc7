"""What both renderers take from a description: limits, edges, and the rows of each choice."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gradflow.figures.axis_limits import are_too_far_apart, drawn_values, edge_places, edges, limits
from gradflow.figures.looks import Look
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.plots import paper
from gradflow.reporting.live.screen import live

LOG = Axis("mean", "norm", "log")


def frame(means, **more):
    columns = {"family": "plain", "depth": 8, "low": math.nan, "high": math.nan, "n": 2, "n_zero": 0, "n_nonfinite": 0}
    return pd.DataFrame({"mean": means, "place": range(1, len(means) + 1)} | columns | more).astype({"depth": "Int64"})


def figure(rows, y=LOG, **more):
    x = Axis("place", "place", "whole")
    return Figure(
        "name", rows, x, y, (Mark("band"), Mark("line")), Layout(height=2.0), title="title", note="note", **more
    )


def test_a_log_axis_has_a_twentieth_around_its_decades():
    low, high = limits(LOG, frame([1e-10, 1.0]))
    assert math.log10(low) == pytest.approx(-10.5)
    assert math.log10(high) == pytest.approx(0.5)


def test_level_lines_look_level():
    low, high = limits(LOG, frame([1.0, 1.001]))
    assert high / low == pytest.approx(4.0, rel=1e-3)


def test_zeros_and_infinities_take_three_margins_beyond_the_values():
    rows = frame([0.0, 1e-10, 1.0, math.inf], n_zero=[1, 0, 0, 0], n_nonfinite=[0, 0, 0, 1])
    low, high = limits(LOG, rows)
    assert np.log10([low, high]) == pytest.approx([-12, 2])
    assert np.log10(edge_places(LOG, rows)) == pytest.approx([-11.5, 1.5])
    zeros, nonfinite = edges(LOG, rows)
    assert (zeros.tolist(), nonfinite.tolist()) == ([True, False, False, False], [False, False, False, True])
    assert drawn_values(LOG, rows).isna().tolist() == [True, False, False, True]


def test_zeros_of_a_short_axis_stand_at_its_foot_and_not_in_the_middle():
    rows = frame([0.0, 0.12], n_zero=[1, 0], n_nonfinite=0)
    (low, high), (foot, _) = np.log10(limits(LOG, rows)), np.log10(edge_places(LOG, rows))
    assert 0 < foot - low < 0.05 * (high - low)


def test_a_linear_axis_holds_the_intervals_that_are_drawn_and_what_it_must():
    rows = frame([1.0, 2.0], low=[0.0, 1.0], high=[3.0, 4.0])
    assert limits(Axis("mean", "m"), rows) == pytest.approx((-0.2, 4.2))
    assert limits(Axis("mean", "m", ends=(10.0,)), rows) == pytest.approx((-0.5, 10.5))
    many = pd.concat([rows.assign(depth=depth) for depth in range(9)])  # more bands than can be told apart
    assert limits(Axis("mean", "m"), many) == pytest.approx((0.95, 2.05))


@pytest.mark.parametrize("kind", ["linear", "log", "signed", "fraction", "depth", "whole", "steps"])
@pytest.mark.parametrize("means", [[], [math.nan], [0.0], [5.0], [1e-300, 1e300]])
def test_limits_are_finite_and_rise(kind, means):
    low, high = limits(Axis("mean", "m", kind), frame(means))
    assert math.isfinite(low)
    assert low < high < math.inf


@pytest.mark.parametrize(("exponents", "expected"), [([-30, -1], True), ([-18, -1], False), ([-30, -25], False)])
def test_panels_are_too_far_apart_where_one_would_look_flat(exponents, expected):
    assert are_too_far_apart([pd.Series([10.0**exponent, 1.0]) for exponent in exponents]) is expected


def test_a_facet_is_panels_on_paper_and_a_choice_on_a_screen():
    rows = pd.concat([frame([1.0, 2.0]).assign(step=0), frame([1e-9, 1.0]).assign(step=10)])
    facet = Facet("step", "Step", {"0": "start", "10": "later"}, {"0": "Before", "10": "After"}, shares_y=False)
    described = figure(rows, facets=(facet,))
    drawn = paper.page(lambda: described)
    assert [ax.get_title(loc="left") for ax in drawn.axes] == ["Before", "After"]
    shown = live(described)
    (control,) = shown.controls
    assert [option.label for option in control.options] == ["start", "later"]
    for ax, scale in zip(drawn.axes, shown.scales, strict=True):
        assert ax.get_ylim() == (scale.signals["lo"], scale.signals["hi"])
        assert ax.get_xlim() == (scale.signals["left"], scale.signals["right"])


def test_both_draw_the_same_values_zeros_and_infinities():
    rows = frame([0.0, 1e-3, 1.0, math.inf], n_zero=[1, 0, 0, 0], n_nonfinite=[0, 0, 0, 1])
    described = figure(rows)
    (ax,) = paper.page(lambda: described).axes
    shown = live(described).rows
    line = ax.lines[0]
    np.testing.assert_array_equal(line.get_ydata(), shown["mean"])
    on_edges = {one.get_marker(): one.get_ydata()[0] for one in ax.lines[1:]}
    assert on_edges == {"v": shown["edge"].iloc[0], "x": shown["edge"].iloc[3]}


def test_a_value_alone_has_a_mark_on_both():
    described = figure(frame([math.nan, 3.0, math.nan]))
    (ax,) = paper.page(lambda: described).axes
    assert ax.lines[0].get_marker() == "s"
    assert live(described).rows["mark"].tolist() == ["value", "alone", "value"]


def test_nothing_to_draw_is_no_live_figure():
    assert live(figure(frame([]))) is None


def test_measures_on_axes_of_several_kinds_have_one_kind_on_a_screen():
    measures = {"share": Axis("mean", "share", "fraction"), "ratio": LOG}
    facet = Facet("measure", "Measure", {"share": "share", "ratio": "ratio"}, y=measures, shares_y=False)
    rows = pd.concat([frame([0.2, 0.8]).assign(measure="share"), frame([0.5, 50.0]).assign(measure="ratio")])
    described = figure(rows, y=Axis("mean", "either", ends=(0.0,)), facets=(facet,))
    first, second = paper.page(lambda: described).axes
    assert (first.get_yscale(), second.get_yscale()) == ("linear", "log")
    shown = live(described)
    (line,) = [layer for layer in shown.wide["layer"] if layer["mark"]["type"] == "line"]
    assert "type" not in line["encoding"]["y"]["scale"]
    assert line["encoding"]["y"]["field"] == "at_mean"
    assert shown.rows["at_mean"].tolist() == pytest.approx([0.2, 0.8, math.log10(0.5), math.log10(50)])
    assert shown.rows["mean"].tolist() == [0.2, 0.8, 0.5, 50.0]
    ends = [(scale.signals["kind"], scale.signals["lo"], scale.signals["hi"]) for scale in shown.scales]
    assert ends[0] == ("fraction", *first.get_ylim())
    assert ends[1] == ("log", *(pytest.approx(math.log10(end)) for end in second.get_ylim()))


def of_rows(**more):
    rows = frame([2.0, 3.0], row=["b", "a"], low=[1.0, -1.0], high=[4.0, 5.0], hollow=[20.0, math.nan])
    x = Axis("mean", "norm", "log", others=("low", "high", "hollow"))
    marks = (Mark("level", value=1.0), Mark("ring", column="hollow"), Mark("range"), Mark("dots"))
    return Figure("name", rows, x, Axis("row", "", "rows", names=("b", "a")), marks, Layout(1.0), **more)


def test_rows_go_from_the_top_down_on_both_and_hold_all_that_is_drawn():
    (ax,) = paper.page(of_rows).axes
    shown = live(of_rows())
    ((view,),) = (row["hconcat"] for row in shown.wide["vconcat"])
    encoding = view["layer"][-1]["encoding"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert [label.get_text() for label in ax.get_yticklabels()] == encoding["y"]["sort"] == ["b", "a"]
    assert encoding["x"]["scale"]["domain"] == list(ax.get_xlim())
    assert ax.get_xlim()[0] < 1.0 < 20.0 < ax.get_xlim()[1]
    dots = [line for line in ax.lines if line.get_marker() == "s" and line.get_markerfacecolor() != "white"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in dots] == [(2.0, 0), (3.0, 1)]


def test_an_interval_that_has_no_place_on_an_axis_is_left_out_on_both():
    drawn = [line.get_xdata() for line in paper.page(of_rows).axes[0].lines if line.get_alpha() == 0.35]
    assert [list(ends) for ends in drawn] == [[1.0, 4.0]]
    assert live(of_rows()).rows[["low", "high"]].isna().all(axis=1).tolist() == [False, True]


def test_a_facet_may_have_axes_of_its_own_along_the_horizontal():
    facet = Facet("family", "Family", {"plain": "Plain"}, x={"plain": Axis("mean", "share", "fraction")})
    (ax,) = paper.page(lambda: of_rows(facets=(facet,))).axes
    assert (ax.get_xscale(), ax.get_xlabel()) == ("linear", "share")
    (row,) = live(of_rows(facets=(facet,))).wide["vconcat"]
    assert row["hconcat"][0]["layer"][-1]["encoding"]["x"]["axis"]["format"] == "~%"


def test_an_interval_at_one_place_has_a_line_on_both():
    rows = frame([2.0], low=[1.0], high=[4.0])
    marks = (Mark("line", has_dots=True), Mark("band"))
    facet = Facet("family", "family", {"plain": "plain"}, is_beside=True)
    described = replace(figure(rows), marks=marks, facets=(facet,))
    (bar,) = paper.page(lambda: described).axes[0].collections[-1].get_segments()
    assert bar.tolist() == [[1.0, 1.0], [1.0, 4.0]]
    shown = live(described)
    ((view,),) = (row["hconcat"] for row in shown.wide["vconcat"])
    assert [layer["mark"]["type"] for layer in view["layer"]] == ["line", "point", "area", "rule", "point"]
    assert shown.rows["mark"].tolist() == ["alone"]


@pytest.mark.parametrize(("may_choose", "chosen"), [(True, [["all", "One", "Two"]]), (False, [])])
def test_a_reader_may_choose_a_line_that_is_no_network(may_choose, chosen):
    looks = {
        name: Look(color, "-", "", label) for name, color, label in (("a", "#000000", "One"), ("b", "#ffffff", "Two"))
    }
    rows = pd.concat([frame([1.0, 2.0]).assign(line=name) for name in looks])
    shown = live(figure(rows, looks=looks, series="Line", may_choose=may_choose))
    assert [[option.label for option in control.options] for control in shown.controls] == chosen
