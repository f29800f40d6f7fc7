"""JSON that may come from a stranger: one way to read it, which follows no link, waits for no pipe and stays text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MOST_BYTES = 64 * 2**20  # of a description; a manifest has some 300 bytes a part


def read_json(file: Path) -> Any:
    """Return what a JSON file holds, its strings without halves of characters, which no file can take again.

    Raises
    ------
    FileNotFoundError
        There is none.
    OSError
        It cannot be read.
    ValueError
        It is a link, no file, too large, or no JSON that can be read; the message says which, without the file's name.
    """
    if file.is_symlink():
        raise ValueError("it is a link, which could lead out of the folder")
    if file.exists() and not file.is_file():  # opening a pipe would wait for ever
        raise ValueError("it is no file")
    if file.stat().st_size > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    content = file.read_text(encoding="utf-8")
    try:
        value = json.loads(content)
        return _whole(value) if "\\ud" in content.lower() else value
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _whole(value: Any) -> Any:
    """Return the value with a mark in place of each half of a character."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(one) for name, one in value.items()}
    return value
