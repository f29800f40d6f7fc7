"""Who makes the runs of a sweep: worker processes of this machine, unless another engine is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from gradflow import storage
from gradflow.experiments.planned_run import Run
from gradflow.experiments.pool import Event, Pool, Work, default_workers
from gradflow.experiments.recipe import check
from gradflow.settings import ExecutionSettings


class Engine(Protocol):
    """Makes runs; `processes` of them train one network together, so that those of a run must be as many."""

    @property
    def processes(self) -> int:
        """Processes that train one network."""
        ...

    def run(self, work: Work) -> dict[Run, str]:
        """Make the runs, and return why some failed."""
        ...


@dataclass(frozen=True)
class LocalEngine:
    """Worker processes of one thread each on this machine; `workers` of them, or as many as there are cores."""

    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None:
            check(ExecutionSettings, workers=self.workers)

    @property
    def processes(self) -> int:
        """One."""
        return 1

    def run(self, work: Work) -> dict[Run, str]:
        """Make the runs; see `Engine`."""
        unsent: dict[Run, str] = {}
        count = min(self.workers or default_workers(work.runs[0].device), len(work.runs))
        return {**Pool(count, sending(work, unsent)).run(), **unsent}


def sending(work: Work, unsent: dict[Run, str]) -> Work:
    """Return the work with a `tell` that copies finished runs to the store first, and notes why one could not be."""
    store = work.store
    if store is None:
        return work

    def tell_and_send(event: Event) -> None:
        if event.kind == "finished":
            try:
                store.push(work.folder.runs / event.run.id)
            except storage.StorageError as error:
                unsent[event.run] = str(error)
        work.tell(event)

    return replace(work, tell=tell_and_send)
