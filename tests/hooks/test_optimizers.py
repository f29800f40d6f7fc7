"""Read points: what an optimizer, clipping and a gradient scaler have done to the gradients by then."""

import copy
import math
import threading
import warnings

import pytest
import torch
from oracles import norm64
from torch import nn

import gradflow
from gradflow.hooks import GradflowWarning

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


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("schedule", [1, 2])
@pytest.mark.parametrize("factors", [(math.inf, 1, 1), (1, math.inf, math.inf, 1), (1, 1, math.inf), (math.inf,)])
def test_steps_that_the_scaler_skips_are_marked_and_keep_their_loss(factors, schedule, fused):
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    losses = []
    with gradflow.record(model, optimizer=optimizer, scaler=scaler, schedule=schedule) as recorder:
        for factor in factors:
            optimizer.zero_grad()
            loss = loss_of(model) * factor
            losses.append(loss.item())
            scaler.scale(loss).backward()
            recorder.step(loss=loss)
            scaler.step(optimizer)
            scaler.update()
    steps = recorder.recording.steps
    assert steps.skipped.tolist() == [math.isinf(factor) for factor in factors]
    assert steps.loss.tolist() == losses
    rows = recorder.recording.layers.set_index("step")
    assert sorted(set(rows.index)) == list(range(0, len(factors), schedule))
    is_skipped = steps.skipped.loc[rows.index].to_numpy()
    assert rows.out_grad_norm[~is_skipped].notna().all()
    assert not rows.out_grad_norm[is_skipped].apply(math.isfinite).any()
    assert rows.in_grad.all()
    assert rows.update_norm[is_skipped & (rows.n_params > 0)].isin([0.0, math.nan] if fused else [math.nan]).all()


@pytest.mark.parametrize("calls", ["before", "after", "before and after", "between", "none"])
@pytest.mark.parametrize("schedule", [1, 2, 3])
@pytest.mark.parametrize("skipped", [(2, 4), (1, 2), (0,), (5,)])
def test_a_skipped_step_is_a_step_wherever_scalars_are_given(skipped, schedule, calls):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    expected = {}
    with gradflow.record(model, optimizer=optimizer, scaler=scaler, schedule=schedule) as recorder:
        for step in range(6):
            optimizer.zero_grad(set_to_none=step > 2)
            loss = loss_of(model, step) * (math.inf if step in skipped else 1)
            gradients = torch.autograd.grad(loss, list(model[0].parameters()), retain_graph=True)
            expected[step] = math.nan if step in skipped else norm64(*gradients)
            scaler.scale(loss).backward()
            if calls.startswith("before"):
                recorder.step(loss=float(step))
            scaler.step(optimizer)
            if calls == "between":
                recorder.step(loss=float(step))
            scaler.update()
            if calls.endswith("after"):
                recorder.step(loss=float(step))
    steps = recorder.recording.steps
    assert steps.step[steps.skipped].tolist() == [*skipped]
    assert calls == "none" or steps.loss.tolist() == [0, 1, 2, 3, 4, 5]
    rows = recorder.recording.layers.query("layer == '0' and in_grad").set_index("step")
    assert rows.status.to_dict() == dict.fromkeys(range(0, 6, schedule), "measured")
    assert not rows.grad_norm[rows.index.isin(skipped)].apply(math.isfinite).any()
    for step, norm in rows.grad_norm[~rows.index.isin(skipped)].items():
        assert norm == pytest.approx(expected[step], rel=1e-5)


@pytest.mark.parametrize("wrap", [lambda inner: inner, lambda inner: Wrapper("opt", inner)], ids=["torch", "wrapped"])
def test_training_with_skipped_steps_is_the_same_under_recording_and_its_weights_are_read(wrap):
    weights, models = [], []
    for is_recorded in (False, True):
        model, scaler = net(), torch.amp.GradScaler("cpu", init_scale=2.0)
        optimizer = wrap(torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9))
        recorder = gradflow.record(model, optimizer=optimizer, scaler=scaler, weights=True) if is_recorded else None
        for step in range(4):
            model.zero_grad()
            weights += [] if is_recorded else [norm64(*(one.detach() for one in model[0].parameters()))]
            scaler.scale(loss_of(model, step) * (math.inf if step in (0, 2) else 1)).backward()
            scaler.step(optimizer)
            scaler.update()
        models.append(model)
    recorder.close()
    assert all(torch.equal(*pair) for pair in zip(*(model.parameters() for model in models), strict=True))
    assert recorder.recording.steps.skipped.tolist() == [True, False, True, False]
    rows = recorder.recording.layers.query("layer == '0'")
    assert rows.weight_norm.tolist() == pytest.approx(weights, rel=TOLERANCE)
    assert rows.update_norm.isna().tolist() == [True, False, True, False]


