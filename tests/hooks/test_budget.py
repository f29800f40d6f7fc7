"""The schedule that keeps a promise: what it costs in truth, by a clock that the tests turn, and in a recorder."""

import contextlib
import math
import random

import pytest
import torch
from torch import nn

import gradflow
from gradflow.hooks import Every
from gradflow.hooks.budget import Budget
from gradflow.hooks.rows import Buffer

EVERY = Every(1)


class Training:
    """Steps whose times are known, and what recording them costs in truth."""

    def __init__(self, share, *, step=1e-3, price=3e-4, idle=3e-6, schedule=EVERY, noise=0.05, n=2000, **odd):
        self.now, self.recorded, self.told, added, bare = 0.0, [], [], 0.0, 0.0
        self.budget = Budget(share, schedule, self.told.append, clock=lambda: self.now)
        draws = random.Random(0)
        is_due, lumps = self.budget(0), 0.0
        for number in range(n):
            seconds = step * draws.lognormvariate(0, noise)
            extra = price if is_due else idle
            lump = odd.get("lump", 0.0) if is_due and len(self.recorded) % 32 == 31 else 0.0
            self.recorded += [number] * is_due
            self.now += seconds + extra + lump
            bare, added, lumps = bare + seconds, added + extra + lump, lumps + lump
            was_due, is_due = is_due, self.budget(number + 1)
            if was_due or number >= self.budget.watches_from:
                own = extra / 2 if was_due else idle / 2
                self.budget.end_step(number, is_recorded=was_due, own=own, apart=lumps)
                lumps = 0.0
            if odd.get("pause_every") and number % odd["pause_every"] == 0:
                self.now += 50 * step
        self.cost = added / bare


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2])
@pytest.mark.parametrize(
    "odd",
    [{}, {"lump": 2e-3}, {"pause_every": 7}, {"price": 5e-3}, {"step": 0.1, "price": 0.02, "idle": 1e-6}],
    ids=["even", "written at times", "evaluated between", "dear", "long"],
)
def test_what_recording_costs_is_what_was_promised(share, odd):
    training = Training(share, **odd)
    assert training.cost == pytest.approx(share, rel=0.2)
    assert {0, 1, 10, 100, 1000} <= {*training.recorded}
    assert training.budget.described()["spent"] == pytest.approx(training.cost, rel=0.1)
    assert not training.told


def test_uneven_steps_are_compared_by_their_medians():
    assert 0.06 < Training(0.1, noise=0.3).cost < 0.13


def test_what_costs_little_is_recorded_nearly_always():
    training = Training(0.1, price=1e-5, idle=1e-6)
    assert len(training.recorded) > 1600
    assert training.cost < 0.02
    left_out = {*range(20, 2000)} - {*training.recorded}
    assert all({number, number + 1} <= left_out for number in range(30, 1990, 16)), "to be compared with"


def test_a_schedule_is_thinned():
    training = Training(0.1, schedule=Every(6))
    assert 0.015 < training.cost < 0.05
    assert all(number % 6 == 0 for number in training.recorded if number not in (1, 10, 100, 1000))


def test_where_not_even_five_steps_fit_into_the_promise_these_are_recorded():
    assert Training(0.01, price=0.01).recorded == [0, 1, 10, 100, 1000]


def test_steps_too_short_for_a_promise_are_said_to_be():
    training = Training(0.02, step=3e-4, idle=8e-6)
    assert training.recorded == [0, 1, 10, 100, 1000]
    (told,) = training.told
    assert told == (
        "steps of 0.3 ms are too short for overhead=0.02: the calls alone take 0.008 ms. "
        "From here on steps 100, 1,000, 10,000 and so on are recorded."
    )
    assert training.budget.watches_from == math.inf


def train(share, n_steps, **options):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters())
    losses = []
    recorder = gradflow.record(model, overhead=share, **options) if share else None
    for _ in range(n_steps):
        optimizer.zero_grad()
        loss = model(torch.randn(512, 64)).square().mean()
        loss.backward()
        if recorder is not None:
            recorder.step(loss=loss)
        optimizer.step()
        losses.append(loss.item())
    if recorder is not None:
        recorder.close()
    return model, losses, recorder


