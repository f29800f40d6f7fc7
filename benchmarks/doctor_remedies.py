"""Which change that the doctor proposes repairs what it found: faults planted, the change made, the network trained.

    python -m benchmarks.doctor_remedies --rows rows.jsonl --out gradflow/reference/remedies_doctor.json

Goes on where it stopped. Networks, data, twins, and when a plant counts or is repaired are those of
`benchmarks/remedies.py`, but that `gradflow.doctor` examines each plant before training. Layouts, such as norms in the
wrong place, are planted in residual CNNs, and outputs that cannot reach the targets in regressions of
`benchmarks/diagnosis`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import gradflow
from gradflow.experiments.data import load_data

from . import remedies as trained
from .diagnosis.faults import FAULTS as PROGRAM_FAULTS
from .diagnosis.networks import NETWORKS
from .diagnosis.program import program, score
from .diagnosis.program import train as train_program
from .diagnosis.remedy import REMEDIES as PROGRAM_REMEDIES
from .remedies import BATCH_SIZE, LEFT, MAX_TWIN, MIN_GAP, UPDATES, Plan

SEEDS = (0, 1)  # of layouts and regressions the first
EXEMPT = {
    "change.skip_shape": "the forward pass fails without it; a test makes the change and runs the network",
    "change.addition_shape": "the forward pass fails without it",
}
# What a doctor's own change does; where its text says to try two, the better one counts. The others are remedies that
# `benchmarks/remedies.py` applies.
CHANGES: dict[str, tuple[str, Callable[[Plan, Mapping[str, Any]], list[Plan]]]] = {
    "change.init_unsuited": (
        "weights of critical variance for the activation, biases zero",
        lambda plan, values: [replace(plan, init="critical", scale=1.0)],
    ),
    "change.step_overshoots_here": (
        "the learning rate at which the doctor's update lowered the loss, and a tenth of it",
        lambda plan, values: [replace(plan, lr=values["fits"]), replace(plan, lr=values["fits"] / 10)],
    ),
    **{
        f"change.{key}": (words, lambda plan, values, healthy=healthy: [replace(plan, **healthy)])  # type: ignore[misc]
        for key, (words, healthy) in {
            "no_activation_after_addition": ("ReLU after each addition", {"is_bare": False}),
            "norm_after_activation": ("batch norm between layer and ReLU", {"place": "before"}),
            "norm_twice": ("one batch norm in place of two", {"place": "before"}),
            "projection_without_norm": ("batch norm behind each projection", {"has_bare_projection": False}),
            "bias_before_norm": ("convolutions without bias", {"has_bias": False}),
        }.items()
    },
}


@dataclass(frozen=True)
class Layout(Plan):
    """A residual CNN with two convolutions a block, of which some detail is another one than in He et al. 2015."""

    is_bare: bool = False  # no activation behind the addition
    place: str = "before"  # of batch norm: before or after the activation, or twice in a row
    has_bare_projection: bool = False
    has_bias: bool = False


class Block(nn.Module):
    """phi(BN(W BN-phi(W x)) + skip), or as the plan has it."""

    def __init__(self, a: int, b: int, plan: Layout) -> None:
        super().__init__()
        stride = 1 if a == b else 2
        self.conv1 = nn.Conv2d(a, b, 3, stride, 1, bias=plan.has_bias)
        self.conv2 = nn.Conv2d(b, b, 3, 1, 1, bias=plan.has_bias)
        self.bn1, self.bn2 = nn.BatchNorm2d(b), nn.BatchNorm2d(b)
        self.bn3 = nn.BatchNorm2d(b) if plan.place == "twice" else nn.Identity()
        self.skip: nn.Module = nn.Identity()
        if a != b:
            norm = nn.Identity() if plan.has_bare_projection else nn.BatchNorm2d(b)
            self.skip = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), norm)
        self.place, self.is_bare = plan.place, plan.is_bare

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, channels, height, width)."""
        h = self.conv1(x)
        h = self.bn1(h.relu()) if self.place == "after" else self.bn1(h).relu()
        h = self.bn3(self.bn2(self.conv2(h))) + self.skip(x)
        return h if self.is_bare else h.relu()


