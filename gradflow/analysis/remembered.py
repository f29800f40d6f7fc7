"""What several rules of one diagnosis ask of a recording, computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

from gradflow.recording import Recording

T = TypeVar("T")
_ANSWERS: ContextVar[dict[tuple[Any, int], tuple[Recording, Any]] | None] = ContextVar("answers", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Keep what functions marked with `remembered` return, until the block ends; no table may change in it."""
    token = _ANSWERS.set({} if (known := _ANSWERS.get()) is None else known)
    try:
        yield
    finally:
        _ANSWERS.reset(token)


def remembered(function: Callable[[Recording], T]) -> Callable[[Recording], T]:
    """Return the function, which in a `remembering` block computes its value once for each recording.

    Examples
    --------
    >>> calls = []
    >>> n_steps = remembered(lambda recording: calls.append(1) or len(recording.steps))
    >>> recording = Recording()
    >>> with remembering():
    ...     n_steps(recording) + n_steps(recording)
    0
    >>> len(calls)
    1
    """

    @wraps(function)
    def answer(recording: Recording) -> T:
        known = _ANSWERS.get()
        if known is None:
            return function(recording)
        key = (answer, id(recording))
        if key not in known:
            known[key] = (recording, function(recording))  # which keeps the recording, and so its id
        found: T = known[key][1]
        return found

    return answer
