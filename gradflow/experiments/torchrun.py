"""Processes that `torchrun` started train every network of a sweep together: several GPUs, or machines, for one.

    torchrun --nproc-per-node 4 -m gradflow compare --depths 110 --device cuda

The first process plans, records and reports; the others wait for the runs that it announces, and make them along.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from datetime import timedelta

import torch
from torch import distributed

from gradflow.experiments.distributed import PartnerError, StrandedError, Team
from gradflow.experiments.engines import sending
from gradflow.experiments.planned_run import Run
from gradflow.experiments.pool import Event, Work
from gradflow.experiments.run_directory import StoppedError
from gradflow.experiments.run_failures import is_disk_full, reason_of
from gradflow.experiments.run_with_resume import run_with_resume
from gradflow.experiments.train import train_along
from gradflow.recording import Recording

STEP_TIMEOUT = timedelta(hours=2)  # for the first process's errors on whole sets, for which the others wait
CONTROL_TIMEOUT = timedelta(days=30)  # for all that the first process does between two runs


class TorchrunEngine:
    """Makes runs one after the other, each by all processes; `joined` gives it to the first of them.

    `is_amid_run` says whether the others may be at a step of a run, where they listen to nothing else.
    """

    def __init__(self, control: distributed.ProcessGroup) -> None:
        self.processes = distributed.get_world_size()
        self.is_amid_run = False
        self._control = control

    def run(self, work: Work) -> dict[Run, str]:
        """Make the runs; see `Engine`.

        Raises KeyboardInterrupt where asked to stop by SIGINT or SIGTERM: the run under way has left a checkpoint.
        StrandedError where this process failed and others did not: the same command goes on from the run's checkpoint.
        FolderLostError where the sweep's folder was removed or replaced.
        """
        failures: dict[Run, str] = {}
        work = sending(work, failures)
        left = deque(work.runs)
        with _stopped_by_signals() as stop:
            while left:
                run = left.popleft()
                try:
                    work.recordings[run] = self._make(run, work, stop)
                except _RunFailedError as failed:
                    work.folder.check()
                    failures[run] = str(failed)
                    work.tell(Event("failed", run, detail=failures[run]))
                    if failed.is_disk_full:
                        break
                else:
                    work.tell(Event("finished", run, step=run.steps, recording=work.recordings[run]))
        for run in left:
            failures[run] = "not started: the disk is full"
            work.tell(Event("failed", run, detail=failures[run]))
        return failures

    def _make(self, run: Run, work: Work, stop: threading.Event) -> Recording:
        """Make one run with all processes."""
        self.is_amid_run = True
        distributed.broadcast_object_list([json.dumps(run.to_json())], src=0, group=self._control)
        team = Team(0, self.processes, self._control)
        work.tell(Event("started", run, pid=os.getpid()))
        try:
            recording = run_with_resume(
                work.folder,
                run,
                checkpoint_every=work.checkpoint_every,
                on_step=lambda step: work.tell(Event("step", run, step=step, pid=os.getpid())),
                on_resume=lambda step: work.tell(Event("resumed", run, step=step, pid=os.getpid())),
                stop=stop,
                team=team,
            )
        except StoppedError:
            raise KeyboardInterrupt from None
        except Exception as error:  # whatever ends one run must not end the others
            if stop.is_set():  # a signal to all processes: another was faster to end
                raise KeyboardInterrupt from None
            team.end(reason_of(error))
            self.is_amid_run = False
            raise _RunFailedError(reason_of(error), is_disk_full=is_disk_full(error)) from error
        team.end()
        self.is_amid_run = False
        return recording


class _RunFailedError(Exception):
    """All processes have left a run that failed, and can go on to the next."""

    def __init__(self, reason: str, *, is_disk_full: bool) -> None:
        super().__init__(reason)
        self.is_disk_full = is_disk_full


@contextlib.contextmanager
def joined() -> Iterator[TorchrunEngine | None]:
    """Join the processes that torchrun started; the first one gets the engine, the others None once it is done.

    Examples
    --------
    In a script of your own, started by torchrun::

        with joined() as engine:
            if engine is not None:
                gradflow.compare([110], out="out", engine=engine, processes=engine.processes)
    """
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=STEP_TIMEOUT)
    control = distributed.new_group(backend="gloo", timeout=CONTROL_TIMEOUT)
    engine = TorchrunEngine(control) if distributed.get_rank() == 0 else None
    try:
        if engine is None:
            _follow(control)
        yield engine
    except StrandedError:
        atexit.register(_end_at_once)
        raise
    finally:
        if engine is not None and not engine.is_amid_run:  # otherwise they end as this process does
            distributed.broadcast_object_list([None], src=0, group=control)
            _leave_group()


def _leave_group() -> None:
    """Leave the processes' group, and the networks that hold it in cycles: its threads must not outlive Python."""
    gc.collect()
    distributed.destroy_process_group()


def _end_at_once() -> None:
    """End the process, whose exchange with the others is pending: the interpreter would wait for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _follow(control: distributed.ProcessGroup) -> None:
    """Make every run along that the first process announces, until it says that there is none.

    Raises PartnerError where the first process is gone, StrandedError where this process failed alone.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the first process stops at a checkpoint, and with it this one
    rank, reason = distributed.get_rank(), None
    try:
        while (run := _announced(control)) is not None:
            team = Team(rank, distributed.get_world_size(), control)
            try:
                train_along(run, team)
                reason = None
            except Exception as error:  # told by the first process, if it comes to that
                reason = reason_of(error)
            team.end(reason)
    except RuntimeError as error:
        raise PartnerError(f"process {rank} lost the others: {reason or reason_of(error)}") from None
    _leave_group()


def _announced(control: distributed.ProcessGroup) -> Run | None:
    announced: list[str | None] = [None]
    distributed.broadcast_object_list(announced, src=0, group=control)
    return None if announced[0] is None else Run.from_json(json.loads(announced[0]))


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into an event while runs are made."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
