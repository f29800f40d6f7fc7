"""The time that a recorder takes of the training, by its own clock, and what was promised of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from gradflow.hooks.budget import Budget


class Clock:
    """Adds up the seconds in which a recorder was at work.

    Parameters
    ----------
    budget : Budget, optional
        Is told of the steps that it asks for.

    Attributes
    ----------
    seconds : float
        In the recorder, so far.
    budget : Budget or None
    """

    def __init__(self, budget: Budget | None) -> None:
        self.seconds = 0.0
        self.budget = budget
        self._before = 0.0  # the step under way, without what was done for many steps at once
        self._apart = 0.0  # on that, since the budget was told
        self._started = time.perf_counter()

    def apart(self, function: Callable[[], object]) -> None:
        """Do something for many steps at once."""
        began = time.perf_counter()
        try:
            function()
        finally:
            taken = time.perf_counter() - began
            self._apart += taken
            self._before += taken

    def end_step(self, step: int, is_recorded: bool) -> None:  # by position, through an attempt
        """Tell the budget of a step that has ended."""
        assert self.budget is not None
        own, self._before = self.seconds - self._before, self.seconds
        if is_recorded or step >= self.budget.watches_from:
            apart, self._apart = self._apart, 0.0
            self.budget.end_step(step, is_recorded=is_recorded, own=own, apart=apart)

    def described(self, n_recorded: int, n_steps: int) -> dict[str, Any]:
        """Return the seconds since recording began and those in the recorder, and what became of a promise."""
        promise = {} if self.budget is None else self.budget.described()
        counts = {"recorded": n_recorded, "steps": n_steps}
        return {
            **({"overhead": promise | counts} if promise else {}),
            "recorder_seconds": self.seconds,
            "recorded_seconds": time.perf_counter() - self._started,
        }

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Go on from what was `described` in an earlier process."""
        self.seconds = self._before = state["recorder_seconds"]
        self._started = time.perf_counter() - state["recorded_seconds"]
