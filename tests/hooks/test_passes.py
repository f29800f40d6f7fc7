"""Whose gradient a row holds: passes that add to `.grad`, passes that do not, and passes that were cleared."""

import copy
import math
import warnings

import pytest
import torch
from oracles import norm64
from torch import nn
from torch.nn.functional import mse_loss, softplus
from torch.utils.checkpoint import checkpoint

import gradflow
from gradflow.analysis.profile import one_row_per_layer
from gradflow.hooks import GradflowWarning, accumulation, capture, passes
from gradflow.hooks.layers import Layer

TOLERANCE = 1e-5


def critic(activation=nn.Tanh):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), activation(), nn.Linear(8, 8), activation(), nn.Linear(8, 1))


def generator():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 4))


def batch(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def with_zeros(model, loss_of):
    """The loss, and a zero added to each layer's output by layer and call: its gradient is the output's."""
    zeros, handles = {}, []

    def add_zero(name):
        def hook(module, args, output):
            call = sum(layer == name for layer, _ in zeros)
            zeros[name, call] = torch.zeros_like(output, requires_grad=True)
            return output + zeros[name, call]

        return hook

    for name, module in model.named_modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(add_zero(name)))
    try:
        return loss_of(model), zeros
    finally:
        for handle in handles:
            handle.remove()


def truth(model, loss_of):
    """Norm of the loss's gradient at each layer's output, by layer and call, without a tensor hook."""
    loss, zeros = with_zeros(model, loss_of)
    found = torch.autograd.grad(loss, list(zeros.values()), allow_unused=True)
    return {key: norm64(one) for key, one in zip(zeros, found, strict=True) if one is not None}


def joined(norms, layer):
    return math.hypot(*[norm for (name, _), norm in norms.items() if name == layer])


def used(recording, step=0):
    rows = recording.layers.query(f"in_grad and step == {step}")
    return {(row.layer, row.call): row.out_grad_norm for row in rows.itertuples() if not math.isnan(row.out_grad_norm)}


def of_layer(recording, layer="0"):
    """`out_grad_norm` of a layer by step, calls and passes joined."""
    return one_row_per_layer(recording.layers).query(f"layer == '{layer}'").out_grad_norm.tolist()


def penalised(model):
    """Gulrajani et al. 2017: the critic's loss with a gradient penalty."""
    real, fake = batch(6, 4), batch(6, 4, seed=1)
    between = ((real + fake) / 2).requires_grad_()
    (slope,) = torch.autograd.grad(model(between).sum(), between, create_graph=True)
    return model(fake).mean() - model(real).mean() + 10 * (slope.norm(dim=1) - 1).square().mean()


def adapted(model, create_graph=True):
    """Finn et al. 2017: the loss after one step of an inner loop."""
    weights = dict(model.named_parameters())
    inner = mse_loss(model(batch(6, 4)), torch.ones(6, 1))
    slopes = torch.autograd.grad(inner, list(weights.values()), create_graph=create_graph)
    fast = {name: weight - 0.1 * slope for (name, weight), slope in zip(weights.items(), slopes, strict=True)}
    return mse_loss(torch.func.functional_call(model, fast, batch(6, 4, seed=1)), torch.zeros(6, 1))


LOSSES = {"gradient penalty": penalised, "inner loop": adapted}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("activation", [nn.Tanh, nn.Softplus])
def test_rows_of_the_loss_hold_its_gradient_and_no_other(name, activation):
    expected = truth(critic(activation), LOSSES[name])
    model = critic(activation)
    with gradflow.record(model) as recorder:
        LOSSES[name](model).backward()
        recorder.step()
    rows, found = recorder.recording.layers, used(recorder.recording)
    assert set(rows.backward[rows.in_grad]) == {1}
    assert set(rows.backward[~rows.in_grad]) == {0}
    assert rows.groupby("layer").in_grad.first().all()
    mixed = {(row.layer, row.call) for row in rows.itertuples() if row.status == "double backward"}
    # tanh' is computed from tanh's output, which in a double backward gets the gradient of its input as well.
    assert mixed == ({("1", 0), ("3", 0)} if activation is nn.Tanh else set())
    assert found == pytest.approx({key: norm for key, norm in expected.items() if key not in mixed}, rel=TOLERANCE)


def test_the_pass_that_autograd_grad_makes_has_rows_of_its_own():
    model = critic(nn.Softplus)
    inner = mse_loss  # the inner loop's loss, of which the rows that are not used hold the gradient
    expected = truth(critic(nn.Softplus), lambda one: inner(one(batch(6, 4)), torch.ones(6, 1)))
    with gradflow.record(model) as recorder:
        adapted(model, create_graph=False).backward()
        recorder.step()
    rows = recorder.recording.layers.query("not in_grad")
    found = {(row.layer, row.call): row.out_grad_norm for row in rows.itertuples()}
    assert found == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize("n", [4, 10_000])  # entries whose norms are taken together, and at once
