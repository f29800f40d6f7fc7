"""One model, one process: a crash, a leak or a hang of one leaves the others alone."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

MOST_BYTES = 24 * 2**30  # of address space, of which libraries take some


def run_isolated(work: Callable[[], dict[str, Any]], *, seconds: float) -> dict[str, Any]:
    """Return what `work` returns, from a forked process; a row that says so if it takes too long or dies."""
    context = multiprocessing.get_context("fork")  # what the parent has imported need not be imported again
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(work, sender))
    process.start()
    sender.close()
    try:
        if receiver.poll(seconds):
            return dict(receiver.recv())
        return {"outcome": "timed out", "note": f"{seconds:g} s"}
    except EOFError:
        process.join()
        return {"outcome": "died", "note": f"exit code {process.exitcode}"}
    finally:
        process.kill()
        process.join()


def _child(work: Callable[[], dict[str, Any]], sender: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    sender.send(work())
