"""Recordings on disk: a folder of Parquet parts and one JSON manifest; never pickle.

`recording.json` names every part with its size and checksum, so a part cut short or damaged is found before it is
read. Parts are written under a temporary name and renamed, and the manifest is replaced last: a kill at any moment
leaves a folder that loads, or one without a manifest, which is no recording.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gradflow.recording import TABLES, GradflowError, Recording

FORMAT = "gradflow-recording"
VERSION = 1
MANIFEST = "recording.json"
PART_SUFFIX = ".parquet"
DAMAGED_SUFFIX = ".damaged"


class StorageError(GradflowError):
    """A folder that cannot be read or written as a recording; the message names the file and the reason."""


class DamagedError(StorageError):
    """Parts of a recording are missing, cut short or changed; `files` names them."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        named = "; ".join(f"{name}: {reason}" for name, reason in files.items())
        super().__init__(
            f"{folder} is damaged ({named}). "
            "gradflow.load(path, set_aside=True) renames the damaged files and reads the rest."
        )
        self.folder = folder
        self.files = dict(files)


class Writer:
    """Appends to one recording's folder, part by part, so that what is written survives a crash.

    Raises
    ------
    StorageError
        The folder exists and is not empty, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.folder = Path(path)
        self._parts: list[dict[str, Any]] = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            occupied = next(self.folder.iterdir(), None)
        except OSError as error:
            raise StorageError(f"cannot write to {self.folder}: {error.strerror or error}.") from error
        if occupied is not None:
            raise StorageError(f"{self.folder} already holds files ({occupied.name}); give a new or an empty folder.")

    def append(self, table: str, frame: pd.DataFrame) -> None:
        """Write the frame's rows as the table's next part; an empty frame writes nothing."""
        if not len(frame):
            return
        number = sum(part["table"] == table for part in self._parts)
        path = self.folder / f"{table}-{number:05d}{PART_SUFFIX}"
        temporary = path.with_suffix(".tmp")
        frame.to_parquet(temporary, engine="pyarrow", compression="zstd", index=False)
        os.replace(temporary, path)
        self._parts.append(
            {
                "table": table,
                "file": path.name,
                "rows": len(frame),
                "bytes": path.stat().st_size,
                "sha256": _sha256(path),
            }
        )

    def commit(self, meta: Mapping[str, Any]) -> None:
        """Write the manifest: from now on the parts appended so far are the recording."""
        manifest = {"format": FORMAT, "version": VERSION, "meta": dict(meta), "parts": self._parts}
        write_json(self.folder / MANIFEST, manifest)


def save(recording: Recording, path: str | os.PathLike[str]) -> Path:
    """Write a recording to a new or empty folder and return the folder.

    Parameters
    ----------
    recording : Recording
        Not changed.
    path : path
        A folder. It may exist if it is empty, or holds a recording, which is then replaced once the new one is whole.

    Raises
    ------
    StorageError
        The folder holds other files or cannot be written.
    TypeError
        `meta` holds a value that JSON cannot.
    """
    folder = Path(path)
    if not is_recording(folder):
        _write(recording, folder)
        return folder
    foreign = _foreign_files(folder)
    if foreign:
        raise StorageError(f"{folder} holds more than a recording ({foreign[0]}); give a new or an empty folder.")
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        _write(recording, Path(scratch) / "fresh")
        os.replace(folder, Path(scratch) / "stale")
        os.replace(Path(scratch) / "fresh", folder)
    return folder


def _foreign_files(folder: Path) -> list[str]:
    """Return the names in a recording's folder that are not its own."""
    own = {MANIFEST, *(part["file"] for part in read_manifest(folder)["parts"])}
    return sorted(
        file.name for file in folder.iterdir() if file.name not in own and file.suffix not in (DAMAGED_SUFFIX, ".tmp")
    )


def _write(recording: Recording, folder: Path) -> None:
    json.dumps(dict(recording.meta))  # raises before anything is written
    writer = Writer(folder)
    try:
        for table in TABLES:
            writer.append(table, getattr(recording, table))
        writer.commit(recording.meta)
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror or error}.") from error