def test_a_double_backward_through_tanh_is_not_measured(n):
    model = nn.Sequential(nn.Linear(1, 1), nn.Tanh())
    with gradflow.record(model) as recorder:
        x = torch.ones(n, 1, requires_grad=True)
        (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        slope.square().sum().backward()
        recorder.step()
    rows = recorder.recording.layers.query("layer == '1'")
    assert rows.status.tolist() == ["double backward", "measured"]
    assert rows.out_grad_norm.isna().tolist() == [True, False]
    assert of_layer(recorder.recording, "1") == pytest.approx([math.nan], nan_ok=True)


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.act = nn.Linear(4, 16), nn.Tanh()
        self.policy, self.value = nn.Linear(16, 2), nn.Linear(16, 1)

    def forward(self, x):
        h = self.act(self.trunk(x))
        return self.policy(h), self.value(h)


def two_losses(model, seed=0):
    policy, value = model(batch(6, 4, seed=seed))
    return policy.square().mean(), (value - 1).square().mean()


@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_two_backward_passes_through_one_tensor_are_added_up(scale):
    model = TwoHeads()
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    with gradflow.record(model, scaler=scaler) as recorder:
        for seed in range(3):
            model.zero_grad()
            first, second = two_losses(model, seed)
            scaler.scale(first).backward(retain_graph=True)
            scaler.scale(second).backward()
            recorder.step()
    rows = recorder.recording.layers
    for layer in ("trunk", "act"):
        assert rows[rows.layer == layer].status.tolist() == ["several passes", "measured", "measured"]
        assert rows[rows.layer == layer].backward.tolist() == [0, 0, 0]
        assert math.isnan(of_layer(recorder.recording, layer)[0])
        for seed in (1, 2):
            expected = truth(TwoHeads(), lambda one, seed=seed: sum(two_losses(one, seed)))[layer, 0]
            assert of_layer(recorder.recording, layer)[seed] == pytest.approx(expected, rel=TOLERANCE)
    expected = truth(TwoHeads(), lambda one: two_losses(one)[1])["value", 0]
    assert of_layer(recorder.recording, "value")[0] == pytest.approx(expected, rel=TOLERANCE)
    assert rows.in_grad.all()


def test_two_passes_that_cancel_leave_zero():
    model = TwoHeads()
    with gradflow.record(model) as recorder:
        for _ in range(2):
            model.zero_grad()
            loss, _ = two_losses(model)
            loss.backward(retain_graph=True)
            (-loss).backward()
            recorder.step()
    assert of_layer(recorder.recording, "trunk")[1] == 0.0


def test_of_two_passes_through_one_tensor_the_first_was_cleared():
    model = TwoHeads()
    with gradflow.record(model) as recorder:
        first, second = two_losses(model)
        first.backward(retain_graph=True)
        model.zero_grad()
        second.backward()
        recorder.step()
    expected = truth(TwoHeads(), lambda one: two_losses(one)[1])
    assert used(recorder.recording) == pytest.approx(expected, rel=TOLERANCE)


def real_loss(model, seed):
    return softplus(-model(batch(5, 4, seed=seed))).mean()


def dcgan(attach=None, *, to_none=True, freezes=False, n_steps=3):
    """Radford et al. 2016, as in PyTorch's tutorial: the generator's pass through the critic ends each round."""
    g, d = generator(), critic()
    of_g, of_d = (torch.optim.SGD(model.parameters(), lr=0.1) for model in (g, d))
    recorder = attach and attach(d, optimizer=of_d)
    truths, trace = [], []
    for seed in range(n_steps):
        fake = g(batch(5, 3, seed=seed))
        if attach is None:
            loss = lambda one: real_loss(one, seed) + softplus(one(fake.detach())).mean()  # noqa: B023, E731
            truths.append(truth(d, loss))
        d.zero_grad(set_to_none=to_none)
        real_loss(d, seed).backward()
        softplus(d(fake.detach())).mean().backward()
        of_d.step()
        trace += [one.grad.clone() for one in d.parameters()]
        g.zero_grad(set_to_none=to_none)
        d.requires_grad_(not freezes)
        loss = softplus(-d(fake)).mean()
        loss.backward()
        d.requires_grad_(True)
        of_g.step()
        trace.append(loss.detach())
    return recorder, truths, [*trace, *g.parameters(), *d.parameters()]


@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("freezes", [False, True])
def test_a_pass_that_zero_grad_cleared_is_not_of_the_step(to_none, freezes):
    _, truths, _ = dcgan(to_none=to_none, freezes=freezes)
    recorder, _, _ = dcgan(gradflow.record, to_none=to_none, freezes=freezes)
    recorder.close()
    rows = recorder.recording.layers.query("layer == '0'")
    assert rows.groupby("step").in_grad.apply(list).tolist() == [[True, True], [True, True, False], [True, True, False]]
    expected = [joined(one, "0") for one in truths]
    assert of_layer(recorder.recording) == pytest.approx(expected, rel=TOLERANCE)


def test_of_lbfgs_only_the_last_evaluation_counts():
    model = critic()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=4)
    expected = []

    def closure():
        optimizer.zero_grad()
        hidden = model[0](batch(6, 4))
        hidden.retain_grad()
        loss = model[1:](hidden).square().mean()
        loss.backward()
        expected.append(norm64(hidden.grad))
        return loss

    with gradflow.record(model, optimizer=optimizer) as recorder:
        optimizer.step(closure)
    assert len(expected) > 1
    assert of_layer(recorder.recording) == pytest.approx([expected[-1]], rel=TOLERANCE)


