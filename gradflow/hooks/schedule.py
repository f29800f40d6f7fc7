"""Which steps are recorded: a schedule is any callable from step number to bool."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Schedule = Callable[[int], bool]


@dataclass(frozen=True)
class Every:
    """Record every k-th step, starting with 0, and the steps named besides.

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


def as_schedule(schedule: int | Schedule) -> Schedule:
    """Return a callable for an int k (every k-th step) or a callable as it is."""
    if callable(schedule):
        return schedule
    return Every(schedule)
