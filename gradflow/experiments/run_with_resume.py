"""One attempt at a run: it goes on from its checkpoint, and is kept when it is done."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from gradflow.experiments.distributed import ALONE, Team
from gradflow.experiments.folder import SweepFolder
from gradflow.experiments.planned_run import Run
from gradflow.experiments.run_directory import CHECKPOINT_SECONDS, CheckpointManager, StoppedError
from gradflow.experiments.run_failures import is_disk_full, is_out_of_memory, reason_of
from gradflow.experiments.train import train
from gradflow.recording import Recording


def run_with_resume(
    folder: SweepFolder,
    run: Run,
    *,
    checkpoint_every: float = CHECKPOINT_SECONDS,
    on_step: Callable[[int], object] | None = None,
    on_resume: Callable[[int], object] | None = None,
    stop: threading.Event | None = None,
    team: Team = ALONE,
) -> Recording:
    """Make a run in a sweep's folder, from its last checkpoint if there is one, and return its recording.

    Whatever ends it is told in the run's `status.json`, and its checkpoint stays. `on_step` and `on_resume` get the
    number of updates, as it goes on, and where it goes on from. Once `stop` is set, the run leaves a checkpoint and
    `StoppedError` is raised; `FolderLostError` where the sweep's folder was removed or replaced, and nothing was
    written since. `team` are the processes that make it together; this is the first.
    """
    directory = folder.run_directory(run)
    with directory.held():
        found = folder.finished(run)  # by a worker that outlived its parent
        if found is not None:
            directory.remove()
            return found
        reached = 0

        def step_done(step: int) -> None:
            nonlocal reached
            reached = step
            if on_step is not None:
                on_step(step)

        manager = CheckpointManager(directory, every=checkpoint_every, stop=stop, on_resume=on_resume)
        try:
            recording = train(run, on_step=step_done, manager=manager, team=team)
            kept = folder.keep(run, recording.having(meta={**recording.meta, "command": folder.command}))
        except BaseException as error:
            folder.check()
            is_stop = isinstance(error, StoppedError | KeyboardInterrupt)
            with contextlib.suppress(OSError):  # the disk may be what failed
                if not (is_stop or is_out_of_memory(error) or is_disk_full(error)):
                    manager.distrust()
                directory.say(
                    "waiting" if is_stop else "failed",
                    step=reached,
                    reason="interrupted" if is_stop else reason_of(error),
                )
            raise
        directory.remove()
        return kept