class ScalerOfItsOwn(torch.amp.GradScaler):
    """Holds what it steps; `step` takes other arguments than its parent's, or none."""

    def __init__(self, optimizers):
        super().__init__("cpu", init_scale=2.0)
        self.optimizers = optimizers

    def step(self, *, only=None):
        for optimizer in self.optimizers if only is None else only:
            super().step(optimizer)


@pytest.mark.parametrize("how", [{}, "only"])
@pytest.mark.parametrize("broken", [(0,), (1,), (0, 1)])
def test_steps_that_are_skipped_in_a_scaler_of_the_users_are_seen(broken, how):
    model = net()
    optimizers = [torch.optim.SGD(model[index].parameters(), lr=0.01) for index in (0, 2)]
    scaler = ScalerOfItsOwn(optimizers)
    with gradflow.record(model, optimizer=optimizers, scaler=scaler) as recorder:
        for step in range(3):
            model.zero_grad()
            scaler.scale(loss_of(model, step)).backward()
            for place in broken if step == 1 else ():
                model[2 * place].weight.grad[0, 0] = math.inf
            scaler.step(**({how: optimizers} if how else {}))
            scaler.update()
            recorder.step(loss=float(step))
    steps = recorder.recording.steps
    assert steps.loss.tolist() == [0, 1, 2]
    assert steps.skipped.tolist() == [False, True, False]


def test_a_step_that_runs_none_of_the_optimizers_hooks_is_not_taken_for_a_skipped_one():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    with warnings.catch_warnings(), gradflow.record(model, optimizer=optimizer, scaler=scaler) as recorder:
        warnings.simplefilter("ignore", GradflowWarning)  # that the optimizer made no step
        optimizer.step = lambda: None
        scaler.scale(loss_of(model)).backward()
        scaler.step(optimizer)
        scaler.update()
        recorder.close()
    assert len(recorder.recording.steps) == 0


@pytest.mark.parametrize("first", [0, 1])
def test_a_scaler_has_its_own_step_back_when_both_of_its_recorders_are_closed(first):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    models = [net(), net()]
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.01) for model in models]
    recorders = [
        gradflow.record(model, optimizer=optimizer, scaler=scaler)
        for model, optimizer in zip(models, optimizers, strict=True)
    ]
    for closed in (None, first, 1 - first):
        if closed is not None:
            recorders[closed].close()
        for model, optimizer in zip(models, optimizers, strict=True):
            scaler.scale(loss_of(model) * (math.inf if model is models[0] else 1)).backward()
            scaler.step(optimizer=optimizer)
        with pytest.raises(RuntimeError, match="already been called"):
            scaler.step(optimizers[0])
        scaler.update()
    assert "step" not in vars(scaler)
    for number, recorder in enumerate(recorders):
        assert recorder.recording.steps.skipped.tolist() == [number == 0] * (1 if number == first else 2)


def test_a_loss_after_a_skip_that_no_layer_saw_is_of_its_own_step():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    with (
        warnings.catch_warnings(),
        gradflow.record(model, optimizer=optimizer, scaler=scaler) as recorder,
    ):
        warnings.simplefilter("ignore", GradflowWarning)  # that no layer was seen running
        for step in range(4):
            optimizer.zero_grad()
            output = torch.ones(6, 4)
            for layer in (model[0], model[2]):  # not called as modules
                output = nn.functional.linear(output, layer.weight, layer.bias)
            scaler.scale(output.square().sum() * (math.inf if step == 1 else 1)).backward()
            recorder.step(loss=float(step))
            scaler.step(optimizer)
            scaler.update()
    assert recorder.recording.steps.loss.tolist() == [0, 1, 2, 3]
    assert recorder.recording.steps.skipped.tolist() == [False, True, False, False]


