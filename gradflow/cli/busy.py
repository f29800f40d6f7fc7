"""What a command is at, said on a terminal before anything that takes long is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gradflow.cli import output
from gradflow.text import text

CLEAR = "\r\x1b[K"  # of the line


@contextmanager
def busy(key: str) -> Iterator[None]:
    """Show the words `busy.<key>` on a terminal, on standard error, until the block ends; nothing in a pipe."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if is_terminal:
        output.emit(text(f"busy.{key}"), err=True, ends="")
    try:
        yield
    finally:
        if is_terminal:
            output.emit(CLEAR, err=True, ends="")