@pytest.mark.parametrize("change", ["clip", "none"])
def test_gradients_that_were_clipped_between_two_passes_stay_although_they_are_zero(change):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    with torch.no_grad():
        model[0].bias.fill_(-100)  # no unit is ever on: the first layer's gradient is exactly zero
    with gradflow.record(model) as recorder:
        for seed in range(2):
            model(batch(6, 4, seed=seed)).mean().backward()
            if change == "clip":
                nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        recorder.step()
    rows = recorder.recording.layers
    assert rows.in_grad.all()
    assert rows[rows.layer == "2"].backward.tolist() == [0, 1]


class Gan(nn.Module):
    def __init__(self):
        super().__init__()
        self.g, self.d = generator(), critic()


def gan(attach=None, *, order="dg", n_critic=1, n_steps=3):
    model = Gan()
    optimizers = {name: torch.optim.SGD(getattr(model, name).parameters(), lr=0.1) for name in "gd"}
    recorder = attach and attach(model, optimizer=[optimizers[name] for name in order], weights=True)
    seen, trace = [], []
    for step in range(n_steps):
        for turn in range(n_critic):
            seed = 10 * step + turn
            fake = model.g(batch(5, 3, seed=seed)).detach()
            optimizers["d"].zero_grad()
            if attach is None:
                critics = truth(model.d, lambda one: real_loss(one, seed) + softplus(one(fake)).mean())  # noqa: B023
            (real_loss(model.d, seed) + softplus(model.d(fake)).mean()).backward()
            values = {"d": norm64(*[one.grad for one in model.d[0].parameters()])}
            weights = norm64(*model.d[0].parameters())
            optimizers["d"].step()
        optimizers["g"].zero_grad()
        if attach is None:
            whole = truth(model, lambda one: softplus(-one.d(one.g(batch(5, 3, seed=step)))).mean())  # noqa: B023
        loss = softplus(-model.d(model.g(batch(5, 3, seed=step)))).mean()
        loss.backward()
        values["g"] = norm64(*[one.grad for one in model.g[0].parameters()])
        optimizers["g"].step()
        trace += [loss.detach(), *[one.grad.clone() for one in model.parameters()]]
        if attach is None:
            outputs = {"d.0": joined(critics, "0"), "d.1": joined(critics, "1"), "g.0": whole["g.0", 0]}
            seen.append({**values, **outputs, "g.1": whole["g.1", 0], "weights": weights})
    return recorder, seen, [*trace, *model.parameters()]


@pytest.mark.parametrize("order", ["dg", "gd"])
@pytest.mark.parametrize("n_critic", [1, 3])
def test_every_number_is_on_its_own_step_whatever_order_the_optimizers_step_in(order, n_critic):
    _, expected, _ = gan(order=order, n_critic=n_critic)
    recorder, _, _ = gan(gradflow.record, order=order, n_critic=n_critic)
    recorder.close()
    recording = recorder.recording
    assert recording.meta["optimizers"] == 2
    assert recording.meta["optimizer_steps"] == 3 * (n_critic + 1)
    assert recording.steps.step.tolist() == [0, 1, 2]
    table = one_row_per_layer(recording.layers).set_index(["layer", "step"])
    for step, values in enumerate(expected):
        for name in ("d", "g"):
            assert table.grad_norm[f"{name}.0", step] == pytest.approx(values[name], rel=TOLERANCE)
            for layer in (f"{name}.0", f"{name}.1"):
                assert table.out_grad_norm[layer, step] == pytest.approx(values[layer], rel=TOLERANCE)
        assert table.weight_norm["d.0", step] == pytest.approx(values["weights"], rel=TOLERANCE)


def test_a_step_does_not_wait_for_ever_for_an_optimizer_that_never_steps():
    model = critic()
    first, last = (torch.optim.SGD(model[index].parameters(), lr=0.01) for index in (0, 4))
    recorder = gradflow.record(model, optimizer=[first, last], schedule=50)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for seed in range(103):
            model.zero_grad()
            model(batch(6, 4, seed=seed)).mean().backward()
            first.step()
    recorder.close()
    assert [str(one.message) for one in told] == [
        "optimizer[1] (SGD) has not stepped in 100 steps of another one; from now on a step ends without it."
    ]
    assert recorder.recording.steps.step.tolist() == [0, 1, 2, 3]
    rows = recorder.recording.layers.query("in_grad").set_index("layer")
    assert rows.grad_norm["4"] > 0
    assert math.isnan(rows.update_norm["4"])


