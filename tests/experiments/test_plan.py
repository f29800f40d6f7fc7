import dataclasses

import numpy as np
import pytest

from gradflow.experiments import DataError, PlanError, Run, plan


def test_every_combination_longest_first():
    runs = plan([8, 20], seeds=2, device="cpu")
    assert len(runs) == 8
    assert [run.depth for run in runs] == [20] * 4 + [8] * 4
    assert {(run.family, run.seed) for run in runs} == {(f, s) for f in ("plain", "residual") for s in (0, 1)}


def test_ids_differ_with_anything_that_shapes_the_result():
    run = Run("plain", 8, 0)
    changes = {
        "family": "residual", "depth": 14, "seed": 1, "data": "mnist5k", "shortcut": "B", "widths": (8, 16, 32),
        "steps": 10, "batch_size": 32, "lr": 0.1, "schedule": "step", "warmup": 5, "momentum": 0.0,
        "weight_decay": 0.0, "record_every": 5, "eval_every": 5, "device": "cuda",
    }  # fmt: skip
    assert changes.keys() == {field.name for field in dataclasses.fields(Run)}
    ids = {run.id} | {dataclasses.replace(run, **{name: value}).id for name, value in changes.items()}
    assert len(ids) == len(changes) + 1
    assert run.id == Run("plain", 8, 0).id


def test_numpy_integers_are_taken():
    runs = plan(np.array([8]), seeds=np.array([3]), widths=np.array([4, 4, 4]), device="cpu")
    assert runs[0].id == plan([8], seeds=[3], widths=(4, 4, 4), device="cpu")[0].id


def test_runs_survive_json():
    run = Run("plain", 8, 0, widths=(1, 2, 3))
    assert Run.from_json(run.to_json()) == run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depths": [20, 55]}, "got 55. Nearest: 50, 56."),
        ({"depths": []}, "depths must name at least one; got none."),
        ({"families": ["plain", "dense"]}, "family must be one of plain, residual; got 'dense'"),
        ({"families": []}, "families must name at least one"),
        ({"seeds": 0}, "seeds must be at least 1; got 0"),
        ({"steps": 0}, "steps must be at least 1; got 0"),
        ({"batch_size": -1}, "batch size must be at least 1; got -1"),
        ({"record_every": 0}, "record every must be at least 1; got 0"),
        ({"lr": 0.0}, "lr must be a positive number; got 0.0"),
        ({"lr": float("nan")}, "lr must be a positive number; got nan"),
        ({"schedule": "linear"}, "schedule must be one of cosine, step; got 'linear'"),
        ({"warmup": 301}, "warmup must lie between 0 and the 300 steps; got 301"),
        ({"widths": (16, 32)}, "widths must be three positive channel counts, such as 16,32,64; got 16,32"),
        ({"shortcut": "C"}, "shortcut must be one of A, B; got 'C'"),
        ({"device": "tpu"}, "device must be auto or one of cpu.*; got 'tpu'"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message):
    with pytest.raises(PlanError, match=message) as caught:
        plan(**{"depths": [20], **arguments})
    assert "\n" not in str(caught.value)


def test_unknown_data():
    with pytest.raises(DataError, match="data must be one of digits, mnist5k, cifar10"):
        plan([20], data="svhn")
