"""Worker processes: started, fed with runs, followed by their events, ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from gradflow import storage
from gradflow.experiments.folder import SweepFolder
from gradflow.experiments.planned_run import Run
from gradflow.experiments.run_failures import reason_of_death
from gradflow.experiments.store import Store
from gradflow.recording import Recording

# What is imported stays, and looking for garbage in it meanwhile takes a fifth of the time.
WORKER = (
    "import gc; gc.disable(); from gradflow.experiments.worker import from_command_line; "
    "gc.freeze(); gc.enable(); from_command_line()"
)
STOP_SECONDS = 30.0  # for the step under way and a checkpoint, when a sweep is interrupted
# A worker keeps the memory that a step lets go of for the next one: glibc gives it back to the system otherwise, which
# must fill it with zeros again, 3 to 6 % of a step. Tensors of 32 MiB and more, the most that every version takes, are
# given back all the same.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}

EventKind = Literal["skipped", "set aside", "started", "resumed", "step", "finished", "failed"]


@dataclass(frozen=True)
class Event:
    """Something that happened to one run of a sweep.

    `step` updates are made of the run's, by process `pid`; "resumed" tells from which one it goes on. `recording` comes
    with "finished" and "skipped" (made earlier); `detail` says why a run failed or what was set aside.
    """

    kind: EventKind
    run: Run
    step: int = 0
    recording: Recording | None = None
    detail: str = ""
    pid: int = 0


@dataclass(frozen=True)
class Work:
    """What an engine is to make: runs, in this order as far as it can; `recordings` is filled as they finish.

    `tell` hears of all that happens to them, `checkpoint_every` are the seconds between two checkpoints of a run, and
    what is finished is copied to the store, if there is one.
    """

    runs: Sequence[Run]
    folder: SweepFolder
    recordings: dict[Run, Recording]
    tell: Callable[[Event], object]
    checkpoint_every: float
    store: Store | None = None


class _Worker:
    """One worker process and the run it is busy with."""

    def __init__(
        self, work: Work, inbox: queue.SimpleQueue[tuple[_Worker, dict[str, Any]]], gpu: Mapping[str, str]
    ) -> None:
        folder = work.folder
        package = str(Path(__file__).parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        arguments = [str(folder.path.resolve()), json.dumps(folder.lock), folder.command, str(work.checkpoint_every)]
        self.run: Run | None = None
        self.step = 0
        self.gpu = gpu
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", WORKER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**MEMORY, **os.environ, **threads, **gpu, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends the workers
        )
        self._reader = threading.Thread(target=self._read, args=(inbox,), daemon=True)
        self._reader.start()

    def _read(self, inbox: queue.SimpleQueue[tuple[_Worker, dict[str, Any]]]) -> None:
        """Pass every event on, and at last the process's end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            # Whatever was printed before the worker took hold of its output is no event.
            with contextlib.suppress(ValueError):
                inbox.put((self, json.loads(line)))
        inbox.put((self, {"kind": "ended", "code": self.process.wait()}))

    def give(self, run: Run) -> None:
        """Send a run to the process."""
        assert self.process.stdin is not None
        self.run, self.step = run, 0
        # If the process is gone, its end arrives as an event and the run is reported there.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(run.to_json()) + "\n")
            self.process.stdin.flush()

    def stop(self) -> None:
        """Ask the process to leave a checkpoint and end."""
        if self.process.poll() is None:
            self.process.terminate()

    def kill(self) -> None:
        """End the process at once."""
        if self.process.poll() is None:
            self.process.kill()

    def close(self) -> None:
        """End the process if it is still there, and wait for it; one that is at work was asked to end by itself."""
        if self.run is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        self.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # unsent bytes to a process that is gone
                stream.close()


