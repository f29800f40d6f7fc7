"""Which runs there are: finished, under way, failed and damaged ones, a row each."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradflow import storage
from gradflow.recording import Recording
from gradflow.text import text
from gradflow.text.controls import utf8

STATUS_FILE = "status.json"
PART_PREFIX = ".part-"
RECORDED, DAMAGED, HALF_WRITTEN, SET_ASIDE = "recorded", "damaged", "half-written", "set aside"
RUNNING, STOPPED = "running", "stopped"
COLUMNS = {
    "folder": "str",
    "run": "str",
    "status": "str",
    "reason": "str",
    "family": "str",
    "depth": "Int64",
    "seed": "Int64",
    "train_error": "float64",
    "test_error": "float64",
    "step": "Int64",
    "steps": "Int64",
    "wall_seconds": "float64",
    "started": "str",
}


def listing(paths: Iterable[str | os.PathLike[str]]) -> pd.DataFrame:
    """Return one row per run at or below folders of runs, sweeps or reports; only the table of steps is read.

    Raises StorageError where a path is no folder, or holds no run.

    Returns
    -------
    DataFrame
        folder (that the run's own folder lies in), run (its own folder), status, reason, family, depth, seed,
        train_error, test_error (fractions, last measured), step (updates made), steps (planned), wall_seconds, started.
        status is "done" or "diverged" for what training ended with; "recorded" where nothing says that it ended;
        "running", "stopped" (its process is gone), "waiting" or "failed" for a sweep's unfinished runs; "half-written"
        while a process writes it or after it was killed; "damaged" (parts missing, cut short or unreadable, as reason
        says), or "set aside" (damaged once, and made again).
    """
    rows: dict[Path, dict[str, Any]] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            raise storage.StorageError(text("error.no_runs_directory", path=path))
        found = dict(_walk(path))
        if not found:
            raise storage.StorageError(text("error.no_run", path=path))
        rows.update(found)
    return pd.DataFrame(list(rows.values()), columns=list(COLUMNS)).astype(COLUMNS)


def _walk(top: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each run's folder and row; links are not followed."""
    for name, subfolders, files in os.walk(top):
        folder = Path(name)
        subfolders.sort()
        row = _row(folder, files)
        if row is not None:
            subfolders.clear()
            yield folder.resolve(), {"folder": utf8(folder.parent), **row, "run": utf8(row.get("run", folder.name))}


def _row(folder: Path, files: list[str]) -> dict[str, Any] | None:
    """Return what there is to say of a folder, None if it is no run's."""
    is_part = folder.name.startswith(PART_PREFIX)
    if STATUS_FILE in files and folder.parent.name == storage.UNFINISHED:
        return _unfinished(folder)
    if storage.MANIFEST in files and not is_part:
        aside = {"status": SET_ASIDE} if ".damaged-" in folder.name else {}
        return {**_recorded(folder), **aside}
    if is_part or any(map(storage.is_part_name, files)):
        return {"run": folder.name.removeprefix(PART_PREFIX), "status": HALF_WRITTEN, "reason": ""}
    return None


def _recorded(folder: Path) -> dict[str, Any]:
    """Return the row of a recording."""
    try:
        recording = storage.peek(folder)
        return {"reason": "", **_described(recording.meta), **_measured(recording)}
    except storage.DamagedError as error:
        reason = "; ".join(f"{file}: {why}" for file, why in error.files.items())
        return {**_described(storage.read_manifest(folder)["meta"]), "status": DAMAGED, "reason": reason}
    except ValueError as error:
        return {"status": DAMAGED, "reason": str(error)}


def _described(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a recording's own description says; values of another type than is meant count as not given."""
    return {
        "status": _word(meta.get("status")) or RECORDED,
        "family": _word(meta.get("family")),
        "depth": whole(meta.get("depth")),
        "seed": whole(meta.get("seed")),
        "steps": whole(meta.get("steps")),
        "wall_seconds": _number(meta.get("wall_seconds", meta.get("recorded_seconds"))),
        "started": _word(meta.get("started")),
    }


def _measured(recording: Recording) -> dict[str, Any]:
    """Return the last measured errors and the last step."""
    steps = recording.steps
    last: dict[str, Any] = {}
    for name in ("train_error", "test_error"):
        errors = steps[name].to_numpy()
        measured = errors[~np.isnan(errors)]
        last[name] = float(measured[-1]) if len(measured) else math.nan
    return {**last, "step": int(steps["step"].max()) if len(steps) else None}


def _unfinished(folder: Path) -> dict[str, Any]:
    """Return the row of a sweep's run that has not finished: what its process last said, and whether that is there."""
    try:
        said = storage.read_json(folder / STATUS_FILE)
    except (OSError, ValueError) as error:
        return {"status": DAMAGED, "reason": f"{STATUS_FILE} cannot be read: {error}"}
    if not isinstance(said, dict):
        return {"status": DAMAGED, "reason": f"{STATUS_FILE} is no status"}
    so_far = _recorded(folder) if storage.is_recording(folder) else {}
    settings: Any = said.get("settings")
    status = _word(said.get("status")) or STOPPED
    return {
        **_described(settings if isinstance(settings, dict) else {}),
        **{name: value for name, value in so_far.items() if value is not None and value == value},
        "status": STOPPED if status == RUNNING and is_gone(said) else status,
        "reason": _word(said.get("reason")) or "",
        "step": whole(said.get("step")),
        "steps": whole(said.get("steps")),
    }


def is_gone(said: Mapping[str, Any]) -> bool:
    """Whether the process that said so ran on this machine and runs no longer."""
    pid = whole(said.get("pid"))
    if said.get("host") != socket.gethostname() or pid is None or pid < 1:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def whole(value: Any) -> int | None:
    """Return an integer that a file holds, None for anything else."""
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value if fits else None


def _number(value: Any) -> float:
    fits = isinstance(value, float) or whole(value) is not None
    return float(value) if fits else math.nan
