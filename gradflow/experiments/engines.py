"""Who makes the runs of a sweep: worker processes of this machine, unless another engine is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gradflow import storage
from gradflow.experiments.folder import SweepFolder
from gradflow.experiments.planned_run import Run
from gradflow.experiments.pool import Event, Pool, default_workers
from gradflow.experiments.recipe import check
from gradflow.experiments.store import Store
from gradflow.recording import Recording
from gradflow.settings import ExecutionSettings


class Engine(Protocol):
    """Makes runs, in this order as far as it can, and tells of them as they go.

    `processes` of them train one network together: those of a run must be as many.
    """

    @property
    def processes(self) -> int:
        """Processes that train one network."""
        ...

    def run(
        self,
        waiting: Sequence[Run],
        folder: SweepFolder,
        recordings: dict[Run, Recording],
        tell: Callable[[Event], object],
        *,
        command: str,
        checkpoint_every: float,
        store: Store | None = None,
    ) -> dict[Run, str]:
        """Fill `recordings` as runs finish, copy them to the store if there is one, and return why others failed."""
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

    def run(
        self,
        waiting: Sequence[Run],
        folder: SweepFolder,
        recordings: dict[Run, Recording],
        tell: Callable[[Event], object],
        *,
        command: str,
        checkpoint_every: float,
        store: Store | None = None,
    ) -> dict[Run, str]:
        """Make the runs; see `Engine`."""
        unsent: dict[Run, str] = {}
        tell = sending(store, folder, tell, unsent)
        count = min(self.workers or default_workers(waiting[0].device), len(waiting))
        pool = Pool(count, folder, command, tell, checkpoint_every=checkpoint_every)
        return {**pool.run(waiting, recordings), **unsent}


def sending(
    store: Store | None, folder: SweepFolder, tell: Callable[[Event], object], unsent: dict[Run, str]
) -> Callable[[Event], object]:
    """Return a `tell` that copies finished runs to the store first, and notes why one could not be."""
    if store is None:
        return tell

    def tell_and_send(event: Event) -> None:
        if event.kind == "finished":
            try:
                store.push(folder.runs / event.run.id)
            except storage.StorageError as error:
                unsent[event.run] = str(error)
        tell(event)

    return tell_and_send
