"""Read points: what an optimizer, clipping and a gradient scaler have done to the gradients by then."""

import copy

import pytest
import torch
from oracles import norm64
from torch import nn

import gradflow

TOLERANCE = 1e-6


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))


def loss_of(model, seed=0):
    return model(torch.randn(6, 4, generator=torch.Generator().manual_seed(seed))).square().sum()


def steps_of(make, *, optimizer_of, recorder_of=None, clip=None, n=4):
    """Train; return model and recording."""
    model = make()
    optimizer = optimizer_of(model.parameters())
    recorder = recorder_of(model, optimizer) if recorder_of else None
    for seed in range(n):
        optimizer.zero_grad()
        loss_of(model, seed).backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    if recorder is not None:
        recorder.close()
    return model, recorder and recorder.recording


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
    "fused adamw": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_ends_the_steps_and_its_updates_are_measured(name):
    def attach(model, optimizer):
        return gradflow.record(model, optimizer=optimizer, weights=True)

    bare, _ = steps_of(net, optimizer_of=OPTIMIZERS[name])
    model, recording = steps_of(net, optimizer_of=OPTIMIZERS[name], recorder_of=attach)
    assert all(torch.equal(a, b) for a, b in zip(bare.parameters(), model.parameters(), strict=True))
    assert recording.meta["gradients"] == "as the optimizer used them"
    assert recording.steps.step.tolist() == [0, 1, 2, 3]
    reference = net()
    optimizer = OPTIMIZERS[name](reference.parameters())
    for seed in range(4):
        optimizer.zero_grad()
        loss_of(reference, seed).backward()
        before = copy.deepcopy(list(reference[0].parameters()))
        gradient = norm64(*[p.grad for p in reference[0].parameters()])
        optimizer.step()
        update = norm64(*[a - b for a, b in zip(reference[0].parameters(), before, strict=True)])
        row = recording.layers.query(f"step == {seed} and layer == '0'").iloc[0]
        assert row.grad_norm == pytest.approx(gradient, rel=TOLERANCE)
        assert row.update_norm == pytest.approx(update, rel=1e-5)
        assert row.weight_norm == pytest.approx(norm64(*before), rel=TOLERANCE)


def test_norm_before_and_after_clipping():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    totals = []
    with gradflow.record(model, optimizer=optimizer) as recorder:
        for seed in range(3):
            optimizer.zero_grad()
            loss = loss_of(model, seed)
            loss.backward()
            recorder.step(loss=loss)
            totals.append(nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5).item())
            optimizer.step()
    steps = recorder.recording.steps
    assert len(steps) == 3
    assert steps.loss.notna().all()
    assert steps.unclipped_grad_norm.tolist() == pytest.approx(totals, rel=1e-5)
    assert steps.total_grad_norm.tolist() == pytest.approx([min(total, 0.5) for total in totals], rel=1e-4)


def test_accumulation_ends_with_the_optimizer():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer) as recorder:
        for seed in range(3):
            loss_of(model, seed).backward()
        expected = norm64(*[p.grad for p in model[2].parameters()])
        optimizer.step()
    rows = recorder.recording.layers.query("layer == '2'")
    assert rows.backward.tolist() == [0, 1, 2]
    assert rows.grad_norm.iloc[0] == pytest.approx(expected, rel=TOLERANCE)


def test_lbfgs_closures():
    model = net()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    with gradflow.record(model, optimizer=optimizer) as recorder:
        optimizer.step(closure)
        expected = norm64(*[p.grad for p in model[0].parameters()])
    rows = recorder.recording.layers.query("layer == '0'")
    assert rows.grad_norm.iloc[0] == pytest.approx(expected, rel=TOLERANCE)
    assert rows.backward.max() >= 2


def test_several_optimizers_end_a_step_together():
    model = net()
    first, last = (torch.optim.SGD(model[index].parameters(), lr=0.01) for index in (0, 2))
    with gradflow.record(model, optimizer=[first, last]) as recorder:
        for seed in range(2):
            model.zero_grad()
            loss_of(model, seed).backward()
            expected = [norm64(*[p.grad for p in model[index].parameters()]) for index in (0, 2)]
            first.step()
            last.step()
    rows = recorder.recording.layers.query("step == 1").set_index("layer")
    assert rows.grad_norm[["0", "2"]].tolist() == pytest.approx(expected, rel=TOLERANCE)
    assert rows.update_norm[["0", "2"]].tolist() == pytest.approx([0.01 * norm for norm in expected], rel=1e-3)