def test_gradients_of_zero_after_a_backward_pass_are_not_taken_for_cleared_ones():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.PReLU(), nn.Linear(8, 1))  # the slope's gradient is zero
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer) as recorder:
        for step in range(4):
            optimizer.zero_grad(set_to_none=False)
            model(torch.ones(3, 4)).square().mean().backward()
            recorder.step(loss=float(step))
            optimizer.step()
    assert recorder.recording.steps.loss.tolist() == [0, 1, 2, 3]
    assert recorder.recording.steps.unclipped_grad_norm.notna().all()


def test_a_step_whose_gradients_are_all_zero_is_not_taken_for_cleared_gradients():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer) as recorder:
        for step in range(4):
            optimizer.zero_grad(set_to_none=False)
            (loss_of(model) * (step % 2)).backward()
            recorder.step(loss=float(step))
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
            loss_of(model)  # of another batch, which is no pass back
            recorder.step(accuracy=float(step))
    steps = recorder.recording.steps
    assert steps.loss.tolist() == steps.accuracy.tolist() == [0, 1, 2, 3]
    assert (steps.unclipped_grad_norm > 0).tolist() == [False, True, False, True]


def test_a_loss_that_comes_after_its_step_is_kept_where_the_model_changes_before_the_next_recorded_one():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer, schedule=2) as recorder, warnings.catch_warnings():
        warnings.simplefilter("ignore", GradflowWarning)  # that the model has changed
        for step in range(4):
            if step == 1:
                model.append(nn.Tanh())
            optimizer.zero_grad()
            model(torch.ones(6, 4)).square().sum().backward()
            optimizer.step()
            recorder.step(loss=float(step))
    assert recorder.recording.steps.loss.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("broken", [0, 2])
def test_a_step_that_one_of_two_optimizers_skips_is_marked(broken):
    model = net()
    optimizers = [torch.optim.SGD(model[index].parameters(), lr=0.01) for index in (0, 2)]
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    with gradflow.record(model, optimizer=optimizers, scaler=scaler) as recorder:
        for step in range(3):
            for optimizer in optimizers:
                model.zero_grad()
                scaler.scale(loss_of(model)).backward()
                if step == 1:
                    model[broken].weight.grad[0, 0] = math.inf
                scaler.step(optimizer)
                scaler.update()
    assert recorder.recording.steps.skipped.tolist() == [False, True, False]


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("schedule", [1, 3])
@pytest.mark.parametrize("order", ["after", "after clearing", "before", "before and after"])
def test_a_loss_belongs_to_its_own_step(order, schedule, set_to_none):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    with gradflow.record(model, optimizer=optimizer, schedule=schedule) as recorder:
        for seed in range(4):
            loss = loss_of(model, seed)
            losses.append(loss.item())
            if order != "after clearing":
                optimizer.zero_grad(set_to_none=set_to_none)
            loss.backward()
            if order.startswith("before"):
                recorder.step(loss=loss)
            optimizer.step()
            if order == "after clearing":
                optimizer.zero_grad(set_to_none=set_to_none)
            if order.startswith("after"):
                recorder.step(loss=loss)
            if order.endswith("and after"):
                recorder.step(accuracy=seed)
    steps = recorder.recording.steps
    assert steps.loss.tolist() == losses
    if order.endswith("and after"):
        assert steps.accuracy.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("set_to_none", [True, False])
def test_a_loss_belongs_to_its_own_step_where_gradients_are_clipped_too_late(set_to_none):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer) as recorder:
        for step in range(3):
            optimizer.zero_grad(set_to_none=set_to_none)
            loss_of(model, step).backward()
            optimizer.step()
            nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
            recorder.step(loss=float(step))
    steps = recorder.recording.steps
    assert steps.loss.tolist() == [0, 1, 2]
    assert (steps.total_grad_norm > 1e-2).all()


