import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from gradflow.analysis import beside_main_path, first_to_last, main_path, profile, profile_over_seeds
from gradflow.hooks import record
from gradflow.models import cifar_net
from gradflow.recording import Recording


def rows(step, names, **columns):
    n = len(names)
    base = {"step": step, "layer": names, "order": range(n), "layer_depth": range(1, n + 1), "weighted": True}
    return pd.DataFrame({**base, **columns})


def made(layers, run="mine", **meta):
    return Recording(layers=layers, meta={"run": run, **meta})


def test_default_steps_are_the_moments_and_the_last():
    layers = pd.concat([rows(step, ["a"], grad_norm=1.0) for step in (0, 1, 5, 10, 50, 100, 130)])
    assert list(profile(made(layers)).step) == [0, 1, 10, 100, 130]


def test_every_recorded_step_on_request():
    layers = pd.concat([rows(step, ["a"], grad_norm=1.0) for step in (0, 5, 7)])
    assert list(profile(made(layers), steps="recorded").step) == [0, 5, 7]


def test_a_step_that_no_run_has_is_named_with_its_nearest():
    with pytest.raises(ValueError, match=r"steps holds 6, .* Nearest: 5"):
        profile(made(pd.concat([rows(0, ["a"]), rows(5, ["a"])])), steps=[6])


def test_norms_equal_those_that_autograd_gives():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    inputs = torch.randn(5, 3)
    with record(model, weights=True) as recorder:
        model(inputs).square().sum().backward()
        recorder.step()
    frame = profile(recorder.recording)
    hidden = model[1](model[0](inputs))
    last = model[2](hidden)
    grads = torch.autograd.grad(last.square().sum(), [model[2].weight, model[2].bias, last])
    expected = math.hypot(grads[0].norm(), grads[1].norm())
    weight = math.hypot(*(parameter.detach().norm() for parameter in model[2].parameters()))
    row = frame[frame.layer == "2"].iloc[0]
    assert list(frame.layer) == ["0", "2"]
    assert row.grad_norm == pytest.approx(expected, rel=1e-6)
    assert row.out_grad_norm == pytest.approx(float(grads[2].norm()), rel=1e-6)
    assert row.grad_times_weight == pytest.approx(expected * weight, rel=1e-6)


def test_projection_shortcuts_are_no_part_of_the_main_path():
    torch.manual_seed(0)
    model = cifar_net(8, shortcut="B", widths=(2, 4, 8))
    with record(model) as recorder:
        model(torch.randn(2, 3, 8, 8)).square().sum().backward()
        recorder.step()
    frame = profile(recorder.recording)
    assert list(frame.layer_depth) == list(range(1, 9))
    assert not frame.layer.str.contains("shortcut").any()
    every = profile(recorder.recording, layers="all")
    assert every.layer.str.contains("shortcut").any()
    assert main_path(every).layer.tolist() == frame.layer.tolist()


def test_calls_of_a_shared_layer_make_one_vector():
    layers = pd.DataFrame(
        {"step": 0, "layer": "a", "call": [0, 1], "order": 0, "layer_depth": 1, "weighted": True}
        | {"grad_norm": [5.0, math.nan], "out_grad_norm": [3e200, 4e200]}
    )
    row = profile(made(layers)).iloc[0]
    assert row.grad_norm == 5.0
    assert row.out_grad_norm == pytest.approx(5e200)


def test_over_seeds_is_the_geometric_mean_per_layer():
    runs = [
        made(rows(0, ["a", "b"], grad_norm=[norm, 1.0]), f"s{seed}", family="plain", depth=2, seed=seed)
        for seed, norm in enumerate([1e-6, 1e-2])
    ]
    frame = profile_over_seeds(profile(runs), "grad_norm")
    assert list(frame["mean"]) == pytest.approx([1e-4, 1.0])
    assert list(frame.n) == [2, 2]


def test_a_gradient_that_arrived_as_nan_is_counted_but_one_that_did_not_is_not():
    layers = rows(0, ["a", "b"], grad_norm=math.nan, n_nonfinite=[3, 0], status=["measured", "frozen"])
    frame = profile_over_seeds(profile(made(layers)), "grad_norm")
    assert list(frame.n_nonfinite) == [1, 0]
    assert list(frame.n) == [0, 0]


def test_an_unknown_measure_is_refused():
    with pytest.raises(ValueError, match="got 'loss'"):
        profile_over_seeds(profile(made(rows(0, ["a"]))), "loss")


def test_first_to_last_takes_the_ends_by_depth_and_keeps_missing_values():
    layers = pd.concat(
        [
            rows(0, ["a", "b", "c"], grad_norm=[8.0, 1.0, 2.0]),
            rows(1, ["a", "b", "c"], grad_norm=[math.nan, 1.0, 2.0]),
            rows(2, ["a", "b", "c"], grad_norm=[3.0, 1.0, 0.0]),
        ]
    ).sample(frac=1, random_state=0)
    frame = first_to_last(profile(made(layers), steps="recorded"), "grad_norm")
    np.testing.assert_array_equal(frame.ratio, [4.0, math.nan, math.nan])
    assert list(frame["last"]) == [2.0, 2.0, 0.0]


def test_a_recording_without_layers_gives_no_rows():
    assert len(profile(Recording(meta={"run": "mine"}))) == 0


def test_layers_without_weights_are_no_part_of_the_main_path():
    layers = rows(0, ["conv", "pool", "fc"]).assign(weighted=[True, False, True])
    assert list(profile(made(layers)).layer) == ["conv", "fc"]
    assert list(profile(made(layers), layers="all").layer) == ["conv", "pool", "fc"]


def test_layers_beside_the_main_path_are_counted():
    layers = pd.DataFrame({"step": [0] * 5 + [1] * 5, "layer": list("abcde") * 2, "order": list(range(5)) * 2})
    layers = layers.assign(layer_depth=[1, 1, 2, 2, -1] * 2, weighted=True)
    assert beside_main_path([Recording(layers=layers), Recording(layers=layers[:1])]) == 2
    assert beside_main_path([]) == 0
