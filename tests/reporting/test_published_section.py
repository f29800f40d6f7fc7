"""Published figures beside measured ones: the numbers of the page, from runs whose numbers are known."""

import html
import re

import pandas as pd
import pytest

from gradflow import Recording
from gradflow.analysis.paths import path_probes
from gradflow.notes import annotated, checked, read_notes, write_notes
from gradflow.reference.published_figures import published
from gradflow.reporting import report
from gradflow.storage import StorageError


def one(family, depth, seed, test_error):
    steps = pd.DataFrame({"step": [0, 5], "train_error": [0.5, 0.25], "test_error": [0.5, test_error]})
    meta = {"experiment": "compare", "run": f"{family}-{depth}-{seed}", "family": family, "depth": depth, "seed": seed}
    return Recording(steps=steps, meta=meta)


def words(page):
    shown = re.sub(r"<(script|style).*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", shown)).replace("\u00a0", " ").split())


def test_errors_stand_beside_the_nearest_depth(tmp_path):
    runs = [one("residual", depth, seed, error) for depth in (20, 56) for seed, error in ((0, 0.10), (1, 0.20))]
    notes = {"preset": "mine", "scaled": "half of it", "published": published("he2015-table6")}
    illustration = {"family": "residual", "depth": 58, "error": 0.031, "measure": "test_error", "source": "a drawing"}
    notes["published"] = [*notes["published"], {**illustration, "kind": "illustrative"}]
    shown = words(report(annotated(runs, notes), tmp_path))
    assert "residual-20 test 8.75 % 15.00 % 0.00 % to 78.53 % 20 He et al. 2015, table 6".replace("-", "−") in (
        shown.replace("residual-20", "residual−20")
    )
    assert "residual-110 test 6.43 % – not run –" in shown
    assert "residual-58 test 3.10 %, illustrative 15.00 %" in shown
    assert "(56) a drawing" in shown
    assert "A scaled version of mine: half of it." in shown


def test_one_family_beside_published_test_errors_is_asked_for_its_test_error(tmp_path):
    errors = {20: (0.10, 0.20), 44: (0.06, 0.08), 110: (0.12, 0.12)}
    runs = [one("residual", depth, seed, error) for depth, both in errors.items() for seed, error in enumerate(both)]
    page = report(annotated(runs, {"published": published("he2015-table6")}), tmp_path)
    said = words(page)
    assert "the test error of residual networks goes from 15.0 %" in said
    assert "lowest" not in said  # the best of a few test errors is chosen by chance
    controls = re.search(r"data-control=\"measure\">(.*?)</select>", page.read_text(encoding="utf-8"))
    assert re.findall(r'value="(\w+)"', controls[1])[0] == "test_error"


def test_the_picture_s_words_name_the_error_that_it_shows(tmp_path):
    runs = [one("residual", depth, 0, 0.1) for depth in (20, 56)]
    html = report(annotated(runs, {"published": published("he2015-table6")}), tmp_path).read_text(encoding="utf-8")
    assert 'alt="Test error after training against depth, a line for each family. From 20 to 56 layers' in html


def test_a_family_that_degrades_is_asked_for_its_training_error(tmp_path):
    runs = [one("plain", depth, seed, 0.1) for depth in (20, 56) for seed in (0, 1, 2)]
    for run in runs:
        run.steps["train_error"] = 0.0 if run.meta["depth"] == 20 else 0.5 + 0.01 * run.meta["seed"]
    said = words(report(annotated(runs, {"published": published("he2015-table6")}), tmp_path))
    assert "plain-56 trains worse than the shallower plain-20" in said
    assert "the test error of" not in said


def test_two_families_are_asked_for_their_training_error(tmp_path):
    runs = [one(family, depth, 0, 0.1) for family in ("plain", "residual") for depth in (20, 56)]
    page = report(annotated(runs, {"published": published("he2015-table6")}), tmp_path)
    assert "the test error of" not in words(page)
    controls = re.search(r"data-control=\"measure\">(.*?)</select>", page.read_text(encoding="utf-8"))
    assert re.findall(r'value="(\w+)"', controls[1])[0] == "train_error"


def test_paths_are_summed_over_the_published_lengths(tmp_path):
    frame = pd.DataFrame({"length": range(25), "share": 0.04, "paths": 1.0, "gradient": 1.0, "low": 1.0, "high": 1.0})
    run = one("residual", 110, 0, 0.1)
    run = Recording(steps=run.steps, probes=path_probes(frame.assign(n=1)), meta=run.meta)
    shown = words(report(annotated([run], {"published": published("veit2016-paths")}), tmp_path))
    assert "5 to 17 of 54 0 to 24 of 24 52.0 %" in shown  # 13 lengths of 4 % each
    said = "52.0 % (1 seed, no interval) of the gradient takes paths of 5 to 17 modules, the published range."
    assert said in shown
    assert "52.0 % of the gradient takes paths of 5 to 17 blocks, the range published for 54 blocks (Veit" in shown
    assert "Shaded are paths of 5 to 17 blocks, published for a network of 54 blocks (Veit" in shown
    assert "half of the gradient" not in shown


def test_notes_that_name_no_lengths_are_no_range(tmp_path):
    frame = pd.DataFrame({"length": range(5), "share": 0.2, "paths": 1.0, "gradient": 1.0, "low": 1.0, "high": 1.0})
    run = one("residual", 20, 0, 0.1)
    run = Recording(steps=run.steps, probes=path_probes(frame.assign(n=1)), meta=run.meta)
    shown = words(report(annotated([run], {"published": [{"modules": 54, "source": "a stranger"}]}), tmp_path))
    assert "half of the gradient takes paths of 1 to 3 blocks" in shown


def test_without_published_figures_there_is_no_section(tmp_path):
    assert "Published and measured" not in words(report([one("plain", 8, 0, 0.2)], tmp_path))


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ([], "it must hold an object"),
        ({"title": 3}, "title must be text; got 3"),
        ({"published": {}}, "published must be a list"),
        ({"published": [{"family": "plain", "depth": "x", "error": 0.1}]}, "depth of a published figure must be a num"),
        ({"published": [{"family": "plain", "depth": 8, "error": 3}]}, "must be a fraction from 0 to 1; got 3"),
        ({"published": [{"family": "plain", "depth": 8, "error": 0.1, "kind": "x"}]}, "kind of a published figure"),
    ],
)
def test_notes_of_strangers_are_checked(notes, message):
    with pytest.raises(ValueError, match=message):
        checked(notes)


def test_notes_survive_and_damage_is_named(tmp_path):
    notes = {"title": "T", "question": "Q", "published": published("tutorial")}
    write_notes(tmp_path, {**notes, "other": "dropped"})
    assert read_notes(tmp_path) == notes
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(StorageError, match=r"sweep.json is damaged"):
        read_notes(tmp_path)
    write_notes(tmp_path, {"title": ""})
    assert read_notes(tmp_path) == {}