@pytest.mark.parametrize("order", ["after", "before"])
@pytest.mark.parametrize("set_to_none", [True, False])
def test_a_loss_belongs_to_its_own_step_where_the_optimizer_holds_the_models_parameters_no_more(set_to_none, order):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer) as recorder, warnings.catch_warnings():
        warnings.simplefilter("ignore", GradflowWarning)  # that the model has changed, and the optimizer has not
        for step in range(4):
            if step == 2:
                model.load_state_dict({name: one.clone() for name, one in model.state_dict().items()}, assign=True)
            optimizer.zero_grad(set_to_none=set_to_none)
            loss_of(model, step).backward()
            if order == "before":
                recorder.step(loss=float(step))
            optimizer.step()
            if order == "after":
                recorder.step(loss=float(step))
    assert recorder.recording.steps.loss.tolist() == [0, 1, 2, 3]


def test_a_loss_belongs_to_its_own_step_where_a_pass_reaches_other_parameters_than_the_last():
    model = nn.ModuleDict({"a": nn.Linear(3, 1), "b": nn.Linear(3, 4)})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gradflow.record(model, optimizer=optimizer) as recorder:
        for step in range(4):
            head = model["ab"[step % 2]]
            head.zero_grad()  # the other's gradients stay
            head(torch.ones(5, 3)).sum().backward()
            recorder.step(loss=float(step))
            optimizer.step()
    assert recorder.recording.steps.loss.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("way", ["an older graph", "another thread", "by hand"])
@pytest.mark.filterwarnings("ignore:no layer of the model was seen:gradflow.hooks.GradflowWarning")
def test_a_loss_belongs_to_its_own_step_where_this_thread_makes_no_graph(way):
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gradflow.record(model, optimizer=optimizer) as recorder:
        losses = [model(torch.ones(2, 3)).sum() * (1 + step) for step in range(4)]
        for step in range(4):
            optimizer.zero_grad(set_to_none=False)
            if way == "an older graph":
                losses[step].backward(retain_graph=True)
            elif way == "another thread":
                thread = threading.Thread(target=lambda: model(torch.ones(2, 3)).sum().backward())
                thread.start()
                thread.join()
            else:
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                        parameter.grad.copy_(torch.ones_like(parameter))
            recorder.step(loss=float(step))
            optimizer.step()
    assert recorder.recording.steps.loss.tolist() == [0, 1, 2, 3]


class Slow(torch.optim.Optimizer):
    """Steps by the optimizer that it holds, as Lookahead does."""

    def __init__(self, inner):
        super().__init__(inner.param_groups, {})
        self.inner = inner

    def step(self):
        self.inner.step()


def test_an_optimizer_that_steps_by_the_one_that_is_recorded_is_not_told_of():
    model = net()
    inner = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer = Slow(inner)
    with gradflow.record(model, optimizer=inner) as recorder:  # warnings are errors
        loss_of(model).backward()
        optimizer.step()
    assert len(recorder.recording.steps) == 1


class CallsItsParent(torch.optim.SGD):
    """Steps by its parent's `step`, which calls the same hooks; its second step raises there, or before."""

    fails = None

    def step(self, closure=None):
        self.n = getattr(self, "n", 0) + 1
        if self.n == 2 and self.fails == "before":
            raise ZeroDivisionError
        value = super().step(closure)
        if self.n == 2 and self.fails == "after":
            raise ZeroDivisionError
        return value


@pytest.mark.parametrize("with_closure", [False, True])
@pytest.mark.parametrize("fails", [None, "before", "after"])
def test_an_optimizer_that_steps_by_its_parents_step_makes_one_step(fails, with_closure):
    torch.optim.SGD(net().parameters())  # from here on its step has hooks of its own
    model = net()
    optimizer = CallsItsParent(model.parameters(), lr=0.01)
    optimizer.fails = fails
    factor, expected = 1.0, []

    def closure():
        optimizer.zero_grad()
        loss = factor * loss_of(model)
        loss.backward()
        return loss

    with gradflow.record(model, optimizer=optimizer) as recorder:
        for step in range(4):
            factor = 10.0**step
            if not with_closure:
                closure()
                recorder.step(loss=step)
            before = [one.detach().clone() for one in model.parameters()]
            try:
                optimizer.step(closure if with_closure else None)
            except ZeroDivisionError:
                continue
            after = [one.detach() for one in model.parameters()]
            moved = norm64(*(new - old for new, old in zip(after, before, strict=True)))
            expected.append((norm64(*(one.grad for one in model.parameters())), moved))
    steps = recorder.recording.steps
    norms, moved = zip(*expected, strict=True)
    assert steps.total_grad_norm.tolist() == pytest.approx(norms, rel=TOLERANCE)
    updates = recorder.recording.layers.groupby("step").update_norm.apply(
        lambda norms: norm64(*map(torch.tensor, norms.dropna()))
    )
    assert updates.tolist() == pytest.approx(moved, rel=TOLERANCE)
    if not with_closure:
        assert steps.unclipped_grad_norm.tolist() == pytest.approx(norms, rel=TOLERANCE)
        assert steps.loss.tolist() == [step for step in range(4) if fails is None or step != 1]


