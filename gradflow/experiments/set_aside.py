"""What cannot be trusted is set aside: renamed, so that it is never read and nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

from gradflow import storage

SUFFIX = ".set-aside"


def set_aside(path: Path, suffix: str = SUFFIX) -> Path:
    """Rename a file or a folder to the first name that is free, and return it."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}{suffix}-{number}")):
        number += 1
    storage.move(path, aside)
    return aside


def leave_room(path: Path, *, folder: bool = False) -> None:
    """Set aside what is in the way of a file or a folder: anything of another kind."""
    fits = storage.is_folder if folder else storage.is_file
    if os.path.lexists(path) and not fits(path):
        set_aside(path)
