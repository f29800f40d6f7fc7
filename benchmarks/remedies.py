"""Which remedy repairs which fault: faults planted in small networks, each remedy applied, the network trained again.

    python -m benchmarks.remedies --out gradflow/reference/remedies.json

Digits (1,437 images of 8 x 8), batches of 64, SGD with momentum 0.9. A plant is a network with one fault; its healthy
twin has the same data, seed and budget without the fault. A plant counts if its training error ends at least `MIN_GAP`
above its twin's, which ends at `MAX_TWIN` or below. A remedy repaired it if at most `LEFT` of that gap is left. One
remedy is applied at a time.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

import gradflow
from gradflow.experiments.data import batches, load_data
from gradflow.theory.criticality import critical

SEEDS = (0, 1)
BATCH_SIZE = 64
UPDATES = 150
MIN_GAP = 0.05
MAX_TWIN = 0.2
LEFT = 0.25
RECORDED_EVERY = 20
DEAD_BIAS = -50.0
SATURATING = ("sigmoid", "tanh")
MODULES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "leaky-relu": nn.LeakyReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """One network and how it is trained.

    `scale` multiplies all weights; `dead` gives the middle layer a bias under which no ReLU passes anything on; `cut`
    says how the first half of the layers is cut off, by "detach" or "no_grad"; `forgotten` is what the optimizer leaves
    out: "half" of the layers, or its "step"; `softmax` puts one before the loss, which has its own.
    """

    kind: str
    depth: int
    activation: str = "relu"
    init: str = "critical"
    scale: float = 1.0
    norm: bool = False
    skip: bool = False
    dead: bool = False
    cut: str = ""
    forgotten: str = ""
    softmax: bool = False
    lr: float = 0.02
    warmup: bool = False
    clip: bool = False
    updates: int = UPDATES


@dataclass(frozen=True)
class Fault:
    """A kind of fault: the findings that report it, broken networks, and what makes each its healthy twin."""

    findings: tuple[str, ...]
    plans: tuple[Plan, ...]
    healthy: Callable[[Plan], Plan]


class Hidden(nn.Module):
    """phi(norm(W x)), or phi(norm(W x) + skip)."""

    def __init__(self, affine: nn.Module, width: int, plan: Plan) -> None:
        super().__init__()
        norm = nn.BatchNorm1d if plan.kind == "mlp" else nn.BatchNorm2d
        self.affine, self.act = affine, MODULES[plan.activation]()
        self.norm = norm(width) if plan.norm else nn.Identity()

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """Return (batch, width, ...)."""
        h = self.norm(self.affine(x))
        return self.act(h if skip is None else h + skip)


class Net(nn.Module):
    """Hidden layers of one width and a classifier, cut in the middle where the plan says so."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        if plan.kind == "mlp":
            width = 32
            affine = [nn.Linear(64 if layer == 0 else width, width) for layer in range(plan.depth - 1)]
        else:
            width = 8
            affine = [
                nn.Conv2d(1 if layer == 0 else width, width, 3, 2 if layer == 0 else 1, padding=1)
                for layer in range(plan.depth - 1)
            ]  # type: ignore[misc]
        self.flatten = nn.Flatten() if plan.kind == "mlp" else nn.Identity()
        self.hidden = nn.ModuleList(Hidden(layer, width, plan) for layer in affine)
        self.pool = nn.Identity() if plan.kind == "mlp" else nn.Flatten()
        self.classifier = nn.Linear(width if plan.kind == "mlp" else 16 * width, 10)
        self.last = nn.Softmax(1) if plan.softmax else nn.Identity()
        self.cut, self.skip = plan.cut, plan.skip
        if plan.init == "critical":
            for layer in affine:
                gain = critical(plan.activation).gain
                nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
                nn.init.zeros_(layer.bias)
        with torch.no_grad():
            for layer in affine:
                layer.weight.mul_(plan.scale)
            if plan.dead:
                affine[len(affine) // 2].bias.fill_(DEAD_BIAS)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits; behind the first layer a skip goes round every two (He et al. 2015)."""
        middle = len(self.hidden) // 2 if self.cut else len(self.hidden)
        with torch.set_grad_enabled(self.cut != "no_grad"):
            x, fork = self._run(self.flatten(x), None, 0, middle)
        x, _ = self._run(x.detach() if self.cut else x, fork, middle, len(self.hidden))
        return self.last(self.classifier(self.pool(x)))

    def _run(self, x: Tensor, fork: Tensor | None, start: int, stop: int) -> tuple[Tensor, Tensor | None]:
        for number in range(start, stop):
            ends_block = self.skip and number % 2 == 0
            x = self.hidden[number](x, fork) if ends_block else self.hidden[number](x)
            fork = x if ends_block else fork
        return x, fork


# What each remedy does, as its text says it. None: it changes nothing here, or means nothing.
REMEDIES: dict[str, tuple[str, Callable[[Plan], Plan | None]]] = {
    "remedy.skip": (
        "an identity connection around every two hidden layers, added before the activation",
        lambda plan: None if plan.skip else replace(plan, skip=True),
    ),
    "remedy.shallower": ("a quarter of the layers, at least 3", lambda plan: replace(plan, depth=_fewer(plan.depth))),
    "remedy.budget": ("four times the updates", lambda plan: replace(plan, updates=4 * plan.updates)),
    "remedy.init": (
        "weights of critical variance for the activation (Kaiming for ReLU, gain 1 for tanh), biases zero",
        lambda plan: replace(plan, init="critical", scale=1.0, dead=False),
    ),
    "remedy.norm": (
        "batch norm inside every residual branch",
        lambda plan: replace(plan, norm=True) if plan.skip else None,
    ),
    "remedy.add_norm": (
        "batch norm behind every hidden layer of a network without skips",
        lambda plan: None if plan.skip else replace(plan, norm=True),
    ),
    "remedy.warmup": (
        "learning rate from 0 over the first half of the updates",
        lambda plan: replace(plan, warmup=True),
    ),
    "remedy.lower_lr": ("a hundredth of the learning rate", lambda plan: replace(plan, lr=plan.lr / 100)),
    "remedy.raise_lr": ("a hundred times the learning rate", lambda plan: replace(plan, lr=plan.lr * 100)),
    "remedy.clip": ("gradient norm at most 1", lambda plan: replace(plan, clip=True)),
    "remedy.check_optimizer": (
        "the optimizer holds every parameter",
        lambda plan: replace(plan, forgotten=""),
    ),
    "remedy.check_step": (
        "optimizer.step() runs, on every parameter",
        lambda plan: replace(plan, forgotten=""),
    ),
    "remedy.logits": ("no softmax before the loss", lambda plan: replace(plan, softmax=False)),
    "remedy.check_graph": ("neither detach() nor no_grad()", lambda plan: replace(plan, cut="")),
    "remedy.other_activation": (
        "leaky ReLU in the place of the activation",
        lambda plan: replace(plan, activation="leaky-relu"),
    ),
    "remedy.relu": (
        "ReLU with its critical initialisation in the place of a saturating activation",
        lambda plan: replace(plan, activation="relu", init="critical") if plan.activation in SATURATING else None,
    ),
}


def _fewer(depth: int) -> int:
    return max(3, depth // 4)


def _twin(**changes: object) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, **changes)  # type: ignore[arg-type]


_shallow_twin: Callable[[Plan], Plan] = lambda plan: replace(plan, depth=8)  # noqa: E731
SHORT = (Plan("mlp", 5), Plan("mlp", 8), Plan("conv", 5))
LONG = (Plan("mlp", 8), Plan("mlp", 12), Plan("conv", 8))


def _each(*plans: Plan, **changes: object) -> tuple[Plan, ...]:
    return tuple(replace(plan, **changes) for plan in plans)  # type: ignore[arg-type]


FAULTS: dict[str, Fault] = {
    "vanishing/sigmoid": Fault(
        ("vanishing",),
        _each(Plan("mlp", 6), Plan("mlp", 10), Plan("conv", 6), activation="sigmoid", init="default"),
        _twin(activation="relu", init="critical"),
    ),
    "vanishing/tanh": Fault(
        ("vanishing",),
        _each(Plan("mlp", 12), Plan("mlp", 16), Plan("conv", 12), activation="tanh", init="default"),
        _twin(init="critical"),
    ),
    "vanishing/relu": Fault(
        ("vanishing",), _each(Plan("mlp", 8), Plan("mlp", 12), Plan("conv", 10), init="default"), _twin(init="critical")
    ),
    "exploding/scale": Fault(
        ("exploding",),
        _each(Plan("mlp", 8), Plan("mlp", 12), Plan("conv", 8), Plan("mlp", 8, "tanh"), scale=2.5),
        _twin(scale=1.0),
    ),
    "exploding/residual": Fault(
        ("exploding",), _each(Plan("mlp", 24), Plan("mlp", 32), Plan("conv", 24), skip=True), _twin(norm=True)
    ),
    "exploding/batch_norm": Fault(
        ("exploding", "shattered"), _each(Plan("mlp", 32), Plan("mlp", 40), norm=True), _shallow_twin
    ),
    "stalled": Fault(("stalled",), _each(Plan("mlp", 32), Plan("mlp", 40), norm=True, lr=0.1), _shallow_twin),
    "degraded": Fault(
        ("degraded",), _each(Plan("mlp", 16, "tanh", "default"), Plan("mlp", 32, norm=True)), _shallow_twin
    ),
    "zero_gradient_between": Fault(
        ("zero_gradient_between", "zero_from_loss"), _each(*SHORT, dead=True), _twin(dead=False)
    ),
    "lost_gradient_between": Fault(
        ("lost_gradient_between", "lost_gradient", "lost_from_loss"), _each(*SHORT, lr=0.5), _twin(lr=0.02)
    ),
    "diverged": Fault(("diverged",), _each(*SHORT, lr=2.0), _twin(lr=0.02)),
    "loss_rose": Fault(("loss_rose",), _each(*SHORT, activation="tanh", lr=2.0), _twin(lr=0.02)),
    "loss_level/small_rate": Fault(("loss_level",), _each(*SHORT, lr=1e-4), _twin(lr=0.02)),
    "loss_level/large_rate": Fault(("loss_level",), _each(*SHORT, activation="tanh", lr=1.0), _twin(lr=0.02)),
    "never_changed": Fault(("never_changed", "never_stepped"), _each(*SHORT, forgotten="step"), _twin(forgotten="")),
    "left_out": Fault(("left_out", "not_changed"), _each(*LONG, forgotten="half"), _twin(forgotten="")),
    "cut_off/detach": Fault(("cut_off",), _each(*LONG, cut="detach"), _twin(cut="")),
    "cut_off/no_grad": Fault(("cut_off_no_grad", "cut_off_outside"), _each(*LONG, cut="no_grad"), _twin(cut="")),
    "probabilities": Fault(("probabilities",), _each(*SHORT, softmax=True), _twin(softmax=False)),
}


def train(
    plan: Plan, seed: int, *, is_recorded: bool = False, make: Callable[[Plan], nn.Module] = Net
) -> tuple[float, list[str]]:
    """Train one network, which `make` makes; return its training error and, where recorded, the keys of its findings.

    The error of a run whose loss stops being finite is 1.
    """
    images = load_data("digits")
    inputs, labels = images.train_images, images.train_labels
    torch.manual_seed(seed)
    model = make(plan)
    held: list[nn.Module] = [model]
    if plan.forgotten == "half":
        layers = [one for one in model.modules() if isinstance(one, nn.Linear | nn.Conv2d)]
        held = layers[len(layers) // 2 :]
    parameters = [parameter for module in held for parameter in module.parameters()]
    optimizer = torch.optim.SGD(parameters, plan.lr, momentum=0.9)
    recorder = gradflow.record(model, weights=True, statistics=True, schedule=RECORDED_EVERY) if is_recorded else None
    order = batches(len(labels), BATCH_SIZE, torch.Generator().manual_seed(seed))
    is_finite = True
    for step in range(plan.updates):
        index = next(order)
        for group in optimizer.param_groups:
            group["lr"] = plan.lr * (min(1.0, (step + 1) / (plan.updates / 2)) if plan.warmup else 1.0)
        model.zero_grad()
        loss = functional.cross_entropy(model(inputs[index]), labels[index])
        loss.backward()
        if plan.clip:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if recorder is not None:
            recorder.step(loss=loss)
        if not torch.isfinite(loss):
            is_finite = False
            break
        if plan.forgotten != "step":
            optimizer.step()
    found: list[str] = []
    if recorder is not None:
        recorder.close()
        found = [finding.key for finding in gradflow.diagnose(recorder.recording)]
    return (_error(model, inputs, labels) if is_finite else 1.0), found


@torch.no_grad()
def _error(model: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """Error with the batch's own statistics, as in training: running ones lag behind after few updates."""
    wrong: Tensor = model(inputs).argmax(1) != labels
    return wrong.double().mean().item()


class Studied(NamedTuple):
    """What became of one plant; `errors` by remedy are empty where the plant does not count."""

    name: str
    plan: Plan
    seed: int
    found: list[str]
    broken: float
    twin: float
    errors: dict[str, float]

    def is_repaired(self, remedy: str) -> bool:
        """Whether at most `LEFT` of the gap is left."""
        return self.errors[remedy] <= self.twin + LEFT * (self.broken - self.twin)


def study(name: str, plan: Plan, seed: int, remedies: Sequence[str]) -> Studied:
    """Train one plant, its twin, and the plant with each remedy that changes it."""
    torch.set_num_threads(1)
    twin, _ = train(FAULTS[name].healthy(plan), seed)
    broken, found = train(plan, seed, is_recorded=True)
    errors = {}
    if twin <= min(MAX_TWIN, broken - MIN_GAP):
        changed = {remedy: REMEDIES[remedy][1](plan) for remedy in remedies}
        errors = {remedy: train(other, seed)[0] for remedy, other in changed.items() if other not in (None, plan)}
    return Studied(name, plan, seed, found, broken, twin, errors)


def counted(name: str, studied: Sequence[Studied]) -> dict[str, Any]:
    """Return the counts of one fault, the remedies that repaired the most first."""
    plants = [one for one in studied if one.errors]
    counts = {}
    for remedy in REMEDIES:
        tried = [one for one in plants if remedy in one.errors]
        if tried:
            counts[remedy] = [sum(one.is_repaired(remedy) for one in tried), len(tried)]
    found = sum(not set(FAULTS[name].findings).isdisjoint(one.found) for one in plants)
    by_share = dict(sorted(counts.items(), key=lambda item: -item[1][0] / item[1][1]))
    return {"findings": FAULTS[name].findings, "plants": len(plants), "found": found, "remedies": by_share}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--faults", nargs="*", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--remedies", nargs="*", default=list(REMEDIES), choices=list(REMEDIES))
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    began = time.perf_counter()
    work = [
        (name, plan, seed, arguments.remedies)
        for name in arguments.faults
        for plan in FAULTS[name].plans
        for seed in range(arguments.seeds)
    ]
    studied = []
    with ProcessPoolExecutor(arguments.workers) as pool:
        for one in pool.map(study, *zip(*work, strict=True)):
            studied.append(one)
            shown = "  ".join(f"{remedy.removeprefix('remedy.')} {error:.2f}" for remedy, error in one.errors.items())
            place = f"{one.name} {one.plan.kind}-{one.plan.depth} seed {one.seed}"
            print(f"{place}: {one.broken:.2f}, twin {one.twin:.2f}; {','.join(one.found)}; {shown}", flush=True)
    result = {
        "command": "python -m benchmarks.remedies --out gradflow/reference/remedies.json",
        "date": datetime.date.today().isoformat(),
        "data": f"digits, {UPDATES} updates of {BATCH_SIZE} images, SGD with momentum 0.9",
        "seeds": list(range(arguments.seeds)),
        "device": f"CPU ({torch.backends.cpu.get_cpu_capability()}), torch {torch.__version__}, one thread",
        "repaired": (
            f"at most {LEFT} of the gap in training error between the network with the fault and its twin without is "
            f"left; plants that cost less than {MIN_GAP}, or whose twin ends above {MAX_TWIN}, are not counted"
        ),
        "applied": {remedy: words for remedy, (words, _) in REMEDIES.items()},
        "faults": {name: counted(name, [one for one in studied if one.name == name]) for name in arguments.faults},
    }
    print(json.dumps(result["faults"], indent=1))
    print(f"{time.perf_counter() - began:.0f} s")
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