def test_an_optimizer_that_took_the_others_place_is_told_of_once():
    model = net()
    given, other, foreign = (torch.optim.SGD(one.parameters(), lr=0.01) for one in (model, model, net()))
    with gradflow.record(model, optimizer=given) as recorder:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for optimizer in (given, foreign):
                loss_of(model).backward()
                optimizer.step()
        for _ in range(3):
            loss_of(model).backward()
        with pytest.warns(GradflowWarning, match="SGD changes the model") as told:
            [other.step() for _ in range(3)]
    assert len(told) == 1
    assert "attach a new one" in str(told[0].message)
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


def test_two_optimizers_whose_losses_are_kept_before_each_of_their_steps():
    """As in a GAN: the second loss reaches the first network, too, after its own optimizer has used its gradients."""
    model = nn.ModuleDict({"G": nn.Linear(4, 6), "D": nn.Linear(6, 7)})
    of_d, of_g = (torch.optim.SGD(model[name].parameters(), lr=0.1) for name in ("D", "G"))
    expected = []
    with gradflow.record(model, optimizer=[of_g, of_d]) as recorder:
        for step in range(3):
            fake = model["G"](torch.randn(5, 4))
            of_d.zero_grad()
            (model["D"](fake.detach()).square().mean()).backward()
            recorder.step(loss_d=10.0 + step)
            expected.append(norm64(*[p.grad for p in model["D"].parameters()]))
            of_d.step()
            of_g.zero_grad()
            model["D"](fake).sum().backward()
            recorder.step(loss_g=20.0 + step)
            of_g.step()
    recording = recorder.recording
    assert recording.steps["loss_d"].tolist() == [10.0, 11.0, 12.0]
    assert recording.steps["loss_g"].tolist() == [20.0, 21.0, 22.0]
    rows = recording.layers.query("layer == 'D'").drop_duplicates("step")
    assert rows.grad_norm.tolist() == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize("by_name", [False, True])
def test_gradients_of_a_closure_are_those_that_it_made_not_what_the_step_leaves(by_name):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, foreach=True)  # changes them
    expected = []

    def closure():
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        expected.append(norm64(*[p.grad for p in model[0].parameters()]))
        return loss

    with gradflow.record(model, optimizer=optimizer) as recorder:
        for _ in range(3):
            loss = optimizer.step(closure=closure) if by_name else optimizer.step(closure)
            assert loss.requires_grad
    rows = recorder.recording.layers.query("layer == '0'")
    assert len(expected) == 3
    assert rows.grad_norm.tolist() == pytest.approx(expected, rel=TOLERANCE)


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
    assert rows.step.tolist() == [0, 1]
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


def test_gradients_of_parameters_in_no_optimizer_are_read_too():
    model = net()
    optimizer = torch.optim.SGD(model[2].parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer) as recorder:
        loss_of(model).backward()
        expected = [norm64(*[one.grad for one in model[index].parameters()]) for index in (0, 2)]
        optimizer.step()
    rows = recorder.recording.layers.set_index("layer")
    assert rows.grad_norm[["0", "2"]].tolist() == pytest.approx(expected, rel=TOLERANCE)
    assert math.isnan(rows.update_norm["0"])
    assert rows.in_grad.all()