class InPieces(nn.Module):
    """All parameters lie in checkpointed pieces, so that reentrant checkpointing hides them from the outer pass."""

    def __init__(self, use_reentrant):
        super().__init__()
        torch.manual_seed(0)
        self.pieces = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(2))
        self.pool, self.use_reentrant = nn.AvgPool1d(2), use_reentrant

    def forward(self, x):
        for piece in self.pieces:
            x = piece(x) if self.use_reentrant is None else checkpoint(piece, x, use_reentrant=self.use_reentrant)
        return self.pool(x)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_checkpointed_passes_are_of_the_loss(use_reentrant):
    expected = truth(InPieces(None), lambda one: one(batch(6, 4)).square().mean())
    model = InPieces(use_reentrant)
    with gradflow.record(model) as recorder:
        for _ in range(2):  # accumulated: the first pass must not be taken for cleared inside the second
            model(batch(6, 4).requires_grad_()).square().mean().backward()
        recorder.step()
    rows = recorder.recording.layers
    assert rows.in_grad.all()
    assert (rows.status == "measured").all()
    for layer in ("pieces.0.0", "pieces.1.1", "pool"):
        twice = math.sqrt(2) * expected[layer, 0]
        assert of_layer(recorder.recording, layer) == pytest.approx([twice], rel=TOLERANCE)


class Adjoint(torch.autograd.Function):
    """A function that solves for its gradient in its own way, with passes of its own inside the backward pass."""

    @staticmethod
    def forward(ctx, layer, x, *parameters):
        ctx.layer = layer
        ctx.save_for_backward(x, *parameters)
        with torch.no_grad():
            return layer(x)

    @staticmethod
    def backward(ctx, gradient):
        x, *parameters = ctx.saved_tensors
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return None, *torch.autograd.grad(ctx.layer(x), [x, *parameters], gradient)


def test_passes_inside_a_backward_pass_that_do_not_add_to_gradients_are_not_the_losses():
    torch.manual_seed(0)
    first, solved, last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1)
    model = nn.ModuleList([first, solved, last])
    with gradflow.record(model) as recorder:
        last(Adjoint.apply(solved, first(batch(6, 4)), *solved.parameters())).square().mean().backward()
        recorder.step()
    rows = recorder.recording.layers
    assert rows[rows.layer == "1"].status.tolist() == ["not of the loss", "measured"]
    assert rows[rows.layer == "1"].in_grad.tolist() == [True, False]
    assert rows[rows.layer == "1"].grad_norm.iloc[0] > 0
    assert rows.query("layer != '1'").in_grad.all()
    assert math.isnan(of_layer(recorder.recording, "1")[0])


def test_a_model_that_is_frozen_for_all_of_a_step_has_no_gradient_of_its_loss():
    d = critic()
    with gradflow.record(d) as recorder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        d.requires_grad_(False)
        softplus(-d(generator()(batch(5, 3)))).mean().backward()
        recorder.step()
    rows = recorder.recording.layers
    assert set(rows[rows.in_grad].status) == {"not of the loss"}
    assert (rows[~rows.in_grad].out_grad_norm > 0).all()
    assert set(recorder.coverage().status) == {"not of the loss"}


@pytest.mark.parametrize("name", LOSSES)
def test_verify_compares_with_the_losses_gradient(name):
    model = critic(nn.Softplus)

    def closure():
        between = batch(6, 4).requires_grad_()
        if name == "inner loop":
            return adapted(model)
        output = model(between)
        (slope,) = torch.autograd.grad(output.sum(), between, create_graph=True)
        return output.mean() + slope.square().sum()

    with gradflow.record(model) as recorder:
        result = recorder.verify(closure)
    assert result.largest < TOLERANCE
    assert result.n >= 6


def trained(loss_of, attach=None):
    model = critic()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    recorder = attach and attach(model, optimizer=optimizer)
    trace = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        trace += [loss.detach(), *[one.grad.clone() for one in model.parameters()]]
        optimizer.step()
    return recorder, [], [*trace, *model.parameters()]


def twice(attach=None):
    model = TwoHeads()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = attach and attach(model, optimizer=optimizer)
    trace = []
    for seed in range(4):
        optimizer.zero_grad()
        first, second = two_losses(model, seed)
        first.backward(retain_graph=True)
        second.backward()
        trace += [first.detach(), *[one.grad.clone() for one in model.parameters()]]
        optimizer.step()
    return recorder, [], [*trace, *model.parameters()]


def by_lbfgs(attach=None):
    model, trace = critic(), []
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=4)
    recorder = attach and attach(model, optimizer=optimizer)

    def closure():
        optimizer.zero_grad()
        loss = mse_loss(model(batch(6, 4)), torch.ones(6, 1))
        loss.backward()
        trace.extend([loss.detach(), *[one.grad.clone() for one in model.parameters()]])
        return loss

    for _ in range(2):
        optimizer.step(closure)
    return recorder, [], [*trace, *model.parameters()]


