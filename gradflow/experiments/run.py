"""Run a plan in worker processes: longest first, results on disk as they finish, no failure stopping the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gradflow import storage
from gradflow.experiments import own_factory
from gradflow.experiments.data import load_data, sizes
from gradflow.experiments.engines import Engine, LocalEngine
from gradflow.experiments.folder import RUNS, SweepFolder, check_out
from gradflow.experiments.identity import data_digest
from gradflow.experiments.network import is_own
from gradflow.experiments.plan import plan
from gradflow.experiments.planned_run import Run
from gradflow.experiments.pool import Event, Work
from gradflow.experiments.recipe import PlanError, check
from gradflow.experiments.run_directory import CHECKPOINT_SECONDS
from gradflow.experiments.store import Store
from gradflow.factories import TargetError
from gradflow.recording import Recording
from gradflow.settings import ExecutionSettings
from gradflow.targets import check_channels
from gradflow.text import text


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
    engine: Engine | None = None,
    store: str | None = None,
    checkpoint_every: float = CHECKPOINT_SECONDS,
    on_event: Callable[[Event], object] | None = None,
    command: str = "gradflow.compare()",
    **settings: Any,
) -> list[Recording]:
    """Train plain and residual networks of several depths, and return their recordings in the plan's order.

    After an interruption, the same call continues: finished runs are skipped, and interrupted ones resume from
    their last checkpoint and give the numbers of an uninterrupted run.

    Parameters
    ----------
    depths : iterable of int, optional
        Weighted layers, each 6n + 2 for the default model: 20, 56, 110. A factory of the user's need not have a depth.
    out : path
        Folder for the recordings, new or from an earlier call.
    workers : int, optional
        Worker processes, one thread each; by default one per core, and a single one on a GPU.
    engine : Engine, optional
        Where runs execute instead of in worker processes: `gradflow.experiments.ray_engine.RayEngine(...)`, or the
        engine that `gradflow.experiments.torchrun.joined()` returns.
    store : str, optional
        A URL that fsspec supports ("s3://bucket/sweep"): finished runs are copied there, and runs that are already
        there are skipped. With a Ray engine, the nodes then need not share `out`.
    checkpoint_every : float
        Seconds between two checkpoints of a run: the most that an interruption can lose.
    on_event : callable, optional
        Receives an `Event` whenever a run starts, makes progress, finishes or fails.
    command : str
        Kept with each recording as the command that made it.
    **settings
        `families`, `seeds`, `vary`, `overrides`, `model`, `data`, `record_every`, `eval_every`, `device`, fields of
        `Recipe` and options of the model: see `gradflow.experiments.plan`.

    Raises
    ------
    PlanError, DataError
        An argument is out of range, `out` holds other files, or another command is at work in it. Nothing has been
        trained.
    RunsFailedError
        Some runs failed; the others are finished and on disk.
    """
    runs = plan(depths, **settings)
    return execute(
        runs,
        out=out,
        workers=workers,
        engine=engine,
        store=store,
        checkpoint_every=checkpoint_every,
        on_event=on_event,
        command=command,
    )


def execute(
    runs: Sequence[Run],
    *,
    out: str | os.PathLike[str],
    workers: int | None = None,
    engine: Engine | None = None,
    store: str | None = None,
    checkpoint_every: float = CHECKPOINT_SECONDS,
    on_event: Callable[[Event], object] | None = None,
    command: str = "gradflow.experiments.execute()",
) -> list[Recording]:
    """Run a plan; see `compare`, which makes the plan first."""
    tell = on_event if on_event is not None else _ignore
    engine, remote = check_execution(
        runs, out=out, workers=workers, engine=engine, store=store, checkpoint_every=checkpoint_every
    )
    if not Path(out).exists():
        _check_data_of(runs)  # what is missing leaves no folder
    folder = SweepFolder(out, command=command)
    with folder.claimed():
        if remote is not None:
            remote.claim(command)
            for run in runs:
                remote.fetch(run.id, folder.anchor / RUNS)
        recordings = _finished(runs, folder, tell)
        waiting = _by_seed([run for run in runs if run not in recordings])
        _check_data_of(waiting)
        failures: dict[Run, str] = {}
        if waiting:
            failures = engine.run(Work(waiting, folder, recordings, tell, checkpoint_every, remote))
        folder.tidy(recordings)
    ordered = [recordings[run] for run in runs if run in recordings]
    if failures:
        raise RunsFailedError({run.id: reason for run, reason in failures.items()}, ordered)
    return ordered


def check_execution(
    runs: Sequence[Run],
    *,
    out: str | os.PathLike[str],
    workers: int | None = None,
    engine: Engine | None = None,
    store: str | None = None,
    checkpoint_every: float = CHECKPOINT_SECONDS,
) -> tuple[Engine, Store | None]:
    """Check what `execute` is to be called with, write and fetch nothing, and return the engine and the store.

    Raises PlanError where an argument is out of range, or `out` or the store cannot be used.
    """
    if engine is not None and workers is not None:
        raise PlanError(f"workers is for worker processes of this machine; got {workers} and {type(engine).__name__}.")
    engine = engine or LocalEngine(workers)
    _check_processes(runs, engine.processes)
    check(ExecutionSettings, checkpoint_every=checkpoint_every)
    check_out(Path(out))
    return engine, None if store is None else Store(store)


def _finished(runs: Sequence[Run], folder: SweepFolder, tell: Callable[[Event], object]) -> dict[Run, Recording]:
    """Return the runs that are made already; what cannot be trusted, or was made of other data, is set aside."""
    recordings: dict[Run, Recording] = {}
    for run in runs:
        try:
            found = folder.finished(run)
            if found is not None and ":" in run.data and found.meta.get("data_digest") != data_digest(run.data):
                raise storage.StorageError(f"{run.id} was made of other data than {run.data} holds now.")
        except storage.StorageError as error:
            aside = folder.set_aside(run)
            tell(Event("set aside", run, detail=f"{error} Kept as {aside.name}; the run is made again."))
            continue
        if found is not None:
            recordings[run] = found
            tell(Event("skipped", run, step=run.steps, recording=found))
    return recordings


def _by_seed(runs: Sequence[Run]) -> list[Run]:
    """Return runs seed by seed, in their order within each: the first answer comes early."""
    return sorted(runs, key=lambda run: run.seed)


def _check_processes(runs: Sequence[Run], processes: int) -> None:
    for run in runs:
        if run.processes != processes:
            raise PlanError(
                f"processes must be {processes}, as many as this engine trains one network with; got {run.processes}. "
                "For several, start gradflow by torchrun."
            )


def _check_data_of(runs: Sequence[Run]) -> None:
    """Load each data set once before any worker does: what is missing is said, or fetched, here and once."""
    for run in runs:
        load_data(run.data)
    check_fit(runs)


def check_fit(runs: Iterable[Run]) -> None:
    """Raise PlanError unless networks and batches fit their data; nothing is fetched."""
    for run in runs:
        shape, n, _, _ = sizes(run.data)
        of_images = not is_own(run.network.model) or own_factory.is_of_library(run.network.model)
        if len(shape) != 3 and (run.recipe.augment or of_images):
            asked = "augment" if run.recipe.augment else text("error.model.prefix", error=run.network.model)
            raise PlanError(text("error.model.image_data", what=asked, data=run.data, shape=shape))
        try:
            check_channels(run.network.model, shape[0])
        except TargetError as error:
            raise PlanError(text("error.model.prefix", error=error)) from None
        if run.recipe.batch_size > n:
            raise PlanError(text("error.data.batch_of", n=n, data=run.data, value=run.recipe.batch_size))


def _ignore(event: Event) -> None:
    pass
