"""What cannot be trusted is set aside: renamed, so that it is never read and nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

SUFFIX = ".set-aside"


def set_aside(path: Path, suffix: str = SUFFIX) -> Path:
    """Rename a file or a folder to the first name that is free, and return it."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}{suffix}-{number}")):
        number += 1
    os.replace(path, aside)
    return aside


def is_folder(path: Path) -> bool:
    """Whether there is a folder, not a link to one."""
    return path.is_dir() and not path.is_symlink()


def is_file(path: Path) -> bool:
    """Whether there is a regular file, not a link to one."""
    return path.is_file() and not path.is_symlink()


def leave_room(path: Path, *, folder: bool = False) -> None:
    """Set aside what is in the way of a file or a folder: anything of another kind."""
    fits = is_folder if folder else is_file
    if os.path.lexists(path) and not fits(path):
        set_aside(path)