def in_pieces(use_reentrant, attach=None):
    model, trace = InPieces(use_reentrant), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = attach and attach(model, optimizer=optimizer)
    for seed in range(3):
        optimizer.zero_grad()
        for part in range(2):
            loss = model(batch(6, 4, seed=2 * seed + part).requires_grad_()).square().mean()
            loss.backward()
        trace += [loss.detach(), *[one.grad.clone() for one in model.parameters()]]
        optimizer.step()
    return recorder, [], [*trace, *model.parameters()]


LOOPS = {
    "gradient penalty": lambda attach: trained(penalised, attach),
    "inner loop": lambda attach: trained(adapted, attach),
    "two backward passes": twice,
    "DCGAN": dcgan,
    "two optimizers": gan,
    "LBFGS": by_lbfgs,
    "reentrant checkpoints": lambda attach: in_pieces(True, attach),
    "checkpoints": lambda attach: in_pieces(False, attach),
}


@pytest.mark.parametrize("name", LOOPS)
def test_losses_gradients_and_weights_are_bit_identical(name):
    _, _, bare = LOOPS[name](None)
    recorder, _, recorded = LOOPS[name](lambda model, **options: gradflow.record(model, statistics=True, **options))
    recorder.close()
    assert len(recorder.recording.layers)
    assert all(torch.equal(a, b) for a, b in zip(bare, recorded, strict=True))


def test_gradients_of_autograd_grad_that_are_put_into_grad_by_hand_are_the_losses():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1)), batch(6, 4)
    with gradflow.record(model) as recorder:
        loss = model(x).square().mean()
        parameters = list(model.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        recorder.step()
    rows = recorder.recording.layers
    assert rows.in_grad.all()
    assert (rows.status == "measured").all()


def planted(*args):
    raise RuntimeError("planted")


def backwards(model, n):
    for seed in range(n):
        model(batch(6, 4, seed=seed)).sum().backward()


class Thrice(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner, self.act, self.last = nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1)

    def forward(self, x):
        for _ in range(3):
            x = self.act(self.inner(x))
        return self.last(x)


@pytest.mark.parametrize("broken", ["watch", "hook"])
@pytest.mark.parametrize("n_before", [0, 1])  # backward passes before the call that cannot be watched
def test_a_call_that_cannot_be_watched_is_one_failed_row_where_it_belongs(monkeypatch, broken, n_before):
    seen = []
    owner, name = (passes.Pass, "watch") if broken == "watch" else (passes, "add_hook")
    working = getattr(owner, name)

    def at_second(*args):
        layer = args[1].layer if broken == "hook" else args[1]
        if layer.name == "inner":
            seen.append(layer)
            if len(seen) == 3 * n_before + 2:
                planted()
        return working(*args)

    monkeypatch.setattr(owner, name, at_second)
    model = Thrice()
    with gradflow.record(model) as recorder:
        with pytest.warns(GradflowWarning, match="a measurement failed: the gradient at the output of inner .*planted"):
            backwards(model, n_before + 1)
        recorder.step()
    rows = recorder.recording.layers.query("layer == 'inner'").sort_values(["backward", "call"])
    assert rows.backward.tolist() == [backward for backward in range(n_before + 1) for _ in range(3)]
    assert rows.call.tolist() == [0, 1, 2] * (n_before + 1)
    assert rows.status.tolist() == ["measured"] * 3 * n_before + ["measured", "failed", "measured"]
    assert rows.out_grad_norm.isna().sum() == 1


def test_a_gradient_that_cannot_be_taken_is_of_the_pass_that_brought_it(monkeypatch):
    working = capture.OutputGradientHook.take

    def take(output, *args):
        if output.layer.name == "1" and recorder._pass.likely_index() == 1:
            planted()
        working(output, *args)

    monkeypatch.setattr(capture.OutputGradientHook, "take", take)
    model = critic()
    with gradflow.record(model) as recorder:
        with pytest.warns(GradflowWarning, match="the gradient at the output of 1 .*planted"):
            backwards(model, 3)
        recorder.step()
    rows = recorder.recording.layers.query("layer == '1'").sort_values("backward")
    assert rows.backward.tolist() == [0, 1, 2]
    assert rows.status.tolist() == ["measured", "failed", "measured"]
    assert rows.n_nonfinite.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("method", "what", "is_lost"),
    [
        ("end_pass", "the end of a backward pass", False),
        ("forget_cleared", "whose gradients arrived at the outputs", True),
    ],
)
def test_a_step_whose_passes_cannot_be_followed_says_so(monkeypatch, method, what, is_lost):
    monkeypatch.setattr(accumulation.Accumulation, method, planted)
    model = critic()

    def train():
        backwards(model, 2)
        recorder.step()

    with gradflow.record(model) as recorder, pytest.warns(GradflowWarning, match=f"{what} .*planted"):
        train()
    rows = recorder.recording.layers
    assert set(rows.status) == ({"failed"} if is_lost else {"measured"})
    assert set(rows.out_grad_norm.isna()) == {is_lost}


