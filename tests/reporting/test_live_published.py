"""Published and illustrative errors stand behind the measured ones of the live figure, each with its own look."""

import pandas as pd
import pytest

from gradflow.reporting.degradation_section import on_screen as degradation


def live(published):
    errors = pd.DataFrame(
        [
            {"family": family, "depth": depth, "seed": 0, "train_error": 0.1, "test_error": 0.2, "diverged": False}
            for family in ("plain", "residual")
            for depth in (20, 32)
        ]
    )
    bounds = {f"{name}_{end}": float("nan") for name in ("train_error", "test_error") for end in ("low", "high")}
    return degradation(errors, errors.drop(columns="seed").assign(n=1, n_test=1, **bounds), published)


def entry(family, depth, kind="published", measure="test_error", error=0.4, source="a paper"):
    return {"family": family, "depth": depth, "error": error, "source": source, "kind": kind, "measure": measure}


def frame(*entries):
    return pd.DataFrame(entries)


def notes(figure):
    (control,) = (one for one in figure.controls if one.column == "measure")
    return [option.note for option in control.options]


def rows_of(figure, kind):
    return figure.rows[figure.rows["kind"] == kind]


def test_published_points_belong_to_their_measure_and_never_join_the_measured():
    figure = live(frame(entry("plain", 20), entry("residual", 32, measure="")))
    found = rows_of(figure, "published")
    pairs = sorted(zip(found["measure"], found["network"], found["value"], strict=True))
    assert pairs == [
        ("test_error", "plain-20", 0.4),
        ("test_error", "residual-32", 0.4),
        ("train_error", "residual-32", 0.4),
    ]
    marks = [layer["mark"] for layer in figure.wide["layer"] if "published" in str(layer["transform"])]
    assert [(mark["type"], mark["filled"]) for mark in marks] == [("point", False)]
    assert all("a paper" in said for said in notes(figure))


def test_published_markers_have_the_shapes_of_the_printed_figure():
    figure = live(frame(entry("plain", 20), entry("residual", 32)))
    (layer,) = (layer for layer in figure.wide["layer"] if "published" in str(layer["transform"]))
    scale = layer["encoding"]["shape"]["scale"]
    shapes = dict(zip(scale["domain"], scale["range"], strict=True))
    drawn = rows_of(figure, "published").drop_duplicates("curve").set_index("family")["curve"].map(shapes)
    assert drawn.to_dict() == {"plain": "square", "residual": "circle"}


def test_what_illustrates_is_a_faint_line_for_each_family_that_says_so():
    figure = live(frame(*(entry(family, 20, "illustrative") for family in ("plain", "residual"))))
    drawn = [layer for layer in figure.wide["layer"] if "illustrative" in str(layer["transform"])]
    lines = [layer for layer in drawn if layer["mark"]["type"] == "line"]
    dashes = [tuple(layer["mark"]["strokeDash"]) for layer in lines]
    assert len(dashes) == len(set(dashes)) == 2
    assert (1.0, 0.0) in dashes  # residual is solid
    assert notes(figure) == ["", "Faint lines are illustrations (plain, residual), not measurements: a paper."]


def test_much_deeper_networks_are_left_out_and_the_note_says_so():
    figure = live(frame(entry("residual", 20), entry("residual", 1202)))
    assert set(rows_of(figure, "published")["network"]) == {"residual-20"}
    assert "left out" in figure.note
    assert "left out" not in live(frame(entry("residual", 20))).note


@pytest.mark.parametrize("published", [None, frame(entry("plain", 1202))])
def test_without_published_figures_the_rows_are_the_measured_ones(published):
    assert set(live(published).rows["kind"]) == {"mean"}  # of one seed there is nothing beside it
