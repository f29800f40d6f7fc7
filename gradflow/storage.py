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
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
from pyarrow import parquet

from gradflow.recording import TABLES, GradflowError, Recording

FORMAT = "gradflow-recording"
VERSION = 1
MANIFEST = "recording.json"
PART_SUFFIX = ".parquet"
DAMAGED_SUFFIX = ".damaged"

Part = Mapping[str, Any]  # one entry of a manifest's list: table, file, rows, bytes, sha256
UNFINISHED = "unfinished"  # the folder of a sweep where runs are under way


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

    Parameters
    ----------
    path : path
        A new or an empty folder.
    may_continue : bool
        Take a folder that holds a recording, too; `is_waiting` is then true, and nothing may be written before
        `go_on` was called.

    Raises
    ------
    StorageError
        The folder holds other files, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, may_continue: bool = False) -> None:
        self.folder = Path(path)
        self._parts: list[dict[str, Any]] = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            occupied = next(self.folder.iterdir(), None)
        except OSError as error:
            raise StorageError(f"cannot write to {self.folder}: {error.strerror or error}.") from error
        self.is_waiting = may_continue and is_recording(self.folder)
        if occupied is not None and not self.is_waiting:
            raise StorageError(f"{self.folder} already holds files ({occupied.name}); give a new or an empty folder.")

    def check_open(self) -> None:
        """Raise StorageError while the folder holds another recording that was not gone on with."""
        if self.is_waiting:
            raise StorageError(
                f"{self.folder} already holds a recording. Recorder.load_state_dict goes on with it; "
                "otherwise give a new or an empty folder."
            )

    @property
    def rows(self) -> dict[str, int]:
        """Rows written so far, by table."""
        tables = dict.fromkeys(part["table"] for part in self._parts)
        return {table: sum(part["rows"] for part in self._parts if part["table"] == table) for table in tables}

    def go_on(self, rows: Mapping[str, int]) -> None:
        """Go on with the recording that the folder holds, after so many rows of each table; the rest is dropped.

        Raises
        ------
        DamagedError
            A part that holds some of these rows is missing, cut short or changed.
        StorageError
            The folder holds no recording, or fewer rows.
        """
        if not is_recording(self.folder) and not any(rows.values()):
            self.is_waiting = False
            return
        manifest = read_manifest(self.folder)
        kept: list[dict[str, Any]] = []
        for table in dict.fromkeys(part["table"] for part in manifest["parts"]):
            parts = [part for part in manifest["parts"] if part["table"] == table]
            kept += _first_rows(self.folder, parts, rows.get(table, 0))
        self._parts, self.is_waiting = kept, False
        if {table: n for table, n in rows.items() if n} != self.rows:
            raise StorageError(f"{self.folder} holds fewer rows than it held: {self.rows} instead of {dict(rows)}.")
        self.commit(manifest["meta"])
        own = {part["file"] for part in kept}
        for file in self.folder.iterdir():
            if file.suffix in (PART_SUFFIX, ".tmp") and file.name not in own:
                file.unlink()

    def append(self, table: str, frame: pd.DataFrame) -> None:
        """Write the frame's rows as the table's next part; an empty frame writes nothing."""
        self.check_open()
        if not len(frame):
            return
        number = sum(part["table"] == table for part in self._parts)
        self._parts.append(_write_part(self.folder, f"{table}-{number:05d}", table, frame))

    def commit(self, meta: Mapping[str, Any]) -> None:
        """Write the manifest: from now on the parts appended so far are the recording."""
        self.check_open()
        manifest = {"format": FORMAT, "version": VERSION, "meta": dict(meta), "parts": self._parts}
        write_json(self.folder / MANIFEST, manifest)


