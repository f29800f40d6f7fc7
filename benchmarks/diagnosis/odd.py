"""What is healthy although it looks odd, and sensible settings of every kind: changes that do no harm."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from .faults import Fault, _answers, _has_float_inputs, _is, _is_not, _setting, _times
from .networks import Attention, Design, Residual
from .program import Program, train

PRETRAINING = 160  # updates


class Gated(nn.Module):
    """Four experts, of which each example takes the one that a gate chooses."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, 4)
        self.experts = nn.ModuleList(nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus the chosen expert's answer, weighted."""
        weight, chosen = self.gate(x).softmax(-1).max(-1, keepdim=True)
        answer = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            own = (chosen == number).squeeze(-1)
            if own.any():
                answer[own] = torch.relu(expert(x[own]))
        return x + weight * answer


class LowRank(nn.Module):
    """A frozen affine layer plus a product of two thin matrices, of which one begins at zero (LoRA)."""

    def __init__(self, frozen: nn.Linear) -> None:
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.down = nn.Linear(frozen.in_features, 4, bias=False)
        self.up = nn.Linear(4, frozen.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both."""
        return self.frozen(x) + self.up(self.down(x))  # type: ignore[no-any-return]


class Scaled(nn.Module):
    """A branch times a learnt number that begins at zero (ReZero) or small (LayerScale)."""

    def __init__(self, layer: nn.Module, start: float) -> None:
        super().__init__()
        self.layer, self.scale = layer, nn.Parameter(torch.tensor(start))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled branch."""
        return self.scale * self.layer(x)  # type: ignore[no-any-return]


@torch.no_grad()
def _zero_head(one: Program, strength: float) -> None:
    one.model.head.weight.zero_()  # type: ignore[operator]
    one.model.head.bias.zero_()  # type: ignore[operator]


@torch.no_grad()
def _zero_branches(one: Program, strength: float) -> None:
    for module in one.model.modules():
        if isinstance(module, Residual | Attention):
            module.last.weight.zero_()  # type: ignore[operator]


def _scaled_branches(one: Program, strength: float) -> None:
    for module in one.model.modules():
        if isinstance(module, Residual | Attention):
            module.last = Scaled(module.last, strength)


def _pretrain(one: Program) -> None:
    """Train the network first; what follows is recorded."""
    recorded, one.updates = one.updates, PRETRAINING
    train(one, 1, is_recorded=False)
    one.updates = recorded


def _frozen_backbone(one: Program, strength: float) -> None:
    _pretrain(one)
    one.model.stem.requires_grad_(False)
    one.model.blocks.requires_grad_(False)


def _tiny_rate(one: Program, strength: float) -> None:
    _pretrain(one)
    one.lr /= strength


def _low_rank(one: Program, strength: float) -> None:
    _pretrain(one)
    one.model.requires_grad_(False)
    for module in list(one.model.blocks.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear and not isinstance(module, nn.MultiheadAttention):
                setattr(module, name, LowRank(child))
    one.model.head.requires_grad_(True)


def _distilled(one: Program, strength: float) -> None:
    """Take a teacher's probabilities for targets."""
    teacher = copy.deepcopy(one)
    _pretrain(teacher)
    with torch.no_grad():
        logits = teacher.model.eval()(one.inputs)
    labels = one.targets
    soft = (logits / 2).softmax(-1)
    one.targets = soft
    one.loss = lambda output, target: 4 * functional.kl_div((output / 2).log_softmax(-1), target, reduction="batchmean")
    one.judged_by = labels


def _gates(one: Program, strength: float) -> None:
    one.model.blocks.append(Gated(one.design.width))


@torch.no_grad()
def _orthogonal(one: Program, strength: float) -> None:
    for module in one.model.blocks.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.orthogonal_(module.weight, strength)


def _frozen_stem(one: Program, strength: float) -> None:
    one.model.stem.requires_grad_(False)


def _smoothed(one: Program, strength: float) -> None:
    one.loss = lambda output, target: functional.cross_entropy(output, target, label_smoothing=strength)


def _absolute(one: Program, strength: float) -> None:
    one.loss = functional.l1_loss


def _cosine(one: Program, strength: float) -> None:
    one.rate = lambda progress: 0.5 * (1 + math.cos(math.pi * progress))


def _warm_up(one: Program, strength: float) -> None:
    one.rate = lambda progress: min(1.0, (progress + 0.01) / strength)


def _stepped(one: Program, strength: float) -> None:
    one.rate = lambda progress: 1.0 if progress < 0.6 else strength


def _other(optimizer: str, lr: float) -> Fault:
    def plant(one: Program, strength: float) -> None:
        one.optimizer, one.lr = optimizer, lr * strength

    return Fault((), plant)


def _post_norm(design: Design, strength: float) -> Design:
    return replace(design, post_norm=True)


def _moved(one: Program, strength: float) -> None:
    one.inputs = 0.5 * one.inputs + strength


def _extra_head(one: Program, strength: float) -> None:
    """Add a second head that this loss does not use, as of networks of several tasks."""
    one.model.other_head = nn.Linear(one.design.width, 3)


_is_residual = lambda design: design.skip or design.family == "transformer"  # noqa: E731
ODD: dict[str, Fault] = {
    "as it is": Fault((), strengths=(1.0,)),
    "rate halved or doubled": Fault((), _setting("lr", lambda one, s: one.lr * s), strengths=(0.5, 2.0)),
    "adam": _other("adam", 0.002),
    "adamw": _other("adamw", 0.002),
    "rmsprop": _other("rmsprop", 0.001),
    "small or large batches": Fault((), _setting("batch_size", lambda one, s: round(s)), strengths=(16.0, 256.0)),
    "clipping that seldom binds": Fault((), _setting("clip", lambda one, s: s), strengths=(1.0, 10.0)),
    "some weight decay": Fault((), _setting("weight_decay", lambda one, s: s), strengths=(1e-4, 1e-3)),
    "some dropout": Fault(
        (),
        change=lambda design, s: replace(design, dropout=s),
        strengths=(0.1, 0.3),
        fits=_is_not("rnn", "gru", "lstm"),
    ),
    "cosine": Fault((), _cosine),
    "warm-up": Fault((), _warm_up, strengths=(0.1, 0.4)),
    "steps of the rate": Fault((), _stepped, strengths=(0.1,)),
    "gradients accumulated": Fault((), _setting("accumulate", lambda one, s: round(s)), strengths=(2.0,)),
    "zero head": Fault((), _zero_head),
    "zero branches": Fault((), _zero_branches, fits=_is_residual),
    "ReZero and LayerScale": Fault((), _scaled_branches, strengths=(0.0, 1e-2), fits=_is_residual),
    "post-norm with warm-up": Fault((), _warm_up, _post_norm, strengths=(0.4,), fits=_is("transformer")),
    "frozen backbone": Fault((), _frozen_backbone),
    "tiny rate on a trained network": Fault((), _tiny_rate, strengths=(30.0, 1000.0)),
    "low-rank updates": Fault((), _low_rank, fits=_is("mlp", "transformer", "autoencoder")),
    "distillation": Fault((), _distilled, fits=_answers("classes")),
    "sparse gates": Fault((), _gates, fits=_is("mlp", "transformer")),
    "orthogonal": Fault((), _orthogonal, strengths=(1.0, 1.4), fits=_is("mlp", "cnn", "transformer")),
    "frozen stem": Fault((), _frozen_stem, fits=_is_not("rnn", "gru", "lstm")),
    "leaky": Fault(
        (),
        change=lambda design, s: replace(design, activation="leaky-relu"),
        fits=lambda design: design.activation == "relu",
    ),
    "label smoothing": Fault((), _smoothed, strengths=(0.1,), fits=_answers("classes")),
    "absolute error": Fault((), _absolute, fits=_answers("values")),
    "inputs not quite centred": Fault((), _moved, strengths=(0.5,), fits=_has_float_inputs),
    "loss times two": Fault((), _times, strengths=(2.0, 0.5)),
    "another head": Fault((), _extra_head),
    "short": Fault((), _setting("updates", lambda one, s: round(s)), strengths=(2.0, 5.0, 15.0)),
}
