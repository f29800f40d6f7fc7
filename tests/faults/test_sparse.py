"""Faults in recordings of few steps: the cause is named, or the diagnosis says which steps it would take to know."""

from dataclasses import replace

import pytest

import gradflow
from benchmarks.diagnosis import program
from gradflow.diagnosis.checks import QUESTIONS
from gradflow.diagnosis.learning import is_unfitted
from gradflow.hooks import Every, LogSpaced
from tests.faults.planted import trained

FAULTY = {
    ("mlp", "rate too high", 40.0): "lr_high",
    ("mlp", "momentum too high", 0.999): "momentum_high",
    ("mlp", "rate decays too fast", 40.0): "lr_decays",
    ("mlp", "clipping too tight", 1e-3): "clip_binds",
    ("mlp with batch norm", "gradients not cleared", 1.0): "gradients_kept",
    ("mlp", "detached", 1.0): "cut_off",
    ("mlp", "sigmoid before the loss", 1.0): "squashed_logits",
    ("mlp with batch norm", "weights drawn again", 2.0): "changed_elsewhere",
}
HEALTHY = [
    ("mlp", "as it is", 1.0), ("mlp", "zero head", 1.0), ("mlp", "warm-up", 0.4), ("mlp", "cosine", 1.0),
    ("mlp", "frozen backbone", 1.0), ("mlp with batch norm", "as it is", 1.0),
]  # fmt: skip
SCHEDULES = {"every 10": Every(10), "every 50": Every(50), "log-spaced": LogSpaced(4)}
SHARES = (0.1, 0.25, 0.5)


def thinned(recording, is_due, n_steps=None):
    """Return the rows of steps that are due, of the first `n_steps`; of the others the loss is recorded alone."""
    end = len(recording.steps) if n_steps is None else n_steps
    tables = {name: getattr(recording, name) for name in ("layers", "parameters", "times")}
    tables = {name: rows[(rows["step"] < end) & rows["step"].map(is_due).astype(bool)] for name, rows in tables.items()}
    meta = {**recording.meta, "optimizer_steps": min(recording.meta["optimizer_steps"], end)}
    steps = recording.steps[recording.steps["step"] < end]
    norms = [name for name in ("total_grad_norm", "unclipped_grad_norm") if name in steps]
    steps = steps.assign(**{name: steps[name].where(steps["step"].map(is_due).astype(bool)) for name in norms})
    return replace(recording, steps=steps, meta=meta, **tables)


def sparse(recording):
    """Yield the recording on each schedule, and its first steps."""
    for name, schedule in SCHEDULES.items():
        yield name, thinned(recording, schedule)
    for n_steps in (10, 20, *(round(share * len(recording.steps)) for share in SHARES)):
        yield f"first {n_steps}", thinned(recording, lambda step: True, n_steps)


def named(recording, *severities):
    return [finding.key for finding in gradflow.diagnose(recording) if finding.severity in severities]


def unchecked(recording):
    """Return the keys of the findings that the diagnosis says it could not check."""
    found = gradflow.diagnose(recording).checks
    return {key for one in found if one.status == "unchecked" for key in QUESTIONS[one.name].findings}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", FAULTY, ids=str)
def test_the_cause_is_named_or_said_to_be_unchecked(case):
    _, recording = trained(*case)
    for name, few in sparse(recording):
        is_harmless = not is_unfitted(few)  # so far
        is_named = FAULTY[case] in named(few, "problem", "notice")[:2]
        assert is_named or FAULTY[case] in unchecked(few) or (is_harmless and name == "first 40"), name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", HEALTHY, ids=str)
def test_no_problem_is_named_in_few_steps_of_a_healthy_run(case):
    _, recording = trained(*case)
    assert {name: found for name, few in sparse(recording) if (found := named(few, "problem"))} == {}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", [("mlp", "clipping too tight", 1e-3), ("mlp", "momentum too high", 0.999)], ids=str)
def test_a_recording_on_a_schedule_is_diagnosed_as_one_that_was_thinned_to_it(case, monkeypatch):
    _, recording = trained(*case)
    monkeypatch.setattr(program, "DENSE_STEPS", 0)
    _, scheduled = trained(*case)
    assert sorted(scheduled.layers["step"].unique()) == list(range(0, len(recording.steps), 10))
    assert list(map(str, gradflow.diagnose(scheduled))) == list(
        map(str, gradflow.diagnose(thinned(recording, Every(10))))
    )
