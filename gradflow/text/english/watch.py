"""A run under way in the terminal, in English."""

from __future__ import annotations

from collections.abc import Mapping

WATCH: Mapping[str, str] = {
    "watch.title": "{run}: {status}, {progress}, {age}",
    "watch.progress.of": "step {step} of {steps} ({share})",
    "watch.progress.so_far": "step {step}",
    "watch.progress.none": "no step yet",
    "watch.age": "last data {age} ago",
    "watch.age.none": "no data yet",
    "watch.column.measure": "measure",
    "watch.column.first": "first",
    "watch.column.latest": "latest",
    "watch.column.step": "at step",
    "watch.measure.loss": "loss of the batch",
    "watch.measure.batch_error": "error of the batch",
    "watch.measure.train_error": "training error",
    "watch.measure.test_error": "test error",
    "watch.measure.lr": "learning rate",
    "watch.measure.total_grad_norm": "gradient norm",
    "watch.nan": "NaN",
    "watch.lost": "{value} since step {step}",
    "watch.lost.sentence": "The loss has been {value} since step {step}.",
    "watch.strip": "step {step}",
    "watch.strip.title": "Gradient norm of the outputs along depth",
    "watch.findings": "What the data so far says",
    "watch.findings.none": "The data so far is too little for a finding.",
    "watch.others": "Other runs under way",
    "watch.others.more": "{n} more not shown.",
    "watch.idle": "{folder}: no run is under way, {n} finished",
    "watch.stopped": "Its process is gone. The command that began it goes on from its last checkpoint.",
    "watch.line": "{run}: {status}, {progress}, {measures}{age}",
    "watch.measured": "{measure} {value}, ",
    "watch.finding": "{severity}: {sentence}",
}
