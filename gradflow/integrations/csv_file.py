"""CSV: a sink that appends to one file, for a spreadsheet or `tail -f`."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradflow.errors import GradflowError
from gradflow.integrations.trackers import Tracker


class CSV(Tracker):
    """Append one row per flush to a file: `gradflow.record(model, sinks=[CSV("gradients.csv")])`.

    With several networks, each row names its network. The first row sets the columns; later numbers without a
    column are left out. An existing file is appended to.

    Parameters
    ----------
    path : path
    **options
        `prefix`, `step_offset` and `layers`, as in `Tracker`.

    Raises
    ------
    GradflowError
        The file exists and starts with another header.
    """

    def __init__(self, path: str | os.PathLike[str], *, prefix: str = "gradflow", **options: Any) -> None:
        super().__init__(prefix=prefix, picture=False, **options)
        self._path = Path(path)
        self._columns: list[str] = []
        if self._path.exists() and self._path.stat().st_size:
            with self._path.open(newline="", encoding="utf-8") as file:
                self._columns = next(csv.reader(file))
            if self._columns[:1] != ["step"]:
                raise GradflowError(f"{path} holds something else: its first column is not step; give another file.")

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Append a row."""
        part = {"network": self._part} if self._part else {}
        names = {name.removeprefix(f"{self.prefix}/"): value for name, value in numbers.items()}
        row = {"step": step, **part, **names}
        with self._path.open("a", newline="", encoding="utf-8") as file:
            if not self._columns:
                self._columns = list(row)
                csv.writer(file).writerow(self._columns)
            csv.DictWriter(file, self._columns, extrasaction="ignore").writerow(row)
