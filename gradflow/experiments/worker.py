"""A worker process: reads runs as JSON lines, makes each, writes events as JSON lines.

Started by `gradflow.experiments.pool`, which calls `from_command_line` with FOLDER LOCK COMMAND SECONDS, LOCK as JSON.
A process of its own module, not a fork or a copy of the user's script: notebooks and unguarded scripts can call
`compare`.

It stops, after a checkpoint, at SIGTERM and when its input ends while it is at work: its parent was killed then.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import signal
import sys
import threading
from typing import Any, TextIO

import torch

from gradflow.experiments.folder import SweepFolder
from gradflow.experiments.planned_run import Run
from gradflow.experiments.run_directory import StoppedError
from gradflow.experiments.run_failures import is_disk_full, is_out_of_memory, reason_of
from gradflow.experiments.run_with_resume import run_with_resume


class _Orders:
    """Runs to make, as they arrive; `stop` is set once there is nobody left to make them for."""

    def __init__(self, stream: TextIO) -> None:
        self.stop = threading.Event()
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()
        signal.signal(signal.SIGTERM, self._end)

    def next(self) -> Run | None:
        """Wait for the next run; None at the end."""
        line = self._waiting.get()
        return None if line is None or self.stop.is_set() else Run.from_json(json.loads(line))

    def _read(self, stream: TextIO) -> None:
        for line in stream:
            self._waiting.put(line)
        self._end()

    def _end(self, *_: object) -> None:
        self.stop.set()
        self._waiting.put(None)


def main(folder: SweepFolder, checkpoint_every: float, orders: TextIO, events: TextIO) -> None:
    """Make every run that arrives, until the input ends. An error ends the run, not the worker."""
    torch.set_num_threads(1)
    waiting = _Orders(orders)

    def tell(kind: str, **details: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # the parent was killed; the input's end stops the run
            events.write(json.dumps({"kind": kind, **details}) + "\n")
            events.flush()

    tell("ready", pid=os.getpid())
    while (run := waiting.next()) is not None:
        try:
            run_with_resume(
                folder,
                run,
                checkpoint_every=checkpoint_every,
                on_step=lambda step: tell("step", step=step),
                on_resume=lambda step: tell("resumed", step=step),
                stop=waiting.stop,
            )
        except StoppedError:
            return
        except Exception as error:  # whatever ends one run must not end the others
            tell("failed", reason=reason_of(error), is_disk_full=is_disk_full(error))
            is_memory = is_out_of_memory(error)
        else:
            tell("finished")
            is_memory = False
        if is_memory:  # the error is gone here, and with it the frames that held the network
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def from_command_line() -> None:
    """Make runs as the arguments say, until standard input ends."""
    # Whatever a library prints must not get between the events.
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    path, lock, command, seconds = sys.argv[1:]
    held = json.loads(lock)
    folder = SweepFolder(path, command=command, lock=None if held is None else tuple(held))
    with folder.opened():
        main(folder, float(seconds), sys.stdin, stream)
