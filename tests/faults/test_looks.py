"""Looks at a recording under way: they find what a diagnosis of the same rows finds, and tell each finding once."""

import pytest

import gradflow
from gradflow.diagnosis.finding import SHOWN
from gradflow.hooks.failures import Failures
from gradflow.hooks.training_findings import Lookout
from tests.faults.planted import trained
from tests.faults.test_sparse import thinned

SAMPLES = [
    ("mlp", "rate too high", 40.0), ("mlp", "detached", 1.0), ("mlp", "all weights alike", 1.0),
    ("mlp", "clipping too tight", 1e-3), ("mlp with batch norm", "gradients not cleared", 1.0),
    ("mlp on a table", "dropout too strong", 0.9), ("gru", "weights drawn again", 2.0), ("mlp", "as it is", 1.0),
]  # fmt: skip


def told_at(recordings):
    """Return what on_finding is told at each look."""
    told = []
    lookout = Lookout(told.append, Failures(strict=True))
    for recording in recordings:
        lookout.look(recording)
        lookout.tell()
        yield list(map(str, told))
        told.clear()


def diagnosed_at(recordings):
    """Return what is new at each look by a whole diagnosis of what was recorded so far."""
    known = set()
    for recording in recordings:
        new = []
        for finding in gradflow.diagnose(recording):
            if finding.severity in SHOWN and (finding.key, finding.severity) not in known:
                known.add((finding.key, finding.severity))
                new.append(str(finding))
        yield new


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", SAMPLES, ids=str)
def test_looks_tell_what_a_diagnosis_finds_at_the_same_steps(case):
    _, recording = trained(*case)
    looks = [thinned(recording, lambda step: True, n_steps) for n_steps in (10, 20, 50, 100, len(recording.steps))]
    told = list(told_at(looks))
    assert told == list(diagnosed_at(looks))
    assert any(told) == (case[1] != "as it is")
