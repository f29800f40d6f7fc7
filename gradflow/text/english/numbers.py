"""Words around numbers, in English."""

from __future__ import annotations

from collections.abc import Mapping

NUMBERS: Mapping[str, str] = {
    "value.missing": "not measured",
    "interval.many": "{mean} (95 % interval {low} to {high}, {n} seeds)",
    "interval.same": "{mean} (the same in all {n} seeds)",
    "interval.one": "{mean} (1 seed, no interval)",
    "unit.percent": "{value} %",
    "unit.points": "{value} points",
    "unit.decades": "{value} decades",
    "unit.seconds": "{value} s",
    "unit.minutes": "{value} min",
    "unit.hours": "{value} h",
    "seeds.one": "1 seed",
    "seeds.many": "{n} seeds",
    "runs.one": "1 run",
    "runs.many": "{n} runs",
    "layers.one": "1 layer",
    "layers.many": "{n} layers",
    "steps.one": "1 recorded step",
    "steps.many": "{n} recorded steps",
    "parameters.one": "1 parameter",
    "parameters.many": "{n} parameters",
    "tensors.one": "1 tensor",
    "tensors.many": "{n} tensors",
    "measure.out_grad_norm": "activation gradient",
    "measure.grad_norm": "parameter gradient",
    "when.start": "Before training",
    "when.batch": "On this batch",
    "when.end": "At the last recorded step",
}
