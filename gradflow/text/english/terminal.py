"""Strips and lists of runs in the terminal, in English."""

from __future__ import annotations

from collections.abc import Mapping

TERMINAL: Mapping[str, str] = {
    "terminal.strip.title": "Gradient norm of the outputs along depth, before training",
    "terminal.strip.title_one": "Gradient norm of the outputs along depth",
    "terminal.strip.column.profile": "network",
    "terminal.strip.column.input": "first",
    "terminal.strip.column.strip": "from input to output",
    "terminal.strip.column.output": "last",
    "terminal.strip.column.group": "a mark",
    "terminal.strip.scale": "Log scale over weighted layers: {first} from {low}, {last} up to {high}.",
    "terminal.strip.seeds": "Norms are geometric means over seeds.",
    "terminal.strip.grouped": "A mark of several layers (last column) shows their geometric mean.",
    "terminal.strip.zero": "{mark} exactly zero.",
    "terminal.strip.nonfinite": "{mark} not finite.",
    "terminal.strip.unmeasured": "{mark} not measured.",
    "terminal.runs.title": "{folder}: {runs}, {statuses}",
    "terminal.runs.column.run": "run",
    "terminal.runs.column.status": "status",
    "terminal.runs.column.family": "family",
    "terminal.runs.column.depth": "depth",
    "terminal.runs.column.seed": "seed",
    "terminal.runs.column.train_error": "train %",
    "terminal.runs.column.test_error": "test %",
    "terminal.runs.column.steps": "steps",
    "terminal.runs.column.wall_seconds": "time",
    "terminal.runs.column.started": "started, UTC",
    "runs.counted": "{n} {status}",
    "terminal.runs.caption": "Errors as last measured. Family, depth and seed: --csv, or {width} columns.",
    "terminal.status.done": "done",
    "terminal.status.diverged": "diverged",
    "terminal.status.recorded": "recorded",
    "terminal.status.running": "running",
    "terminal.status.stopped": "stopped",
    "terminal.status.waiting": "waiting",
    "terminal.status.failed": "failed",
    "terminal.status.half-written": "half-written",
    "terminal.status.damaged": "damaged",
    "terminal.status.set aside": "set aside",
}
