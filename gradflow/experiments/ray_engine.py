"""Runs as tasks on a Ray cluster: fractional GPUs, dead nodes made good, events as from this machine's workers.

Ray is optional and imported here alone. A task makes one run with `run_with_resume`, as a worker process does, so its
numbers are the same. If its node dies, Ray starts it again elsewhere: with the sweep's folder on a file system that all
nodes share it goes on from its checkpoint, with a store (no shared folder) it begins again.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradflow import storage
from gradflow.experiments.folder import RUNS, SweepFolder
from gradflow.experiments.planned_run import Run
from gradflow.experiments.pool import Event, Work
from gradflow.experiments.recipe import PlanError, check
from gradflow.experiments.run_failures import reason_of
from gradflow.experiments.store import Store
from gradflow.settings import ExecutionSettings

POLL_SECONDS = 0.2
LATE_SECONDS = 2.0  # between a run's outcome and the last that it said
ENDED = "ended"
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
PROBE = "import sys, ray; print(flush=True); ray.init(address=sys.argv[1], log_to_driver=False)"
LOCAL, AUTO = "local", "auto"
EXTRA = "the ray engine needs Ray: pip install 'gradflow-torch[ray]'."


@dataclass(frozen=True)
class RayEngine:
    """Makes runs on the Ray cluster at an address, "host:port".

    "auto" is the cluster that this machine belongs to; "local" or None starts one on this machine for the time of the
    sweep. A run takes up `gpus_per_run`, fractions included: with 0.25 four runs share one GPU; 0 by default, 1 for
    runs on a GPU. One that was lost with its node or process is started again up to `retries` times.
    """

    address: str | None = None
    gpus_per_run: float = 0.0
    retries: int = ExecutionSettings.retries

    def __post_init__(self) -> None:
        check(ExecutionSettings, gpus_per_run=self.gpus_per_run, retries=self.retries)

    @property
    def processes(self) -> int:
        """One."""
        return 1

    def run(self, work: Work) -> dict[Run, str]:
        """Make the runs; see `Engine`. Raises PlanError where Ray is not installed, or there is no cluster there."""
        ray = _connected(self.address)
        try:
            return _Sweep(ray, self, work).follow()
        finally:
            ray.shutdown()


class _Inbox:
    """An actor with which tasks leave their events.

    No `ray.util.queue.Queue`: putting something there waits for the answer, and while a task waits Ray counts its CPU
    as free and starts the next run on it.
    """

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []

    def put(self, event: dict[str, Any]) -> None:
        self._events.append(event)

    def take(self) -> list[dict[str, Any]]:
        taken, self._events = self._events, []
        return taken


class _Sweep:
    """The tasks of one sweep and their events."""

    def __init__(self, ray: Any, engine: RayEngine, work: Work) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray, self._engine, self._work = ray, engine, work
        self._runs = {run.id: run for run in work.runs}
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._inbox = ray.remote(_Inbox).options(num_cpus=0, scheduling_strategy=here).remote()
        self._ended: set[str] = set()
        self._task = ray.remote(_make)  # one for all runs: a process that has made one makes the next
        self._order = {
            "folder": None if work.store is not None else str(work.folder.path.resolve()),
            "store": None if work.store is None else work.store.url,
            "command": work.folder.command,
            "checkpoint_every": work.checkpoint_every,
            "cwd": str(Path.cwd()),
        }

    def follow(self) -> dict[Run, str]:
        """Start a task a run, longest first as they come, and pass events on until all have ended."""
        folder, recordings, tell = self._work.folder, self._work.recordings, self._work.tell
        tasks = {self._start(run): run for run in self._work.runs}
        failures: dict[Run, str] = {}
        try:
            while tasks:
                ended, _ = self._ray.wait(list(tasks), num_returns=1, timeout=POLL_SECONDS)
                folder.check()
                self._pass_on()
                for task in ended:
                    run = tasks.pop(task)
                    reason = self._outcome(task, run)
                    self._hear_out(run)
                    if reason is None:
                        recordings[run] = storage.load_one(folder.runs / run.id)
                        tell(Event("finished", run, step=run.steps, recording=recordings[run]))
                    else:
                        failures[run] = reason
                        tell(Event("failed", run, detail=reason))
        finally:
            for task in tasks:  # Ctrl-C: what is under way ends, and goes on from its checkpoint next time
                self._ray.cancel(task, force=True)
        return failures

    def _start(self, run: Run) -> Any:
        gpus = self._engine.gpus_per_run or float(run.device.startswith("cuda"))
        task = self._task.options(name=run.label, num_cpus=1, num_gpus=gpus, max_retries=self._engine.retries)
        return task.remote(run.to_json(), self._order, self._inbox)

    def _pass_on(self) -> None:
        for event in self._ray.get(self._inbox.take.remote()):
            if event["kind"] == ENDED:
                self._ended.add(event["run"])
                continue
            run = self._runs[event["run"]]
            self._work.tell(Event(event["kind"], run, step=event.get("step", 0), pid=event["pid"]))

    def _hear_out(self, run: Run) -> None:
        """Pass on what a run said last, which may come after its outcome; if its node was lost, never."""
        latest = time.monotonic() + LATE_SECONDS
        while run.id not in self._ended and time.monotonic() < latest:
            self._pass_on()

    def _outcome(self, task: Any, run: Run) -> str | None:
        """Return why a run failed, or None if its recording is in the folder."""
        try:
            reason: str | None = self._ray.get(task)
            if reason is None and self._work.store is not None:
                self._work.store.fetch(run.id, self._work.folder.anchor / RUNS)
        except self._ray.exceptions.RayError as error:
            lost = f"its node or process was lost {self._engine.retries + 1} times"
            return f"{lost} ({type(error).__name__})"
        except storage.StorageError as error:
            return str(error)
        return reason


def _make(values: dict[str, Any], order: dict[str, Any], inbox: Any) -> str | None:
    """Make a run on whatever node this is; return why it failed, or None."""
    import torch

    from gradflow.experiments.run_with_resume import run_with_resume

    run = Run.from_json(values)

    def say(kind: str, step: int = 0) -> None:
        inbox.put.remote({"kind": kind, "run": run.id, "step": step, "pid": os.getpid()})

    if Path(order["cwd"]).is_dir():
        os.chdir(order["cwd"])  # where a factory of the user's is looked up
    torch.set_num_threads(1)
    say("started")
    with tempfile.TemporaryDirectory(prefix="gradflow-") as scratch:
        try:
            place = Path(order["folder"] or Path(scratch) / "sweep")
            folder = SweepFolder(place, command=order["command"], lock=storage.file_id(place / storage.LOCK))
            with folder.opened():
                run_with_resume(
                    folder,
                    run,
                    checkpoint_every=order["checkpoint_every"],
                    on_step=lambda step: say("step", step),
                    on_resume=lambda step: say("resumed", step),
                )
            if order["store"] is not None:
                Store(order["store"]).push(folder.runs / run.id)
        except Exception as error:  # whatever ends one run must not end the others
            return reason_of(error)
        finally:
            say(ENDED)
    return None


def _connected(address: str | None) -> Any:
    """Return Ray, connected to a cluster, or to one of this machine alone."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray warns unless it is set
    try:
        import ray
    except ImportError:
        raise PlanError(EXTRA) from None
    address = address or LOCAL
    if address not in (LOCAL, AUTO):
        _check_port(address)
    if address != LOCAL:
        _check_answers(address)
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False if address == LOCAL else None)
    except Exception as error:  # ConnectionError, RuntimeError, ValueError, by what is missing
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise PlanError(f"no Ray cluster at address {address}: {said}") from None
    return ray


def _check_port(address: str) -> None:
    """Raise PlanError unless something listens at host:port."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise PlanError(f"address must be host:port, auto or local; got {address!r}.")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise PlanError(f"no Ray cluster at address {address}: {getattr(error, 'strerror', None) or error}.") from None


def _check_answers(address: str) -> None:
    """Raise PlanError unless a cluster answers in time.

    Asked from another process: where a port is open and no cluster behind it, Ray goes on trying for minutes and cannot
    be told to stop.
    """
    command = [sys.executable, "-P", "-c", PROBE, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as probe:
        assert probe.stdout is not None
        probe.stdout.readline()  # Ray is imported; the time begins
        try:
            _, said = probe.communicate(timeout=ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            probe.kill()
            raise PlanError(f"no Ray cluster at address {address}: no answer in {ANSWER_SECONDS:.0f} s.") from None
    if probe.returncode:
        lines = said.strip().splitlines() or [f"exit code {probe.returncode}"]
        raise PlanError(f"no Ray cluster at address {address}: {lines[-1]}")
