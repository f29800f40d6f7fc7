"""What can be seen of runs under way: their folders are read, never written, and no lock is taken."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradflow import storage
from gradflow.analysis.listing import RECORDED, RUNNING, STATUS_FILE, STOPPED, is_gone, whole
from gradflow.diagnosis import Findings, diagnose
from gradflow.errors import GradflowError
from gradflow.notes import MARK
from gradflow.recording import Recording
from gradflow.text import text

RUNS, SO_FAR = "runs", "recording"
ENDED = ("done", "diverged", "failed")


@dataclass(frozen=True)
class Look:
    """One look at one run; `age` is seconds since its last rows were written, NaN where there are none."""

    run: str
    status: str
    step: int | None = None
    steps: int | None = None
    age: float = math.nan
    reason: str = ""
    recording: Recording | None = None
    place: Path | None = None  # of the recording
    findings: Findings = field(default_factory=Findings)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ENDED


class WatchedRun:
    """One run, wherever its folder is by now: under way in a sweep, finished, or a recorder's own."""

    def __init__(self, folder: Path) -> None:
        self._name = _real(folder).name
        self._places = _places(folder)
        self._tail: storage.Tail | None = None
        self._said: tuple[Recording, Findings] | None = None
        self._last = Look(self._name, RECORDED)

    def look(self) -> Look:
        """Return how the run stands; what cannot be read at this moment is as it was, with the reason."""
        try:
            self._last = self._now()
        except (OSError, GradflowError) as error:
            self._last = Look(**{**vars(self._last), "reason": str(error)})
        return self._last

    def _now(self) -> Look:
        place = next((one for one in self._places if _is_run(one)), None)
        if place is None:
            return Look(**{**vars(self._last), "reason": ""})
        said = status_of(place)
        recorded = place if said is None else place / SO_FAR
        is_there = storage.is_recording(recorded) and not recorded.is_symlink()
        recording = self._read(recorded) if is_there else None
        meta = {} if recording is None else recording.meta
        last = None if recording is None or recording.steps.empty else int(recording.steps["step"].max())
        standing = _standing(meta if said is None else said)
        return Look(
            run=self._name,
            status=standing,
            step=last if said is None else whole(said.get("step")),
            steps=whole((meta if said is None else said).get("steps")),
            age=_age(recorded),
            reason=_reason(said or {}),
            recording=recording,
            place=recorded if is_there else None,
            findings=Findings() if recording is None else self._findings(recording),
        )

    def _read(self, folder: Path) -> Recording:
        if self._tail is None or self._tail.folder != folder:
            self._tail = storage.Tail(folder)
        return self._tail.read()

    def _findings(self, recording: Recording) -> Findings:
        """Return what the rows say; they are judged once each time rows come."""
        if self._said is None or self._said[0] is not recording:
            self._said = recording, diagnose(recording)
        return self._said[1]


class WatchedSweep:
    """A sweep's folder: its runs under way, those that run first, and of these the one last heard of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._first: tuple[Path, WatchedRun] | None = None

    def look(self) -> tuple[Look | None, list[Look]]:
        """Return the first run in full, None where none is under way, and how the others stand."""
        under_way = sorted(self._under_way(), key=lambda one: (one[2].status != RUNNING, one[0]))
        if not under_way:
            return None, []
        place = under_way[0][1]
        if self._first is None or self._first[0] != place:
            self._first = place, WatchedRun(place)
        return self._first[1].look(), [look for _, _, look in under_way[1:]]

    def finished(self) -> int:
        """Return how many runs are finished."""
        return len(list((self._folder / RUNS).glob(f"[!.]*/{storage.MANIFEST}")))

    def _under_way(self) -> Iterator[tuple[float, Path, Look]]:
        """Yield age, place and standing of each run; no table is read."""
        unfinished = self._folder / storage.UNFINISHED
        is_own = unfinished.is_dir() and not unfinished.is_symlink()
        for place in sorted(unfinished.iterdir()) if is_own else ():
            said = None if place.name.startswith(".") or place.is_symlink() else status_of(place)
            if said is None:
                continue
            step, steps = whole(said.get("step")), whole(said.get("steps"))
            age = _age(place / SO_FAR)
            look = Look(place.name, _standing(said), step, steps, age, _reason(said))
            yield (math.inf if math.isnan(age) else age), place, look


def watched(path: Path) -> WatchedRun | WatchedSweep:
    """Return what there is to watch at a path; StorageError if it is neither a run's folder nor a sweep's."""
    if any(map(_is_run, _places(path))):
        return WatchedRun(path)
    if not path.is_dir():
        raise storage.StorageError(text("error.not_watchable", path=path))
    names = [file.name for file in path.iterdir()]
    if {MARK, RUNS, storage.UNFINISHED} & set(names):
        return WatchedSweep(path)
    if all(map(storage.is_own_name, names)):
        return WatchedRun(path)  # a recorder has not written its first rows yet
    raise storage.StorageError(text("error.neither_run", path=path))


def status_of(place: Path) -> Mapping[str, Any] | None:
    """Return what a run under way last said of itself, None where it says nothing that can be read."""
    try:
        said = storage.read_json(place / STATUS_FILE)
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _places(folder: Path) -> tuple[Path, ...]:
    """Return where a run may be: where it was said to be, and where it goes when it ends or is taken up again."""
    real = _real(folder)
    sweep, name = real.parent.parent, real.name
    moves = {storage.UNFINISHED: RUNS, RUNS: storage.UNFINISHED}
    other = moves.get(real.parent.name)
    return (folder,) if other is None else (folder, sweep / other / name)


def _real(folder: Path) -> Path:
    """Return a folder without links on the way; of a link that leads to itself, what can be resolved."""
    return Path(os.path.realpath(folder))


def _is_run(place: Path) -> bool:
    return storage.is_recording(place) or status_of(place) is not None


def _standing(said: Mapping[str, Any]) -> str:
    status = said.get("status")
    if status == RUNNING and is_gone(said):
        return STOPPED
    return status if isinstance(status, str) and status else RECORDED


def _reason(said: Mapping[str, Any]) -> str:
    reason = said.get("reason")
    return reason if isinstance(reason, str) else ""


def _age(recorded: Path) -> float:
    try:
        written = (recorded / storage.MANIFEST).stat().st_mtime
    except OSError:
        return math.nan
    return max(0.0, time.time() - written)
