"""Files written whole or not at all: the one way in which gradflow writes them."""

from __future__ import annotations

import errno
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY_SUFFIX = ".tmp"
# A shared file system can refuse to rename for a moment: a server restarts, or another machine has the file open.
_PASSING = (errno.ESTALE, errno.EBUSY, errno.EACCES)
_PAUSES = (0.01, 0.03, 0.1, 0.25, 0.5)  # seconds, less than one in all
_DESCRIPTORS = Path("/proc/self/fd")  # where Linux has a path to every open folder, whatever its name has become


def write_whole(path: Path, *content: bytes | memoryview) -> None:
    """Write a file so that it appears whole, and is on the disk on return; after an OSError it is as it was."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}{TEMPORARY_SUFFIX}")
    try:
        with temporary.open("xb", buffering=0) as file:
            for part in content:
                left = memoryview(part)
                while left:
                    left = left[file.write(left) :]
            os.fsync(file.fileno())
        move(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)  # on a full disk it takes the room that others need
        raise


def move(source: Path, target: Path) -> None:
    """Rename a file or folder as `os.replace` does, and try again where that fails for a moment."""
    for pause in _PAUSES:
        try:
            os.replace(source, target)
            return
        except OSError as error:
            if error.errno not in _PASSING:
                raise
        time.sleep(pause)
    os.replace(source, target)


@contextmanager
def anchored(folder: Path) -> Iterator[Path]:
    """Yield a path that leads into this very folder while the block runs, also once something else has its name.

    What is written below it goes to the folder that was there, or fails if that was removed: there is no moment between
    a check and a write. The folder's own path where the system has none such, or the folder cannot be opened. Errors
    that leave the block call the folder by its name.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY) if _DESCRIPTORS.is_dir() else None
    except OSError:
        descriptor = None
    try:
        yield folder if descriptor is None else _DESCRIPTORS / str(descriptor)
    except Exception as error:
        error.args = tuple(named(part) if isinstance(part, str) else part for part in error.args)
        if isinstance(error, OSError) and isinstance(error.filename, str):
            error.filename = named(error.filename)
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def for_children(path: Path) -> Path:
    """Return the path by which a process that this one has started reaches what `anchored` leads to."""
    if path.is_relative_to(_DESCRIPTORS):
        return Path(f"/proc/{os.getpid()}/fd") / path.relative_to(_DESCRIPTORS)
    return path


def named(text: str) -> str:
    """Return a text for users with the names of folders in place of the paths that `anchored` yields."""

    def name(found: re.Match[str]) -> str:
        try:
            return os.readlink(found[0])
        except OSError:  # let go of since
            return found[0]

    return re.sub(rf"{_DESCRIPTORS}/\d+", name, text)


def is_folder(path: Path) -> bool:
    """Whether there is a folder, not a link to one."""
    return path.is_dir() and not path.is_symlink()


def is_file(path: Path) -> bool:
    """Whether there is a regular file, not a link to one."""
    return path.is_file() and not path.is_symlink()
