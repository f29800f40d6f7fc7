"""A recording as Arrow tables or as a folder of CSV files, and back, without a digit lost."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow

from gradflow.recording import TABLES, Recording, RecordingError
from gradflow.storage.files import write_whole
from gradflow.storage.json_files import read_json
from gradflow.storage.manifest import META, StorageError, check_meta, write_json
from gradflow.text.controls import spreadsheet_text

KEY = b"gradflow"  # in an Arrow schema's metadata: the recording's meta as JSON
MAX_BYTES = 2**30  # of a CSV file: what is read becomes several times as large in memory
_ESCAPE = "'"


def to_arrow(recording: Recording) -> dict[str, pyarrow.Table]:
    """Return the eight tables for Arrow, Polars or DuckDB; the meta of each schema holds the recording's.

    Examples
    --------
    >>> steps = pd.DataFrame({"step": [0], "loss": [0.1]})
    >>> tables = to_arrow(Recording(steps=steps, meta={"run": "mine"}))
    >>> tables["steps"].column("loss").to_pylist(), from_arrow(tables)
    ([0.1], Recording 'mine': 1 steps (0 to 0), 0 layers, 0 layer rows)
    """
    meta = {KEY: json.dumps(dict(recording.meta)).encode()}
    tables = {table: pyarrow.Table.from_pandas(getattr(recording, table), preserve_index=False) for table in TABLES}
    return {
        table: rows.replace_schema_metadata({**(rows.schema.metadata or {}), **meta}) for table, rows in tables.items()
    }


def from_arrow(tables: Mapping[str, pyarrow.Table]) -> Recording:
    """Return the recording that `to_arrow` made tables of; those that are left out are empty.

    Raises
    ------
    RecordingError
        There is no such table, or one holds what it cannot hold.
    """
    _check_names(tables)
    held = next((rows.schema.metadata[KEY] for rows in tables.values() if KEY in (rows.schema.metadata or {})), b"{}")
    return Recording(**{table: rows.to_pandas() for table, rows in tables.items()}, meta=json.loads(held))


def to_csv(recording: Recording, path: str | os.PathLike[str]) -> Path:
    """Write a folder of CSV files, one for each table that has rows, and a file of JSON; `gradflow.load` reads it.

    Text that a spreadsheet would take for a formula begins with an apostrophe.

    Parameters
    ----------
    recording : Recording
        Not changed.
    path : path
        A new or an empty folder.

    Raises
    ------
    StorageError
        The folder holds files already.
    """
    folder = Path(path)
    check_meta(recording.meta)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{folder} already holds files; give a new or an empty folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        frame: pd.DataFrame = getattr(recording, table)
        if len(frame):
            words = {name: frame[name].map(_escaped) for name in frame.columns if frame[name].dtype == "str"}
            content = frame.assign(**words).to_csv(index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
            write_whole(folder / f"{table}.csv", content.encode())
    write_json(folder / META, dict(recording.meta))
    return folder


def from_csv(path: str | os.PathLike[str]) -> Recording:
    """Return the recording that `to_csv` wrote; of anyone's tables the columns are enough that the tables need.

    Raises
    ------
    StorageError
        The folder holds none of the tables, or one that is too large.
    RecordingError
        A table holds what it cannot hold.
    """
    folder = Path(path)
    files = {table: folder / f"{table}.csv" for table in TABLES if (folder / f"{table}.csv").is_file()}
    if not files:
        raise StorageError(f"{folder} holds none of {', '.join(f'{table}.csv' for table in TABLES)}.")
    meta = read_json(folder / META) if (folder / META).is_file() else {"run": folder.name}
    if not isinstance(meta, dict):
        raise StorageError(f"{folder / META} must hold a JSON object.")
    return Recording(**{table: _read(table, file) for table, file in files.items()}, meta=meta)


def _read(table: str, file: Path) -> pd.DataFrame:
    if file.stat().st_size > MAX_BYTES:
        raise StorageError(f"{file} is larger than {MAX_BYTES:,} bytes; store it with gradflow.save instead.")
    try:  # as text: how pandas reads numbers, and to which digit, differs from version to version
        frame = pd.read_csv(file, dtype="str", na_filter=False)
    except (ValueError, UnicodeDecodeError) as error:  # pandas' own errors are ValueErrors
        raise RecordingError(f"{file} cannot be read as CSV: {error}.") from error
    return pd.DataFrame({name: _values(frame[name], _dtype(table, str(name))) for name in frame.columns})


def _dtype(table: str, name: str) -> str:
    column = TABLES[table].get(name)
    return column.dtype if column is not None else "float64"


def _values(words: pd.Series[Any], dtype: str) -> pd.Series[Any]:
    """Return a column in its type; as it is where it cannot be, for `Recording` to say so."""
    try:
        if dtype == "float64":
            return pd.Series([float(word) if word else math.nan for word in words], dtype="float64")
        if dtype == "int64":
            return pd.Series([int(word) for word in words], dtype="int64")
    except (ValueError, OverflowError):
        return words
    return words.map(_unescaped) if dtype == "str" else words.map({"True": True, "False": False})


def _escaped(word: str) -> str:
    return f"{_ESCAPE}{word}" if word.startswith(_ESCAPE) else str(spreadsheet_text(word))


def _unescaped(word: str) -> str:
    return word.removeprefix(_ESCAPE)


def _check_names(tables: Mapping[str, object]) -> None:
    unknown = sorted(set(tables) - set(TABLES))
    if unknown:
        raise RecordingError(f"a recording has no table {unknown[0]!r}; it has {', '.join(TABLES)}.")