def test_a_view_of_a_parameter_that_the_loss_does_not_use_has_no_gradient():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 2))

        def forward(self):
            return self.weight.view(8)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.last = Table(), nn.Linear(2, 1)

        def forward(self, x):
            self.table()
            return self.last(x @ self.table.weight)

    model = Net()
    with warnings.catch_warnings(), gradflow.record(model) as recorder:
        warnings.simplefilter("ignore")  # of a layer that cannot be measured
        model(batch(6, 4)).sum().backward()
        recorder.step()
    row = recorder.recording.layers.query("layer == 'table'").iloc[0]
    assert row.status == "lost"
    assert math.isnan(row.out_grad_norm)
    assert row.grad_norm == pytest.approx(norm64(model.table.weight.grad), rel=TOLERANCE)


def test_a_pass_through_a_view_whose_step_is_over_is_not_looked_at():
    class Reshape(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 6))

        def forward(self, x):
            return (x @ self.weight).view(-1, 2, 3)

    model = nn.Sequential(Reshape())
    with gradflow.record(model) as recorder:
        over = recorder._pass
        y = model(batch(5, 4))
        y.mul_(2.0)  # from now on the view's gradient is read at its base
        loss = y.square().sum()
        loss.backward(retain_graph=True)
        recorder.step()
        seen = len(over.tasks)
        loss.backward()
        assert len(over.tasks) == seen == 1
    assert recorder.recording.layers.status.tolist() == ["measured at its base"]


def test_of_one_step_65536_outputs_are_kept_and_of_more_none():
    model = nn.Linear(1, 1)
    with gradflow.record(model) as recorder:
        one = recorder._pass
        outputs = [
            capture.OutputGradientHook(one, Layer(0, "0", None, False, []), call, 0, -1) for call in range(65_537)
        ]
        for output in outputs[:-1]:
            one.add(output)
        assert (one.outputs, one.is_full) == (outputs[:-1], False)
        one.add(outputs[-1])
        assert (one.outputs, one.is_full) == ([], True)


@pytest.mark.parametrize("has_backward", [True, False])
def test_a_step_in_which_no_layer_runs_has_no_gradient_of_another_step(has_backward):
    model = nn.Linear(3, 1)

    def train():
        for step in range(4):
            model.zero_grad()
            if step != 2:
                (10.0**step * model(torch.ones(1, 3))).sum().backward()
            elif has_backward:
                model.weight.square().sum().backward()
            recorder.step()

    reason = "no layer of the model was seen running" if has_backward else "no parameter has a gradient"
    with gradflow.record(model) as recorder, pytest.warns(GradflowWarning, match=reason):
        train()
    rows = recorder.recording.layers
    assert rows.out_grad_norm.tolist() == pytest.approx([1, 10, math.nan, 1000], nan_ok=True)
    absence = "parameters only" if has_backward else "not called"
    assert rows.status.tolist() == ["measured", "measured", absence, "measured"]


@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4)])  # of the latter, a linear layer returns a view
@pytest.mark.parametrize("factors", [(1, 5), (1, 5, 7)])
def test_several_passes_through_a_view_are_each_added_once(shape, factors):
    model = nn.Linear(4, 1)
    with gradflow.record(model) as recorder:
        for _ in range(2):
            model.zero_grad()
            loss = model(torch.ones(shape)).sum()
            for factor in factors:
                (factor * loss).backward(retain_graph=True)
            recorder.step()
    rows = recorder.recording.layers
    assert rows.status.tolist() == ["several passes", "measured"]
    assert rows.out_grad_norm.tolist() == pytest.approx([math.nan, sum(factors) * math.sqrt(6)], nan_ok=True)


class PieceWithoutParameters(nn.Module):
    """A piece that only passes its gradient on, so that the engine's run within it reaches no parameter."""

    def __init__(self, piece, around):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.piece, self.last, self.around = nn.Linear(4, 4), piece, nn.Linear(4, 1), around

    def forward(self, x):
        return self.last(self.around(self.piece, self.first(x)))


def frozen_piece():
    torch.manual_seed(1)
    return nn.Sequential(nn.Tanh(), nn.Linear(4, 4)).requires_grad_(False)


def reentrant(piece, x):
    return checkpoint(lambda x: piece(2 * x), x, use_reentrant=True)


