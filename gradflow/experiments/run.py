"""Run a plan in worker processes: longest first, results on disk as they finish, no failure stopping the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gradflow import storage
from gradflow.experiments.data import load_data
from gradflow.experiments.folder import SweepFolder
from gradflow.experiments.network import is_own
from gradflow.experiments.plan import plan
from gradflow.experiments.pool import Event, Pool
from gradflow.experiments.recipe import PlanError
from gradflow.experiments.runs import Run
from gradflow.recording import Recording


class RunsFailedError(RuntimeError):
    """Some runs failed; the others finished and are on disk.

    `failures` maps each failed run's id to its reason; `recordings` are the finished ones.
    """

    def __init__(self, failures: dict[str, str], recordings: list[Recording]) -> None:
        named = "; ".join(f"{run}: {reason}" for run, reason in failures.items())
        super().__init__(f"{len(failures)} of {len(failures) + len(recordings)} runs failed: {named}")
        self.failures = failures
        self.recordings = recordings


def compare(
    depths: Iterable[int] | None = None,
    *,
    out: str | os.PathLike[str],
    workers: int | None = None,
    on_event: Callable[[Event], object] | None = None,
    command: str = "gradflow.compare()",
    **settings: Any,
) -> list[Recording]:
    """Train plain and residual networks of several depths and return what was recorded, in the plan's order.

    Runs that the folder already holds are not made again, so the same call after an interruption goes on.

    Parameters
    ----------
    depths : iterable of int, optional
        Weighted layers, each 6n + 2 for the default model: 20, 56, 110. A factory of the user's need not have a depth.
    out : path
        Folder for the recordings, new or from an earlier call.
    workers : int, optional
        Processes of one thread each; as many as there are cores unless given. One on a GPU.
    on_event : callable, optional
        Receives an `Event` whenever a run starts, makes progress, finishes or fails.
    command : str
        Kept with each recording as what made it.
    **settings
        `families`, `seeds`, `vary`, `overrides`, `model`, `data`, `record_every`, `eval_every`, `device`, fields of
        `Recipe` and options of the model: see `gradflow.experiments.plan`.

    Raises
    ------
    PlanError, DataError
        An argument is out of range, or `out` holds other files. Nothing has been trained.
    RunsFailedError
        Some runs failed; the others are finished and on disk.
    """
    runs = plan(depths, **settings)
    return execute(runs, out=out, workers=workers, on_event=on_event, command=command)


def execute(
    runs: Sequence[Run],
    *,
    out: str | os.PathLike[str],
    workers: int | None = None,
    on_event: Callable[[Event], object] | None = None,
    command: str = "gradflow.experiments.execute()",
) -> list[Recording]:
    """Run a plan; see `compare`, which makes the plan first."""
    tell = on_event if on_event is not None else _ignore
    if workers is not None and workers < 1:
        raise PlanError(f"workers must be at least 1; got {workers}.")
    folder = SweepFolder(out, command=command)
    folder.clear_parts()
    recordings: dict[Run, Recording] = {}
    for run in runs:
        try:
            found = folder.finished(run)
        except storage.StorageError as error:
            aside = folder.set_aside(run)
            tell(Event("set aside", run, detail=f"{error} Kept as {aside.name}; the run is made again."))
            found = None
        if found is not None:
            recordings[run] = found
            tell(Event("skipped", run, step=run.steps, recording=found))
    waiting = [run for run in runs if run not in recordings]
    _check_data_of(waiting)
    failures: dict[Run, str] = {}
    if waiting:
        count = min(workers or default_workers(waiting[0].device), len(waiting))
        pool = Pool(count, folder, command, tell)
        failures = pool.run(waiting, recordings)
    ordered = [recordings[run] for run in runs if run in recordings]
    if failures:
        raise RunsFailedError({run.id: reason for run, reason in failures.items()}, ordered)
    return ordered


def _check_data_of(runs: Sequence[Run]) -> None:
    """Load each data set once before any worker does: what is missing is said, or fetched, here and once."""
    for run in runs:
        data = load_data(run.data)
        n, shape = len(data.train_labels), tuple(data.train_images.shape[1:])
        if len(shape) != 3 and (run.recipe.augment or not is_own(run.network.model)):
            asked = "augment" if run.recipe.augment else f"model {run.network.model}"
            raise PlanError(f"{asked} takes images (channels, height, width); inputs of {run.data} are {shape}.")
        if run.recipe.batch_size > n:
            raise PlanError(
                f"batch size must be at most the {n} training images of {run.data}; got {run.recipe.batch_size}."
            )


def default_workers(device: str) -> int:
    """Return how many processes to use: every core this process may use, or one for a GPU."""
    if device != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _ignore(event: Event) -> None:
    pass
