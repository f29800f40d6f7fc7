"""The presets hold what the papers print, and each has a version that runs here."""

from importlib.resources import files

import pytest

from gradflow.experiments import PlanError
from gradflow.experiments.presets import PRESETS, presets, read_preset
from gradflow.experiments.schedules import LearningRate
from gradflow.reference import he2015
from gradflow.reference.published_figures import published

TRAINED = [name for name in PRESETS if name != "balduzzi2017-shattering"]


def test_every_file_is_a_preset():
    folder = files("gradflow.experiments").joinpath("presets")
    assert sorted(PRESETS) == sorted(path.name.removesuffix(".toml") for path in folder.iterdir())
    assert {one.name for one in presets() if not one.scaled} == {"smoke"}


@pytest.mark.parametrize("name", ["he2015-fig6", "he2015-table6", "veit2016-paths"])
def test_the_papers_recipe(name):
    paper = he2015()["cifar10"]["recipe"]
    for run in read_preset(name).plan({"device": "cpu"}):
        recipe = run.recipe
        for key in ("batch_size", "momentum", "weight_decay", "lr"):
            assert getattr(recipe, key) == paper[key]
        assert (recipe.optimizer, recipe.steps, run.data) == ("sgd", paper["iterations"], "cifar10")
        assert set(recipe.augment) == {"crop", "flip"}
        assert recipe.warmup_until == (0.8 if run.depth == 110 else None)
        assert (run.settings["shortcut"], run.settings["widths"]) == ("A", (16, 32, 64))
        rate = LearningRate(recipe)
        if run.depth != 110:
            for fall in paper["lr_divided_by_10_at_iteration"]:
                assert rate.at(fall) == pytest.approx(rate.at(fall - 1) / 10)
        assert ("paths" in run.probes) == (name == "veit2016-paths")


def test_figure_6_has_the_networks_of_the_paper():
    drawn = {(run.family, run.depth) for run in read_preset("he2015-fig6").plan({"device": "cpu"})}
    assert drawn == {("plain", d) for d in (20, 32, 44, 56)} | {("residual", d) for d in (20, 32, 44, 56, 110)}


@pytest.mark.parametrize("name", [name for name in TRAINED if name != "smoke"])
def test_scaled_versions_run_here(name):
    full, scaled = (read_preset(name, scaled=scaled).plan({"device": "cpu"}) for scaled in (False, True))
    assert {(run.family, run.depth) for run in full} == {(run.family, run.depth) for run in scaled}
    assert {run.data for run in scaled} == {"digits"}
    assert max(run.steps for run in scaled) <= 300


def test_published_figures_are_the_sources():
    table = {one["depth"]: one["error"] for one in published("he2015-table6")}
    percent = he2015()["cifar10"]["test_error_percent_table6"]
    assert table == {int(depth): pytest.approx(value / 100) for depth, value in percent.items()}
    assert {one["measure"] for one in published("he2015-table6")} == {"test_error"}
    drawn = {(one["family"], one["depth"]): 100 * one["error"] for one in published("tutorial")}
    plain, residual = (3.5, 4.2, 5.8, 7.1, 9.3, 12.1, 15.7), (3.5, 3.1, 2.8, 2.5, 2.3, 2.1, 2.0)
    for number, depth in enumerate(range(10, 80, 10)):
        assert drawn["plain", depth] == pytest.approx(plain[number])
        assert drawn["residual", depth] == pytest.approx(residual[number])
    assert {one["kind"] for one in published("tutorial")} == {"illustrative"}
    (paths,) = published("veit2016-paths")
    assert (paths["shortest"], paths["longest"], paths["modules"]) == (5, 17, 54)


def test_the_tutorials_depths_are_the_nearest_there_are():
    depths = sorted({run.depth for run in read_preset("tutorial").plan({"device": "cpu"})})
    valid = range(8, 100, 6)
    assert depths == [min(valid, key=lambda one: abs(one - wanted)) for wanted in range(10, 80, 10)]


def test_bad_names_are_one_line():
    with pytest.raises(PlanError, match=r"got 'he2015-fig7'. Did you mean he2015-fig6"):
        read_preset("he2015-fig7")
    with pytest.raises(PlanError, match=r"preset smoke has no \[scaled\] table"):
        read_preset("smoke", scaled=True)
