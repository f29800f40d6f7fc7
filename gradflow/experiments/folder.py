"""A sweep's folder: which runs are finished, which are under way, and what must not be overwritten.

<out>/gradflow.json            marks the folder as a sweep's, with the last command
<out>/runs/<run id>/           one recording per finished run
<out>/unfinished/<run id>/     a run under way, interrupted or failed: see `gradflow.experiments.run_directory`
<out>/.gradflow.lock           held by the command at work
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gradflow import storage
from gradflow.experiments.planned_run import Run
from gradflow.experiments.recipe import PlanError
from gradflow.experiments.run_directory import WHOLE, RunDirectory
from gradflow.experiments.set_aside import leave_room, set_aside
from gradflow.notes import MARK, MARK_FORMAT
from gradflow.recording import Recording
from gradflow.text import text

VERSION = 1
RUNS = "runs"
OWN_PREFIX = ".gradflow."  # the lock, its holder, and what a killed process was writing
FRESH = ".fresh"  # where recordings without a run are written before they are moved to their places


class FolderLostError(PlanError):
    """The folder of a sweep was removed or replaced while a command was at work in it."""


class SweepFolder:
    """The folder that a sweep writes into; made if it does not exist, and PlanError if it holds something else.

    `command` is kept with what is made. `lock` is by what the operating system knows the file that the command at work
    holds: where it is not in its place any more, the folder is another. Given that of another process, nothing is made.
    `anchor` is where everything is written: in `opened` and `claimed` the folder itself, whatever has its name.
    """

    def __init__(self, path: str | os.PathLike[str], *, command: str, lock: storage.FileId | None = None) -> None:
        self.path = self.anchor = Path(path)
        self.runs = self.path / RUNS
        self.lock = lock
        self.command = command
        if lock is not None:
            return
        check_out(self.path)
        with _writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            if not _holds_files(self.path):
                self._write_mark()
            for place in (self.runs, self.path / storage.UNFINISHED):
                _check_own(place)
            self.runs.mkdir(exist_ok=True)

    def check(self) -> None:
        """Raise FolderLostError if this is no longer the folder that the command at work claimed."""
        if self.lock is None:
            return
        if any(storage.file_id(place / storage.LOCK) != self.lock for place in (self.path, self.anchor)):
            raise _lost(self.path)

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Write into the folder that is there now, also once another has its name."""
        try:
            with storage.anchored(self.path) as self.anchor:
                yield
        finally:
            self.anchor = self.path

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder for this process alone; the operating system lets go of it when the process ends.

        Raises PlanError where another command is at work in the folder, or it cannot be written.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.opened())
            with _writing(self.path):
                lock = self.anchor / storage.LOCK
                stack.enter_context(storage.held(lock, what=text("error.out.what", path=self.path)))
                self.lock = storage.file_id(lock)
                self._write_mark()
            yield

    def _write_mark(self) -> None:
        mark = {"format": MARK_FORMAT, "version": VERSION, "command": self.command}
        storage.write_json(self.anchor / MARK, mark)

    def finished(self, run: Run) -> Recording | None:
        """Return the run's recording, None if it has to be made; StorageError if it is there but damaged."""
        folder = self.runs / run.id
        if not os.path.lexists(folder):
            return None
        if not storage.is_folder(folder):
            raise storage.StorageError(text("error.no_directory", path=folder))
        recording = storage.load_one(folder)
        if recording.steps.empty:
            raise storage.StorageError(f"{folder} holds no steps.")
        return recording

    def run_directory(self, run: Run) -> RunDirectory:
        """Return the place of a run under way."""
        return RunDirectory(self.anchor / storage.UNFINISHED / run.id, run, self.check)

    def keep(self, run: Run, recording: Recording) -> Recording:
        """Write a run's recording so that it appears whole or not at all, and return it as it is on disk.

        Only for whoever holds the run.
        """
        whole = self.run_directory(run).path / WHOLE
        shutil.rmtree(whole, ignore_errors=True)  # of a process that was killed at this point
        storage.save(recording, whole)
        self.check()
        storage.move(whole, self.anchor / RUNS / run.id)
        return storage.load_one(self.runs / run.id)

    def set_aside(self, run: Run) -> Path:
        """Rename a damaged run's folder, so that it is made again and nothing is lost."""
        self.check()
        return set_aside(self.anchor / RUNS / run.id, ".damaged")

    def tidy(self, finished: Iterable[Run]) -> None:
        """Remove what processes that were killed left of finished runs; only for whoever holds the sweep."""
        self.check()
        home = self.anchor / storage.UNFINISHED
        for run in finished:
            if storage.is_folder(home / run.id):
                self.run_directory(run).remove()
            for file in (home / f".{run.id}.lock", home / f".{run.id}.json"):
                with contextlib.suppress(OSError):  # not there, or a folder
                    file.unlink()
        with contextlib.suppress(OSError):  # there are others, or there is none
            home.rmdir()


