"""Locks that the operating system lets go when their holder ends, however it ends, and who holds them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from gradflow.storage.files import is_file
from gradflow.storage.json_files import read_json
from gradflow.storage.manifest import StorageError, write_json
from gradflow.text import text

POLL_SECONDS = 0.05
NAME_LENGTH = 255  # of a host, at most
FileId = tuple[int, int]  # device and number, by which the operating system knows a file whatever its name
LOCK = ".gradflow.lock"
LOCK_FILES = frozenset({LOCK, ".gradflow.json"})


class InUseError(StorageError):
    """Another process, or another part of this one, is at work in a folder; the message says which and since when."""


@contextmanager
def held(lock: Path, *, what: str, wait: float = 0.0, is_removed: bool = False) -> Iterator[None]:
    """Hold a lock file in a folder that exists; beside it lies a JSON file that tells who does.

    `what` is locked, for the message; `wait` are the seconds to wait for it. With `is_removed` both files go in the
    end; otherwise they stay. Raises InUseError where another process, or another part of this one, holds it; the
    message says which and since when. Or something else than a file has the lock's name.
    """
    holder = lock.with_suffix(".json")
    for file in (lock, holder):
        if os.path.lexists(file) and not is_file(file):
            raise InUseError(f"{what} cannot be locked: {file} is no regular file; remove it.")
    file_lock = FileLock(lock, thread_local=False)  # the garbage collector releases it in whatever thread it runs
    try:
        file_lock.acquire(timeout=wait, poll_interval=POLL_SECONDS)
    except Timeout:
        raise InUseError(text("error.in_use", what=what, holder=_told(holder))) from None
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


def file_id(file: Path) -> FileId | None:
    """Return by what a file is known, None if there is none; it is no other file's as long as someone has it open."""
    try:
        found = os.lstat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _told(holder: Path) -> str:
    try:
        told = read_json(holder)
        pid, host, since = int(told["pid"]), str(told["host"])[:NAME_LENGTH], datetime.fromisoformat(told["since"])
    except (OSError, ValueError, LookupError, TypeError, OverflowError):  # not written yet, or by someone else
        return text("error.holder_unknown")
    return text("error.holder", pid=pid, host=host, since=since.isoformat())
