"""Each remedy of a finding, applied to the harmful runs in which it was found, and the network trained again."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

import gradflow
from gradflow.diagnosis.engine import RULES
from gradflow.diagnosis.seed_groups import cases

from .faults import FAULTS
from .networks import NETWORKS, build
from .program import Program, program, score, train

LEFT = 0.25  # of the gap to the twin: at most so much is left of one that was repaired
Apply = Callable[[Program], None]


def _scaled_rate(*factors: float) -> list[Apply]:
    def by(factor: float) -> Apply:
        def apply(one: Program) -> None:
            one.lr *= factor

        return apply

    return [by(factor) for factor in factors]


def _normalise(one: Program) -> None:
    mean, std = one.inputs.nanmean(0), one.inputs.std(0)
    one.inputs = (one.inputs - mean) / torch.where(std > 0, std, 1.0)


def _standardise(one: Program) -> None:
    one.targets = (one.targets - one.targets.mean()) / one.targets.std()


def _own_loss(one: Program) -> None:
    one.loss = one.task.loss


def _linear(one: Program) -> None:
    one.model.out = nn.Identity()


def _fresh(one: Program, head: float = 1.0) -> None:
    fresh = build(one.design).state_dict()
    kept = {name: value for name, value in fresh.items() if name in one.model.state_dict()}
    one.model.load_state_dict(kept, strict=False)
    with torch.no_grad():
        one.model.head.weight.mul_(head)  # type: ignore[operator]


def _less_dropout(one: Program) -> None:
    for module in one.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = min(module.p, 0.3)


def _unfreeze(one: Program) -> None:
    one.model.requires_grad_(True)


def _set(name: str, value: Any) -> Apply:
    return lambda one: setattr(one, name, value)


def _less_decay(one: Program) -> None:
    one.weight_decay /= 100


# What each remedy does; where its text says to try two, the better one counts.
REMEDIES: dict[str, tuple[str, list[Apply]]] = {
    "remedy.normalise_inputs": ("each feature minus its mean, over its standard deviation", [_normalise]),
    "remedy.scale_targets": ("targets minus their mean, over their standard deviation", [_standardise]),
    "remedy.mean_loss": ("the mean loss of the task", [_own_loss]),
    "remedy.right_sign": ("the loss itself", [_own_loss]),
    "remedy.logits": ("nothing behind the last layer", [_linear]),
    "remedy.linear_output": ("nothing behind the last layer", [_linear]),
    "remedy.train_mode": ("train mode", [_set("evaluates", False)]),
    "remedy.less_dropout": ("dropout of at most 0.3", [_less_dropout]),
    "remedy.less_momentum": ("momentum of 0.9", [_set("momentum", 0.9)]),
    "remedy.raise_clip": ("no clipping", [_set("clip", math.inf)]),
    "remedy.slower_decay": (
        "cosine decay over all updates",
        [_set("rate", lambda progress: 0.5 + 0.5 * math.cos(math.pi * progress))],
    ),
    "remedy.less_decay": ("a hundredth of the weight decay", [_less_decay]),
    "remedy.zero_grad": ("gradients cleared in every step", [_set("clears", True)]),
    "remedy.unfreeze": ("all parameters trained", [_unfreeze]),
    "remedy.init": ("weights drawn anew to suit the activation", [_fresh]),
    "remedy.smaller_init": ("the same, the last layer's a tenth", [lambda one: _fresh(one, 0.1)]),
    "remedy.lower_lr": ("a tenth, or a hundredth, of the rate", _scaled_rate(0.1, 0.01)),
    "remedy.raise_lr": ("ten, or a hundred, ..., 100,000 times the rate", _scaled_rate(10.0, 1e2, 1e3, 1e4, 1e5)),
    "remedy.warmup": (
        "rate from 0 over the first half", [_set("rate", lambda progress: min(1.0, 2 * progress + 0.01))]
    ),
}  # fmt: skip


def study(frame: pd.DataFrame, folder: Path, at_most: int) -> dict[str, Any]:
    """Return for each finding which of its remedies repaired how many of up to so many runs that it is first in.

    `frame` is one row per run, as `judge.judged` makes it; only harmful runs with a planted fault count. Those of the
    tuning half come first, in an order that is random and fixed.
    """
    digests = frame["run"].map(lambda name: sha256(name.encode()).hexdigest())
    frame = frame.assign(is_other=frame["part"] != "tuning", digest=digests).sort_values(["is_other", "digest"])
    counts: dict[str, dict[str, list[int]]] = {}
    found: dict[str, int] = {}
    for row in frame[(frame["truth"] == "harmful") & (frame["first"] != "")].to_dict("records"):
        key = row["first"]
        if found.get(key, 0) >= at_most:
            continue
        remedies = _offered(folder / row["run"], key)
        tried = [remedy for remedy in remedies if remedy in REMEDIES]
        found[key] = found.get(key, 0) + 1
        for remedy in tried:
            best = min(_again(row, apply) for apply in REMEDIES[remedy][1])
            is_repaired = best <= row["twin"] + LEFT * (row["score"] - row["twin"])
            own = counts.setdefault(key, {}).setdefault(remedy, [0, 0])
            own[0], own[1] = own[0] + is_repaired, own[1] + 1
            print(f"{key} {remedy} {row['run']}: {row['score']:.3f} -> {best:.3f}, twin {row['twin']:.3f}", flush=True)
    faults = {
        f"{key}/programs": {
            "findings": [key],
            "plants": found[key],
            "found": found[key],
            "remedies": dict(sorted(counts.get(key, {}).items(), key=lambda one: -one[1][0] / one[1][1])),
        }
        for key in sorted(found)
    }
    return {
        "command": "python -m benchmarks.diagnosis remedies",
        "date": datetime.date.today().isoformat(),
        "data": "harmful runs of the zoo in which the finding is the first problem, of its tuning half first",
        "device": f"CPU ({torch.backends.cpu.get_cpu_capability()}), torch {torch.__version__}, one thread",
        "repaired": f"at most {LEFT} of the gap in score between the run and its twin is left",
        "applied": {remedy: words for remedy, (words, _) in REMEDIES.items()},
        "faults": faults,
    }


def _offered(run: Path, key: str) -> tuple[str, ...]:
    """Return the remedies that the rule behind a finding offers, proven or not."""
    grouped = cases(gradflow.load(run))
    return next(one.remedies for rule in RULES for one in rule(grouped) if one.key == key)


def _again(row: dict[str, Any], apply: Apply) -> float:
    """Return the score of the faulty program with a remedy."""
    fault, design = FAULTS[row["kind"]], NETWORKS[row["network"]]
    if fault.change is not None:
        design = fault.change(design, row["strength"])
    one = program(design, row["seed"])
    if fault.plant is not None:
        fault.plant(one, row["strength"])
    apply(one)
    torch.manual_seed(row["seed"] + 1000)
    train(one, row["seed"], is_recorded=False)
    return score(one)


def write(result: dict[str, Any], path: Path) -> None:
    """Write the study where `gradflow.reference` reads it."""
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