def _write_part(folder: Path, stem: str, table: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Write a part, whole or not at all, and return its entry in the manifest."""
    path = folder / (stem + PART_SUFFIX)
    temporary = path.with_suffix(".tmp")
    frame.to_parquet(temporary, engine="pyarrow", compression="zstd", index=False)
    os.replace(temporary, path)
    size = path.stat().st_size
    return {"table": table, "file": path.name, "rows": len(frame), "bytes": size, "sha256": _sha256(path)}


def _first_rows(folder: Path, parts: Iterable[dict[str, Any]], n_rows: int) -> list[dict[str, Any]]:
    """Return the parts of one table that hold its first rows; a part that holds more is written anew."""
    kept = []
    for part in parts:
        if n_rows <= 0:
            break
        if reason := _damage(folder, part):
            raise DamagedError(folder, {part["file"]: reason})
        if part["rows"] > n_rows:
            frame = pd.read_parquet(folder / part["file"]).iloc[:n_rows]
            part = _write_part(folder, f"{Path(part['file']).stem}-first-{n_rows}", part["table"], frame)
        kept.append(part)
        n_rows -= part["rows"]
    return kept


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
    """Return a recording that `save` or a recorder wrote; its tables are read when they are first asked for.

    Every part is checked against its checksum here, and once more when it is read.

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
        Parts are missing, cut short or changed, and `set_aside` is false. A table whose parts were damaged after this
        call raises it when it is first asked for.
    StorageError
        The folder holds no recording, or one of a newer format.
    """
    return _opened(Path(path), _damage, set_aside=set_aside)


def peek(path: str | os.PathLike[str]) -> Recording:
    """Return a recording as `load` does, without its checksums: a list of a thousand runs needs one table of each.

    That no part is missing or cut short is checked here, its checksum when it is read.

    Raises
    ------
    DamagedError, StorageError
        As in `load`.
    """
    return _opened(Path(path), _size_damage, set_aside=False)


def _opened(folder: Path, damage: Callable[[Path, Part], str | None], *, set_aside: bool) -> Recording:
    """Return a folder's recording with its tables deferred, once `damage` finds nothing wrong with any part."""
    manifest = read_manifest(folder)
    while damaged := {part["file"]: reason for part in manifest["parts"] if (reason := damage(folder, part))}:
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
    meta = {**manifest["meta"], "set_aside": sorted({*manifest["meta"].get("set_aside", ()), *damaged})}
    left = {**manifest, "meta": meta, "parts": [part for part in manifest["parts"] if part["file"] not in damaged]}
    for name in damaged:
        if (folder / name).exists():
            os.replace(folder / name, folder / (name + DAMAGED_SUFFIX))
    write_json(folder / MANIFEST, left)
    return left


def _read(folder: Path, table: str, parts: list[Part]) -> pd.DataFrame:
    """Return a table's rows.

    A recorder that is still at work may have merged parts since the manifest was read. Rows are only ever added, so
    the table is then the first rows of what there is now.
    """
    try:
        return _joined(folder, parts)
    except DamagedError:
        latest = [part for part in read_manifest(folder)["parts"] if part["table"] == table]
        if latest == parts:
            raise
    return _joined(folder, latest).head(sum(part["rows"] for part in parts))


def _joined(folder: Path, parts: list[Part]) -> pd.DataFrame:
    """Return the rows of parts under each other; each part is checked as it is read."""
    frames = []
    for part in parts:
        try:
            content = (folder / part["file"]).read_bytes() if _size_damage(folder, part) is None else b""
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != part["sha256"]:
            raise DamagedError(folder, {part["file"]: _damage(folder, part) or "changed while it was read"})
        frames.append(_rows(folder / part["file"], content))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _rows(path: Path, content: bytes) -> pd.DataFrame:
    """Return the rows of one part, on one thread: parts are small, and starting a pool costs more than it brings."""
    try:
        read = parquet.ParquetFile(pyarrow.BufferReader(content)).read(use_threads=False)
        frame: pd.DataFrame = read.to_pandas(use_threads=False)
    except pyarrow.ArrowException as error:
        first = str(error).partition("\n")[0]
        raise DamagedError(path.parent, {path.name: f"it is no Parquet file: {first}"}) from None
    return frame


def find(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the recordings' folders at or below the paths, sorted.

    What was set aside, is half-written or belongs to a sweep's run under way is left out, unless it is itself named.

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
        folders = [manifest.parent for manifest in manifests if _is_whole(manifest.parent, path)]
        if not folders:
            raise StorageError(f"{path} holds no recording (no {MANIFEST} in it or below).")
        found.update(dict.fromkeys(folders))
    return list(found)


def _is_whole(folder: Path, below: Path) -> bool:
    is_own = ".damaged-" not in folder.name and not folder.name.startswith(".")
    return is_own and UNFINISHED not in folder.relative_to(below).parts


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


def _damage(folder: Path, part: Part) -> str | None:
    """Return why a part cannot be trusted, or None."""
    damage = _size_damage(folder, part)
    if damage is None and _sha256(folder / part["file"]) != part["sha256"]:
        return "changed, its checksum differs"
    return damage


def _size_damage(folder: Path, part: Part) -> str | None:
    """Return why a part cannot be whole, without reading it, or None."""
    path = folder / part["file"]
    if not path.is_file() or path.is_symlink():
        return "missing"
    size = path.stat().st_size
    return None if size == part["bytes"] else f"cut short or changed, {size} bytes instead of {part['bytes']}"


def write_json(path: Path, value: Any) -> None:
    """Write JSON under a temporary name and rename, so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(temporary, path)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
