"""The process that draws beside the one that makes a report; it imports what it needs while this one does the same."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

PROGRAM = "gradflow.reporting.render_worker"

_CURRENT: ContextVar[subprocess.Popen[bytes] | None] = ContextVar("second_process", default=None)


@contextmanager
def second_process() -> Iterator[subprocess.Popen[bytes] | None]:
    """Have a second process inside the block, one for all blocks in it; None without a second processor for it.

    This module imports nothing that takes long, so that the process can start before anything else is imported.
    """
    if (running := _CURRENT.get()) is not None:
        yield running
        return
    process = _started() if _processors() > 1 else None
    token = _CURRENT.set(process)
    try:
        yield process
    finally:
        _CURRENT.reset(token)
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):  # what it did not take any more
                        stream.close()


def _started() -> subprocess.Popen[bytes] | None:
    """Start the second process; None where none can be started."""
    package = str(Path(__file__).parents[2])
    paths = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,  # Ctrl-C reaches this process alone, which then ends it
        )
    except OSError:
        return None


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
