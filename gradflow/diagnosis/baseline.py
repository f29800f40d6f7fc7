"""Gradient health as a regression test: a small file of what runs were like, and what has changed since."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gradflow import storage
from gradflow.analysis.levels import MEASURES, allowed, levels, quantile
from gradflow.analysis.nonfinite import loss_lost
from gradflow.diagnosis.engine import diagnose
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.learning import losses
from gradflow.errors import GradflowError
from gradflow.recording import Recording
from gradflow.text import text

FORMAT, VERSION = "gradflow-baseline", 1
LOSS = "loss"
TOLERANCES = (*MEASURES, LOSS)  # the measures whose tolerance may be given
DIGITS = 3  # decimals of a baseline's numbers: 0.001 decades are 0.2 %
MIN_LOSS_CHANGE = 0.05  # of the loss: what other hardware and another version of a library bring
MAX_NAMED = 3  # layers in an error
MAX_RUNS = 10**6
_WORDS = {"zero": -math.inf, "not finite": math.inf}

Runs = Recording | str | os.PathLike[str]


class BaselineError(GradflowError):
    """A baseline that cannot be read, or that is of another model or a newer gradflow."""


class _State(NamedTuple):
    """What a baseline holds: `levels` as of `analysis.levels`, the loss at the end, and keys of problems, sorted."""

    model: str
    runs: int
    steps: int
    layers: tuple[str, ...]
    levels: pd.DataFrame
    loss: float
    loss_spread: float
    findings: tuple[str, ...]
    problems: tuple[Finding, ...] = ()


class Change(NamedTuple):
    """One comparison with a baseline: what it was and is, and by how much it may differ.

    Norms are log10, so that differences are decades; -inf is exactly zero, inf not finite, NaN not measured. Of the
    loss, whose layer is "", a lower one never fails.
    """

    layer: str
    measure: str
    was: float
    now: float
    allowed: float

    @property
    def failed(self) -> bool:
        """Whether it differs by more."""
        if not (math.isfinite(self.was) and math.isfinite(self.now)):
            return not (self.was == self.now or (math.isnan(self.was) and math.isnan(self.now)))
        difference = self.now - self.was if self.measure == LOSS else abs(self.now - self.was)
        return difference > self.allowed + 10.0**-DIGITS / 2

    @property
    def size(self) -> float:
        """By how many times what is allowed it differs."""
        if not (math.isfinite(self.was) and math.isfinite(self.now)):
            return math.inf if self.failed else 0.0
        difference = self.now - self.was if self.measure == LOSS else abs(self.now - self.was)
        return difference / self.allowed if self.allowed else math.inf if difference else 0.0


@dataclass(frozen=True)
class Checked:
    """What has changed since a baseline was made.

    `changes` are all comparisons, those that failed first, the largest for what is allowed first. `new` are problems
    that the baseline does not have, as findings, and `gone` keys of those that only it has.
    """

    changes: tuple[Change, ...]
    new: tuple[Finding, ...]
    gone: tuple[str, ...]

    @property
    def failures(self) -> tuple[Change, ...]:
        """The comparisons that failed."""
        return tuple(change for change in self.changes if change.failed)

    @property
    def passed(self) -> bool:
        """Whether nothing changed by more than it may, and no problem is new."""
        return not self.failures and not self.new


def check(
    runs: Runs | Iterable[Runs], baseline: str | os.PathLike[str], *, tolerances: Mapping[str, float] | None = None
) -> Checked:
    """Compare runs with a baseline that `write_baseline` or `gradflow check --write` made.

    Parameters
    ----------
    runs : Recording, path, or iterable of these
        Runs of one network that differ in their seed at most.
    baseline : path
        The file.
    tolerances : mapping of str to float
        How much a measure may change (grad_norm, out_grad_norm, weight_norm, update_norm: decades; loss: its unit),
        instead of the variation between steps and seeds.

    Raises
    ------
    BaselineError
        The file is missing, is not a baseline, or is from a newer gradflow or another model.
    ValueError
        A tolerance is not a number, or its measure is unknown.

    Examples
    --------
    >>> import tempfile
    >>> layers = pd.DataFrame({"step": [0, 1], "layer": "a", "grad_norm": [1.0, 1.1]})
    >>> file = f"{tempfile.mkdtemp()}/baseline.json"
    >>> _ = write_baseline(Recording(layers=layers), file)
    >>> check(Recording(layers=layers), file).passed
    True
    >>> changed = check(Recording(layers=layers.assign(grad_norm=30.0)), file)
    >>> [(change.layer, change.measure) for change in changed.failures]
    [('a', 'grad_norm')]
    """
    check_tolerances(tolerances or {})
    before, now = _read(Path(baseline)), _state(_recordings(runs))
    _check_model(before, now, baseline)
    found = [*_of_norms(before, now, tolerances or {}), _of_loss(before, now, tolerances or {})]
    changes = sorted(found, key=lambda change: (not change.failed, -change.size))
    new = tuple(finding for finding in now.problems if finding.key not in before.findings)
    return Checked(tuple(changes), new, tuple(key for key in before.findings if key not in now.findings))


def write_baseline(runs: Runs | Iterable[Runs], path: str | os.PathLike[str]) -> Path:
    """Write what runs are like into a file, which is replaced if it is there; return its path.

    A line a layer, sorted by name: log10 of the median norm over the steps, its mean over the runs, and how much it
    varies, between runs or, for one run, from step to step.

    Raises
    ------
    BaselineError
        There is no run, or no layer was recorded.
    OSError
        It cannot be written.
    """
    state = _state(_recordings(runs))
    held: dict[str, dict[str, list[float | str | None]]] = {layer: {} for layer in state.layers}
    columns = (state.levels[name].tolist() for name in ("layer", "measure", "level", "spread"))
    for layer, measure, level, spread in zip(*columns, strict=True):
        held[layer][measure] = [_rounded(level), _rounded(spread)]
    head = {
        "format": FORMAT, "version": VERSION, "model": state.model, "runs": state.runs, "steps": state.steps,
        "findings": list(state.findings), "loss": [_rounded(state.loss), _rounded(state.loss_spread)],
    }  # fmt: skip
    said = ",\n".join(f" {_json(name)}: {_json(value)}" for name, value in head.items())
    lines = ",\n".join(f"  {_json(layer)}: {_json(held[layer])}" for layer in sorted(held))
    storage.write_whole(Path(path), f'{{\n{said},\n "layers": {{\n{lines}\n }}\n}}\n'.encode())
    return Path(path)


def check_tolerances(tolerances: Mapping[str, float]) -> None:
    """Raise ValueError unless each tolerance is a number of 0 or more of a measure that has one."""
    for measure, value in tolerances.items():
        if measure not in TOLERANCES:
            names = ", ".join(TOLERANCES)
            raise GradflowError(text("error.baseline.tolerance", names=names, value=repr(measure)))
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise GradflowError(text("error.baseline.tolerance_value", measure=measure, value=repr(value)))


def _recordings(runs: Runs | Iterable[Runs]) -> list[Recording]:
    several = [runs] if isinstance(runs, Recording | str | os.PathLike) else list(runs)
    found: list[Recording] = []
    for one in several:
        found += [one] if isinstance(one, Recording) else map(storage.load_one, storage.find([one]))
    return found


def _state(recordings: list[Recording]) -> _State:
    if not any(len(recording.layers) for recording in recordings):
        raise BaselineError(text("error.baseline.layers"))
    names = [tuple(recording.layers["layer"].unique()) for recording in recordings]
    if len(set(map(frozenset, names))) > 1:
        raise BaselineError(text("error.baseline.mixed"))
    ends = [losses(recording) for recording in recordings]
    last = [
        math.nan if end is None else _last_loss(recording, end.last)
        for recording, end in zip(recordings, ends, strict=True)
    ]
    spread = float(np.std(last, ddof=1)) if len(last) > 1 else math.nan if ends[0] is None else ends[0].noise
    problems = tuple(one for one in diagnose(recordings) if one.severity == "problem")
    return _State(
        str(recordings[0].meta.get("model") or ""), len(recordings),
        max(recording.layers["step"].nunique() for recording in recordings), names[0], levels(recordings),
        float(np.mean(last)), spread, tuple(sorted({one.key for one in problems})), problems,
    )  # fmt: skip


def _last_loss(recording: Recording, last: float) -> float:
    """Return the loss at the end, infinite where it is not finite any more."""
    return last if loss_lost(recording) is None else math.inf


def _read(path: Path) -> _State:
    try:
        held = storage.read_json(path)
    except FileNotFoundError:
        raise BaselineError(text("error.baseline.none", path=path)) from None
    except (OSError, ValueError) as error:
        raise BaselineError(text("error.unreadable", path=path, reason=error)) from error
    if not isinstance(held, dict) or held.get("format") != FORMAT:
        raise BaselineError(text("error.baseline.foreign", path=path))
    version = held.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise BaselineError(text("error.baseline.newer", path=path, version=repr(version), known=VERSION))
    try:
        layers = held["layers"]
        rows = [
            (layer, measure, _number(level), _number(spread), int(held["runs"]))
            for layer, measures in layers.items()
            for measure, (level, spread) in measures.items()
            if measure in MEASURES
        ]
        frame = pd.DataFrame(rows, columns=["layer", "measure", "level", "spread", "n_runs"])
        loss, loss_spread = map(_number, held["loss"])
        findings = tuple(map(str, held["findings"]))
        model, runs, steps = str(held["model"]), int(held["runs"]), int(held["steps"])
        if not 0 < runs <= MAX_RUNS:
            raise ValueError(f"runs is {runs}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise BaselineError(text("error.baseline.damaged", path=path, reason=reason)) from None
    return _State(model, runs, steps, tuple(layers), frame, loss, loss_spread, findings)


def _check_model(before: _State, now: _State, path: str | os.PathLike[str]) -> None:
    """Raise BaselineError unless both are of the same layers and measures."""
    for said, missing in (
        ("runs_lack", [one for one in before.layers if one not in set(now.layers)]),
        ("lacks", [one for one in now.layers if one not in set(before.layers)]),
    ):
        if missing:
            names = ", ".join(missing[:MAX_NAMED]) + (", ..." if len(missing) > MAX_NAMED else "")
            raise BaselineError(text(f"error.other_baseline.{said}", path=path, n=len(missing), names=names))
    lost = sorted(set(before.levels["measure"]) - set(now.levels["measure"]))
    if lost:
        raise BaselineError(text("error.baseline.lost", path=path, measures=", ".join(lost)))


def _of_norms(before: _State, now: _State, tolerances: Mapping[str, float]) -> list[Change]:
    """Compare what the baseline holds; measures that it lacks are left out, layers that lost one are not."""
    measures = set(before.levels["measure"])
    later = now.levels[now.levels["measure"].isin(measures)]
    both = before.levels.merge(
        later[["layer", "measure", "level"]], on=["layer", "measure"], how="outer", suffixes=("", "_now")
    )
    both["n_runs"] = before.runs
    both["allowed"] = allowed(both, now.runs, len(both) + 1)
    columns = (both[name].tolist() for name in ("layer", "measure", "level", "level_now", "allowed"))
    return [
        Change(layer, measure, was, round(later, DIGITS), tolerances.get(measure, limit))
        for layer, measure, was, later, limit in zip(*columns, strict=True)
    ]


def _of_loss(before: _State, now: _State, tolerances: Mapping[str, float]) -> Change:
    spread = before.loss_spread if math.isfinite(before.loss_spread) else 0.0
    most = quantile(len(before.levels) + 1) * spread * math.sqrt(1 / before.runs + 1 / now.runs)
    limit = max(most, MIN_LOSS_CHANGE * abs(before.loss)) if math.isfinite(before.loss) else 0.0
    now_loss = round(now.loss, DIGITS) if math.isfinite(now.loss) else now.loss
    return Change("", LOSS, before.loss, now_loss, tolerances.get(LOSS, limit))


def _rounded(value: float) -> float | str | None:
    """Return a number as a baseline holds it: JSON knows no infinity and no NaN."""
    if math.isnan(value):
        return None
    return round(value, DIGITS) + 0.0 if math.isfinite(value) else "zero" if value < 0 else "not finite"


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool):
        raise TypeError(f"{value!r} is no number")
    return _WORDS[value] if isinstance(value, str) else float(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
