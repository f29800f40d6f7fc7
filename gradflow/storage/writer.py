"""Writer: appends to one recording's folder while training goes on."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gradflow.storage.files import TEMPORARY_SUFFIX
from gradflow.storage.locks import LOCK, LOCK_FILES, InUseError, held
from gradflow.storage.manifest import (
    FORMAT,
    MANIFEST,
    PART_SUFFIX,
    VERSION,
    DamagedError,
    StorageError,
    is_recording,
    read_manifest,
    write_json,
)
from gradflow.storage.parts import damage, joined, write_part
from gradflow.text.controls import utf8

MERGED = 16  # parts of one size that become one: a day of flushes is some fifty files, not thousands
MERGED_ROWS = 200_000  # rows that a merge holds in memory at most


class Writer:
    """Appends to one recording's folder, part by part, so that what is written survives a crash.

    The folder is new or empty, and held until `close`, against every other writer: `InUseError` if another one holds
    it, StorageError if it holds other files, or cannot be written. With `may_continue` it may hold a recording, too;
    `is_waiting` is then true, and nothing may be written before `go_on` was called.
    """

    def __init__(self, path: str | os.PathLike[str], *, may_continue: bool = False) -> None:
        self.folder = Path(path)
        self._parts: list[dict[str, Any]] = []
        self._n_committed = 0
        self._merged: list[str] = []  # files whose rows another part holds since, in the way once a manifest says so
        self._is_open, self._process = True, os.getpid()
        self._claim = contextlib.ExitStack()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._claim.enter_context(held(self.folder / LOCK, what=f"path {self.folder}", is_removed=True))
            self._inode = self.folder.stat().st_ino
            occupied = next((file for file in self.folder.iterdir() if file.name not in LOCK_FILES), None)
        except InUseError:
            raise
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            reason = (isinstance(error, OSError) and error.strerror) or error
            raise StorageError(f"cannot write to {utf8(self.folder)}: {reason}.") from error
        self.is_waiting = may_continue and is_recording(self.folder)
        if occupied is not None and not self.is_waiting:
            self.close()
            raise StorageError(f"{self.folder} already holds files ({occupied.name}); give a new or an empty folder.")

    @property
    def is_open(self) -> bool:
        """Whether this process may still write: not after `close`, nor in a child that was forked from it."""
        return self._is_open and os.getpid() == self._process

    def close(self) -> None:
        """Let go of the folder."""
        self._is_open = False
        self._claim.close()

    def check_open(self) -> None:
        """Raise StorageError, and let go of the folder, if it holds another recording that was not gone on with."""
        if self.is_waiting:
            self.close()
            raise StorageError(
                f"{self.folder} already holds a recording. Recorder.load_state_dict goes on with it; "
                "otherwise give a new or an empty folder."
            )

    def _check_place(self) -> None:
        """Raise OSError if the folder was removed or replaced: what is there now is not for this recording."""
        if self.folder.stat().st_ino != self._inode:
            raise OSError(errno.ESTALE, "the folder was replaced while it was written to", str(self.folder))

    @property
    def rows(self) -> dict[str, int]:
        """Rows written so far, by table."""
        tables = dict.fromkeys(part["table"] for part in self._parts)
        return {table: sum(part["rows"] for part in self._parts if part["table"] == table) for table in tables}

    @property
    def n_uncommitted(self) -> int:
        """Rows that were appended and that no manifest names yet."""
        return sum(self.rows.values()) - self._n_committed

    def go_on(self, rows: Mapping[str, int]) -> None:
        """Go on with the recording that the folder holds, after so many rows of each table; the rest is dropped.

        Raises DamagedError where a part that holds some of these rows is missing, cut short or changed, StorageError
        where the folder holds no recording, or fewer rows.
        """
        if not self._is_open:
            raise StorageError(f"{self.folder} was closed; attach a new recorder to go on with it.")
        if not is_recording(self.folder) and not any(rows.values()):
            self.is_waiting = False
            return
        manifest = read_manifest(self.folder)
        kept: list[dict[str, Any]] = []
        for table in dict.fromkeys(part["table"] for part in manifest["parts"]):
            parts = [part for part in manifest["parts"] if part["table"] == table]
            kept += _first_rows(self.folder, parts, rows.get(table, 0))
        self._parts = kept
        if {table: n for table, n in rows.items() if n} != self.rows:
            raise StorageError(f"{self.folder} holds fewer rows than it held: {self.rows} instead of {dict(rows)}.")
        self.is_waiting = False
        self.commit(manifest["meta"])
        own = {part["file"] for part in kept}
        for file in self.folder.iterdir():
            if file.suffix in (PART_SUFFIX, TEMPORARY_SUFFIX) and file.name not in own:
                file.unlink()

    def append(self, table: str, frame: pd.DataFrame) -> None:
        """Write the frame's rows as the table's next part, or parts where they are many; all of them or none."""
        self.check_open()
        self._check_place()
        pieces = [frame.iloc[start : start + MERGED_ROWS] for start in range(0, len(frame), MERGED_ROWS)]
        number = self._next_number(table)
        self._parts += [
            write_part(self.folder, _name(table, number), table, piece) for number, piece in enumerate(pieces, number)
        ]

    def commit(self, meta: Mapping[str, Any]) -> None:
        """Write the manifest: from now on the parts appended so far are the recording, small ones merged."""
        self.check_open()
        self._check_place()
        with contextlib.suppress(OSError, StorageError):  # a merge that fails, on a full disk, is for another time
            for table in self.rows:
                while small := self._mergeable(table):
                    self._merge(table, small)
                    self._merged += (part["file"] for part in small)
        manifest = {"format": FORMAT, "version": VERSION, "meta": dict(meta), "parts": self._parts}
        write_json(self.folder / MANIFEST, manifest)
        self._n_committed = sum(self.rows.values())
        for name in self._merged:  # whoever reads the earlier manifest at this moment finds the rows by the new one
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()
        self._merged = []

    def _next_number(self, table: str) -> int:
        """Return a number that no part of the table has had so far."""
        used = (int(part["file"].split("-")[1].split(".")[0]) for part in self._parts if part["table"] == table)
        return max(used, default=-1) + 1

    def _mergeable(self, table: str) -> list[dict[str, Any]]:
        """Return the table's last parts if they are enough, of one size class, and not too large together."""
        last = [part for part in self._parts if part["table"] == table][-MERGED:]
        is_one_class = len({part.get("merged", 0) for part in last}) == 1
        is_due = len(last) == MERGED and is_one_class and sum(part["rows"] for part in last) <= MERGED_ROWS
        return last if is_due else []

    def _merge(self, table: str, small: list[dict[str, Any]]) -> None:
        """Replace neighbouring parts by one with all their rows; their files stay."""
        part = write_part(self.folder, _name(table, self._next_number(table)), table, joined(self.folder, small))
        place = self._parts.index(small[0])
        self._parts[place] = {**part, "merged": small[0].get("merged", 0) + 1}
        self._parts = [one for one in self._parts if one not in small[1:]]


def _name(table: str, number: int) -> str:
    return f"{table}-{number:05d}"


def _first_rows(folder: Path, parts: Iterable[dict[str, Any]], n_rows: int) -> list[dict[str, Any]]:
    """Return the parts of one table that hold its first rows; a part that holds more is written anew."""
    kept = []
    for part in parts:
        if n_rows <= 0:
            break
        if reason := damage(folder, part):
            raise DamagedError(folder, {part["file"]: reason})
        if part["rows"] > n_rows:
            frame = joined(folder, [part]).iloc[:n_rows]
            part = write_part(folder, f"{Path(part['file']).stem}-first-{n_rows}", part["table"], frame)
        kept.append(part)
        n_rows -= part["rows"]
    return kept
