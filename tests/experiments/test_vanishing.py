"""The demonstration against the published laws: literal factors, 10 seeds, width 256, real images."""

import math

import pandas as pd
import pytest
import torch

from gradflow.analysis.vanishing_table import vanishing_profile, vanishing_table
from gradflow.experiments.recipe import PlanError
from gradflow.experiments.vanishing_settings import SETTINGS, vanishing

WITHIN = 0.03
LAWS = {
    "sigmoid-default": 0.141,
    "sigmoid-xavier": 0.236,
    "tanh-default": 0.577,
    "relu-default": 0.408,
    "relu-kaiming-0.8": 0.8,
    "relu-kaiming": 1.0,
    "relu-batch-norm": 1.211,
}


@pytest.fixture(scope="module")
def recordings():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield vanishing()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def table(recordings):
    return vanishing_table(recordings).set_index("setting")


@pytest.mark.parametrize("setting", LAWS)
def test_factor_is_within_3_percent_of_the_law(table, setting):
    row = table.loc[setting]
    assert row.n == 10
    assert row.factor == pytest.approx(LAWS[setting], rel=WITHIN)
    assert row.predicted == pytest.approx(LAWS[setting], abs=6e-4)
    assert row.low < row.factor < row.high
    assert row.difference == pytest.approx(row.factor / row.predicted - 1)


def test_residual_net_follows_its_power_law(recordings, table):
    row = table.loc["residual-batch-norm"]
    assert abs(row.difference) < WITHIN
    profile = vanishing_profile(recordings)
    line = profile[(profile.setting == "residual-batch-norm") & (profile.measure == "out_grad_norm")]
    # |delta_2|^2 / |delta_19|^2 = product over l = 3 ... 19 of (1 + a/(l - 1)) (l - 1)/(l - 2), a = pi/(pi - 1)
    a = math.pi / (math.pi - 1)
    square = math.prod((1 + a / (layer - 1)) * (layer - 1) / (layer - 2) for layer in range(3, 20))
    assert line["mean"].iloc[1] == pytest.approx(math.sqrt(square), rel=0.15)
    assert math.isnan(line["predicted"].iloc[0])


def test_verdicts(table):
    assert table.verdict.to_dict() == {
        **dict.fromkeys(["sigmoid-default", "sigmoid-xavier", "tanh-default", "relu-default"], "vanishes"),
        "relu-kaiming-0.8": "vanishes",
        "relu-kaiming": "flat",
        "relu-batch-norm": "explodes",
        "residual-batch-norm": "power law",
    }


def test_homogeneous_net_has_a_flat_weight_profile_while_its_level_vanishes(table):
    row = table.loc["relu-kaiming-0.8"]
    assert row.weight_factor == pytest.approx(1, abs=0.05)
    assert row.factor < 0.82


def test_meta_says_what_was_measured(recordings):
    first = recordings[0]
    assert first.name == "sigmoid-default-seed0"
    expected = {"experiment": "vanishing", "setting": "sigmoid-default", "label": "sigmoid, PyTorch's default"}
    expected |= {"activation": "sigmoid", "init": "default", "norm": None, "skip": False, "depth": 20, "width": 256}
    expected |= {"seed": 0, "data": "digits", "batch_size": 128, "status": "done", "device": "cpu"}
    assert first.meta.items() >= expected.items()
    assert first.layers.step.unique().tolist() == [0]
    assert len(recordings) == 10 * len(SETTINGS)


def test_same_seed_same_numbers_and_global_state_untouched():
    before = torch.get_rng_state()
    first, second = (vanishing(depth=7, width=16, seeds=[5], settings=["relu-kaiming"])[0] for _ in range(2))
    pd.testing.assert_frame_equal(first.layers, second.layers)
    assert torch.equal(torch.get_rng_state(), before)


def test_events_follow_the_recordings():
    seen = []
    made = vanishing(depth=7, width=16, seeds=2, settings=["relu-kaiming", "tanh-default"], on_event=seen.append)
    assert [recording.name for recording in seen] == [recording.name for recording in made]
    assert seen[-1].name == "tanh-default-seed1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 6}, r"depth must be at least 7; got 6"),
        ({"width": 0}, r"width must be at least 1; got 0"),
        ({"batch_size": 1}, r"batch size must be at least 2; got 1"),
        ({"seeds": 0}, r"seeds must be at least 1; got 0"),
        ({"settings": ["relu"]}, r"settings must be of sigmoid-default, .*; got 'relu'"),
        ({"settings": []}, r"settings must name at least one; got none"),
    ],
)
def test_errors_name_what_is_allowed(arguments, message):
    with pytest.raises(PlanError, match=message):
        vanishing(**arguments)


def test_settings_keep_their_order_through_a_folder(tmp_path):
    from gradflow import analysis, storage

    names = ["sigmoid-default", "relu-default", "relu-batch-norm"]
    recordings = vanishing(depth=7, width=8, seeds=1, settings=names)
    assert analysis.vanishing_table(recordings).setting.tolist() == names
    for recording in recordings:
        storage.save(recording, tmp_path / recording.name)
    kept = [storage.load(folder) for folder in storage.find([tmp_path])]
    assert [recording.meta["setting"] for recording in kept] == sorted(names)
    assert analysis.vanishing_table(kept).setting.tolist() == names
