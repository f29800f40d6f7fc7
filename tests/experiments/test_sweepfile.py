"""Sweeps as TOML files: the same plan as in Python, and one line for whatever is wrong with a file."""

import pytest

from gradflow.experiments import Override, PlanError, plan
from gradflow.experiments.sweepfile import parse_sweep, read_sweep

FILE = """
title = "Rates"
question = "Which?"
depths = [8, 14]
families = ["plain", "residual"]
seeds = [3, 5]
steps = 7
augment = ["flip"]
leave_out = [{ family = "plain", depth = 14 }]

[vary]
lr = [0.1, 0.02]
clip = [1.0, "none"]

[[override]]
when = { depth = 14 }
set = { warmup = 2 }

[[published]]
family = "plain"
depth = 8
error = 0.25
source = "a paper"

[scaled]
how = "shorter"
steps = 3
"""


def ids(runs):
    return sorted(run.id for run in runs)


def test_a_file_is_the_plan_of_its_arguments():
    expected = plan(
        [8, 14],
        families=["plain", "residual"],
        seeds=[3, 5],
        steps=7,
        augment=["flip"],
        vary={"lr": [0.1, 0.02], "clip": [1.0, None]},
        overrides=[Override({"depth": 14}, {"warmup": 2})],
        leave_out=[{"family": "plain", "depth": 14}],
        device="cpu",
    )
    sweep = parse_sweep(FILE, source="rates.toml")
    assert ids(sweep.plan({"device": "cpu"})) == ids(expected)
    assert len(expected) == 3 * 2 * 4
    assert sweep.notes["published"] == [
        {"family": "plain", "depth": 8, "error": 0.25, "source": "a paper", "kind": "published"}
        | {"measure": "train_error"}
    ]
    assert (sweep.notes["title"], sweep.notes["question"], sweep.notes["scaled"]) == ("Rates", "Which?", "")


def test_the_scaled_version_replaces_keys():
    sweep = parse_sweep(FILE, source="rates.toml", scaled=True)
    assert {run.steps for run in sweep.plan()} == {3}
    assert sweep.notes["scaled"] == "shorter"


def test_arguments_replace_the_files():
    sweep = parse_sweep(FILE, source="rates.toml")
    once = sweep.plan({"lr": 0.5, "seeds": 1})
    assert {(run.recipe.lr, run.seed) for run in once} == {(0.5, 0)}
    several = sweep.plan({"vary": {"steps": (4, 5), "lr": (0.3,)}})
    assert {(run.steps, run.recipe.lr) for run in several} == {(4, 0.3), (5, 0.3)}


def test_narrowed_sweeps_forget_conditions_on_what_is_gone():
    sweep = parse_sweep(FILE, source="rates.toml")
    runs = sweep.plan({"depths": (8,)})
    assert {(run.family, run.depth, run.recipe.warmup) for run in runs} == {("plain", 8, 0), ("residual", 8, 0)}


BAD = {
    'depth = [8]': "the file has no key 'depth'. Did you mean depths?",
    'depths = [8]\nstep = 3': "the file has no key 'step'. Did you mean steps?",
    'depths = "8"': "depths must be a list of whole numbers; got '8'.",
    'depths = [8.0]': "depths must be a list of whole numbers; got [8.0].",
    'depths = [8]\nsteps = true': "steps must be a whole number; got True.",
    'depths = [8]\nlr = "0.1"': "lr must be a number; got '0.1'.",
    'depths = [8]\naugment = "crop"': "augment must be a list of words or \"none\"; got 'crop'.",
    'depths = [8]\nwidths = 8': "widths must be a list of whole numbers; got 8.",
    'depths = [8]\nclip = "off"': "clip must be a number or \"none\"; got 'off'.",
    'depths = [8]\nvary = 3': "vary must be a table; got 3.",
    'depths = [8]\n[vary]\nlrs = [1]': "vary has no key 'lrs'. Did you mean lr?",
    'depths = [8]\n[vary]\nlr = 0.1': "vary.lr must be a list; got 0.1.",
    'depths = [8]\n[vary]\nlr = [0.1, "x"]': "vary.lr[2] must be a number; got 'x'.",
    'depths = [8]\n[[override]]\nwen = {}': "override[1] has no key 'wen'. Did you mean when?",
    'depths = [8]\n[[override]]\nwhen = {depth = 8}': "override[1] lacks the key set.",
    'depths = [8]\n[[override]]\nwhen = {dept = 8}\nset = {}': "override[1].when has no key 'dept'. Did you mean",
    'depths = [8]\n[[override]]\nwhen = {}\nset = {lr = "x"}': "override[1].set.lr must be a number; got 'x'.",
    'depths = [8]\nleave_out = [{famly = "plain"}]': "leave_out[1] has no key 'famly'. Did you mean family?",
    'depths = [8]\n[[published]]\neror = 1': "published[1] has no key 'eror'. Did you mean error?",
    'depths = [8]\n[[published]]\ndepth = 8': "published[1] must have family, depth, error and source.",
    'depths = [8]\npublished = "he2015-table7"': "got 'he2015-table7'. Did you mean he2015-table6?",
    'depths = [8]\n[scaled]\nhow = "x"\nstep = 1': "scaled has no key 'step'. Did you mean steps?",
    'experiment = "other"': "experiment must be one of compare, shattering; got 'other'.",
    'experiment = "shattering"\ndepths = [8]': "the file has no key 'depths'.",
    'depths = [8]\nlr = -1.0': "lr must be a positive number; got -1.0.",
    'depths = [9]': "got 9. Nearest: 8, 14.",
    'depths = [8]\ndata = "digit"': "data must be one of digits",
}  # fmt: skip


@pytest.mark.parametrize("content", BAD)
def test_one_line_names_file_and_key(content, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(content)
    with pytest.raises(PlanError) as caught:
        read_sweep(path).plan()
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert BAD[content] in said
    assert "\n" not in said


def test_what_is_no_toml_is_told_with_its_line(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("depths = [8]\nlr = = 2\n")
    with pytest.raises(PlanError, match=r"bad.toml is not valid TOML: .*line 2"):
        read_sweep(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PlanError, match=r"bad.toml is not UTF-8 text"):
        read_sweep(path)
    with pytest.raises(PlanError, match=r"cannot read .*none.toml: No such file"):
        read_sweep(tmp_path / "none.toml")


def test_scaled_needs_a_table_that_says_how():
    with pytest.raises(PlanError, match=r"a.toml has no \[scaled\] table"):
        parse_sweep("depths = [8]", source="a.toml", scaled=True)
    with pytest.raises(PlanError, match=r"a.toml: scaled lacks the key how"):
        parse_sweep("depths = [8]\n[scaled]\nsteps = 1", source="a.toml", scaled=True)


def test_none_is_a_list_without_values():
    content = 'depths = [8]\nprobes = "none"\nleave_out = [{augment = "none", lr = 0.5}]\n[vary]\nlr = [0.1, 0.5]\n'
    sweep = parse_sweep(content + 'augment = ["none", ["flip"]]', source="a.toml")
    runs = sweep.plan({"families": ["plain"], "seeds": 1, "device": "cpu"})
    assert {(run.recipe.augment, run.recipe.lr) for run in runs} == {((), 0.1), (("flip",), 0.1), (("flip",), 0.5)}
    assert {run.probes for run in runs} == {()}
    narrowed = sweep.plan({"families": ["plain"], "seeds": 1, "device": "cpu", "vary": {"augment": [None, "crop"]}})
    assert {(run.recipe.augment, run.recipe.lr) for run in narrowed} == {((), 0.1), (("crop",), 0.1), (("crop",), 0.5)}
