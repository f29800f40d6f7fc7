"""Files that may come from a stranger: one way to read them, which follows no link and waits for no pipe."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

MAX_BYTES = 64 * 2**20  # of a description; a manifest has some 300 bytes a part
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_json(file: Path) -> Any:
    """Return what a JSON file holds, its strings without halves of characters, which no file can take again.

    Raises as `read_bytes`, and ValueError where it is no JSON that can be read.
    """
    content = read_bytes(file, most=MAX_BYTES).decode("utf-8")
    try:
        value = json.loads(content)
        return _whole(value) if "\\ud" in content.lower() else value
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_bytes(file: Path, *, most: int | None = None) -> bytes:
    """Return what a file of at most so many bytes holds.

    Raises FileNotFoundError where there is none, OSError where it cannot be read, and ValueError where it is a link, no
    file, or too large; the message says which, without the file's name.
    """
    found = file.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise ValueError("it is a link, which could lead out of the folder")
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no file")
    if most is not None and found.st_size > most:
        raise ValueError(f"it has more than {most} bytes")
    # Should it have become a link or a pipe since, the one is not followed and the other not waited for.
    with open(file, "rb", opener=lambda path, _: os.open(path, _FLAGS)) as stream:
        return stream.read()


def _whole(value: Any) -> Any:
    """Return the value with a mark in place of each half of a character."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(one) for name, one in value.items()}
    return value
