"""A worker process: reads runs as JSON lines, trains each, writes events as JSON lines.

Started by `gradflow.experiments.run` as `python -m gradflow.experiments.worker FOLDER`. A process of its own module,
not a fork or a copy of the user's script: notebooks and unguarded scripts can call `compare`.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from typing import Any, TextIO

import torch

from gradflow.experiments.folder import SweepFolder
from gradflow.experiments.runs import Run
from gradflow.experiments.train import train


def main(folder_path: str, command: str, orders: TextIO, events: TextIO) -> None:
    """Train every run that arrives, until the input ends. An error ends the run, not the worker."""
    torch.set_num_threads(1)
    folder = SweepFolder(folder_path, command=command)

    def tell(kind: str, **details: Any) -> None:
        events.write(json.dumps({"kind": kind, **details}) + "\n")
        events.flush()

    tell("ready", pid=os.getpid())
    for line in orders:
        run = Run.from_json(json.loads(line))
        try:
            recording = train(run, on_step=lambda step: tell("step", step=step))
            meta = {**recording.meta, "command": command}
            folder.keep(run, replace(recording, meta=meta))
        except Exception as error:  # whatever ends one run must not end the others
            tell("failed", reason=f"{type(error).__name__}: {error}".splitlines()[0])
        else:
            tell("finished")


if __name__ == "__main__":
    # Whatever a library prints must not get between the events.
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    main(sys.argv[1], sys.argv[2], sys.stdin, stream)
