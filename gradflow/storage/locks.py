"""Locks that the operating system lets go when their holder ends, however it ends, and who holds them."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from gradflow.storage.manifest import StorageError, write_json

POLL_SECONDS = 0.05
LOCK = ".gradflow.lock"
LOCK_FILES = frozenset({LOCK, ".gradflow.json"})


class InUseError(StorageError):
    """Another process, or another part of this one, is at work in a folder; the message says which and since when."""


@contextmanager
def held(lock: Path, *, what: str, wait: float = 0.0, is_removed: bool = False) -> Iterator[None]:
    """Hold a lock file; beside it lies a JSON file that tells who does.

    Parameters
    ----------
    lock : path
        In a folder that exists.
    what : str
        What is locked, for the message.
    wait : float
        Seconds to wait for it.
    is_removed : bool
        Remove both files in the end; otherwise they stay.

    Raises
    ------
    InUseError
        Another process, or another part of this one, holds it; the message says which and since when.
    """
    file_lock = FileLock(lock, thread_local=False)  # the garbage collector releases it in whatever thread it runs
    holder = lock.with_suffix(".json")
    try:
        file_lock.acquire(timeout=wait, poll_interval=POLL_SECONDS)
    except Timeout:
        raise InUseError(
            f"{what} is in use: {_told(holder)}. Wait for it to end, close it, or give another folder."
        ) from None
    owner = os.getpid()
    try:
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        write_json(holder, {"pid": owner, "host": socket.gethostname(), "since": since})
        yield
    finally:
        if os.getpid() == owner:  # not a forked child that lets go of its copy
            for file in (holder, lock) if is_removed else ():
                with suppress(OSError):  # Windows keeps a file that is open
                    file.unlink()
            file_lock.release()


def _told(holder: Path) -> str:
    try:
        told = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {told['pid']} on {told['host']} has been at work there since {told['since']}"
    except (OSError, ValueError, LookupError, TypeError):  # not written yet
        return "another process is at work there"
