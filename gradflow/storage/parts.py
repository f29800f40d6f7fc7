"""Parts of a table: Parquet files that are written whole or not at all, and checked before they are read."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
from pyarrow import parquet

from gradflow.recording import TABLES, RecordingError, checked
from gradflow.storage.manifest import PART_SUFFIX, DamagedError

Part = Mapping[str, Any]  # one entry of a manifest's list: table, file, rows, bytes, sha256
_PART_NAME = re.compile(rf"({'|'.join(TABLES)})-\d{{5,}}(-first-\d+)*{re.escape(PART_SUFFIX)}")


def write_part(folder: Path, stem: str, table: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Write a part, whole or not at all, and return its entry in the manifest."""
    path = folder / (stem + PART_SUFFIX)
    temporary = path.with_suffix(".tmp")
    frame.to_parquet(temporary, engine="pyarrow", compression="zstd", index=False)
    os.replace(temporary, path)
    size = path.stat().st_size
    return {"table": table, "file": path.name, "rows": len(frame), "bytes": size, "sha256": _sha256(path)}


def is_part_name(name: str) -> bool:
    """Whether a file is called as parts are."""
    return _PART_NAME.fullmatch(name) is not None


def joined(folder: Path, parts: Sequence[Part]) -> pd.DataFrame:
    """Return the rows of parts under each other; each part is checked as it is read."""
    frames = []
    for part in parts:
        try:
            content = (folder / part["file"]).read_bytes() if size_damage(folder, part) is None else b""
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != part["sha256"]:
            raise DamagedError(folder, {part["file"]: damage(folder, part) or "changed while it was read"})
        frames.append(_rows(folder / part["file"], content, part["table"], part["rows"]))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _rows(path: Path, content: bytes, table: str, n_rows: int) -> pd.DataFrame:
    """Return the rows of one part, on one thread: parts are small, and starting a pool costs more than it brings.

    A file can claim few rows and unfold into billions, and what it says of pandas can be anything: its rows are counted
    before they are read, columns hold numbers and words alone, and nothing else in it is believed.
    """
    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(content))
        problem = _problem(file, n_rows)
        if problem is None:
            read = file.read(use_threads=False).replace_schema_metadata(None)
            read.validate(full=True)
            return checked(table, read.to_pandas(use_threads=False), f"{path}: ")
    except RecordingError as error:
        problem = str(error).removesuffix(".")
    except (pyarrow.ArrowException, OSError) as error:
        problem = f"it is no Parquet file: {error}".partition("\n")[0]
    raise DamagedError(path.parent, {path.name: problem})


def _problem(file: parquet.ParquetFile, n_rows: int) -> str | None:
    """Return why a file is no part of a table, by its description alone, or None."""
    if file.metadata.num_rows != n_rows:
        return f"it holds {file.metadata.num_rows} rows instead of {n_rows}"
    schema = file.schema_arrow
    if len(set(schema.names)) < len(schema.names):
        return "two of its columns have one name"
    strange = next((field for field in schema if not _is_plain(field.type)), None)
    return None if strange is None else f"its column {strange.name!r} holds {strange.type}"


def _is_plain(kind: pyarrow.DataType) -> bool:
    of = pyarrow.types
    inner = kind.value_type if of.is_dictionary(kind) else kind
    checks = (of.is_integer, of.is_floating, of.is_boolean, of.is_string, of.is_large_string, of.is_null)
    return any(check(inner) for check in checks)


def damage(folder: Path, part: Part) -> str | None:
    """Return why a part cannot be trusted, or None."""
    found = size_damage(folder, part)
    if found is None and _sha256(folder / part["file"]) != part["sha256"]:
        return "changed, its checksum differs"
    return found


def unreadable(folder: Path, part: Part) -> str | None:
    """Return why a part cannot be read as rows of its table, or None: as `damage`, and by its values."""
    try:
        joined(folder, [part])
    except DamagedError as error:
        return error.files[part["file"]]
    return None


def size_damage(folder: Path, part: Part) -> str | None:
    """Return why a part cannot be whole, without reading it, or None."""
    path = folder / part["file"]
    if not path.is_file() or path.is_symlink():
        return "missing"
    size = path.stat().st_size
    return None if size == part["bytes"] else f"cut short or changed, {size} bytes instead of {part['bytes']}"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
