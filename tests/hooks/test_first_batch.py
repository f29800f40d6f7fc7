"""What a recorder says of the first batch, beside the same numbers computed from the tensors."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import gradflow


def first(model, x, loss_of, steps=1):
    recorder = gradflow.record(model)
    for _ in range(steps):
        loss = loss_of(model(x))
        loss.backward()
        recorder.step(loss=loss)
    recorder.close()
    return recorder.recording.meta


def test_inputs_and_outputs_are_described():
    torch.manual_seed(0)
    x = 100 + 20 * torch.randn(8, 5)
    x[:, 2] = 7.0
    x[3, 1] = torch.nan
    model = nn.Linear(5, 3)
    meta = first(model, x, lambda y: y.nan_to_num().square().mean())
    (inputs,), (outputs,) = meta["first_batch"]["inputs"], meta["first_batch"]["outputs"]
    assert (inputs["examples"], inputs["features"], inputs["nonfinite"], inputs["constant"]) == (8, 5, 1, 1)
    assert outputs["width"] == 3


def test_the_numbers_are_those_of_the_tensors():
    torch.manual_seed(0)
    x, model = 3 + torch.randn(8, 5), nn.Sequential(nn.Linear(5, 3), nn.Softmax(1))
    outputs = model(x).detach()
    meta = first(model, x, lambda y: functional.cross_entropy(y, torch.zeros(8, dtype=torch.long)))["first_batch"]
    (seen_in,), (seen_out,) = meta["inputs"], meta["outputs"]
    assert seen_in["rms"] == pytest.approx(x.square().mean().sqrt().item())
    assert seen_in["mean"] == pytest.approx(x.mean().item())
    assert seen_out["spread"] == pytest.approx((outputs - outputs.mean(0)).square().mean().sqrt().item())
    assert (seen_out["sum_low"], seen_out["sum_high"]) == pytest.approx((1.0, 1.0))
    assert (seen_in["min"], seen_in["max"]) == (x.min().item(), x.max().item())


def test_matrices_with_equal_rows_are_named_and_zeros_are_not():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))
    nn.init.constant_(model[0].weight, 0.3)
    nn.init.zeros_(model[4].weight)
    meta = first(model, torch.randn(3, 4), lambda y: y.sum())["first_batch"]
    assert meta["alike"] == ["0.weight"]
    assert (meta["n_alike"], meta["n_matrices"]) == (1, 3)


def test_norms_and_dropout_in_eval_mode_are_named():
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.1), nn.LayerNorm(6))
    assert first(model, torch.randn(3, 4), torch.sum)["first_batch"]["in_eval"] == []
    model[1].eval()
    assert first(model, torch.randn(3, 4), torch.sum)["first_batch"]["in_eval"] == ["BatchNorm1d"]


def test_only_the_first_batch_is_looked_at():
    model, batches = nn.Linear(4, 1), iter([torch.ones(2, 4), torch.full((2, 4), 9.0)])
    recorder = gradflow.record(model)
    for x in batches:
        model(x).sum().backward()
        recorder.step()
    recorder.close()
    assert recorder.recording.meta["first_batch"]["inputs"][0]["max"] == 1.0


LOSSES = {
    "probabilities": (
        lambda y: functional.cross_entropy(y.softmax(1), torch.zeros(3, dtype=torch.long)),
        ["NllLoss", "LogSoftmax", "Softmax", "Addmm"],
    ),
    "logits": (
        lambda y: 2 * functional.cross_entropy(y, torch.zeros(3, dtype=torch.long)) / 3,
        ["NllLoss", "LogSoftmax", "Addmm"],
    ),
    "values": (lambda y: functional.mse_loss(y.relu(), torch.ones(3, 2)), ["MseLoss", "Relu", "Addmm"]),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_the_operations_between_loss_and_last_layer_are_named(loss):
    loss_of, operations = LOSSES[loss]
    assert first(nn.Linear(4, 2), torch.randn(3, 4), loss_of)["loss_operations"] == operations


def test_a_loss_behind_another_model_is_told_from_one_of_the_outputs():
    other = nn.Linear(2, 1)
    target = torch.ones(3, 1)
    beyond = first(nn.Linear(4, 2), torch.randn(3, 4), lambda y: functional.mse_loss(other(y), target))
    assert beyond["loss_beyond_outputs"] is True
    own = first(nn.Linear(4, 1), torch.randn(3, 4), lambda y: functional.mse_loss(y.sigmoid(), target))
    assert "loss_beyond_outputs" not in own


def test_settings_of_the_optimizer_are_kept():
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.01)
    with gradflow.record(model, optimizer=optimizer) as recorder:
        model(torch.ones(2, 4)).sum().backward()
        optimizer.step()
    (settings,) = recorder.recording.meta["optimizer_settings"]
    assert {name: settings[name] for name in ("kind", "lr", "momentum", "weight_decay")} == {
        "kind": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01
    }  # fmt: skip


@pytest.mark.parametrize("is_after", [False, True])
def test_the_loss_is_looked_at_before_and_after_the_optimizer_steps(is_after):
    model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with gradflow.record(model, optimizer=optimizer) as recorder:
        loss = functional.cross_entropy(model(torch.randn(5, 4)), torch.zeros(5, dtype=torch.long))
        loss.backward()
        if not is_after:
            recorder.step(loss=loss)
        optimizer.step()
        if is_after:
            recorder.step(loss=loss)
    assert recorder.recording.meta["loss_operations"] == ["NllLoss", "LogSoftmax", "Softmax", "Addmm"]
