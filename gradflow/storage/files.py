"""Files written whole or not at all: the one way in which gradflow writes them."""

from __future__ import annotations

import errno
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

TEMPORARY_SUFFIX = ".tmp"
# A shared file system can refuse to rename for a moment: a server restarts, or another machine has the file open.
_PASSING = (errno.ESTALE, errno.EBUSY, errno.EACCES)
_PAUSES = (0.01, 0.03, 0.1, 0.25, 0.5)  # seconds, less than one in all


def write_whole(path: Path, *content: bytes | memoryview) -> None:
    """Write a file so that it appears whole, and is on the disk on return.

    Raises
    ------
    OSError
        It cannot be written; a file of that name is as it was.
    """
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


def is_folder(path: Path) -> bool:
    """Whether there is a folder, not a link to one."""
    return path.is_dir() and not path.is_symlink()


def is_file(path: Path) -> bool:
    """Whether there is a regular file, not a link to one."""
    return path.is_file() and not path.is_symlink()
