"""The live figures that the hostile report does not have are drawn without a word in the console, at every width."""

import math
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from chains import degrees, errors, lags, layers_after, lengths, links
from drawings import ridges

from gradflow.figures.autocorrelation_figure import autocorrelation
from gradflow.figures.degree_figure import degree
from gradflow.figures.distributions_figure import distributions
from gradflow.figures.paths_figure import paths
from gradflow.figures.shattering_layers_figure import shattering_layers
from gradflow.figures.stall_figure import stall
from gradflow.reporting.degradation_section import on_screen as degradation
from gradflow.reporting.live.notebook import InteractiveFigure
from gradflow.reporting.live.screen import live
from gradflow.reporting.training_section import on_screen as training

# The marks that stand for values: moments, networks a link, lengths a quantity, lags a network.
FIGURES = {
    "degree": (lambda: live(degree(degrees())), 4 * 2),
    "degradation": (lambda: degradation(*errors({})), 1),  # of one seed; published is the other error's
    "stall": (lambda: live(stall(links())), 2 * 5 + 2 * 3),
    "paths": (lambda: live(paths(lengths())), 7 * 3),
    "shattering": (lambda: live(shattering_layers(layers_after())), 2 * 6),
    "autocorrelation": (lambda: live(autocorrelation(lags())), 16 * 4),
    "distributions": (lambda: live(distributions(ridges([("plain", 8)])), 500), 20 * 4 * 7),
}


@pytest.mark.parametrize("width", [1440, 380])
@pytest.mark.parametrize("name", FIGURES)
def test_it_is_drawn_whole_at_each_width(watch, tmp_path, name, width):
    make, marks = FIGURES[name]
    one = watch(width=width, path=InteractiveFigure(make(), name).save(tmp_path / f"{name}.html"))
    assert one.said == []
    assert one.page.locator(".plot svg .mark-symbol path[transform]").count() >= marks
    assert one.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    drawn, place = one.page.evaluate(
        "[+document.querySelector('.plot svg').getAttribute('width'), document.querySelector('.plot').clientWidth]"
    )
    assert 0.8 * place < drawn <= place + 1  # a wider one is shrunk with its words
    assert one.page.locator(".plot svg").bounding_box()["height"] < 1500


def test_a_line_has_a_gap_where_there_is_no_logarithm(watch, tmp_path):
    frame = degrees()
    frame.loc[(frame["moment"] == "2") & (frame["family"] == "plain"), "decades"] = float("inf")
    one = watch(path=InteractiveFigure(live(degree(frame)), "degree").save(tmp_path / "degree.html"))
    paths_drawn = [line.get_attribute("d") for line in one.page.locator(".mark-line path").all()]
    assert sorted(path.count("M") for path in paths_drawn) == [1, 2]
    assert one.said == []


def test_a_choice_of_gradient_changes_the_slopes(watch, tmp_path):
    frame = degrees()
    frame.loc[frame["measure"] == "grad_norm", "decades"] *= -1
    one = watch(path=InteractiveFigure(live(degree(frame)), "degree").save(tmp_path / "degree.html"))
    before = one.page.locator(".mark-line path").first.get_attribute("d")
    one.page.select_option("[data-control=measure]", "grad_norm")
    assert one.eventually(lambda: one.page.locator(".mark-line path").first.get_attribute("d") != before)
    assert one.said == []


@pytest.mark.parametrize("width", [1440, 380])
def test_the_note_and_the_axis_follow_the_chosen_error(watch, tmp_path, width):
    one = watch(width=width, path=InteractiveFigure(degradation(*errors({})), "errors").save(tmp_path / "errors.html"))
    ticks = one.page.locator(".plot svg .role-axis-label text").all_text_contents
    before = ticks()
    assert "published" not in one.page.inner_text(".note")
    one.page.select_option("[data-control=measure]", "test_error")
    assert one.eventually(lambda: ticks() != before)
    assert "Hollow grey markers were published (plain): a paper." in one.page.inner_text(".note")
    assert one.said == []


def curves(**given):
    """Return what two steps of one run of one layer recorded."""
    measures = dict.fromkeys(("batch_error", "train_error", "test_error", "loss"), math.nan)
    run = {"run": "mine", "family": "mine", "depth": None, "seed": None, "step": range(60)}
    return pd.DataFrame({**run, **measures, **given}).astype({"depth": "Int64", "seed": "Int64"})


@pytest.mark.parametrize("largest", [0.9, 1.0, 1.2, 1.4, 30.0])
def test_a_loss_is_no_percentage_however_large(watch, tmp_path, largest):
    frame = curves(loss=np.linspace(largest, largest / 2, 60))
    one = watch(path=InteractiveFigure(training(frame), "training").save(tmp_path / "training.html"))
    shown = "".join(one.page.locator(".plot svg .role-axis-label text").all_text_contents())
    assert shown
    assert "%" not in shown
    assert one.said == []


def test_an_error_is_a_percentage_beside_a_loss_that_is_none(watch, tmp_path):
    frame = curves(loss=np.linspace(1.3, 1.0, 60), batch_error=np.linspace(0.9, 0.1, 60))
    one = watch(path=InteractiveFigure(training(frame), "training").save(tmp_path / "training.html"))
    ticks = one.page.locator(".plot svg .role-axis-label text").all_text_contents
    assert "100%" in ticks()
    one.page.select_option("[data-control=measure]", "loss")
    assert one.eventually(lambda: "%" not in "".join(ticks()))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_ridges_follow_the_kind_and_the_step_and_are_read_without_a_barrier(watch, tmp_path, scheme):
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    hostile = ridges([("plain", 8)], n_layers=3).replace({"layer": {"stage.0.conv": "</script><b>a</b>"}})
    saved = InteractiveFigure(live(distributions(hostile), 200), "distributions").save(tmp_path / "ridges.html")
    one = watch(path=saved, scheme=scheme)
    labels = one.page.locator(".plot svg .role-axis-label text").all_text_contents
    ridges_drawn = one.page.locator(".plot svg .mark-area path").count
    assert "</script><b>a</b>" in labels()
    assert "0" not in labels()
    before = ridges_drawn()
    one.page.select_option("[data-control=kind]", "activation")
    assert one.eventually(lambda: "0" in labels())  # of which 30 % are zero
    one.page.select_option("[data-control=line]", "after 10 updates")
    assert one.eventually(lambda: 0 < ridges_drawn() < before)
    one.page.evaluate(files(axe.__name__).joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = one.page.evaluate("axe.run().then(result => result.violations)")
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    assert one.said == []