def check_out(path: Path) -> None:
    """Check that a sweep can be written to a folder, as far as that is known without writing.

    Raises PlanError where it is a file or below one, holds something else than a sweep, or may not be written.
    """
    with _writing(path):
        if path.exists() and not path.is_dir():
            raise PlanError(text("error.out.file", path=path))
        there = next(one for one in (path, *path.absolute().parents) if os.path.lexists(one))
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if there == path and _holds_files(path):
            _check_mark(path)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except storage.InUseError as error:
        raise PlanError(storage.named(str(error))) from None
    except OSError as error:
        raise PlanError(text("error.out.unwritable", path=path, reason=error.strerror or error)) from None


def _holds_files(path: Path) -> bool:
    return any(not file.name.startswith(OWN_PREFIX) for file in path.iterdir())


def _check_mark(path: Path) -> None:
    """Refuse a folder that holds anything but a sweep, so that nothing foreign is written into."""
    try:
        mark: Any = storage.read_json(path / MARK)
    except (FileNotFoundError, ValueError):
        mark = None
    if not isinstance(mark, dict) or mark.get("format") != MARK_FORMAT:
        raise PlanError(text("error.out.foreign", path=path))
    if not isinstance(mark.get("version"), int) or mark["version"] > VERSION:
        raise PlanError(text("error.out.newer", path=path))


@contextlib.contextmanager
def guarded(path: Path) -> Iterator[SweepFolder]:
    """Yield a sweep's folder, to write beside the runs once none is under way.

    `check` raises FolderLostError if it was removed or replaced since the block began.
    """
    try:
        lock = (path / storage.LOCK).open("rb")
    except OSError:
        raise _lost(path) from None
    with lock:
        found = os.fstat(lock.fileno())
        folder = SweepFolder(path, command="", lock=(found.st_dev, found.st_ino))
        with folder.opened():
            yield folder


def _lost(path: Path) -> FolderLostError:
    return FolderLostError(text("error.out.lost", path=path))


def _check_own(place: Path) -> None:
    """Raise PlanError if something else than a folder, such as a link out of the sweep, has the name of one of ours."""
    if os.path.lexists(place) and not storage.is_folder(place):
        raise PlanError(text("error.out.place", path=place))


def keep_all(recordings: Iterable[Recording], out: str | os.PathLike[str], *, group: str, command: str) -> Path:
    """Write recordings into `<out>/<group>/<run>`, replacing earlier ones of the same name, and return that folder.

    Raises
    ------
    PlanError
        `out` holds something else than a sweep, cannot be written, or another command is at work in it.
    """
    folder = SweepFolder(out, command=command)
    _check_own(folder.path / group)
    with folder.claimed():
        home = folder.anchor / group
        fresh = home / FRESH
        home.mkdir(exist_ok=True)
        for recording in recordings:
            place = home / recording.name
            folder.check()
            for target in (place, fresh):
                leave_room(target, folder=True)
            kept = recording.having(meta={**recording.meta, "command": command})
            if place.exists():
                storage.save(kept, place)
            else:  # whole or not at all
                shutil.rmtree(fresh, ignore_errors=True)
                storage.move(storage.save(kept, fresh), place)
    return folder.path / group
