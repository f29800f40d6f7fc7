"""Additions that fail because their operands differ in shape: a skip across a change of shape without a projection."""

from __future__ import annotations

from collections.abc import Mapping

from gradflow.diagnosis.each_run import Found, each_run
from gradflow.diagnosis.places import place
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

WORDS = ("module", "skip", "branch", "projection")


@each_run("layers")
def find(recording: Recording) -> Found | None:
    """Return a problem where the forward pass ended at such an addition; only the doctor looks."""
    clash = recording.meta.get("shape_clash")
    if not isinstance(clash, Mapping):
        return None
    values: dict[str, Value] = {name: one for name in WORDS if isinstance(one := clash.get(name), str) and one}
    values |= place(clash)
    if not {"module", "skip", "branch"} <= values.keys():
        return None
    if "projection" in values:
        return Found("skip_shape", "problem", values, "cause.skip_shape")
    return Found("addition_shape", "problem", values)
