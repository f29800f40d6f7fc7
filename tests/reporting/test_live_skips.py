"""The live figure of the gradient with and without what skips send back, read from its specification."""

import numpy as np
import pandas as pd
import pytest

from gradflow.figures.counterfactual_figure import VARIANTS
from gradflow.reporting.skips_section import without_on_screen

DRAWN = ("as it is", "without skips", "without branches")


def frame(**last):
    rows = [
        {
            "family": "residual",
            "depth": depth,
            "step": 0,
            "variant": variant,
            "layer_depth": place,
            "mean": 10.0 ** -(place * (variant == "without skips")),
            "low": np.nan,
            "high": np.nan,
            "n": 1,
            "n_zero": 0,
            "n_nonfinite": 0,
        }
        for depth in (20, 56)
        for variant in DRAWN
        for place in range(1, depth)
    ]
    made = pd.DataFrame(rows)
    for name, value in last.items():
        made.loc[made.index[-1], name] = value
    return made


def scale(spec, channel):
    (found,) = {str(layer["encoding"][channel]) for layer in spec["layer"] if channel in layer["encoding"]}
    (first, *_) = [layer["encoding"][channel]["scale"] for layer in spec["layer"] if channel in layer["encoding"]]
    assert str(first) in found
    return dict(zip(first["domain"], first["range"], strict=True))


def test_each_network_is_a_choice_with_an_axis_of_its_own_the_deepest_first():
    live = without_on_screen(frame())
    (control,) = live.controls
    assert [option.value for option in control.options] == ["residual-56", "residual-20"]
    assert [scale.when for scale in live.scales] == [{"network": "residual-56"}, {"network": "residual-20"}]
    lows = [scale.signals["lo"] for scale in live.scales]
    rights = [scale.signals["right"] for scale in live.scales]
    assert rights == pytest.approx([55 + 0.05 * 54, 19 + 0.05 * 18])
    assert lows[0] < 1e-55 < 1e-25 < lows[1] < 1e-19


def test_its_rows_are_the_frame_s():
    given = frame()
    rows = without_on_screen(given).rows
    for depth in (20, 56):
        for variant in DRAWN:
            shown = rows[(rows["network"] == f"residual-{depth}") & (rows["line"] == variant)].set_index("layer_depth")
            asked = given[(given["depth"] == depth) & (given["variant"] == variant)].set_index("layer_depth")
            pd.testing.assert_series_equal(shown["mean"], asked["mean"], check_index_type=False)


def test_colours_are_the_printed_ones_and_dashes_follow():
    spec = without_on_screen(frame()).wide
    colors = scale(spec, "color")
    assert {name: found[len("light-dark(") :][:7].upper() for name, found in colors.items()} == {
        name: VARIANTS[name]["color"].upper() for name in DRAWN
    }


@pytest.mark.parametrize(
    ("last", "mark"), [({"mean": 0.0, "n_zero": 1}, "zero"), ({"mean": np.nan, "n_nonfinite": 1}, "nonfinite")]
)
def test_what_has_no_logarithm_is_marked_on_the_edge(last, mark):
    live = without_on_screen(frame(**last))
    (row,) = live.rows[live.rows["mark"] == mark].to_dict("records")
    assert np.isnan(row["mean"])
    assert row["edge"] > 0
    assert live.note


def test_one_network_needs_no_choice_and_nothing_measured_no_figure():
    given = frame()
    assert without_on_screen(given[given["depth"] == 20]).controls == ()
    assert without_on_screen(given.assign(mean=np.nan)) is None
