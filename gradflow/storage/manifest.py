"""The manifest of a recording's folder: which parts it has, and where recordings are."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gradflow.errors import GradflowError
from gradflow.recording import MOST, TABLES
from gradflow.storage.files import write_whole
from gradflow.storage.json_files import read_json
from gradflow.text import text

FORMAT = "gradflow-recording"
VERSION = 1
MANIFEST = "recording.json"
META = "meta.json"  # beside the tables of a recording as CSV files
PART_SUFFIX = ".parquet"
DAMAGED_SUFFIX = ".damaged"
MAX_DEPTH = 10**6  # layers: closed forms walk through all of them
UNFINISHED = "unfinished"  # the folder of a sweep where runs are under way


class StorageError(GradflowError):
    """A folder that cannot be read or written as a recording; the message names the file and the reason."""


class DamagedError(StorageError):
    """Parts of a recording are missing, cut short or changed; `files` names them."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        named = "; ".join(f"{name}: {reason}" for name, reason in files.items())
        super().__init__(text("error.damaged_parts", path=folder, files=named))
        self.folder = folder
        self.files = dict(files)


def find(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the recordings' folders at or below the paths, sorted.

    What was set aside, is half-written or belongs to a sweep's run under way is left out, unless it is itself named.
    A folder that `to_csv` wrote is found where it is itself named. Raises StorageError where a path does not exist or
    holds no recording.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            raise StorageError(text("error.no_directory", path=path))
        manifests = sorted(path.rglob(MANIFEST))
        folders = [manifest.parent for manifest in manifests if _is_whole(manifest.parent, path)]
        if is_csv(path):
            folders = folders or [path]
        if not folders:
            raise StorageError(text("error.no_recording", path=path, file=MANIFEST))
        found.update(dict.fromkeys(folders))
    return list(found)


def _is_whole(folder: Path, below: Path) -> bool:
    is_own = ".damaged-" not in folder.name and not folder.name.startswith(".")
    return is_own and UNFINISHED not in folder.relative_to(below).parts


def is_csv(folder: Path) -> bool:
    """Whether a folder is one that `to_csv` wrote."""
    return (folder / META).is_file() and any((folder / f"{table}.csv").is_file() for table in TABLES)


def is_recording(path: str | os.PathLike[str]) -> bool:
    """Whether the folder holds a recording's manifest."""
    return (Path(path) / MANIFEST).is_file()


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a recording's manifest without reading its tables.

    Raises StorageError where there is none, it is unreadable, or its format is newer than this gradflow knows.
    """
    file = Path(path) / MANIFEST
    try:
        manifest = read_json(file)
    except FileNotFoundError:
        raise StorageError(text("error.not_a_recording", path=path, file=MANIFEST)) from None
    except (OSError, ValueError) as error:
        raise StorageError(text("error.unreadable", path=file, reason=error)) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise StorageError(text("error.no_manifest", path=file))
    version = manifest.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise StorageError(text("error.newer", path=file, version=repr(version), known=VERSION))
    problem = _manifest_problem(manifest)
    if problem:
        raise StorageError(text("error.damaged", path=file, reason=problem))
    return {**manifest, "meta": _fitting(manifest["meta"])}


def _fitting(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description without what is of another type than every room takes it for."""
    fits = {name: fit for fit, names in _KINDS.items() for name in names}
    return {name: value for name, value in meta.items() if value is None or name not in fits or fits[name](value)}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_integer(value: Any, least: int = 1 - 2**63, most: int = 2**63 - 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: Any) -> bool:
    # Integers compare with a float exactly, where math.isfinite would overflow.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_tally(value: Any) -> bool:
    """Whether a value counts tensors and gives shapes of some."""
    shapes = value.get("shapes") if isinstance(value, dict) else None
    if not isinstance(shapes, list) or not _is_integer(value.get("count"), 0, MOST):
        return False
    return all(isinstance(one, list) for one in shapes)


# What rooms further up compute with or compare; all else in a description is only shown.
_KINDS: Mapping[Callable[[Any], bool], tuple[str, ...]] = {
    _is_text: ("run", "model", "family", "setting", "label", "experiment", "status", "norm", "activation", "init"),
    _is_integer: ("seed",),
    lambda value: _is_integer(value, 0, MAX_DEPTH): ("depth",),
    lambda value: _is_integer(value, 0, MOST): (
        "steps",
        "record_every",
        "n_train",
        "n_test",
        "optimizer_steps",
        "parameters",
    ),
    _is_number: ("place", "wall_seconds", "recorder_seconds", "recorded_seconds", "constant_error", "certain_loss"),
    lambda value: isinstance(value, dict): ("settings", "versions", "not_probed", "modules", "blocks"),
    lambda value: isinstance(value, dict) and all(map(_is_text, value.values())): ("told_apart",),
    lambda value: isinstance(value, list) and all(map(_is_text, value)): ("inputs",),
    _is_tally: ("unregistered",),
    lambda value: isinstance(value, list): ("published", "published_probes", "set_aside"),
}


def _manifest_problem(manifest: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a manifest; part names must not lead out of the folder."""
    if not isinstance(manifest.get("meta"), dict) or not isinstance(manifest.get("parts"), list):
        return "meta or parts is missing"
    for part in manifest["parts"]:
        if not isinstance(part, dict) or not {"table", "file", "rows", "bytes", "sha256"} <= part.keys():
            return "a part lacks its table, file, rows, bytes or sha256"
        if not isinstance(part["rows"], int):
            return f"a part has {part['rows']!r} rows"
        name = part["file"]
        if not isinstance(name, str) or name != os.path.basename(name) or not name.endswith(PART_SUFFIX):
            return f"a part is named {name!r}"
    return None


def check_json(name: str, value: Any) -> None:
    """Raise unless a value can be written as JSON, so that it is refused at once and not when all is done.

    TypeError where it holds what JSON has no form for, StorageError where it holds text that is no Unicode.
    """
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.end]
        raise StorageError(f"{name} holds {half!r}, which is no character and cannot be written as UTF-8.") from None


def check_meta(meta: Mapping[str, Any]) -> None:
    """Raise as `check_json` does; the message names the key."""
    for key, value in meta.items():
        check_json(f"meta[{key!r}]", {key: value})


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader never sees half of it."""
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False).encode())
