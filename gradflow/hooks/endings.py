"""Where a process ends without `Recorder.close`: rows that are in memory are written first.

At the end of the interpreter, after an error that nobody caught too, recorders that are open are closed.

SIGTERM ends a process at once unless it is handled. Where nobody handles it, it is handled here while a recorder of the
main thread is open: the rows are written, and the signal then does what it would have done. A handler of the user's,
set before or after, is never replaced; one that was set after and calls the one before gets the rows written, and
decides what else happens. A process that waits in native code ends once that returns.
"""

from __future__ import annotations

import atexit
import functools
import os
import signal
import threading
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any, Protocol, TypeVar


class Ending(Protocol):
    """What is done before a process ends."""

    _whole: Whole

    def flush(self) -> None:
        """Bring the rows so far to the disk."""
        ...

    def close(self) -> None:
        """Bring all to the disk, and end."""
        ...


Result = TypeVar("Result")


class Whole:
    """Counts the calls under way that SIGTERM must wait for."""

    def __init__(self) -> None:
        self.n_under_way = 0
        self.is_awaited = False


def whole(method: Callable[..., Result]) -> Callable[..., Result]:
    """Let SIGTERM wait until the method has returned: in the middle of it, rows are in two places or in none."""

    @functools.wraps(method)
    def uninterrupted(self: Any, *args: Any) -> Result:
        own: Whole = self._whole
        own.n_under_way += 1
        try:
            return method(self, *args)
        finally:
            own.n_under_way -= 1
            if own.is_awaited and not own.n_under_way:
                own.is_awaited = False
                os.kill(os.getpid(), signal.SIGTERM)

    return uninterrupted


_open: weakref.WeakSet[Any] = weakref.WeakSet()  # one a process, as the end of it is
_of_main: weakref.WeakSet[Any] = weakref.WeakSet()  # those of the main thread, in which signals arrive


def join(ending: Ending) -> None:
    """Have `ending` written where the process ends."""
    _open.add(ending)
    if threading.current_thread() is threading.main_thread():
        _of_main.add(ending)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminate)


def leave(ending: Ending) -> None:
    """Leave the end of the process as it was; twice is as good as once."""
    _open.discard(ending)
    _of_main.discard(ending)
    if not _of_main and threading.current_thread() is threading.main_thread():
        _restore()


def _restore() -> bool:
    """Give SIGTERM back what it does by default, unless someone else handles it by now; whether it has that now."""
    is_ours = signal.getsignal(signal.SIGTERM) is _terminate
    if is_ours:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return is_ours


def _terminate(number: int, frame: FrameType | None) -> None:
    endings = list(_of_main)
    busy = [ending._whole for ending in endings if ending._whole.n_under_way]
    if busy:
        busy[0].is_awaited = signal.getsignal(signal.SIGTERM) is _terminate
        return
    try:
        with ExitStack() as stack:  # one that fails does not keep the others from it
            for ending in endings:
                stack.callback(ending.flush)
    finally:
        if _restore():
            signal.raise_signal(signal.SIGTERM)


@atexit.register
def _close_all() -> None:
    with ExitStack() as stack:
        for ending in list(_open):
            stack.callback(ending.close)
