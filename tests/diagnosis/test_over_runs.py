"""What a finding says where some of a network's runs have its fault: how many, and the numbers of the first of them."""

from dataclasses import replace

import numpy as np
import pytest

from gradflow import diagnose
from tests.diagnosis.frames import NAN, chain, only
from tests.diagnosis.test_absent import made as without
from tests.diagnosis.test_parameters import rows
from tests.diagnosis.test_unmoved import made as moving

ALIVE = dict.fromkeys("aBcDe", 1.0)


def chains(**outputs):
    return [chain(ALIVE | changed, steps=6) for changed in outputs.values()]


LOST = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
FAULTS = {
    "zero_gradient_between": (
        chains(none={}, early={"a": 0.0}, late={"a": 0.0, "B": 0.0, "c": 0.0}),
        {"layer": "a", "user": "B", "layers": 1, "steps": 6},
    ),
    "lost_gradient_between": (
        chains(none={}, early={"a": LOST}, late={"a": LOST, "B": LOST, "c": LOST}),
        {"layer": "a", "user": "B", "step": 2, "layers": 1},
    ),
    "unused": (
        [without(["measured"] * 5)]
        + [without(["measured" if name != gone else "no gradient" for name in "abcde"]) for gone in "cd"],
        {"example": "c", "layers": 1},
    ),
    "zero_parameters": (
        [chain(dict.fromkeys("abc", 1.0), parameters=rows(**{f"b__{name}": norm})) for name, norm in
         (("alpha", 1.0), ("alpha", 0.0), ("beta", 0.0))],
        {"example": "b.alpha", "parameters": 1, "steps": 3},
    ),
    "not_changed": (
        [moving(moving=names, held="abc") for names in ("abc", "ac", "bc")],
        {"example": "b.weight", "parameters": 1, "steps": 4},
    ),
    "unregistered": (
        [moving(meta={"unregistered": {"count": n, "shapes": [[n, 2]] * n}}) for n in (0, 3, 5)],
        {"tensors": 3, "shapes": "3 × 2"},
    ),
    "diverged": (
        [chain(ALIVE, steps=6, losses=losses) for losses in
         (np.linspace(2, 1, 6), [2, 2, 2, 2, np.inf, NAN], [2, 2, 2, np.inf, 3, 3])],
        {"step": 3},
    ),
    "loss_rose": (
        [chain(ALIVE, steps=6, losses=[2.0] * 5 + [last]) for last in (1.0, 5e3, 7e3)],
        {"first": 2.0, "last": 7e3, "steps": 6},
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", FAULTS)
def test_two_of_three_runs_have_the_fault(key):
    runs, values = FAULTS[key]
    seeds = [
        replace(run, meta={**run.meta, "run": f"plain-9-seed{seed}", "family": "plain", "depth": 9, "seed": seed})
        for seed, run in enumerate(runs)
    ]
    found = only(diagnose(seeds), key)
    assert (found.values["n_runs"], found.values["runs"]) == (2, 3)
    assert {name: found.values[name] for name in values} == values
