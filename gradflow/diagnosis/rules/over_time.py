"""Gradients of recurrent layers that shrink or grow on their way back through the time steps."""

from __future__ import annotations

from typing import NamedTuple

from gradflow.analysis.intervals import mean_interval
from gradflow.analysis.times import Reach, reach
from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.first_last_ratio import DECADES, ONE_BATCH, When
from gradflow.diagnosis.geometric_mean import geometric
from gradflow.diagnosis.learning import HARMLESS, learning
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "times"
VANISHING, EXPLODING, ZERO = "vanishing_over_time", "exploding_over_time", "zero_over_time"
CAUSES = {VANISHING: "cause.step_below_one", EXPLODING: "cause.step_above_one", ZERO: ""}
# Of a layer's outputs: a loss that reads more of them has what pooling would bring.
READ_BY_FEW = 0.5
GATED = ("LSTM", "GRU")  # in the names of classes whose layers keep a share of their state that a bias sets


class _Found(NamedTuple):
    """What one run's gradient at the input of one recurrent layer does."""

    recording: Recording
    step: int
    reach: Reach


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each recurrent layer at whose input the gradient vanishes or explodes back in time.

    The norm at the first position that receives gradient is compared with that at the last. A layer is judged at the
    last recorded step, or else before training. A run that does not learn makes it a problem.
    """
    return [finding for case in cases for layer in _layers(case) if (finding := _finding(case, layer)) is not None]


def _layers(case: Case) -> list[str]:
    return list(dict.fromkeys(layer for recording in case.recordings for layer in recording.times["layer"]))


def _finding(case: Case, layer: str) -> Finding | None:
    for when in ("end", "start"):
        measured = [found for recording in case.recordings if (found := _at(recording, layer, when)) is not None]
        for key in (VANISHING, ZERO, EXPLODING):
            faulty = [found for found in measured if _key(found.reach) == key]
            if faulty:
                return _worded(key, case, layer, "end" if faulty[0].step else "start", faulty)
    return None


def _at(recording: Recording, layer: str, when: str) -> _Found | None:
    """Return what was measured at a run's first or last recorded step; None if nothing was."""
    rows = recording.times[(recording.times["layer"] == layer) & (recording.times["tensor"] == "input")]
    step = 0 if when == "start" else int(rows["step"].max()) if len(rows) else -1
    rows = rows[rows["step"] == step]
    return _Found(recording, step, reach(rows["time"], rows["grad_norm"])) if len(rows) else None


def _key(found: Reach) -> str:
    """Return which fault a sequence has, an empty string for none."""
    if found.decades < -DECADES:
        return VANISHING
    return ZERO if found.n_zero_before else EXPLODING if found.decades > DECADES else ""


def _worded(key: str, case: Case, layer: str, when: When, faulty: list[_Found]) -> Finding:
    """Return the finding, with the positions of the run in which the gradient reaches back least far."""
    worst = max(faulty, key=lambda found: (found.reach.reach, abs(found.reach.decades)))
    is_batch = all(found.recording.meta.get("experiment") == ONE_BATCH for found in faulty)
    values: dict[str, Value] = {
        "when": "batch" if is_batch else when,
        "step": worst.step,
        "layer": layer,
        "n_runs": len(faulty),
        "runs": len(case.recordings),
        "first": worst.reach.first,
        "last": worst.reach.last,
        "decades": mean_interval(found.reach.decades for found in faulty),
        "factor": geometric(found.reach.factor for found in faulty).mean,
        "reach": worst.reach.reach,
        "threshold": DECADES,
    }
    remedies = _remedies(layer, faulty) if key == VANISHING else ()
    return Finding(key, _severity(faulty), case.subject, values, FIGURE, CAUSES[key], remedies)


def _remedies(layer: str, faulty: list[_Found]) -> tuple[str, ...]:
    """Return what was seen to repair it, without what the layer has: see `READ_BY_FEW`."""
    remedies = []
    if all(_share_read(found, layer) < READ_BY_FEW for found in faulty):
        remedies.append("remedy.pool_over_time")
    if any(gated in _kind(found.recording, layer) for found in faulty for gated in GATED):
        remedies.append("remedy.gate_bias")
    return tuple(remedies)


def _share_read(found: _Found, layer: str) -> float:
    """Return the share of the layer's output positions that receive gradient directly; 0 where its output has none."""
    times = found.recording.times
    rows = times[(times["layer"] == layer) & (times["tensor"] == "output") & (times["step"] == found.step)]
    return float((rows["grad_norm"] > 0).mean()) if len(rows) else 0.0


def _kind(recording: Recording, layer: str) -> str:
    layers = recording.layers
    return str(next(iter(layers.loc[layers["layer"] == layer, "kind"]), ""))


def _severity(faulty: list[_Found]) -> Severity:
    verdicts = {learning(found.recording) for found in faulty}
    return "problem" if verdicts - {*HARMLESS, "unknown"} else "notice"
