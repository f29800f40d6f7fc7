"""Ridges of gradients, weights and outputs, read back from axes and from the page's rows."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color

from gradflow import Recording, analysis, plots
from gradflow.figures.distributions_figure import MAX_LAYERS, distributions
from gradflow.reporting import report
from gradflow.reporting.live.screen import live

BINS = [(-2.0, -1.75, 1), (-1.25, -1.0, 3), (0.0, 0.0, 4), (1.0, 1.25, 6), (1.5, 1.75, 2)]


def run(layers=("a", "b"), steps=(0, 10), kinds=("gradient", "weight"), bins=BINS, **meta):
    rows = [
        {"step": step, "layer": layer, "kind": kind, "low": low, "high": high, "count": count}
        for step in steps
        for layer in layers
        for kind in kinds
        for low, high, count in bins
    ]
    known = {"step": 0, "layer": list(layers), "order": range(len(layers)), "weighted": True, "n_params": 3}
    return Recording(
        distributions=pd.DataFrame(rows),
        layers=pd.DataFrame(known),
        steps=pd.DataFrame({"step": range(12), "loss": 0.69}),
        meta={"run": "mine", **meta},
    )


def outline(ax, place):
    """The points of a line, without those on the line of its layer."""
    x, y = ax.lines[place].get_data()
    return x, y


def density(share, low, high):
    return share / np.log10(high / low)


def test_a_ridge_is_the_share_of_entries_for_each_decade_scaled_by_the_layers_highest_point(ax):
    plots.distributions(run(layers=["a"], steps=(0,)), ax)
    upper, lower = (line.get_data() for line in ax.lines)
    places = np.log10([1.0, 1.5, 2.0, 3.0])  # 1 to 1.5, 1.5 to 2 and, below zero, 1 to 1.5 and 1.5 to 2
    middles = (places[:2] + places[1:3]) / 2
    up = [density(6 / 16, 1.0, 1.5), density(2 / 16, 1.5, 2.0)]
    down = [density(3 / 16, 1.0, 1.5), density(1 / 16, 1.5, 2.0)]  # -2 to -1.75 is a part of 1.5 to 2
    np.testing.assert_allclose(upper[0], [places[0], *middles, places[2]])
    np.testing.assert_allclose(upper[1], np.array([0.0, *up, 0.0]) * 0.46 / up[0])
    np.testing.assert_allclose(lower[1], -np.array([0.0, *down, 0.0]) * 0.46 / up[0])
    assert ax.get_xlabel() == "magnitude (log)"


def test_bins_apart_are_not_joined_over_what_is_empty(ax):
    plots.distributions(run(layers=["a"], steps=(0,), bins=[(1.0, 1.25, 1), (64.0, 80.0, 1)]), ax)
    x, y = ax.lines[0].get_data()
    assert (y[(x > np.log10(1.5) - 1e-9) & (x < np.log10(64.0) + 1e-9)] == 0).all()
    assert y.max() > 0.4


def test_bars_are_the_shares_of_zeros_and_of_what_is_not_finite(ax):
    plots.distributions(run(layers=["a"], steps=(0,), bins=[*BINS, (np.nan, np.nan, 16)]), ax)
    ridge, zeros, odd = (part.get_paths()[0].vertices for part in ax.collections)
    assert np.ptp(zeros[:, 1]) == pytest.approx(2 * 0.46 * 4 / 32)
    assert np.ptp(odd[:, 1]) == pytest.approx(2 * 0.46 * 16 / 32)
    assert zeros[:, 0].max() < ridge[:, 0].min() < ridge[:, 0].max() < odd[:, 0].min()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "10⁰", "NaN, ∞"]


def test_layers_are_rows_from_the_top_down_and_steps_are_colours_the_first_at_the_back():
    figure = plots.distributions_figure(run())
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["Gradients", "Weights"]
    first = figure.axes[0]
    names = {label.get_text(): label.get_position()[1] for label in first.get_yticklabels()}
    assert names["a"] > names["b"]
    legend = {entry.get_label(): entry.get_color() for entry in figure.legends[0].legend_handles}
    assert list(legend) == ["before training", "after 10 updates"]
    ridges = [line for line in first.lines if len(line.get_xdata()) > 2]
    assert same_color(ridges[0].get_color(), legend["before training"])
    assert same_color(ridges[-1].get_color(), legend["after 10 updates"])


def test_of_many_layers_as_many_as_fit_are_drawn_evenly_and_it_is_said():
    layers = [f"layer{number}" for number in range(61)]
    found = distributions(run(layers=layers), "gradient")
    names = [*found.y.ticks.values()]
    assert len(names) == MAX_LAYERS
    assert (names[0], names[-1]) == ("layer0", "layer60")
    assert "Layers drawn: Gradients 20 of 61." in found.note
    assert found.hint.endswith("Layers drawn: Gradients 20 of 61.")
    asked = distributions(run(layers=layers), "gradient", layers=["layer3", "layer1"])
    assert [*asked.y.ticks.values()] == ["layer1", "layer3"]
    assert "Layers drawn" not in asked.note


def test_of_outputs_those_without_parameters_are_drawn_where_there_are_many():
    layers = [f"{name}{number}" for number in range(12) for name in ("conv", "relu")]
    known = pd.DataFrame({"step": 0, "layer": layers, "order": range(24), "weighted": [True, False] * 12})
    recording = run(layers=layers, kinds=("activation",)).having(layers=known.assign(n_params=[9, 0] * 12))
    assert {*distributions(recording).y.ticks.values()} == {f"relu{number}" for number in range(12)}


def test_the_smallest_entries_are_left_out(ax):
    bins = [(1e-9, 1.1e-9, 1), (1.0, 1.25, 998), (2.0, 2.25, 1)]
    plots.distributions(run(layers=["a"], steps=(0,), bins=bins), ax)
    assert ax.lines[0].get_xdata().min() == pytest.approx(0.0)
    assert ax.lines[0].get_xdata().max() > np.log10(2.0)


def test_recordings_without_distributions_are_told_how_to_get_them(ax):
    with pytest.raises(ValueError, match=r"recorded by gradflow\.record\(model, distributions=True\)"):
        plots.distributions(Recording(meta={"run": "old"}), ax)


@pytest.mark.parametrize("bins", [[(0.0, 0.0, 5)], [(np.nan, np.nan, 5)], [(1e-45, 2e-45, 1)], [(1e308, np.inf, 1)]])
def test_odd_values_alone_are_drawn(bins, ax):
    plots.distributions(run(bins=bins, steps=(0,)), ax)
    assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all()


def test_on_a_screen_kind_and_step_are_chosen_and_a_pointer_is_told_numbers():
    found = live(distributions(run(), every=True))
    kind, step = found.controls
    assert [option.label for option in kind.options] == ["Gradients", "Weights"]
    assert [option.label for option in step.options] == ["all", "before training", "after 10 updates"]
    rows = found.rows[(found.rows["kind"] == "gradient") & (found.rows["layer"] == "a") & (found.rows["step"] == "0")]
    middle = rows[np.isclose(rows["place"], (np.log10(1.0) + np.log10(1.5)) / 2)].iloc[0]
    told = [middle[name] for name in ("range", "above", "below", "zero", "odd", "n")]
    assert told == ["1.00 – 1.50", "37.5 %", "18.8 %", "25.0 %", 0, 16]
    assert found.scales[0].signals["y_names"] == ["a", "b"]
    fields = {one["field"] for layer in found.wide["layer"] for one in layer["encoding"].get("tooltip") or []}
    assert {"line", "layer", "range", "above", "below", "zero", "odd", "n"} == fields


def test_of_several_runs_one_is_drawn_and_a_screen_lets_one_choose():
    both = analysis.distributions([run(seed=0, run="one"), run(seed=1, run="two", layers=("b", "c"))])
    assert len(plots.distributions_figure(both).axes) == 2
    found = live(distributions(both, every=True))
    assert [control.column for control in found.controls] == ["run", "kind", "line"]


def test_the_report_of_such_a_run_has_the_section_folded(tmp_path):
    html = report(run(), tmp_path / "with").read_text(encoding="utf-8")
    assert 'id="distributions"' in html
    assert (tmp_path / "with" / "figures" / "distributions.png").exists()
    kept = pd.read_parquet(tmp_path / "with" / "tables" / "distributions.parquet")
    assert len(kept) == 2 * 2 * 2 * 2
    assert 'id="distributions"' not in report(
        run().having(distributions=pd.DataFrame()), tmp_path / "without"
    ).read_text(encoding="utf-8")


def test_names_of_strangers_are_text(tmp_path):
    hostile = ("</script><b>", "$\\frac$", "_x", "\u202eabc", "a" * 300)
    found = live(distributions(run(layers=hostile, run="<i>"), every=True))
    assert "</script>" not in found.payload()
    assert json.loads(found.payload())["scales"][0]["signals"]["y_names"][0] == "</script><b>"
    figure = plots.distributions_figure(run(layers=hostile, run="<i>"))
    plots.save(figure, tmp_path / "names.png")
