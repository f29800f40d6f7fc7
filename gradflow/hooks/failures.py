"""A measurement that fails costs its own numbers: it is reported once by name, and training goes on."""

from __future__ import annotations

import contextlib
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gradflow.errors import GradflowError

Item = TypeVar("Item")
Result = TypeVar("Result")

OnFailure = Callable[[str, Exception], object]  # receives what was measured and the error; raises if strict


class GradflowWarning(UserWarning):
    """Something could not be measured; training goes on."""


class Failures:
    """What a recorder says of measurements that failed: each is named once; with `strict` its error is raised."""

    def __init__(self, *, strict: bool) -> None:
        self.is_strict = strict
        self._warned: set[str] = set()

    def __call__(self, what: str, error: Exception) -> None:
        """Report that something could not be measured."""
        if self.is_strict or isinstance(error, GradflowWarning):  # where warnings are errors
            raise error
        reason = str(error).strip().partition("\n")[0]  # PyTorch lists all its kernels below
        self.warn(
            f"a measurement failed: {what} ({type(error).__name__}: {reason}); training goes on. strict=True raises.",
            once=what,
        )

    def warn(self, message: str, *, once: str = "") -> None:
        """Warn, once for each message or for what it is about."""
        if (once or message) not in self._warned:
            self._warned.add(once or message)
            warnings.warn(message, GradflowWarning, stacklevel=4)

    def attempt(self, what: str, function: Callable[..., Any], *args: Any, default: Any = None) -> Any:
        """Return what a function of the recorder's own books returns, after a second try if need be, else the default.

        The function changes something at its end or not at all, or can be called twice.
        """
        try:
            return function(*args)
        except Exception as error:
            if self.is_strict or isinstance(error, GradflowWarning):
                raise
        try:
            return function(*args)
        except Exception as error:
            self(what, error)
            return default


def together(
    measure: Callable[[Sequence[Item]], Result], items: Sequence[Item], lose: Callable[[Item, Exception], object]
) -> list[Result]:
    """Return what `measure` makes of all items or, if it fails, of each by itself: only those that fail alone are lost.

    Examples
    --------
    >>> together(lambda items: [1 / item for item in items], [2.0, 0.0, 4.0], lambda item, error: print(item, error))
    0.0 float division by zero
    [[0.5], [0.25]]
    """
    try:
        return [measure(items)]
    except Exception as error:
        if len(items) == 1:
            lose(items[0], error)
            return []
    # Here, where the error and what it holds are gone: it may have been for want of memory.
    return [result for item in items for result in together(measure, [item], lose)]


def retried(function: Callable[[Sequence[Item]], Result]) -> Callable[[Sequence[Item]], Result]:
    """Return a function that is tried a second time where it fails: one that makes rows of numbers that are there."""

    def call_again(items: Sequence[Item]) -> Result:
        with contextlib.suppress(Exception):  # the second time, it is told
            return function(items)
        return function(items)

    return call_again


def weakly(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls an object's method, does not keep the object, and does nothing once it is gone."""
    owner, function = weakref.ref(method.__self__), method.__func__  # type: ignore[attr-defined]  # of bound methods

    def call(*args: Any) -> Any:
        alive = owner()
        return None if alive is None else function(alive, *args)

    return call


def door(method: Callable[..., Any], what: str, on_failure: OnFailure) -> Callable[..., Any]:
    """Return the function by which PyTorch calls a recorder's method: it keeps no recorder, and lets no error out.

    An error that the user can mend is let out all the same.
    """
    call = weakly(method)

    def enter(*args: Any) -> Any:
        try:
            return call(*args)
        except GradflowError:
            raise
        except Exception as error:
            on_failure(what, error)
            return None

    return enter