def test_of_a_fused_parameter_the_last_of_several_steps_is_kept():
    torch.manual_seed(0)
    model = nn.ModuleDict({"attention": nn.MultiheadAttention(4, 2), "head": nn.Linear(4, 1)})
    often, once = (torch.optim.SGD(model[name].parameters(), lr=0.01) for name in ("attention", "head"))
    with gradflow.record(model, optimizer=[once, often]) as recorder:
        for seed in range(2):
            model.zero_grad()
            x = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(seed))
            model["head"](model["attention"](x, x, x)[0]).square().mean().backward()
            expected = norm64(*[one.grad for one in model["attention"].parameters(recurse=False)])
            often.step()
        once.step()
    rows = recorder.recording.layers.query("layer == 'attention'")
    assert rows.grad_norm.iloc[0] == pytest.approx(expected, rel=TOLERANCE)


class Wrapper:
    """An optimizer inside something else, as in fastai (`opt`) and Accelerate (`optimizer`)."""

    def __init__(self, name, inner):
        setattr(self, name, inner)
        self.param_groups = inner.param_groups

    def step(self):
        next(value for value in vars(self).values() if isinstance(value, torch.optim.Optimizer)).step()


class Unready(Wrapper, torch.optim.Optimizer):
    """A wrapper that is an Optimizer by class alone, as Accelerate's."""


class Sharing(torch.optim.Optimizer):
    """A wrapper that has all that its optimizer has, hooks too, as Lightning's."""

    def __init__(self, inner):
        self.__dict__ = dict(inner.__dict__)
        self._optimizer = inner

    def step(self):
        self._optimizer.step()


WRAPPERS = {
    "fastai": lambda inner: Wrapper("opt", inner),
    "Accelerate": lambda inner: Unready("optimizer", inner),
    "Lightning": Sharing,
    "two deep": lambda inner: Unready("optimizer", Unready("optimizer", inner)),
}


@pytest.mark.parametrize("name", WRAPPERS)
@pytest.mark.parametrize("several", [False, True])
def test_a_wrapper_stands_for_the_optimizer_inside(name, several):
    model = net()
    optimizer = WRAPPERS[name](torch.optim.SGD(model.parameters(), lr=0.01))
    with gradflow.record(model, optimizer=[optimizer] if several else optimizer) as recorder:
        for _ in range(2):
            loss_of(model).backward()
            optimizer.step()
    recording = recorder.recording
    assert recording.steps.step.tolist() == [0, 1]
    assert (recording.layers.query("layer == '0'").update_norm > 0).all()
    assert (recording.meta["optimizers"], recording.meta["optimizer_steps"]) == (1, 2)


def test_accelerate_and_fastai_are_unwrapped():
    accelerate = pytest.importorskip("accelerate")
    model = net()
    model, optimizer = accelerate.Accelerator(cpu=True).prepare(model, torch.optim.SGD(model.parameters(), lr=0.01))
    with gradflow.record(model, optimizer=optimizer) as recorder:
        loss_of(model).backward()
        optimizer.step()
    assert recorder.recording.steps.step.tolist() == [0]


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (nn.Linear(1, 1), "got Linear, which holds none. Pass the torch optimizer"),
        (Wrapper("first", torch.optim.SGD([nn.Parameter(torch.ones(1))])), "none of Sequential's"),
        ("sgd", "got str, which holds none"),
        (torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1), "this SGD holds none of Sequential's"),
    ],
)
def test_what_is_no_optimizer_of_the_model_is_refused_in_one_line(optimizer, message):
    with pytest.raises(ValueError, match=message) as raised:
        gradflow.record(net(), optimizer=optimizer)
    assert "\n" not in str(raised.value)


def test_an_optimizer_that_makes_no_step_is_reported():
    model = net()
    stale, real = (torch.optim.SGD(model.parameters(), lr=0.01) for _ in range(2))
    recorder = gradflow.record(model, optimizer=stale)

    def train():
        for _ in range(250):
            loss_of(model).backward()
            recorder.step(loss=1.0)
            real.step()

    with pytest.warns(GradflowWarning) as told:
        train()
    assert ["SGD changes the model" in str(one.message) for one in told] == [True, False]
    assert "made no step" in str(told[1].message)
    with pytest.warns(GradflowWarning, match="made no step"):
        recorder.close()
    assert recorder.recording.meta["optimizer_steps"] == 0
