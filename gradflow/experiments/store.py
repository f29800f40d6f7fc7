"""Finished runs at a URL that fsspec knows (s3://, gs://, abfs://, file://, ...), where no folder is shared.

<url>/gradflow.json      as in a sweep's folder
<url>/runs/<run id>/     one recording per finished run, its manifest written last: it is whole, or no recording
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from gradflow import storage
from gradflow.experiments.folder import RUNS, VERSION
from gradflow.experiments.recipe import PlanError
from gradflow.factories import in_a_line
from gradflow.notes import MARK, MARK_FORMAT


class Store:
    """A place for finished runs, by its URL; PlanError if its protocol is unknown or its library missing."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs  # brings what it knows of compression and networks, and few sweeps need it

        self.url = url.rstrip("/")
        try:
            self._files, self._path = url_to_fs(self.url)
        except Exception as error:  # each protocol has its own
            raise PlanError(f"store {url!r} cannot be opened: {in_a_line(error)}.") from None

    def claim(self, command: str) -> None:
        """Mark the place as a sweep's; by this it is known to be writable before anything is trained.

        Raises PlanError where it holds something else, was written by a newer version, or cannot be written.
        """
        try:
            found = self._mark()
            if found is not None and not (isinstance(found.get("version"), int) and found["version"] <= VERSION):
                raise PlanError(f"store {self.url} was written by a newer gradflow; update gradflow or give another.")
            if found is None and self._files.exists(self._path) and self._files.ls(self._path):
                raise PlanError(f"store {self.url} holds other files than gradflow's; give a new or an empty place.")
            self._files.makedirs(self._path, exist_ok=True)
            mark = {"format": MARK_FORMAT, "version": VERSION, "command": command}
            self._files.pipe_file(f"{self._path}/{MARK}", json.dumps(mark).encode())
        except PlanError:
            raise
        except Exception as error:  # each protocol has its own
            raise PlanError(f"store {self.url} cannot be written: {in_a_line(error)}.") from None

    def _mark(self) -> dict[str, Any] | None:
        """Return the mark of a sweep, or None."""
        try:
            mark = json.loads(self._files.cat_file(f"{self._path}/{MARK}"))
        except (FileNotFoundError, ValueError):
            return None
        return mark if isinstance(mark, dict) and mark.get("format") == MARK_FORMAT else None

    def push(self, recording: Path) -> None:
        """Copy a recording's folder to the store, its manifest last; StorageError if it cannot be written there."""
        place = f"{self._path}/{RUNS}/{recording.name}"
        parts = [part["file"] for part in storage.read_manifest(recording)["parts"]]
        try:
            self._files.makedirs(place, exist_ok=True)
            for name in (*parts, storage.MANIFEST):
                self._files.put_file(str(recording / name), f"{place}/{name}")
        except Exception as error:  # each protocol has its own
            raise storage.StorageError(
                f"{recording.name} cannot be copied to {self.url}: {in_a_line(error)}."
            ) from error

    def fetch(self, name: str, home: Path) -> bool:
        """Copy a finished run to `home/name` unless it is there, whole or not at all; False if the store has none.

        Raises StorageError where it is damaged there, or cannot be read.
        """
        place = f"{self._path}/{RUNS}/{name}"
        if (home / name).exists():
            return True
        half = home / f".fetch-{name}"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        try:
            if not self._files.exists(f"{place}/{storage.MANIFEST}"):
                return False
            self._files.get_file(f"{place}/{storage.MANIFEST}", str(half / storage.MANIFEST))
            for part in storage.read_manifest(half)["parts"]:
                self._files.get_file(f"{place}/{part['file']}", str(half / part["file"]))
            storage.load_one(half)  # checks every part
            storage.move(half, home / name)
        except storage.StorageError:
            raise
        except Exception as error:  # each protocol has its own
            raise storage.StorageError(f"{name} cannot be read from {self.url}: {in_a_line(error)}.") from error
        finally:
            shutil.rmtree(half, ignore_errors=True)
        return True
