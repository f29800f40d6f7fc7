"""Why a run failed, in one line."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator

import torch

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# PyTorch's CPU allocator raises a plain RuntimeError
MEMORY_WORDS = ("out of memory", "not enough memory", "can't allocate memory")


def reason_of(error: BaseException) -> str:
    """Return why a run failed, in one line."""
    said = str(error).partition("\n")[0]
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
    if code == -signal.SIGKILL:
        return "its worker process was killed (signal 9), which the kernel does when memory runs out"
    return f"its worker process ended with exit code {code}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
