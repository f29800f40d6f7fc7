"""Sinks: trackers such as TensorBoard, which a recorder tells of its new rows; one that fails is named once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from gradflow.hooks.failures import Failures

if TYPE_CHECKING:
    from gradflow.analysis.flushed import Flushed

MIN_SECONDS = 2.0  # between two flushes to the sinks
MAX_SHARE = 0.02  # of the time, that flushes to sinks may take


class Sink(Protocol):
    """What receives a recorder's new rows while a network trains."""

    def write(self, flushed: Flushed) -> object:
        """Show the rows recorded since the last call; whatever this raises is a warning."""
        ...

    def close(self) -> object:
        """End; called once, after the last `write`."""
        ...


class Sinks:
    """The sinks of one recorder, and the rows that they have not seen.

    Parameters
    ----------
    sinks : sequence of Sink
    failures : Failures
        Is told of a sink that raises. The others and the training go on.
    """

    def __init__(self, sinks: Sequence[Sink], failures: Failures) -> None:
        self._sinks = list(sinks)
        self._failures = failures
        self._waiting: dict[str, list[pd.DataFrame]] = {}
        self._next = time.perf_counter()

    @property
    def is_due(self) -> bool:
        """Whether the sinks have waited long enough."""
        return bool(self._sinks) and time.perf_counter() >= self._next

    def take(self, tables: Mapping[str, list[pd.DataFrame]]) -> None:
        """Note tables that have just been made."""
        if self._sinks:
            for table in ("steps", "layers"):
                self._waiting.setdefault(table, []).extend(tables[table])

    def write(self, meta: Mapping[str, Any], n_findings: int | None = None) -> None:
        """Tell every sink of the rows that came since the last call, and of how many findings there are by now."""
        waiting = self._waiting
        if not any(waiting.values()):
            return
        from gradflow.analysis.flushed import Flushed  # brings the analysis, which recording alone need not

        began = time.perf_counter()
        flushed = Flushed(_joined(waiting["steps"]), _joined(waiting["layers"]), meta, n_findings=n_findings)
        self._waiting = {}
        for sink in self._sinks:
            try:
                sink.write(flushed)
            except Exception as error:
                self._warn(sink, error)
        now = time.perf_counter()
        self._next = now + max(MIN_SECONDS, (now - began) / MAX_SHARE)

    def close(self) -> None:
        """End every sink; twice is as good as once."""
        sinks, self._sinks = self._sinks, []
        for sink in sinks:
            try:
                sink.close()
            except Exception as error:
                self._warn(sink, error)

    def _warn(self, sink: Sink, error: Exception) -> None:
        name = getattr(sink, "name", type(sink).__name__)
        reason = str(error).strip().partition("\n")[0]
        self._failures.warn(f"{name} failed ({type(error).__name__}: {reason}); training goes on.", once=name)


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