def load(path: str | os.PathLike[str], *, set_aside: bool = False) -> Recording:
    """Read a recording that `save` or a recorder wrote.

    Every part is checked against its checksum before it is read.

    Parameters
    ----------
    path : path
        The recording's folder.
    set_aside : bool
        Rename damaged parts to `*.damaged` and read what is left; their names are in `meta["set_aside"]`. Otherwise
        damage raises and nothing is changed.

    Raises
    ------
    DamagedError
        Parts are missing, cut short or changed, and `set_aside` is false.
    StorageError
        The folder holds no recording, or one of a newer format.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    damaged = {part["file"]: reason for part in manifest["parts"] if (reason := _damage(folder, part))}
    if damaged and not set_aside:
        raise DamagedError(folder, damaged)
    meta = dict(manifest["meta"])
    if damaged:
        manifest["parts"] = [part for part in manifest["parts"] if part["file"] not in damaged]
        meta["set_aside"] = sorted({*meta.get("set_aside", ()), *damaged})
        manifest["meta"] = meta
        for name in damaged:
            if (folder / name).exists():
                os.replace(folder / name, folder / (name + DAMAGED_SUFFIX))
        write_json(folder / MANIFEST, manifest)
    tables = {}
    for table in TABLES:
        parts = [pd.read_parquet(folder / part["file"]) for part in manifest["parts"] if part["table"] == table]
        tables[table] = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return Recording(**tables, meta=meta)


def find(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the recordings' folders at or below the paths, sorted; set-aside and half-written ones are left out.

    Raises
    ------
    StorageError
        A path does not exist or holds no recording.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            raise StorageError(f"{path} is no folder; give a recording's or a sweep's.")
        manifests = sorted(path.rglob(MANIFEST))
        folders = [manifest.parent for manifest in manifests if _is_whole(manifest.parent)]
        if not folders:
            raise StorageError(f"{path} holds no recording (no {MANIFEST} in it or below).")
        found.update(dict.fromkeys(folders))
    return list(found)


def _is_whole(folder: Path) -> bool:
    return ".damaged-" not in folder.name and not folder.name.startswith(".")


def is_recording(path: str | os.PathLike[str]) -> bool:
    """Whether the folder holds a recording's manifest."""
    return (Path(path) / MANIFEST).is_file()


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a recording's manifest without reading its tables.

    Raises
    ------
    StorageError
        There is none, it is unreadable, or its format is newer than this gradflow knows.
    """
    file = Path(path) / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StorageError(f"{path} is no recording: it has no {MANIFEST}.") from None
    except (OSError, ValueError) as error:
        raise StorageError(f"{file} cannot be read: {error}.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise StorageError(f"{file} is not a gradflow recording's manifest.")
    version = manifest.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise StorageError(
            f"{file} has format version {version!r}; this gradflow reads up to {VERSION}. Update gradflow."
        )
    problem = _manifest_problem(manifest)
    if problem:
        raise StorageError(f"{file} is damaged: {problem}.")
    return manifest


def _manifest_problem(manifest: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a manifest; part names must not lead out of the folder."""
    if not isinstance(manifest.get("meta"), dict) or not isinstance(manifest.get("parts"), list):
        return "meta or parts is missing"
    for part in manifest["parts"]:
        if not isinstance(part, dict) or not {"table", "file", "bytes", "sha256"} <= part.keys():
            return "a part lacks its table, file, bytes or sha256"
        name = part["file"]
        if not isinstance(name, str) or name != os.path.basename(name) or not name.endswith(PART_SUFFIX):
            return f"a part is named {name!r}"
    return None


def _damage(folder: Path, part: Mapping[str, Any]) -> str | None:
    """Return why a part cannot be trusted, or None."""
    path = folder / part["file"]
    if not path.is_file() or path.is_symlink():
        return "missing"
    size = path.stat().st_size
    if size != part["bytes"]:
        return f"cut short or changed, {size} bytes instead of {part['bytes']}"
    return None if _sha256(path) == part["sha256"] else "changed, its checksum differs"


def write_json(path: Path, value: Any) -> None:
    """Write JSON under a temporary name and rename, so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(temporary, path)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