@pytest.mark.parametrize(
    "kind", ["plain", "fused", "unscaled by hand", "step() after backward", "step() after unscale_"]
)
def test_gradient_scalers_are_divided_out(kind):
    model = net()
    fused = kind == "fused"
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    reference = net()
    output = reference[0](torch.randn(6, 4, generator=torch.Generator().manual_seed(0)))
    loss = reference[2](reference[1](output)).square().sum()
    (out_gradient,) = torch.autograd.grad(loss, [output], retain_graph=True)
    gradients = torch.autograd.grad(loss, list(reference[0].parameters()))
    by_hand = kind.startswith("step()")
    with gradflow.record(model, optimizer=None if by_hand else optimizer, scaler=scaler) as recorder:
        scaler.scale(loss_of(model)).backward()
        if kind in ("unscaled by hand", "step() after unscale_"):
            scaler.unscale_(optimizer)
        if by_hand:
            recorder.step()
        scaler.step(optimizer)
        scaler.update()
    row = recorder.recording.layers.query("layer == '0'").iloc[0]
    assert row.grad_norm == pytest.approx(norm64(*gradients), rel=1e-5)
    assert row.out_grad_norm == pytest.approx(norm64(out_gradient), rel=1e-5)


def test_a_step_that_the_scaler_skips_is_no_step():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    with gradflow.record(model, optimizer=optimizer, scaler=scaler) as recorder:
        for factor in (float("inf"), 1.0):
            optimizer.zero_grad()
            scaler.scale(loss_of(model) * factor).backward()
            scaler.step(optimizer)
            scaler.update()
    assert len(recorder.recording.steps) == 1


def test_hooks_on_the_optimizer_are_removed():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer):
        assert optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


def test_closures_have_updates_and_weights_from_before():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    before = [parameter.detach().clone() for parameter in model[0].parameters()]
    with gradflow.record(model, optimizer=optimizer, weights=True) as recorder:
        optimizer.step(closure)
    update = [a.detach() - b for a, b in zip(model[0].parameters(), before, strict=True)]
    row = recorder.recording.layers.query("layer == '0'").iloc[0]
    assert row.update_norm == pytest.approx(norm64(*update), rel=1e-5)
    assert row.weight_norm == pytest.approx(norm64(*before), rel=TOLERANCE)


def test_outputs_are_divided_by_the_scale_of_their_own_backward():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    with gradflow.record(model, optimizer=optimizer, scaler=scaler) as recorder:
        for attempt in range(2):  # the first is skipped, and halves the scale
            optimizer.zero_grad()
            scaler.scale(loss_of(model)).backward()
            if attempt == 0:
                model[0].weight.grad.fill_(float("inf"))
            scaler.step(optimizer)
            scaler.update()
    rows = recorder.recording.layers.query("layer == '0'")
    assert rows.backward.tolist() == [1, 0]
    assert rows.in_grad.tolist() == [True, False]
    assert rows.out_grad_norm.iloc[0] == pytest.approx(rows.out_grad_norm.iloc[1], rel=1e-5)


@pytest.mark.parametrize("unscaled", [0, 1])
def test_of_two_scaled_optimizers_one_may_be_unscaled_already(unscaled):
    model = net()
    optimizers = [torch.optim.SGD(model[index].parameters(), lr=0.01) for index in (0, 2)]
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    reference = net()
    loss_of(reference).backward()
    with gradflow.record(model, optimizer=optimizers, scaler=scaler) as recorder:
        scaler.scale(loss_of(model)).backward()
        scaler.unscale_(optimizers[unscaled])
        recorder.step()
        for optimizer in optimizers:
            scaler.step(optimizer)
        scaler.update()
    expected = norm64(*[parameter.grad for parameter in reference.parameters()])
    assert recorder.recording.steps.unclipped_grad_norm.tolist() == pytest.approx([expected], rel=1e-5)
    assert recorder.recording.steps.total_grad_norm.tolist() == pytest.approx([expected], rel=1e-5)
