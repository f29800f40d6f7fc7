"""Stream: a recorder's rows on their way to a folder, and what becomes of them while it cannot be written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from gradflow import storage
from gradflow.hooks.rows import Buffer

FIRST_SECONDS = 1.0  # until the first write; the time between two then doubles
FLUSH_SECONDS = 30.0  # between two writes at most: what a kill can cost
MAX_KEPT_ROWS = 500_000  # in memory while the folder cannot be written, some 200 MB; newer ones are then dropped


class Stream:
    """Brings the rows of a buffer to a recording's folder; what cannot be written waits in memory.

    Parameters
    ----------
    writer : Writer
        Of the folder, which is held until `close`.
    buffer : Buffer
        Where the rows come from.

    Attributes
    ----------
    error : OSError or None
        Why the last rows are not on disk.
    n_dropped : int
        Rows that are lost because the folder could not be written for too long.
    """

    def __init__(self, writer: storage.Writer, buffer: Buffer) -> None:
        self._writer = writer
        self._buffer = buffer
        self.error: OSError | None = None
        self.n_dropped = 0
        self._pause = min(FIRST_SECONDS, FLUSH_SECONDS)
        self._next = time.perf_counter() + self._pause

    @property
    def is_late(self) -> bool:
        """Whether rows have waited long enough."""
        return time.perf_counter() > self._next

    @property
    def n_missing(self) -> int:
        """Rows that are not on disk."""
        return self._writer.n_uncommitted + self._buffer.n_kept + self._buffer.n_waiting + self.n_dropped

    def flush(self, meta: Mapping[str, Any]) -> str | None:
        """Bring all rows to the disk, or keep them; returns what there is to say of it, once for each failure."""
        if not self._writer.is_open:
            return None
        failed, n_dropped = self.error, self.n_dropped
        if failed is not None:
            self._try(meta)
        if self.error is not None and self._buffer.n_kept >= MAX_KEPT_ROWS:
            self.n_dropped += self._buffer.drop_waiting()
        else:
            self._buffer.flush()
            if self.error is None:
                self._try(meta)
        if self.n_dropped and not n_dropped:
            return (
                f"{self._buffer.n_kept} rows wait in memory, the most that are kept, since {self._reason}. Newer rows "
                "are dropped until it can be written."
            )
        if self.error is not None and failed is None:
            return (
                f"{self.n_missing} rows are not on disk, since {self._reason}. Training goes on, and they are written "
                "as soon as that works. strict=True raises."
            )
        return None

    def _try(self, meta: Mapping[str, Any]) -> None:
        try:
            self.write(meta)
        except OSError as error:  # a full disk must not end training
            self.error = error

    def write(self, meta: Mapping[str, Any]) -> None:
        """Write the rows that are tables.

        Raises
        ------
        OSError
            They cannot all be written. The folder holds what it held, and the rows stay in memory.
        """
        self._pause = min(2 * self._pause, FLUSH_SECONDS)
        self._next = time.perf_counter() + self._pause
        if not self._writer.is_open or self._writer.is_waiting:  # closed before its first step
            return
        self._buffer.drain(self._writer.append)
        self._writer.commit({**meta, "dropped_rows": self.n_dropped} if self.n_dropped else meta)
        self.error = None

    def close(self, meta: Mapping[str, Any]) -> str | None:
        """Bring all rows to the disk and let go of the folder; returns what is missing, for which it may be retried."""
        self.flush(meta)
        if not self._writer.is_open:
            return None
        if self.error is None:
            self._writer.close()
            dropped = f"{self.n_dropped} rows were dropped while {self._folder} could not be written."
            return dropped if self.n_dropped else None
        return (
            f"{self.n_missing} rows are missing on disk, since {self._reason}. What was written before can be read. "
            "Once the folder can be written again, call close() again, before this process ends."
        )

    @property
    def _reason(self) -> str:
        assert self.error is not None
        return f"{self._folder} cannot be written ({self.error.strerror or self.error})"

    @property
    def _folder(self) -> str:
        return storage.named(str(self._writer.folder))
