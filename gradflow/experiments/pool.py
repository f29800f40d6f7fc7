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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gradflow import storage
from gradflow.experiments.folder import SweepFolder
from gradflow.experiments.runs import Run
from gradflow.recording import Recording

EventKind = Literal["skipped", "set aside", "started", "step", "finished", "failed"]


@dataclass(frozen=True)
class Event:
    """Something that happened to one run of a sweep.

    `step` updates are made of the run's, by process `pid`; `recording` comes with "finished" and "skipped" (made
    earlier); `detail` says why a run failed or what was set aside.
    """

    kind: EventKind
    run: Run
    step: int = 0
    recording: Recording | None = None
    detail: str = ""
    pid: int = 0


class _Worker:
    """One worker process and the run it is busy with."""

    def __init__(
        self, folder: SweepFolder, command: str, inbox: queue.SimpleQueue[tuple[_Worker, dict[str, Any]]]
    ) -> None:
        package = str(Path(__file__).parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self.run: Run | None = None
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gradflow.experiments.worker", str(folder.path.resolve()), command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)},
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
        self.run = run
        # If the process is gone, its end arrives as an event and the run is reported there.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(run.to_json()) + "\n")
            self.process.stdin.flush()

    def close(self) -> None:
        """End the process if it is still there, and wait for it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # unsent bytes to a process that is gone
                stream.close()


class Pool:
    """Hands runs to workers and follows their events until every run finished or failed."""

    def __init__(self, count: int, folder: SweepFolder, command: str, tell: Callable[[Event], object]) -> None:
        self._count = count
        self._folder = folder
        self._command = command
        self._tell = tell
        self._inbox: queue.SimpleQueue[tuple[_Worker, dict[str, Any]]] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._failures: dict[Run, str] = {}

    def run(self, runs: Sequence[Run], recordings: dict[Run, Recording]) -> dict[Run, str]:
        """Fill `recordings` as runs finish and return the failures; every process has ended on return."""
        waiting = deque(runs)
        try:
            for _ in range(self._count):
                self._hire()
            for worker in self._workers:
                self._next(worker, waiting)
            while any(worker.run for worker in self._workers):
                worker, event = self._inbox.get()
                self._handle(worker, event, waiting, recordings)
        finally:
            for worker in self._workers:
                worker.close()
        return self._failures

    def _hire(self) -> _Worker:
        worker = _Worker(self._folder, self._command, self._inbox)
        self._workers.append(worker)
        return worker

    def _next(self, worker: _Worker, waiting: deque[Run]) -> None:
        """Give a worker its next run, if there is one."""
        worker.run = None
        if waiting:
            run = waiting.popleft()
            worker.give(run)
            self._tell(Event("started", run, pid=worker.process.pid))

    def _handle(
        self, worker: _Worker, event: dict[str, Any], waiting: deque[Run], recordings: dict[Run, Recording]
    ) -> None:
        run = worker.run
        if run is None or event["kind"] == "ready":
            return
        if event["kind"] == "step":
            self._tell(Event("step", run, step=event["step"], pid=worker.process.pid))
            return
        if event["kind"] == "finished":
            recordings[run] = storage.load(self._folder.runs / run.id)
            self._tell(Event("finished", run, step=run.steps, recording=recordings[run]))
        elif event["kind"] == "failed":
            self._fail(run, event["reason"])
        elif event["kind"] == "ended":
            self._fail(run, f"its worker process ended with exit code {event['code']}")
            worker.run = None
            if waiting:
                worker = self._hire()
        self._next(worker, waiting)

    def _fail(self, run: Run, reason: str) -> None:
        self._failures[run] = reason
        self._tell(Event("failed", run, detail=reason))
