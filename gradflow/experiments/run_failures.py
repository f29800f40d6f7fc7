"""Why a run failed, in one line."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator

import torch

from gradflow.storage import named

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NOT_RETRIED = "the run was not tried again: the same command goes on with it"
# PyTorch's CPU allocator raises a plain RuntimeError
MEMORY_WORDS = ("out of memory", "not enough memory", "can't allocate memory")


def reason_of(error: BaseException) -> str:
    """Return why a run failed, in one line."""
    said = named(str(error).partition("\n")[0])
    if is_disk_full(error):
        return f"the disk is full ({said})"
    if is_out_of_memory(error):
        return f"out of memory ({said or type(error).__name__})"
    return f"{type(error).__name__}: {said}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is one of memory, Python's, PyTorch's or a device's."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in MEMORY_WORDS)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, is that a disk or a quota has no room left."""
    return any(isinstance(cause, OSError) and cause.errno in NO_ROOM for cause in _chain(error))


def reason_of_death(code: int) -> str:
    """Return why a run failed whose process ended with an exit code."""
    if code >= 0:
        return f"its worker process ended with exit code {code}; {NOT_RETRIED}"
    names = {number.value: f"{number.name} (signal {number.value})" for number in signal.Signals}
    by = names.get(-code, f"signal {-code}")
    when = ", as the kernel does when memory runs out" if code == -signal.SIGKILL else ""
    return f"its worker process was killed by {by}{when}; {NOT_RETRIED}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