class LayoutNet(nn.Module):
    """A convolution, blocks whose width doubles in the middle, pooling and a classifier."""

    def __init__(self, plan: Layout) -> None:
        super().__init__()
        n = plan.depth
        widths = [8] * (n // 2 + 1) + [16] * (n - n // 2)
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.Sequential(*(Block(*widths[place : place + 2], plan) for place in range(n)))
        self.classifier = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.classifier(self.blocks(self.stem(x)).mean((2, 3)))
        return logits


def _layouts(**changes: Any) -> tuple[Plan, ...]:
    return tuple(Layout("residual", depth, **changes) for depth in (4, 12))


def _plans(*names: str, **changes: Any) -> tuple[Plan, ...]:
    return tuple(replace(plan, **changes) for name in names for plan in trained.FAULTS[name].plans)


INITS = ("remedy.init", "remedy.relu", "remedy.add_norm", "remedy.skip")
RATES = ("remedy.lower_lr", "remedy.warmup")
# By the doctor's finding: plants, what makes each its healthy twin, and what is tried.
FAULTS: dict[str, tuple[tuple[Plan, ...], dict[str, Any], tuple[str, ...]]] = {
    "init_unsuited": (
        _plans("vanishing/tanh", "vanishing/relu"),
        {"init": "critical"},
        ("change.init_unsuited", *INITS[1:]),
    ),
    "init_small": (_plans("vanishing/sigmoid"), {"activation": "relu", "init": "critical"}, INITS),
    "init_large": (_plans("exploding/scale"), {"scale": 1.0}, INITS),
    "step_overshoots_here": (
        _plans("diverged", lr=1.0), {"lr": 0.02}, ("change.step_overshoots_here", "remedy.warmup")
    ),
    "step_overshoots": (_plans("diverged", lr=5.0), {"lr": 0.02}, RATES),
    "no_activation_after_addition": (
        _layouts(is_bare=True), {"is_bare": False}, ("change.no_activation_after_addition",)
    ),
    "norm_after_activation": (_layouts(place="after"), {"place": "before"}, ("change.norm_after_activation",)),
    "norm_twice": (_layouts(place="twice"), {"place": "before"}, ("change.norm_twice",)),
    "projection_without_norm": (
        _layouts(has_bare_projection=True), {"has_bare_projection": False}, ("change.projection_without_norm",)
    ),
    "bias_before_norm": (_layouts(has_bias=True), {"has_bias": False}, ("change.bias_before_norm",)),
}  # fmt: skip
REGRESSIONS = [name for name, design in NETWORKS.items() if PROGRAM_FAULTS["sigmoid on a regression"].fits(design)][:4]


def _make(plan: Plan) -> nn.Module:
    return LayoutNet(plan) if isinstance(plan, Layout) else trained.Net(plan)


def examined(plan: Plan, seed: int) -> dict[str, dict[str, Any]]:
    """Return the numbers of each finding of the doctor on a plant, as it would start training."""
    torch.manual_seed(seed)
    model, images = _make(plan), load_data("digits")
    x, y = images.train_images[:BATCH_SIZE], images.train_labels[:BATCH_SIZE]
    optimizer = torch.optim.SGD(model.parameters(), plan.lr, momentum=0.9)
    return {one.key: dict(one.values) for one in gradflow.doctor(model, x, y, optimizer=optimizer).findings}


def study(key: str, plan: Plan, seed: int) -> dict[str, Any]:
    """Examine and train one plant, its twin and, where it does harm, the plant with each change."""
    _, healthy, tried = FAULTS[key]
    found = examined(plan, seed)
    twin, _ = trained.train(replace(plan, **healthy), seed, make=_make)
    broken, _ = trained.train(plan, seed, make=_make)
    row = {"finding": key, "plant": repr(plan), "seed": seed, "found": key in found, "broken": broken, "twin": twin}
    errors: dict[str, float] = {}
    if twin <= min(MAX_TWIN, broken - MIN_GAP) and key in found:
        for name in tried:
            changed = CHANGES[name][1](plan, found[key]) if name in CHANGES else [trained.REMEDIES[name][1](plan)]
            ways = [one for one in changed if one is not None and one != plan]
            if ways:
                errors[name] = min(trained.train(one, seed, make=_make)[0] for one in ways)
    return row | {"errors": errors}


def study_regression(network: str, seed: int) -> dict[str, Any]:
    """Return the same of a sigmoid behind a regression whose targets it cannot reach."""
    fault, scores, is_found = PROGRAM_FAULTS["sigmoid on a regression"], {}, False
    linear = PROGRAM_REMEDIES["remedy.linear_output"][1][0]
    for name in ("twin", "broken", "remedy.linear_output"):
        one = program(NETWORKS[network], seed)
        if name != "twin" and fault.plant is not None:
            fault.plant(one, 1.0)
        if name == "broken":
            batch = one.inputs[:BATCH_SIZE], one.targets[:BATCH_SIZE]
            is_found = any(
                f.key == "targets_unreachable" for f in gradflow.doctor(one.model, *batch, loss_fn=one.loss).findings
            )
        if name == "remedy.linear_output":
            linear(one)
        torch.manual_seed(seed + 1000)
        train_program(one, seed, is_recorded=False)
        scores[name] = score(one)
    broken, twin = scores["broken"], scores["twin"]
    errors = {name: scores[name] for name in ("remedy.linear_output",) if is_found and broken - twin >= MIN_GAP}
    row = {"finding": "targets_unreachable", "plant": network, "seed": seed, "found": is_found}
    return row | {"broken": broken, "twin": twin, "errors": errors}


def counted(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how many of the harmful plants of one finding each change repaired, the best first."""
    counts: dict[str, list[int]] = {}
    for row in rows:
        for name, error in row["errors"].items():
            own = counts.setdefault(name, [0, 0])
            own[0] += error <= row["twin"] + LEFT * (row["broken"] - row["twin"])
            own[1] += 1
    return {
        "findings": [rows[0]["finding"]],
        "plants": sum(bool(row["errors"]) for row in rows),
        "found": sum(row["found"] for row in rows),
        "harmless": sum(row["found"] and not row["errors"] for row in rows),
        "remedies": dict(sorted(counts.items(), key=lambda item: -item[1][0] / item[1][1])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=Path, required=True, help="JSON lines, one a plant; those in it are not made again"
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--limit", type=int, default=10**6, help="plants to make, at most")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    done = [json.loads(line) for line in arguments.rows.read_text().splitlines()] if arguments.rows.exists() else []
    known = {(row["finding"], row["plant"], row["seed"]) for row in done}
    work: dict[tuple[str, str, int], Callable[[], dict[str, Any]]] = {}
    for seed in SEEDS:
        for key, (plans, _, _) in FAULTS.items():
            for plan in plans:
                if not (seed and isinstance(plan, Layout)):
                    work[key, repr(plan), seed] = partial(study, key, plan, seed)
        for name in REGRESSIONS if not seed else ():
            work["targets_unreachable", name, seed] = partial(study_regression, name, seed)
    for make in [make for one, make in work.items() if one not in known][: arguments.limit]:
        began = time.process_time()
        done.append(make())
        with arguments.rows.open("a") as file:
            file.write(json.dumps(done[-1]) + "\n")
        print(f"{time.process_time() - began:.1f} s", done[-1], flush=True)
    applied = {name: words for name, (words, _) in (CHANGES | trained.REMEDIES | PROGRAM_REMEDIES).items()}
    findings = dict.fromkeys(row["finding"] for row in done)
    faults = {f"{key}/doctor": counted([row for row in done if row["finding"] == key]) for key in findings}
    tried = {name for fault in faults.values() for name in fault["remedies"]} | set(CHANGES)
    result = {
        "command": "python -m benchmarks.doctor_remedies --rows FILE --out gradflow/reference/remedies_doctor.json",
        "date": datetime.date.today().isoformat(),
        "data": f"digits, {UPDATES} updates of {BATCH_SIZE} images, SGD with momentum 0.9; regressions of the zoo",
        "seeds": sorted({row["seed"] for row in done}),
        "device": f"CPU ({torch.backends.cpu.get_cpu_capability()}), torch {torch.__version__}, one thread",
        "repaired": (
            f"at most {LEFT} of the gap between the network with the fault and its twin without is left; plants that "
            f"the doctor does not name, that cost less than {MIN_GAP} (harmless), or whose twin ends above {MAX_TWIN}, "
            "are not counted"
        ),
        "exempt": EXEMPT,
        "applied": {name: words for name, words in applied.items() if name in tried},
        "faults": faults,
    }
    print(json.dumps(faults, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
