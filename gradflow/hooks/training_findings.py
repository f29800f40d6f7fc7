"""Findings while a model trains: after how many recorded steps it is diagnosed, and what becomes of what is new."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, get_args

from gradflow.errors import GradflowError
from gradflow.hooks import sharded
from gradflow.hooks.failures import Failures
from gradflow.recording import Recording

if TYPE_CHECKING:  # the diagnosis is imported where it is asked for: recording alone need not wait for it
    from gradflow.diagnosis import Finding

Action = Literal["print", "warn", "stop"]
OnFinding = Action | Callable[["Finding"], object]
ACTIONS: tuple[Action, ...] = get_args(Action)
STEPS = (1, 2, 5)  # times a power of ten: all diagnoses together take about twice as long as the last
FIRST_POWER = 1
MAX_ROWS = 5_000_000  # of which all must be in memory: a gigabyte


class TrainingStoppedError(GradflowError):
    """Raised where `record(..., on_finding="stop")` found problems; `findings` holds them, causes first."""

    def __init__(self, *findings: Finding) -> None:
        from gradflow.diagnosis.cards import in_a_line

        super().__init__(f"training was stopped: {in_a_line(findings[0])}" if findings else "training was stopped.")
        self.findings = findings


class Lookout:
    """Diagnoses a recording after 10, 20, 50, 100, 200, 500, ... recorded steps and hands on what is new.

    Parameters
    ----------
    on_finding : str or callable
        As in `gradflow.record`.
    failures : Failures
        Told once of a callable that raises.

    Attributes
    ----------
    is_shared : bool
        Whether problems stop all of several processes at one step: the first one looks and tells the others.
    """

    def __init__(self, on_finding: OnFinding, failures: Failures) -> None:
        self._on_finding = on_finding
        self._failures = failures
        self._points = _points()
        self._next = next(self._points)
        self.is_shared = self.stops and sharded.is_distributed()
        self._must_agree = False
        self._known: set[tuple[str, str]] = set()
        self._new: list[Finding] = []

    @property
    def stops(self) -> bool:
        """Whether problems stop training."""
        return self._on_finding == "stop"

    @property
    def n_found(self) -> int:
        """How many different problems and notices were found so far."""
        return len(self._known)

    def is_due(self, n_recorded: int) -> bool:
        """Whether so many recorded steps are enough for another look; asked again at the same number, they are not."""
        if n_recorded < self._next:
            return False
        self._next = next(point for point in self._points if point > n_recorded)
        self._must_agree = self.is_shared
        return True

    def look(self, recording: Recording) -> None:
        """Diagnose what was recorded so far, and keep what is new for `tell`."""
        from gradflow.diagnosis.engine import look
        from gradflow.diagnosis.finding import SHOWN

        for finding in look(recording, self._known):
            known = (finding.key, finding.severity)
            if finding.severity in SHOWN and known not in self._known:
                self._known.add(known)
                self._new.append(finding)

    def tell(self) -> None:
        """Hand on the findings that are new.

        Raises
        ------
        TrainingStoppedError
            Problems are to stop training, or a callable raised it.
        """
        from gradflow.diagnosis.cards import in_a_line

        new, self._new = self._new, []
        problems = [finding for finding in new if finding.severity == "problem" and not finding.follows]
        if self._must_agree:
            self._must_agree = False
            problems = sharded.from_first(problems)
        if callable(self._on_finding):
            for finding in new:
                self._call(self._on_finding, finding)
        elif self.stops and problems:
            raise TrainingStoppedError(*problems)
        else:
            tell = _print if self._on_finding == "print" else self._failures.warn
            for finding in problems:
                tell(in_a_line(finding))

    def _call(self, on_finding: Callable[[Finding], object], finding: Finding) -> None:
        try:
            on_finding(finding)
        except TrainingStoppedError:
            raise
        except Exception as error:
            if self._failures.is_strict:
                raise
            reason = f"{type(error).__name__}: {error}"
            self._failures.warn(
                f"on_finding failed ({reason}); training goes on. strict=True raises.", once="on_finding"
            )


def check_on_finding(on_finding: object) -> None:
    """Raise ValueError unless findings can be handed on that way."""
    is_action = isinstance(on_finding, str) and on_finding in ACTIONS
    if not (on_finding is None or is_action or callable(on_finding)):
        allowed = ", ".join(map(repr, ACTIONS))
        raise ValueError(f"on_finding must be {allowed}, or a function of one finding; got {on_finding!r}.")


def _points() -> Iterator[int]:
    """Yield 10, 20, 50, 100, 200, 500, ..."""
    for power in itertools.count(FIRST_POWER):
        for factor in STEPS:
            yield factor * 10**power


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # as whoever trains has asked