@pytest.mark.parametrize("make", [lambda: nn.Sequential(nn.Tanh(), nn.Sigmoid()), frozen_piece])
@pytest.mark.parametrize("is_frozen", [False, True])  # the whole model
def test_checkpointed_layers_without_parameters_are_of_the_loss(make, is_frozen):
    plain = PieceWithoutParameters(make(), lambda piece, x: piece(2 * x))
    expected = truth(plain, lambda one: one(batch(6, 4)).square().mean())
    model = PieceWithoutParameters(make(), reentrant)
    with gradflow.record(model) as recorder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a model without gradients
        if is_frozen:
            model.requires_grad_(False)
        for _ in range(2):  # accumulated
            model(batch(6, 4).requires_grad_()).square().mean().backward()
        recorder.step()
    rows = recorder.recording.layers
    if is_frozen:
        assert set(rows.status[rows.in_grad]) == {"not of the loss"}
        return
    assert rows.in_grad.all()
    assert (rows.status == "measured").all()
    assert len(rows) == 2 * len(expected)
    for layer in ("first", "piece.0", "piece.1", "last"):
        assert of_layer(recorder.recording, layer) == pytest.approx([math.sqrt(2) * expected[layer, 0]], rel=TOLERANCE)


def test_layers_without_parameters_in_a_function_that_asks_for_its_gradient_are_not_of_the_loss():
    model = PieceWithoutParameters(nn.Tanh(), Adjoint.apply)
    with gradflow.record(model) as recorder:
        model(batch(6, 4)).square().mean().backward()
        recorder.step()
    rows = recorder.recording.layers.query("layer == 'piece'")
    assert rows.status.tolist() == ["not of the loss", "measured"]
    assert rows.in_grad.tolist() == [True, False]


@pytest.mark.parametrize("has_forward", [False, True])  # or the graph is used once more
@pytest.mark.parametrize("use", ["grad", "backward"])
def test_a_pass_that_raises_hides_no_later_clearing(use, has_forward):
    model, x = critic(), batch(6, 4)
    with gradflow.record(model) as recorder:
        model(x).sum().backward()
        y = model(x)
        handle = y.register_hook(planted)
        with pytest.raises(RuntimeError, match="planted"):
            torch.autograd.grad(y.sum(), model[0].weight) if use == "grad" else y.sum().backward()
        handle.remove()
        model.zero_grad()
        (3 * (model(x) if has_forward else y)).sum().backward()
        recorder.step()
    expected = truth(critic(), lambda one: 3 * one(x).sum())
    rows = recorder.recording.layers
    assert set(rows.backward[rows.layer == "0"][rows.in_grad]) == {rows.backward.max()}
    assert joined(used(recorder.recording), "0") == pytest.approx(expected["0", 0], rel=TOLERANCE)
    assert not rows.in_grad[rows.backward == 0].any()


@pytest.mark.parametrize("activation", [nn.SiLU, nn.Mish, nn.Hardtanh, nn.ELU, nn.ReLU])
@pytest.mark.parametrize("n_passes", [1, 2])  # of the loss, through one graph
def test_a_double_backward_through_a_view_changed_in_place_is_measured_whole(activation, n_passes):
    def loss_of(model):
        x = batch(2, 3, 4).double().requires_grad_()
        y = model(x)
        (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        return y.square().mean() + slope.square().sum()

    def net(inplace):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 4), activation(inplace=inplace), nn.Linear(4, 1)).double()

    expected = truth(net(inplace=False), loss_of)["0", 0]
    model = net(inplace=True)
    with gradflow.record(model) as recorder:
        for _ in range(2):
            model.zero_grad()
            loss = loss_of(model)
            for _ in range(n_passes):
                loss.backward(retain_graph=n_passes > 1)
            recorder.step()
    rows = recorder.recording.layers.query("layer == '0' and in_grad and step == 1")
    assert rows.status.tolist() == ["measured at its base"]
    assert rows.out_grad_norm.tolist() == pytest.approx([n_passes * expected], rel=TOLERANCE)


class SavesOutput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0]


class KeepsOutput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.y = x.exp()
        return ctx.y

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.y


class SavesNothing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return -2 * x

    @staticmethod
    def backward(ctx, gradient):
        return -2 * gradient


class Applied(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function.apply(x)


@pytest.mark.parametrize(
    ("function", "status"),
    [(SavesOutput, "double backward"), (KeepsOutput, "double backward"), (SavesNothing, "measured")],
)
def test_a_double_backward_through_a_function_that_may_use_its_own_result(function, status):
    def loss_of(model):
        x = batch(5, 3).requires_grad_()
        y = model(x)
        (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        return y.square().mean() + slope.square().sum()

    def net():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), Applied(function), nn.Linear(4, 1))

    expected = truth(net(), loss_of)
    model = net()
    with gradflow.record(model) as recorder:
        loss_of(model).backward()
        recorder.step()
    rows = recorder.recording.layers.query("in_grad")
    assert rows.set_index("layer").status.to_dict() == {"0": "measured", "1": status, "2": "measured"}
    known = {key: norm for key, norm in expected.items() if key[0] != "1" or status == "measured"}
    assert used(recorder.recording) == pytest.approx(known, rel=TOLERANCE)


