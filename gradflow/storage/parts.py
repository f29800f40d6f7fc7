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

from gradflow.recording import TABLES
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


def damage(folder: Path, part: Part) -> str | None:
    """Return why a part cannot be trusted, or None."""
    found = size_damage(folder, part)
    if found is None and _sha256(folder / part["file"]) != part["sha256"]:
        return "changed, its checksum differs"
    return found


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
