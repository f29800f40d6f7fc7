"""Which steps are recorded: a schedule is any callable from step number to bool."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Schedule = Callable[[int], bool]


@dataclass(frozen=True)
class Every:
    """Record every k-th step, starting with 0, and any further steps listed.

    Parameters
    ----------
    k : int
        At least 1.
    also : iterable of int
        Further steps, such as the last.

    Examples
    --------
    >>> due = Every(50, also=(1, 299))
    >>> [step for step in range(300) if due(step)]
    [0, 1, 50, 100, 150, 200, 250, 299]
    """

    k: int
    also: Iterable[int] = ()

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int) or self.k < 1:
            raise ValueError(f"schedule must record every k-th step with k at least 1; got {self.k!r}.")
        object.__setattr__(self, "also", frozenset(self.also))

    def __call__(self, step: int) -> bool:
        """Whether this step is recorded."""
        return step % self.k == 0 or step in self.also


@dataclass(frozen=True)
class LogSpaced:
    """Record steps spaced evenly in log(step), always with 0, 1, 10, 100 and the further powers of ten.

    Parameters
    ----------
    per_decade : int
        Steps recorded between 10^k and 10^(k+1), at least 1. Early decades hold fewer whole numbers.

    Examples
    --------
    >>> due = LogSpaced(4)
    >>> [step for step in range(1001) if due(step)]
    [0, 1, 2, 3, 6, 10, 18, 32, 56, 100, 178, 316, 562, 1000]
    """

    per_decade: int = 10

    def __post_init__(self) -> None:
        if isinstance(self.per_decade, bool) or not isinstance(self.per_decade, int) or self.per_decade < 1:
            raise ValueError(f"per_decade must be a whole number of at least 1; got {self.per_decade!r}.")

    def __call__(self, step: int) -> bool:
        """Whether this step is recorded: some 10^(i / per_decade) rounds to it."""
        if step < 1:
            return step == 0
        nearest = round(math.log10(step) * self.per_decade)
        return any(round(10 ** (place / self.per_decade)) == step for place in (nearest - 1, nearest, nearest + 1))


@dataclass(frozen=True)
class First:
    """Record the first n steps.

    Examples
    --------
    >>> [step for step in range(9) if First(3)(step)]
    [0, 1, 2]
    """

    n: int

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 1:
            raise ValueError(f"n must be a whole number of at least 1; got {self.n!r}.")

    def __call__(self, step: int) -> bool:
        """Whether this step is recorded."""
        return step < self.n


POWERS_OF_TEN = frozenset({0, *(10**power for power in range(19))})


def distribution_schedule(distributions: bool | int | Schedule) -> Schedule | None:
    """Return at which steps distributions are taken: True is 0, 1, 10, 100 and so on, False never."""
    if isinstance(distributions, bool):
        return POWERS_OF_TEN.__contains__ if distributions else None
    return as_schedule(distributions)


def either(first: Schedule, second: Schedule) -> Schedule:
    """Return the schedule of the steps that are in one of two."""
    return lambda step: first(step) or second(step)


def as_schedule(schedule: int | Schedule) -> Schedule:
    """Return a callable for an int k (every k-th step) or a callable as it is."""
    if callable(schedule):
        return schedule
    return Every(schedule)
