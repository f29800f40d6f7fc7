"""A recording to a folder and back."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from gradflow.recording import TABLES, Recording
from gradflow.storage.files import move
from gradflow.storage.interchange import from_csv
from gradflow.storage.locks import LOCK, held
from gradflow.storage.manifest import (
    DAMAGED_SUFFIX,
    MANIFEST,
    DamagedError,
    StorageError,
    check_meta,
    find,
    is_csv,
    is_recording,
    read_manifest,
    write_json,
)
from gradflow.storage.parts import Part, damage, is_own_name, joined, size_damage, unreadable
from gradflow.storage.writer import Writer
from gradflow.text import text


def save(recording: Recording, path: str | os.PathLike[str]) -> Path:
    """Write a recording to a new or empty folder and return the folder.

    Parameters
    ----------
    recording : Recording
        Not changed.
    path : path
        A folder. If it exists, it must be empty or contain a recording, which is replaced once the new one is
        complete.

    Raises
    ------
    StorageError
        The folder contains other files or cannot be written.
    TypeError
        `meta` holds a value that JSON cannot.
    """
    folder = Path(path)
    if not is_recording(folder):
        _write(recording, folder)
        return folder
    foreign = _foreign_files(folder)
    if foreign:
        raise StorageError(text("error.occupied", path=folder, file=foreign[0]))
    temporary = tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent)
    with temporary as scratch, held(folder / LOCK, what=f"path {folder}"):
        _write(recording, Path(scratch) / "fresh")
        move(folder, Path(scratch) / "stale")
        move(Path(scratch) / "fresh", folder)
    return folder


def _foreign_files(folder: Path) -> list[str]:
    """Return the names in a recording's folder that are not its own; parts that a crash left behind are its own."""
    own = {MANIFEST, *(part["file"] for part in read_manifest(folder)["parts"])}
    return sorted(file.name for file in folder.iterdir() if file.name not in own and not is_own_name(file.name))


def _write(recording: Recording, folder: Path) -> None:
    check_meta(recording.meta)
    try:
        with closing(Writer(folder)) as writer:
            for table in TABLES:
                writer.append(table, getattr(recording, table))
            writer.commit(recording.meta)
    except OSError as error:
        raise StorageError(text("error.unwritable", path=folder, reason=error.strerror or error)) from error


def load(path: str | os.PathLike[str], *, set_aside: bool = False) -> Recording | list[Recording]:
    """Return a recording that `save`, a recorder or `storage.to_csv` wrote, or all those of a sweep's folder.

    Tables are read when they are first used.

    Parameters
    ----------
    path : path
        A recording's folder: it is returned as `load_one` does. Or a folder that holds recordings further down, as a
        sweep's does: they are returned as a list, in the order of their paths, each as `peek` does, so that a
        thousand runs are there at once. Runs that are under way or were set aside are not among them.
    set_aside : bool
        Rename damaged parts to `*.damaged` and read what is left; their names are in `meta["set_aside"]`. Otherwise
        damage raises and nothing is changed.

    Raises
    ------
    DamagedError
        Parts are missing, cut short or changed, and `set_aside` is false. A table whose parts were damaged after this
        call raises it when it is first asked for.
    StorageError
        The folder contains no recording, or one of a newer format.

    Examples
    --------
    >>> folder = tempfile.mkdtemp()
    >>> for seed in (0, 1):
    ...     _ = save(Recording(meta={"run": "mlp", "seed": seed}), f"{folder}/runs/{seed}")
    >>> load(f"{folder}/runs/1").meta["seed"]
    1
    >>> [recording.meta["seed"] for recording in load(folder)]
    [0, 1]
    """
    folder = Path(path)
    if is_recording(folder) or is_csv(folder) or not any(folder.rglob(MANIFEST)):
        return load_one(folder, set_aside=set_aside)
    checked = damage if set_aside else size_damage
    return [_opened(one, checked, set_aside=set_aside) for one in find([folder])]


def load_one(path: str | os.PathLike[str], *, set_aside: bool = False) -> Recording:
    """Return a recording that `save` or a recorder wrote; its tables are read when they are first asked for.

    Those that `storage.to_csv` wrote are read at once. Every part of the others is checked against its checksum here,
    and once more when it is read, then with its values. `set_aside` and errors are as in `load`.
    """
    folder = Path(path)
    if not is_recording(folder) and is_csv(folder):
        return from_csv(folder)
    return _opened(folder, unreadable if set_aside else damage, set_aside=set_aside)


def peek(path: str | os.PathLike[str]) -> Recording:
    """Return a recording as `load_one` does, without its checksums: a list of a thousand runs needs one table of each.

    That no part is missing or cut short is checked here, its checksum when it is read. Errors are as in `load`.
    """
    return _opened(Path(path), size_damage, set_aside=False)


def _opened(folder: Path, checked: Callable[[Path, Part], str | None], *, set_aside: bool) -> Recording:
    """Return a folder's recording with its tables deferred, once `checked` finds nothing wrong with any part."""
    manifest = read_manifest(folder)
    while damaged := {part["file"]: reason for part in manifest["parts"] if (reason := checked(folder, part))}:
        latest = read_manifest(folder)  # a recorder may have merged parts since
        if latest["parts"] == manifest["parts"]:
            break
        manifest = latest
    if damaged and not set_aside:
        raise DamagedError(folder, damaged)
    if damaged:
        manifest = _set_aside(folder, manifest, damaged)
    readers = {
        table: partial(_read, folder, table, [part for part in manifest["parts"] if part["table"] == table])
        for table in TABLES
    }
    return Recording.deferred(readers, manifest["meta"])


def _set_aside(folder: Path, manifest: dict[str, Any], damaged: Mapping[str, str]) -> dict[str, Any]:
    """Rename damaged parts, and write and return the manifest of those that are left."""
    meta = {**manifest["meta"], "set_aside": sorted({*map(str, manifest["meta"].get("set_aside") or ()), *damaged})}
    left = {**manifest, "meta": meta, "parts": [part for part in manifest["parts"] if part["file"] not in damaged]}
    for name in damaged:
        if (folder / name).exists():
            move(folder / name, folder / (name + DAMAGED_SUFFIX))
    write_json(folder / MANIFEST, left)
    return left


def _read(folder: Path, table: str, parts: list[Part]) -> pd.DataFrame:
    """Return a table's rows.

    A recorder that is still at work may have merged parts since the manifest was read. Rows are only ever added, so
    the table is then the first rows of what there is now.
    """
    n_rows = sum(part["rows"] for part in parts)
    while True:
        try:
            return joined(folder, parts).iloc[:n_rows]  # head() would copy it
        except DamagedError:
            latest = [part for part in read_manifest(folder)["parts"] if part["table"] == table]
            if latest == parts:
                raise
            parts = latest
