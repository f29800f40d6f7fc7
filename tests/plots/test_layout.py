"""Texts of figures at sets of depths and families from small to large: none overlaps another or leaves its figure.

`benchmarks/figures.py` draws a wider grid.
"""

import pytest
from drawings import DEPTHS, FAMILIES, collisions, figures
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from gradflow import plots


@pytest.mark.parametrize(
    ("name", "n_families", "n_depths", "column"),
    [
        ("degradation", 6, 12, "single"),
        ("degradation", 1, 2, "double"),
        ("training", 6, 2, "single"),
        ("learning", 6, 3, "single"),
        ("loss", 2, 5, "double"),
        ("profiles", 6, 12, "double"),
        ("vanished", 6, 3, "single"),
        ("heatmaps", 3, 3, "single"),
        ("weights", 6, 12, "single"),
        ("distributions", 1, 1, "single"),
        ("distributions", 1, 1, "double"),
        ("times", 6, 2, "single"),
        ("times", 1, 1, "double"),
        ("degree", 6, 5, "single"),
        ("stall", 6, 2, "double"),
        ("contribution", 6, 12, "single"),
        ("counterfactuals", 6, 1, "single"),
        ("shattering", 6, 12, "single"),
        ("shattering-layers", 6, 12, "single"),
        ("shattering-layers", 2, 3, "single"),
        ("autocorrelation", 6, 12, "single"),
        ("predicted", 6, 2, "single"),
        ("vanishing", 6, 1, "single"),
        ("paths", 1, 12, "single"),
    ],
)
def test_no_text_overlaps_another_or_leaves_the_figure(name, n_families, n_depths, column):
    assert collisions(figures(n_families, n_depths)[name](plots.sizes(column))) == []


@pytest.mark.parametrize(("n_families", "n_depths"), [(2, 3), (6, 12)])
@pytest.mark.parametrize("column", ["single", "double"])
def test_five_panels_leave_no_place_of_their_grid_empty(n_families, n_depths, column):
    figure = figures(n_families, n_depths)["profiles"](plots.sizes(column))
    FigureCanvasAgg(figure).draw()
    places = [ax.get_window_extent() for ax in figure.axes]
    assert len(places) == 5
    free = Bbox.from_extents(max(one.x0 for one in places), places[-1].y0, figure.bbox.x1, places[-1].y1)
    assert not any(free.overlaps(place) for place in places)
    assert any(free.overlaps(legend.get_window_extent()) for legend in figure.legends)


def test_the_sets_reach_from_two_to_twelve_depths_and_one_to_six_families():
    assert (len(DEPTHS), len(FAMILIES)) == (12, 6)


def test_collisions_are_found():
    figure = Figure(figsize=(2, 2), dpi=100)
    ax = figure.add_axes((0.2, 0.2, 0.6, 0.6))
    ax.text(0.4, 0.4, "one")
    ax.text(0.42, 0.42, "two")
    figure.text(0.95, 0.5, "far out")
    figure.legend(handles=ax.plot([1, 2], label="entry"), loc="center")
    found = collisions(figure)
    assert any("'one'" in text and "'two'" in text for text in found)
    assert "'far out' leaves the figure" in found
    assert "'entry' lies on 'a panel'" in found
