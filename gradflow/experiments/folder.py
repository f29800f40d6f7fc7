"""A sweep's folder: which runs are finished, and what must not be overwritten.

<out>/gradflow.json        marks the folder as a sweep's, with the last command
<out>/runs/<run id>/       one recording per finished run
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradflow import storage
from gradflow.experiments.recipe import PlanError
from gradflow.experiments.runs import Run
from gradflow.recording import Recording

MARK = "gradflow.json"
FORMAT = "gradflow-sweep"
VERSION = 1
RUNS = "runs"
PART_PREFIX = ".part-"


class SweepFolder:
    """The folder that a sweep writes into; made if it does not exist.

    Raises
    ------
    PlanError
        The folder holds something else than a sweep, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, command: str) -> None:
        self.path = Path(path)
        self.runs = self.path / RUNS
        try:
            if self.path.exists() and not self.path.is_dir():
                raise PlanError(f"out must be a folder; {self.path} is a file.")
            if self.path.is_dir() and any(self.path.iterdir()):
                self._check_mark()
            self.runs.mkdir(parents=True, exist_ok=True)
            mark = {"format": FORMAT, "version": VERSION, "command": command}
            storage.write_json(self.path / MARK, mark)
        except OSError as error:
            raise PlanError(f"cannot write to out folder {self.path}: {error.strerror or error}.") from None

    def _check_mark(self) -> None:
        """Refuse a folder that holds anything but a sweep, so that nothing foreign is written into."""
        try:
            mark: Any = json.loads((self.path / MARK).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            mark = None
        if not isinstance(mark, dict) or mark.get("format") != FORMAT:
            raise PlanError(f"out folder {self.path} holds other files than gradflow's; give a new or an empty folder.")
        if not isinstance(mark.get("version"), int) or mark["version"] > VERSION:
            raise PlanError(
                f"out folder {self.path} was written by a newer gradflow; update gradflow or give another folder."
            )

    def finished(self, run: Run) -> Recording | None:
        """Return the run's recording, or None if it has to be made.

        Raises
        ------
        StorageError
            The folder is there but damaged.
        """
        folder = self.runs / run.id
        return storage.load(folder) if folder.exists() else None

    def keep(self, run: Run, recording: Recording) -> None:
        """Write a run's recording so that it appears whole or not at all."""
        part = self.runs / f"{PART_PREFIX}{os.getpid()}-{run.id}"
        shutil.rmtree(part, ignore_errors=True)
        storage.save(recording, part)
        os.replace(part, self.runs / run.id)

    def set_aside(self, run: Run) -> Path:
        """Rename a damaged run's folder, so that it is made again and nothing is lost."""
        folder = self.runs / run.id
        number = 1
        while (aside := folder.with_name(f"{folder.name}.damaged-{number}")).exists():
            number += 1
        os.replace(folder, aside)
        return aside

    def clear_parts(self) -> None:
        """Remove half-written runs that a killed worker left; the folders hold no finished run."""
        for part in self.runs.glob(f"{PART_PREFIX}*"):
            if not _is_alive(int(part.name.removeprefix(PART_PREFIX).split("-")[0])):
                shutil.rmtree(part, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def keep_all(recordings: Iterable[Recording], out: str | os.PathLike[str], *, group: str, command: str) -> Path:
    """Write recordings into `<out>/<group>/<run>`, replacing earlier ones of the same name, and return that folder.

    Raises
    ------
    PlanError
        `out` holds something else than a sweep, or cannot be written.
    """
    home = SweepFolder(out, command=command).path / group
    for recording in recordings:
        meta = {**recording.meta, "command": command}
        storage.save(replace(recording, meta=meta), home / recording.name)
    return home
