import dataclasses
import json
from itertools import product

import numpy as np
import pytest
from made import one_run

from gradflow.experiments import DataError, Override, PlanError, Recipe, Run, plan


def test_every_combination_longest_first():
    runs = plan([8, 20], seeds=2, device="cpu")
    assert len(runs) == 8
    assert [run.depth for run in runs] == [20] * 4 + [8] * 4
    assert {(run.family, run.seed) for run in runs} == {(f, s) for f in ("plain", "residual") for s in (0, 1)}


def test_ids_differ_with_anything_that_shapes_the_result():
    run = one_run()
    changes = {
        "family": "residual", "depth": 14, "seed": 1, "model": "mlp", "data": "mnist5k", "record_every": 5,
        "eval_every": 5, "shortcut": "B", "widths": (8, 16, 32), "steps": 10, "batch_size": 32, "accumulate": 2,
        "optimizer": "adamw", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0, "schedule": "step", "warmup": 5,
        "warmup_until": 0.8, "augment": ("flip",), "clip": 1.0, "precision": "bf16",
    }  # fmt: skip
    of_the_recipe = {field.name for field in dataclasses.fields(Recipe)} - {"milestones"}
    assert of_the_recipe <= changes.keys()
    ids = {run.id} | {one_run(**{name: value}).id for name, value in changes.items()}
    ids |= {one_run(schedule="multistep", milestones=[number]).id for number in (1, 2)}
    ids |= {dataclasses.replace(run, device="cuda").id}
    assert len(ids) == len(changes) + 4
    assert run.id == one_run().id == one_run(lr=0.02).id


def test_numpy_integers_are_taken():
    runs = plan(np.array([8]), seeds=np.array([3]), device="cpu")
    assert runs[0].id == plan([8], seeds=[3], device="cpu")[0].id


def test_runs_survive_json():
    run = one_run(widths=(1, 2, 3), augment=["flip"], schedule="multistep", milestones=[3, 5])
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run


def test_every_setting_can_vary():
    runs = plan([8], seeds=1, vary={"lr": [0.1, 0.01], "widths": [[4, 4, 4], [8, 8, 8]]}, device="cpu")
    found = {(run.family, run.recipe.lr, run.settings["widths"]) for run in runs}
    assert found == set(product(("plain", "residual"), (0.1, 0.01), ((4, 4, 4), (8, 8, 8))))
    assert "plain-8, lr 0.1, widths 4,4,4 seed 0" in {run.label for run in runs}


def test_overrides_change_the_runs_they_name():
    override = Override(when={"depth": 14, "family": "residual"}, set={"warmup": 5})
    runs = plan([8, 14], seeds=1, overrides=[override], device="cpu")
    assert {(run.family, run.depth): run.recipe.warmup for run in runs if run.recipe.warmup} == {("residual", 14): 5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depths": [20, 55]}, "got 55. Nearest: 50, 56."),
        ({"depths": []}, "depths must name at least one; got none."),
        ({"families": ["plain", "dense"]}, "family must be one of plain, residual, preactivation; got 'dense'"),
        ({"families": []}, "families must name at least one"),
        ({"seeds": 0}, "seeds must be at least 1; got 0"),
        ({"steps": 0}, "steps must be at least 1; got 0"),
        ({"batch_size": -1}, "batch size must be at least 1; got -1"),
        ({"record_every": 0}, "record every must be at least 1; got 0"),
        ({"lr": 0.0}, "lr must be a positive number; got 0.0"),
        ({"lr": float("nan")}, "lr must be a positive number; got nan"),
        ({"schedule": "linear"}, "schedule must be one of cosine, step, multistep, constant; got 'linear'"),
        ({"warmup": 301}, "warmup must be between 0 and the 300 steps; got 301"),
        ({"widths": (16, 32)}, "widths must be 3 positive ints, such as 16, 32, 64; got"),
        ({"shortcut": "C"}, "shortcut must be one of A, B; got 'C'"),
        ({"learning_rate": 0.1}, "a sweep has no setting 'learning_rate'. .*Allowed: depth, family"),
        ({"step": 10}, "a sweep has no setting 'step'. Did you mean steps?"),
        ({"vary": {"lr": []}}, "lr must name at least one"),
        ({"vary": {"depth": [8]}}, "depth is given twice"),
        ({"vary": {"seed": [8]}}, "vary must not name seed"),
        ({"batch_size": 64, "accumulate": 3}, "batch_size 64 is not divisible by accumulate 3"),
        (
            {"milestones": [10]},
            "milestones and the multistep schedule require each other; got schedule cosine, milestones 10",
        ),
        (
            {"schedule": "multistep", "milestones": [300]},
            "milestones must increase, between 0 and the 300 steps; got 300",
        ),
        ({"warmup_until": 1.5}, "warmup until must be a fraction above 0 and below 1; got 1.5"),
        ({"precision": "fp8"}, "precision must be one of float32, bf16, fp16; got 'fp8'"),
        ({"momentum": 1.0}, "momentum must be at least 0 and below 1; got 1.0"),
        ({"steps": 1.5}, "steps must be a whole number of at least 1; got 1.5"),
        ({"schedule": "multistep", "milestones": "abc"}, "milestones must be a whole number of at least 1; got 'abc'"),
        ({"augment": ["flip", "none"]}, "augment must be none, or some of crop, flip, jitter; got flip, none."),
        ({"vary": {"augment": ["crop", 3]}}, "augment must be none, or some of crop, flip, jitter; got 3."),
        ({"vary": {"probes": [3]}}, "probes must be none, or some of skips, shattering, paths; got 3."),
        (
            {"vary": {"milestones": [3]}},
            "milestones and the multistep schedule require each other; got schedule cosine, milestones 3",
        ),
        ({"vary": {"widths": [None]}}, "widths must be 3 positive ints, such as 16, 32, 64; got None"),
        ({"vary": {"model": [None]}}, "model must be one of cifar, .*; got None"),
        ({"device": "tpu"}, "device must be auto or one of cpu.*; got 'tpu'"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message):
    with pytest.raises(PlanError, match=message) as caught:
        plan(**{"depths": [20], **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", ["svhn", None, 3])
def test_unknown_data(data):
    with pytest.raises(DataError, match=f"data must be one of digits, mnist5k, cifar10.*; got {data!r}"):
        plan([20], vary={"data": [data]})


def test_a_label_names_what_varies_whatever_it_is():
    runs = plan([8], families=["plain"], seeds=1, vary={"record_every": [3, 2]}, device="cpu")
    assert {run.label for run in runs} == {"plain-8, record every 3 seed 0", "plain-8, record every 2 seed 0"}


def test_a_setting_that_is_a_list_varies_with_none_and_with_one_alone():
    vary = {"augment": [None, "flip", ["crop", "flip"]], "probes": ["none", "paths"]}
    runs = plan([8], families=["plain"], seeds=1, vary=vary, device="cpu")
    found = {(run.recipe.augment, run.probes) for run in runs}
    assert found == set(product(((), ("flip",), ("crop", "flip")), ((), ("paths",))))
    assert "plain-8, augment none, probes none seed 0" in {run.label for run in runs}
    (run,) = plan([8], families=["plain"], seeds=1, augment="none", milestones=None, device="cpu")
    assert run.id == one_run(device="cpu").id
    kept = plan([8], families=["plain"], seeds=1, vary=vary, leave_out=[{"augment": [], "probes": []}], device="cpu")
    assert {(run.recipe.augment, run.probes) for run in kept} == found - {((), ())}
