"""Tail: one recording read again and again while it grows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from gradflow.recording import TABLES, Recording
from gradflow.storage.manifest import DamagedError, read_manifest
from gradflow.storage.parts import Part, joined


class Tail:
    """Reads a recording's folder as it stands; a part that was read once is not read again.

    Nothing is written and nothing locked. A part is known by its name and checksum, so rows that a resumed run dropped
    or a recorder merged are read anew, and nothing else.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._rows: dict[tuple[str, str], pd.DataFrame] = {}
        self._latest: tuple[dict[str, Any], Recording] | None = None

    def read(self) -> Recording:
        """Return what there is now: the same value as before where nothing was added. Errors are as in `load`."""
        manifest = read_manifest(self.folder)
        if self._latest is not None and manifest == self._latest[0]:
            return self._latest[1]
        while True:
            try:
                rows = {_key(part): self._part(part) for part in manifest["parts"]}
                break
            except DamagedError:
                latest = read_manifest(self.folder)  # a recorder may have merged parts since
                if latest["parts"] == manifest["parts"]:
                    raise
                manifest = latest
        self._rows = rows
        recording = Recording(meta=manifest["meta"], **{table: self._table(manifest, table) for table in TABLES})
        self._latest = manifest, recording
        return recording

    def _part(self, part: Part) -> pd.DataFrame:
        known = self._rows.get(_key(part))
        return joined(self.folder, [part]) if known is None else known

    def _table(self, manifest: dict[str, Any], table: str) -> pd.DataFrame:
        frames = [self._rows[_key(part)] for part in manifest["parts"] if part["table"] == table]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _key(part: Part) -> tuple[str, str]:
    return part["file"], part["sha256"]