@pytest.mark.filterwarnings("ignore:steps of .* are too short:gradflow.hooks.GradflowWarning")
@pytest.mark.parametrize("share", [0.01, 1.0])
def test_training_is_the_same_and_every_step_has_its_loss(share):
    bare, losses, _ = train(None, 120)
    model, recorded, recorder = train(share, 120)
    assert recorded == losses
    assert all(torch.equal(*pair) for pair in zip(bare.parameters(), model.parameters(), strict=True))
    recording = recorder.recording
    assert recording.steps.step.tolist() == [*range(120)]
    assert recording.steps.loss.tolist() == pytest.approx(losses)
    steps = recording.layers.step.unique().tolist()
    assert {0, 1, 10, 100} <= {*steps}
    told = recording.meta["overhead"]
    assert told["promised"] == share
    assert (told["recorded"], told["steps"]) == (len(steps), 120)
    assert told["spent"] > 0


def test_after_a_resume_the_price_is_measured_anew():
    budget = Budget(0.1, EVERY, print, clock=iter([0.001 * tick for tick in range(1000)]).__next__)
    recorded = []
    for step in range(500, 600):
        if is_due := budget(step):
            recorded.append(step)
        if is_due or step >= budget.watches_from:
            budget.end_step(step, is_recorded=is_due, own=1e-4 if is_due else 1e-6)
    assert recorded[0] < 515
    assert len(recorded) > 1


def test_an_interrupt_in_a_step_that_is_not_recorded_costs_no_other_step(monkeypatch):
    add, n_calls = Buffer.add_scalars, 0

    def interrupted(buffer, scalars):
        nonlocal n_calls
        n_calls += 1
        add(buffer, scalars)
        if n_calls == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Buffer, "add_scalars", interrupted)
    with gradflow.record(nn.Linear(2, 1), schedule=lambda step: False) as recorder:
        for step in range(4):
            with contextlib.suppress(KeyboardInterrupt):
                recorder.step(loss=float(step))
    steps = recorder.recording.steps
    assert steps.step.tolist() == steps.loss.tolist() == [0, 1, 2, 3]


def test_recording_within_a_promise_goes_to_a_folder_too(tmp_path):
    _, _, recorder = train(0.5, 40, path=tmp_path / "run")
    assert gradflow.load(tmp_path / "run").meta["overhead"]["promised"] == 0.5
    assert not any(module._forward_hooks for module in recorder._model.root.modules())


def test_the_optimizer_may_end_the_steps():
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gradflow.record(model, optimizer=optimizer, overhead=1.0) as recorder:
        for _ in range(12):
            optimizer.zero_grad()
            model(torch.ones(2, 3)).sum().backward()
            optimizer.step()
    assert {0, 1, 10} <= {*recorder.recording.layers.step}
    assert recorder.meta["overhead"]["steps"] == 12


def test_networks_that_train_together_share_a_promise():
    parts = {name: (model, torch.optim.SGD(model.parameters(), lr=0.1)) for name in "GD" for model in [nn.Linear(2, 1)]}
    with gradflow.record(parts, overhead=0.1) as recorders:
        assert [recorder.meta["overhead"]["promised"] for recorder in recorders.values()] == [0.05, 0.05]


@pytest.mark.parametrize("share", [0, -0.1, 1.5, math.nan, math.inf, "a", True])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(
        ValueError, match=r"^overhead must be a share of the training time, above 0 and at most 1; got "
    ):
        gradflow.record(nn.Linear(2, 1), overhead=share)


def test_sharded_models_are_refused(monkeypatch):
    monkeypatch.setattr("gradflow.hooks.sharded.is_distributed", lambda: True)
    monkeypatch.setattr("gradflow.hooks.sharded.is_sharded", lambda tensor: True)
    with pytest.raises(ValueError, match="overhead leaves out steps by the clock of each process"):
        gradflow.record(nn.Linear(2, 1), overhead=0.1)