class SigmoidOfProduct(nn.Module):
    """A layer that changes a view of its own in place, or not."""

    def __init__(self, *, inplace):
        super().__init__()
        self.inplace = inplace
        self.weight, self.bias = nn.Parameter(torch.randn(4, 4)), nn.Parameter(torch.zeros(4))

    def forward(self, x):
        y = nn.functional.linear(x, self.weight, self.bias)
        return y.sigmoid_() if self.inplace else y.sigmoid()


@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4)])  # of the latter, a linear layer returns a view
@pytest.mark.parametrize(
    ("activation", "is_mixed"),
    [(nn.SiLU, False), (nn.Mish, False), (nn.Hardtanh, False), (nn.ReLU, False), (nn.ELU, True), (nn.CELU, True)],
)
def test_a_double_backward_mixes_gradients_at_a_result_in_place_as_at_any_other(activation, is_mixed, shape):
    def loss_of(model):
        x = batch(*shape).double().requires_grad_()
        y = model(x)
        (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        return y.square().mean() + slope.square().sum()

    def net(inplace):
        torch.manual_seed(0)
        layers = [nn.Linear(4, 4), activation(inplace=inplace), SigmoidOfProduct(inplace=inplace), nn.Linear(4, 1)]
        return nn.Sequential(*layers).double()

    expected = truth(net(inplace=False), loss_of)
    model = net(inplace=True)
    with gradflow.record(model) as recorder:
        loss_of(model).backward()
        recorder.step()
    rows = recorder.recording.layers.query("in_grad")
    mixed = {("1", 0), ("2", 0)} if is_mixed else {("2", 0)}
    assert {(row.layer, row.call) for row in rows.itertuples() if row.status == "double backward"} == mixed
    known = {key: norm for key, norm in expected.items() if key not in mixed}
    assert used(recorder.recording) == pytest.approx(known, rel=TOLERANCE)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_gradients_that_are_cleared_after_a_forward_pass_that_raised_are_not_used(set_to_none):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x = torch.randn(5, 3)
    with gradflow.record(model, optimizer=optimizer, layers="1") as recorder:  # 2's gradient is there before 1's
        model(x).sum().backward()
        hook = model[2].register_forward_pre_hook(lambda module, args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model(x)
        hook.remove()
        optimizer.zero_grad(set_to_none=set_to_none)
        model(x).square().sum().backward()
        other = copy.deepcopy(model)
        optimizer.step()
    output = other[:2](x)
    (gradient,) = torch.autograd.grad(other[2](output).square().sum(), output)
    rows = recorder.recording.layers
    assert rows.out_grad_norm[rows.in_grad].tolist() == [pytest.approx(norm64(gradient), rel=1e-6)]


class UsedBeforeAndAfter(nn.Module):
    """Uses what a layer returned, changes it in place, or not, and uses it again."""

    def __init__(self, changes, *, inplace, parts):
        super().__init__()
        self.first, self.changes, self.inplace, self.parts = Parts(parts), changes, inplace, parts
        self.last = nn.Linear(4 // parts, 1)

    def forward(self, x):
        h = self.first(x)
        before = [one * (2 + place) for place, one in enumerate(h)]
        some = {0} if self.changes == "one" else {*range(self.parts)}
        h = [one.mul_(3) if place in some and self.inplace else one * 3 if place in some else one
             for place, one in enumerate(h)]  # fmt: skip
        return sum(self.last(new) + old.sum(-1, keepdim=True) for new, old in zip(h, before, strict=True))


class Parts(nn.Module):
    """Returns its output, which is a view, or pieces of it."""

    def __init__(self, parts):
        super().__init__()
        self.weight, self.bias, self.parts = nn.Parameter(torch.randn(4, 4)), nn.Parameter(torch.randn(4)), parts

    def forward(self, x):
        whole = nn.functional.linear(x, self.weight, self.bias)
        return [whole] if self.parts == 1 else [whole[..., :2], whole[..., 2:]]


@pytest.mark.parametrize(("parts", "changes"), [(1, "all"), (2, "one"), (2, "all")])
@pytest.mark.parametrize("n_passes", [1, 2])
def test_a_view_that_is_used_and_then_changed_in_place_is_measured_whole(parts, changes, n_passes):
    def net(inplace):
        torch.manual_seed(0)
        return UsedBeforeAndAfter(changes, inplace=inplace, parts=parts).double()

    x = batch(2, 3, 4).double()
    model, other, kept = net(inplace=True), net(inplace=False), []
    handle = other.first.register_forward_hook(lambda module, args, output: kept.extend(output))
    expected = torch.autograd.grad(n_passes * other(x).square().sum(), kept)
    handle.remove()
    with gradflow.record(model) as recorder:
        for _ in range(2):
            model.zero_grad()
            loss = model(x).square().sum()
            for _ in range(n_passes):
                loss.backward(retain_graph=True)
            recorder.step()
    rows = recorder.recording.layers.query("layer == 'first' and in_grad and step == 1").sort_values("output")
    assert rows.out_grad_norm.tolist() == pytest.approx([norm64(one) for one in expected], rel=TOLERANCE)
