"""Findings while a model trains: when it is diagnosed, and what becomes of what is found."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import gradflow
from gradflow.diagnosis import Finding, Subject
from gradflow.hooks import GradflowWarning

SUBJECT = Subject("net")


def finding(key="loss_rose", severity="problem", follows=""):
    values = {"n_runs": 1, "runs": 1, "steps": 50, "first": 1.0, "last": 20.0, "threshold": 10.0}
    return Finding(key, severity, SUBJECT, values, remedies=("remedy.lower_lr",), follows=follows)


def train(steps, *, on_finding=None, with_optimizer=True, late=False, **options):
    """A user's loop; returns its recorder, its model, its losses, and the steps whose update was made."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    given = optimizer if with_optimizer else None
    recorder = gradflow.record(model, optimizer=given, weights=True, on_finding=on_finding, **options)
    losses, error = [], None
    try:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(torch.randn(16, 4)), torch.randint(0, 2, (16,)))
            loss.backward()
            losses.append(loss.detach())
            if not late:
                recorder.step(loss=loss)
            optimizer.step()
            if late:
                recorder.step(loss=loss)
    except gradflow.TrainingStoppedError as stopped:
        error = stopped
    return SimpleNamespace(
        recorder=recorder, model=model, losses=losses, error=error, random=torch.random.get_rng_state()
    )


@pytest.fixture
def looks(monkeypatch):
    """The recordings that were diagnosed; what is found is `looks.findings`."""
    seen = SimpleNamespace(recordings=[], findings=[])

    def look(recording, told):
        seen.recordings.append(recording)
        return seen.findings

    monkeypatch.setattr("gradflow.diagnosis.engine.look", look)
    return seen


def recorded(looks):
    return [recording.layers["step"].nunique() for recording in looks.recordings]


@pytest.mark.parametrize("with_optimizer", [True, False])
@pytest.mark.parametrize("every", [1, 3])
def test_it_looks_after_10_20_50_100_200_recorded_steps_and_at_the_end(looks, every, with_optimizer):
    run = train(215 * every, on_finding=print, with_optimizer=with_optimizer, schedule=every)
    assert recorded(looks) == [10, 20, 50, 100, 200]
    run.recorder.close()
    run.recorder.close()
    assert recorded(looks) == [10, 20, 50, 100, 200, 215]


@pytest.mark.parametrize("late", [True, False])
def test_each_look_sees_the_losses_of_all_its_steps(looks, late):
    run = train(30, on_finding=print, late=late)
    run.recorder.close()
    for recording in looks.recordings:
        assert np.array_equal(recording.steps["loss"], torch.stack(run.losses)[: len(recording.steps)].numpy())


def test_a_callable_receives_each_problem_and_notice_once(looks):
    looks.findings = [finding(), finding("loss_level", "notice"), finding("healthy", "healthy"), finding(follows="x")]
    told = []
    run = train(60, on_finding=told.append)
    assert [(one.key, one.severity) for one in told] == [("loss_rose", "problem"), ("loss_level", "notice")]
    looks.findings = [finding("loss_level", "problem")]
    run.recorder.close()
    assert [(one.key, one.severity) for one in told[2:]] == [("loss_level", "problem")]


def test_print_and_warn_say_problems_that_do_not_follow_and_what_to_change_first(looks, capsys):
    looks.findings = [finding(), finding("loss_level", "notice"), finding("loss_constant", follows="loss_rose")]
    train(60, on_finding="print").recorder.close()
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert printed.startswith("Problem: net: the final loss")
    assert "Change first: " in printed
    with pytest.warns(GradflowWarning, match=r"^Problem: net: the final loss") as warned:
        train(60, on_finding="warn").recorder.close()
    assert [str(one.message) for one in warned] == [printed.strip()]


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("with_optimizer", [True, False])
def test_stop_raises_once_the_step_is_complete_and_loses_nothing(looks, tmp_path, with_optimizer, streams):
    looks.findings = [finding(), finding("loss_level", "notice")]
    path = tmp_path / "run" if streams else None
    stopped = train(60, on_finding="stop", with_optimizer=with_optimizer, path=path)
    assert [one.key for one in stopped.error.findings] == ["loss_rose"]
    assert "training was stopped: Problem: net: the final loss" in str(stopped.error)
    stopped.recorder.close()
    # An optimizer's step ends after its update, step() before it; the first looks when the step after the tenth ends.
    n_steps, n_updates = (11, 11) if with_optimizer else (10, 9)
    steps = stopped.recorder.recording.steps
    assert steps["step"].tolist() == list(range(n_steps))
    assert np.array_equal(steps["loss"], torch.stack(stopped.losses).numpy())
    bare = train(n_updates)
    for mine, theirs in zip(stopped.model.parameters(), bare.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_callable_may_stop_training_by_the_same_error(looks):
    looks.findings = [finding()]

    def stop(found):
        raise gradflow.TrainingStoppedError(found)

    assert train(60, on_finding=stop).error.findings == (finding(),)


def test_a_callable_that_fails_is_reported_once_and_training_goes_on(looks):
    looks.findings = [finding(), finding("loss_level", "notice")]
    with pytest.warns(GradflowWarning, match=r"on_finding failed \(KeyError: 'mine'\)") as warned:
        run = train(60, on_finding=lambda found: {}["mine"])
    assert (len(warned), len(run.losses)) == (1, 60)
    with pytest.raises(KeyError):
        train(60, on_finding=lambda found: {}["mine"], strict=True)


def test_a_diagnosis_that_fails_is_reported_once_and_training_goes_on(monkeypatch):
    monkeypatch.setattr("gradflow.diagnosis.engine.look", lambda recording, told: 1 / 0)
    with pytest.warns(GradflowWarning, match="a measurement failed: findings") as warned:
        run = train(60, on_finding="stop")
    assert (len(warned), len(run.losses)) == (1, 60)


def test_a_recording_too_large_is_not_looked_at_and_that_is_said_once(looks, monkeypatch, tmp_path):
    monkeypatch.setattr("gradflow.hooks.recorder.MAX_ROWS", 130)
    for path in (None, tmp_path / "run"):
        looks.recordings.clear()
        with pytest.warns(GradflowWarning, match="has more than 130 rows, so that on_finding looks no more") as warned:
            train(60, on_finding="print", path=path).recorder.close()
        assert (recorded(looks), len(warned)) == ([10], 1)


@pytest.mark.parametrize("with_optimizer", [True, False])
def test_training_is_bit_identical(with_optimizer):
    random.seed(0)
    np.random.seed(0)  # what others use
    without = train(60)
    others = random.getstate(), np.random.get_state()[1].tolist()
    told = []
    with_findings = train(60, on_finding=told.append, with_optimizer=with_optimizer)
    assert torch.equal(torch.stack(with_findings.losses), torch.stack(without.losses))
    assert torch.equal(with_findings.random, without.random)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == others
    for mine, theirs in zip(with_findings.model.parameters(), without.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
        assert torch.equal(mine.grad, theirs.grad)


@pytest.mark.parametrize("given", ["shout", 3, ["print"], torch.ones(2)])
def test_what_is_no_way_to_tell_is_refused(given):
    with pytest.raises(ValueError, match="on_finding must be 'print', 'warn', 'stop', or a function of one finding"):
        gradflow.record(nn.Linear(1, 1), on_finding=given)
