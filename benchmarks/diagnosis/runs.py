"""The runs of the zoo, and how each is made: trained, recorded, scored, and kept in a folder of its own."""

from __future__ import annotations

import json
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import torch

import gradflow

from .faults import FAULTS
from .networks import NETWORKS
from .odd import ODD
from .program import program, score, train
from .split import part

TWIN = "as it is"
SEEDS, ODD_SEEDS = 3, 2


class Run(NamedTuple):
    """One program: its network, what was changed in it, how strongly, and its seed."""

    network: str
    kind: str
    strength: float
    seed: int

    @property
    def name(self) -> str:
        """A name that is a folder's, too."""
        return f"{self.network} - {self.kind} - {self.strength:g} - {self.seed}".replace(" ", "_")

    @property
    def part(self) -> str:
        """Which part of the study it belongs to."""
        return part(self.network, self.kind)


def runs() -> list[Run]:
    """Return all runs: twins first, then rounds in which each change of each part of the study has one network more.

    Any first part of them is a sample of all.
    """
    every = [
        Run(network, kind, strength, seed)
        for kinds, n_seeds in ((ODD, ODD_SEEDS), (FAULTS, SEEDS))
        for kind, fault in kinds.items()
        for network, design in NETWORKS.items()
        if fault.fits(design)
        for strength in fault.strengths
        for seed in range(SEEDS if kind == TWIN else n_seeds)
    ]
    placed: list[tuple[int, int, str, Run]] = []
    counts: Counter[tuple[str, str, float]] = Counter()
    for run in sorted(every, key=lambda run: (run.seed, _shuffle(run))):
        change = (run.part, run.kind, run.strength)
        placed.append((run.seed, -1 if run.kind == TWIN else counts[change], _shuffle(run), run))
        counts[change] += 1
    return [run for *_, run in sorted(placed, key=lambda one: one[:3])]


def _shuffle(run: Run) -> str:
    """Return a key whose order is random and fixed."""
    return sha256(run.name.encode()).hexdigest()


def make(run: Run, folder: Path) -> dict[str, object]:
    """Train one program and keep its recording; return what became of it."""
    began = time.perf_counter()
    fault = (FAULTS | ODD)[run.kind]
    design = NETWORKS[run.network]
    if fault.change is not None:
        design = fault.change(design, run.strength)
    one = program(design, run.seed)
    if fault.plant is not None:
        fault.plant(one, run.strength)
    torch.manual_seed(run.seed + 1000)
    recording = train(one, run.seed, is_recorded=True)
    assert recording is not None
    reached = score(one)
    gradflow.save(recording, folder / run.name)
    targets = one.targets if one.judged_by is None else one.judged_by
    row = {
        **run._asdict(),
        "part": run.part,
        "score": reached,
        "chance": one.task.chance(targets),
        "loss": float(recording.steps["loss"].iloc[-1]) if len(recording.steps) else float("nan"),
        "seconds": round(time.perf_counter() - began, 3),
    }
    (folder / run.name / "truth.json").write_text(json.dumps(row))
    return row
