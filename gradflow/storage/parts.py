"""Parts of a table: Parquet files that are written whole or not at all, and checked before they are read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
from pyarrow import compute, parquet

from gradflow.recording import TABLES, RecordingError, checked
from gradflow.storage.files import TEMPORARY_SUFFIX, write_whole
from gradflow.storage.locks import LOCK_FILES
from gradflow.storage.manifest import DAMAGED_SUFFIX, PART_SUFFIX, DamagedError

Part = Mapping[str, Any]  # one entry of a manifest's list: table, file, rows, bytes, sha256
# Of one part in memory. A writer puts 200,000 rows into a part at most (writer.py), some 100 MB; ten times that leaves
# room for wide tables and long names. A file of a stranger's can have less than a megabyte and unfold into gigabytes.
MAX_BYTES = 2**30
CELL_BYTES = 8  # of a number, and of the place of a word
_PART_NAME = re.compile(rf"({'|'.join(TABLES)})-\d{{5,}}(-first-\d+)*{re.escape(PART_SUFFIX)}")


def write_part(folder: Path, stem: str, table: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Write a part, whole or not at all, and return its entry in the manifest."""
    # One thread: at the end of the interpreter no other can be started.
    rows = pyarrow.Table.from_pandas(frame, preserve_index=False, nthreads=1)
    stream = pyarrow.BufferOutputStream()
    parquet.write_table(rows, stream, compression="zstd")
    content = memoryview(stream.getvalue())
    name = stem + PART_SUFFIX
    write_whole(folder / name, content)
    checksum = hashlib.sha256(content).hexdigest()
    return {"table": table, "file": name, "rows": len(frame), "bytes": content.nbytes, "sha256": checksum}


def is_part_name(name: str) -> bool:
    """Whether a file is called as parts are."""
    return _PART_NAME.fullmatch(name) is not None


def is_own_name(name: str) -> bool:
    """Whether a file is called as those that a recorder makes, or leaves behind if it is killed."""
    return is_part_name(name) or name in LOCK_FILES or name.endswith((TEMPORARY_SUFFIX, DAMAGED_SUFFIX))


def joined(folder: Path, parts: Sequence[Part]) -> pd.DataFrame:
    """Return the rows of parts under each other; each part is checked as it is read."""
    frames = []
    for part in parts:
        if excess := _excess(part["bytes"]):
            raise DamagedError(folder, {part["file"]: excess})
        try:
            content = (folder / part["file"]).read_bytes() if size_damage(folder, part) is None else b""
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != part["sha256"]:
            raise DamagedError(folder, {part["file"]: damage(folder, part) or "changed while it was read"})
        frames.append(_rows(folder / part["file"], content, part["table"], part["rows"]))
    return _under_each_other(frames)


def _under_each_other(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of frames, which are let go of: column by column, so that no more than one is there twice."""
    if len(frames) < 2 or any(not frame.columns.equals(frames[0].columns) for frame in frames):
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    names, pieces = frames[0].columns, [dict(frame.items()) for frame in frames]
    frames.clear()
    columns = {}
    for name in names:
        columns[name] = pd.concat([piece.pop(name) for piece in pieces], ignore_index=True)
        pyarrow.default_memory_pool().release_unused()  # otherwise it is kept for tables to come
    return pd.DataFrame(columns, copy=False)


def _rows(path: Path, content: bytes, table: str, n_rows: int) -> pd.DataFrame:
    """Return the rows of one part, on one thread: parts are small, and starting a pool costs more than it brings.

    A file can claim few rows and unfold into billions, and what it says of pandas can be anything: its rows are counted
    before they are read, what they take in memory is bounded, columns hold numbers and words alone, and nothing else in
    it is believed.
    """
    try:
        described = parquet.ParquetFile(pyarrow.BufferReader(content))
        schema = described.schema_arrow.remove_metadata()
        words = [
            field.name
            for field in schema
            if pyarrow.types.is_string(field.type) or pyarrow.types.is_large_string(field.type)
        ]
        file = parquet.ParquetFile(pyarrow.BufferReader(content), metadata=described.metadata, read_dictionary=words)
        problem = _problem(file, schema, n_rows)
        if problem is None:
            # Each different word once, whatever the file says of how long they are together.
            read = file.read(use_threads=False).replace_schema_metadata(None)
            read.validate(full=True)
            problem = _excess(n_rows * len(schema) * CELL_BYTES + sum(map(_size_of_words, read.columns)))
        if problem is None:
            return checked(table, read.cast(schema).to_pandas(use_threads=False, split_blocks=True), f"{path}: ")
    except RecordingError as error:
        problem = str(error).removesuffix(".")
    except (pyarrow.ArrowException, OSError) as error:
        problem = f"it is no Parquet file: {error}".partition("\n")[0]
    raise DamagedError(path.parent, {path.name: problem})


def _problem(file: parquet.ParquetFile, schema: pyarrow.Schema, n_rows: int) -> str | None:
    """Return why a file is no part of a table, by its description alone, or None."""
    if file.metadata.num_rows != n_rows:
        return f"it holds {file.metadata.num_rows} rows instead of {n_rows}"
    if len(set(schema.names)) < len(schema.names):
        return "two of its columns have one name"
    strange = next((field for field in schema if not _is_plain(field.type)), None)
    if strange is not None:
        return f"its column {strange.name!r} holds {strange.type}"
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    said = sum(column.total_uncompressed_size for column in columns)
    return _excess(max(said, n_rows * len(schema) * CELL_BYTES))


def _excess(size: int) -> str | None:
    """Return what is wrong with a part that takes so many bytes in memory, or None."""
    return f"it unfolds to {size} bytes, and a part has at most {MAX_BYTES}" if size > MAX_BYTES else None


def _size_of_words(column: pyarrow.ChunkedArray) -> int:
    """Return the bytes of a column's words, written out once a row; 0 for numbers."""
    return sum(
        compute.sum(compute.binary_length(chunk.dictionary).take(chunk.indices)).as_py() or 0
        for chunk in column.chunks
        if pyarrow.types.is_dictionary(chunk.type) and not pyarrow.types.is_primitive(chunk.type.value_type)
    )


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
