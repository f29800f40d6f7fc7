"""Locks that the operating system lets go when their holder ends, however it ends, and who holds them."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from gradflow.storage.manifest import StorageError, write_json

POLL_SECONDS = 0.05


class InUseError(StorageError):
    """Another process, or another part of this one, is at work in a folder; the message says which and since when."""


@contextmanager
def held(lock: Path, *, what: str, wait: float = 0.0) -> Iterator[None]:
    """Hold a lock file; beside it lies a JSON file that tells who does.

    Parameters
    ----------
    lock : path
        In a folder that exists. The file stays: removing one that others wait for would give them another.
    what : str
        What is locked, for the message.
    wait : float
        Seconds to wait for it.

    Raises
    ------
    InUseError
        Another process, or another part of this one, holds it; the message says which and since when.
    """
    file_lock = FileLock(lock)
    holder = lock.with_suffix(".json")
    try:
        file_lock.acquire(timeout=wait, poll_interval=POLL_SECONDS)
    except Timeout:
        raise InUseError(f"{what} is in use: {_told(holder)}. Wait for it to end, or give another folder.") from None
    try:
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        write_json(holder, {"pid": os.getpid(), "host": socket.gethostname(), "since": since})
        yield
    finally:
        file_lock.release()


def _told(holder: Path) -> str:
    try:
        told = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {told['pid']} on {told['host']} has been at work there since {told['since']}"
    except (OSError, ValueError, LookupError, TypeError):  # not written yet
        return "another process is at work there"