class Pool:
    """Hands runs to workers and follows their events until every run finished or failed."""

    def __init__(self, count: int, work: Work) -> None:
        self._count = count
        self._work = work
        self._waiting = deque(work.runs)
        self._inbox: queue.SimpleQueue[tuple[_Worker, dict[str, Any]]] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._failures: dict[Run, str] = {}

    def run(self) -> dict[Run, str]:
        """Make the runs and return the failures; every process has ended on return.

        Raises FolderLostError where the sweep's folder was removed or replaced; nothing was written since.
        """
        try:
            n_gpus, visible = torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES")
            for number in range(self._count):
                self._hire(gpu_of(number, self._work.runs, count=n_gpus, visible=visible))
            for worker in self._workers:
                self._next(worker)
            while any(worker.run for worker in self._workers):
                self._handle(*self._inbox.get())
        finally:
            self._end()
        return self._failures

    def _end(self) -> None:
        """End all processes; a second Ctrl-C does not wait for what they have under way."""
        try:
            for worker in self._workers:
                worker.stop()
            for worker in self._workers:
                worker.close()
        except BaseException:
            for worker in self._workers:
                worker.kill()
            raise

    def _hire(self, gpu: Mapping[str, str]) -> _Worker:
        worker = _Worker(self._work, self._inbox, gpu)
        self._workers.append(worker)
        return worker

    def _next(self, worker: _Worker) -> None:
        """Give a worker its next run, if there is one."""
        worker.run = None
        if self._waiting:
            run = self._waiting.popleft()
            worker.give(run)
            self._work.tell(Event("started", run, pid=worker.process.pid))

    def _handle(self, worker: _Worker, event: dict[str, Any]) -> None:
        run, folder, recordings = worker.run, self._work.folder, self._work.recordings
        if run is None or event["kind"] == "ready":
            return
        folder.check()
        if event["kind"] in ("step", "resumed"):
            worker.step = event["step"]
            self._work.tell(Event(event["kind"], run, step=worker.step, pid=worker.process.pid))
            return
        if event["kind"] == "finished":
            recordings[run] = storage.load_one(folder.runs / run.id)
            self._work.tell(Event("finished", run, step=run.steps, recording=recordings[run]))
        elif event["kind"] == "failed":
            self._fail(run, event["reason"])
            if event["is_disk_full"]:  # no further run is started: there is no room for it
                while self._waiting:
                    self._fail(self._waiting.popleft(), "not started: the disk is full")
        elif event["kind"] == "ended":
            reason = reason_of_death(event["code"])
            with contextlib.suppress(OSError):  # told below in any case
                folder.run_directory(run).say("failed", step=worker.step, reason=reason)
            self._fail(run, reason)
            worker.run = None
            if self._waiting:
                worker = self._hire(worker.gpu)
        self._next(worker)

    def _fail(self, run: Run, reason: str) -> None:
        self._failures[run] = reason
        self._work.tell(Event("failed", run, detail=reason))


def gpu_of(number: int, runs: Iterable[Run], *, count: int, visible: str | None) -> dict[str, str]:
    """Return what a worker's environment must hold so that it uses one GPU, the next one after its neighbour's.

    Nothing, where there are fewer than two, or runs name their GPUs themselves.

    Examples
    --------
    >>> from gradflow.experiments import plan
    >>> from dataclasses import replace
    >>> run = replace(plan([8], device="cpu")[0], device="cuda")
    >>> [gpu_of(number, [run], count=2, visible="4,5") for number in range(3)]
    [{'CUDA_VISIBLE_DEVICES': '4'}, {'CUDA_VISIBLE_DEVICES': '5'}, {'CUDA_VISIBLE_DEVICES': '4'}]
    """
    if count < 2 or any(run.device != "cuda" for run in runs):
        return {}
    names = visible.split(",") if visible else [str(index) for index in range(count)]
    return {"CUDA_VISIBLE_DEVICES": names[number % count]}


def default_workers(device: str) -> int:
    """Return how many processes to use: one for every core this process may use, or for every GPU."""
    if device == "cuda":
        return max(1, torch.cuda.device_count())
    if device != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
