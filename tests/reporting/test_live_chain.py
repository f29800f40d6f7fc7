"""Live figures of slopes over time, of the links of a stall, of path lengths and of lags hold what was measured."""

import json
import math
from types import SimpleNamespace

import pytest
from chains import degrees, errors, lags, lengths, links

from gradflow import Recording
from gradflow.figures.autocorrelation_figure import autocorrelation
from gradflow.figures.degree_figure import degree
from gradflow.figures.paths_figure import paths
from gradflow.figures.stall_figure import stall
from gradflow.reporting.degradation_section import on_screen as degradation
from gradflow.reporting.degree_section import DEGREE
from gradflow.reporting.live.screen import live

HOSTILE = "'];alert(1)//"


def test_moments_stand_in_the_order_of_training():
    figure = live(degree(degrees()))
    assert list(dict.fromkeys(figure.rows["when"])) == ["0", "2", "10", "40"]
    plain = figure.rows[(figure.rows["network"] == "plain-20") & (figure.rows["measure"] == "out_grad_norm")]
    assert list(plain["decades"]) == [3.0, 1.0, 0.5, -2.0]
    assert (plain["low"] < plain["decades"]).all()
    assert list(plain["decades_multiple"]) == ["× 1,000", "× 10", "× 3.2", "÷ 100"]  # what a pointer is told
    assert '"decades_multiple"' in json.dumps(figure.wide)
    assert figure.wide["params"][0]["value"] < -2.0 < 3.0 < figure.wide["params"][1]["value"]


def test_one_moment_says_nothing_of_what_lasts():
    frame = degrees()
    about = [
        DEGREE.about(SimpleNamespace(with_layers=[Recording()], degree_over_seeds=rows))
        for rows in (frame, frame[frame["moment"] == "0"])
    ]
    assert [one is None for one in about] == [False, True]


def test_a_moment_at_which_no_network_has_a_logarithm_is_left_out():
    frame = degrees()
    frame.loc[frame["moment"] == "10", "decades"] = -math.inf
    assert set(live(degree(frame)).rows["when"]) == {"0", "2", "40"}


def test_a_network_without_a_logarithm_at_a_moment_keeps_a_row_for_the_gap():
    frame = degrees()
    frame.loc[(frame["moment"] == "10") & (frame["family"] == "plain"), "decades"] = -math.inf
    rows = live(degree(frame)).rows
    own = rows[(rows["network"] == "plain-20") & (rows["measure"] == "out_grad_norm")]
    assert list(own["when"]) == ["0", "2", "10", "40"]
    assert list(own["decades"].isna()) == [False, False, True, False]


def test_limits_whose_ratio_is_no_number_leave_an_expression_that_is_one():
    frame = lengths()
    frame.loc[frame["length"].isin([0, 6]), ["gradient", "low", "high"]] = [[1e200] * 3, [1e-200] * 3]
    assert "inf" not in " ".join(expressions(live(paths(frame)).wide))


def test_each_link_keeps_its_own_axis():
    figure = live(stall(links(growth=[4.0, 0.0], train_error=[0.9, 0.02], train_error_high=[1.2, 0.03])))
    growth = figure.rows[figure.rows["link"] == "growth"]
    assert growth["value"].tolist()[0] == 4.0
    assert math.isnan(growth["value"].tolist()[1])  # zero has no logarithm
    assert figure.rows.loc[figure.rows["link"] == "error", "high"].max() == 1.0
    views = [view for row in figure.wide["vconcat"] for view in row["hconcat"]]
    assert len(views) == 5
    scales = [view["layer"][-1]["encoding"]["x"]["scale"].get("type") for view in views]
    assert scales == [None, "log", "log", None, None]
    assert [len(row["hconcat"]) for row in figure.narrow["vconcat"]] == [1] * 5


def test_a_length_without_gradient_is_marked_and_never_drawn_as_a_small_one():
    frame = lengths()
    frame.loc[frame["length"] == 0, ["gradient", "low", "high", "share"]] = 0.0
    frame["share"] /= frame["share"].sum()
    rows = live(paths(frame)).rows.query("quantity == 'gradient'").set_index("length")
    assert rows.loc[0, "mark"] == "zero"
    assert math.isnan(rows.loc[0, "gradient"])
    assert rows.loc[0, "edge"] < rows["gradient"].min()


def test_an_interval_below_zero_has_no_band():
    frame = lengths()
    frame.loc[frame["length"] == 3, "low"] = -0.1
    rows = live(paths(frame)).rows.query("quantity == 'gradient'").set_index("length")
    assert rows.loc[[3], ["low", "high"]].isna().all(axis=None)
    assert rows.loc[[2], ["low", "high"]].notna().all(axis=None)


def test_noise_is_beside_each_norm_whichever_family_is_chosen():
    figure = live(autocorrelation(lags()))
    noise = [layer["data"]["values"] for layer in figure.wide["layer"] if "data" in layer]
    # Of n independent points less their mean, lag 0 has 1 (Box, Jenkins, Reinsel, 2008, section 2.1).
    assert [values[0] for values in noise] == [{"x": 0.0, "y": 1.0}] * 2
    options = {one.column: [option.value for option in one.options] for one in figure.controls}
    assert options["norm"] == ["no norm", "batch norm"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: live(degree(degrees(HOSTILE))),
        lambda: live(stall(links(family=HOSTILE))),
        lambda: live(autocorrelation(lags(HOSTILE))),
    ],
)
def test_no_name_becomes_part_of_an_expression(make):
    figure = make()
    found = expressions(figure.wide)
    assert found
    assert not [expression for expression in found if "alert" in expression]


def test_bands_are_named_where_there_are_any():
    frame = degrees().assign(decades_low=math.nan, decades_high=math.nan)
    assert "interval" in live(degree(degrees())).note
    assert "interval" not in live(degree(frame)).note


def test_published_markers_are_noted_of_the_chosen_error_alone():
    figure = degradation(*errors({}))
    (control,) = (one for one in figure.controls if one.column == "measure")
    assert {option.value: option.note for option in control.options} == {
        "train_error": "",
        "test_error": "Hollow grey markers were published (plain): a paper.",
    }
    assert "published" not in figure.note


def test_the_vertical_axis_fits_what_is_chosen():
    figure = degradation(*errors({"error": 0.5}))
    tops = {tuple(scale.when.values()): scale.signals["hi"] for scale in figure.scales}
    assert tops == {("train_error", ""): pytest.approx(0.11), ("test_error", ""): pytest.approx(0.55)}


def test_a_note_tells_of_published_networks_that_are_all_deeper():
    assert "networks deeper" in degradation(*errors({"depth": 110})).note
    assert "networks deeper" not in degradation(*errors({})).note


def expressions(spec):
    """Return each filter and expression of a specification."""
    if isinstance(spec, list):
        return [found for one in spec for found in expressions(one)]
    if not isinstance(spec, dict):
        return []
    own = [
        value
        for key, value in spec.items()
        if key in ("filter", "expr", "labelExpr", "calculate") and isinstance(value, str)
    ]
    return own + [found for value in spec.values() for found in expressions(value)]
