"""Kinds of fault, each a small change of a program's design, or of the program itself before it runs.

`named` are the findings that name what was planted; a finding about a consequence alone does not count. The strength
says how far the change goes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from .networks import Attention, Design, Net, Residual
from .program import Program
from .tasks import load_task

Change = Callable[[Design, float], Design]
Plant = Callable[[Program, float], None]
CUTS = ("cut_off", "cut_off_no_grad", "cut_off_outside")
STILL = ("left_out", "not_changed", "never_changed", "never_stepped", "lr_zero")


@dataclass(frozen=True)
class Fault:
    """One kind: how it is planted, how strongly, in which designs, and which findings name it."""

    named: tuple[str, ...]
    plant: Plant | None = None
    change: Change | None = None
    strengths: tuple[float, ...] = (1.0,)
    fits: Callable[[Design], bool] = lambda design: True


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Return the function's value."""
        return self.function(x)


def _has_activation(*names: str) -> Callable[[Design], bool]:
    return lambda design: design.activation in names and design.family not in ("rnn", "gru", "lstm")


def _is(*families: str) -> Callable[[Design], bool]:
    return lambda design: design.family in families


def _is_not(*families: str) -> Callable[[Design], bool]:
    return lambda design: design.family not in families


def _answers(*kinds: str) -> Callable[[Design], bool]:
    return lambda design: load_task(design.task).kind in kinds


def _has_float_inputs(design: Design) -> bool:
    return design.task != "tokens"


# Plants


def _setting(name: str, of: Callable[[Program, float], Any]) -> Plant:
    def plant(one: Program, strength: float) -> None:
        setattr(one, name, of(one, strength))

    return plant


def _weights(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.dim() >= 2]


@torch.no_grad()
def _scale_all(one: Program, strength: float) -> None:
    for weight in _weights(one.model):
        weight.mul_(strength)


@torch.no_grad()
def _scale_head(one: Program, strength: float) -> None:
    one.model.head.weight.mul_(strength)  # type: ignore[operator]


@torch.no_grad()
def _constant(one: Program, strength: float) -> None:
    for weight in _weights(one.model):
        weight.fill_(strength / math.sqrt(weight[0].numel()))


@torch.no_grad()
def _alike(one: Program, strength: float) -> None:
    """Make all rows of the first share of the blocks' weights alike."""
    chosen = _weights(one.model.blocks)
    for weight in chosen[: max(1, round(strength * len(chosen)))]:
        weight.copy_(weight[:1].expand_as(weight))


@torch.no_grad()
def _bias(one: Program, strength: float) -> None:
    hidden = [*one.model.stem.modules(), *one.model.blocks.modules()]
    affine = [module for module in hidden if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None]
    affine[len(affine) // 2].bias.fill_(strength)


@torch.no_grad()
def _all_biases(one: Program, strength: float) -> None:
    hidden = [*one.model.stem.modules(), *one.model.blocks.modules()]
    for module in hidden:
        if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
            module.bias.fill_(strength)


def _held_half(one: Program, strength: float) -> None:
    """Give the optimizer the last parameters alone."""

    def held(model: Net) -> list[nn.Parameter]:
        found = list(model.parameters())
        return found[round(strength * len(found)) :]

    one.held = held


def _held_without_head(one: Program, strength: float) -> None:
    one.held = lambda model: [*model.stem.parameters(), *model.blocks.parameters()]


def _replaced(one: Program, strength: float) -> None:
    """Replace the blocks after the optimizer was made."""
    old = list(one.model.parameters())
    one.held = lambda model: old
    one.model.blocks = copy.deepcopy(one.model.blocks)


def _frozen(one: Program, strength: float) -> None:
    found = list(one.model.parameters())
    for parameter in found[: round(strength * len(found))]:
        parameter.requires_grad_(False)


def _detached(one: Program, strength: float) -> None:
    place = round(strength * len(one.model.blocks))
    one.model.blocks.insert(place, Function(lambda x: x.detach()))


def _without_gradients(one: Program, strength: float) -> None:
    one.model.without_gradients = max(1, round(strength * len(one.model.blocks)))


def _behind_head(function: Callable[[Tensor], Tensor] | None = None, make: type[nn.Module] | None = None) -> Plant:
    def plant(one: Program, strength: float) -> None:
        one.model.out = Function(function) if function is not None else make(-1) if make is nn.Softmax else make()  # type: ignore[misc]

    return plant


def _inputs(function: Callable[[Tensor, float], Tensor]) -> Plant:
    def plant(one: Program, strength: float) -> None:
        one.inputs = function(one.inputs, strength)

    return plant


def _one_feature(x: Tensor, strength: float) -> Tensor:
    x = x.clone()
    x[..., 0] *= strength
    return x


def _nan_in_one(x: Tensor, strength: float) -> Tensor:
    x = x.clone()
    x.view(len(x), -1)[len(x) // 3, 0] = math.nan
    return x


def _wrong_axis(one: Program, strength: float) -> None:
    for module in one.model.modules():
        if isinstance(module, nn.RNNBase | nn.MultiheadAttention):
            module.batch_first = False


def _dropout(one: Program, strength: float) -> None:
    for number in reversed(range(len(one.model.blocks))):
        one.model.blocks.insert(number + 1, nn.Dropout(strength))


def _without_skip(one: Program, strength: float) -> None:
    for module in one.model.modules():
        if isinstance(module, Residual | Attention):
            module.skip = False


@torch.no_grad()
def _drifting(one: Program, strength: float) -> None:
    """Residual branches without norm, with weights of Kaiming's scale times the strength."""
    for module in one.model.modules():
        if isinstance(module, Residual):
            module.norm1, module.norm2 = nn.Identity(), nn.Identity()
            for layer in (module.first, module.last):
                nn.init.kaiming_normal_(layer.weight)  # type: ignore[arg-type]
                layer.weight.mul_(strength)  # type: ignore[operator]


def _narrow(one: Program, strength: float) -> None:
    """Add a block that lets next to nothing of its input through."""
    one.model.blocks.insert(len(one.model.blocks), Function(lambda x: strength * x + 1.0))


def _times(one: Program, strength: float) -> None:
    inner = one.loss
    one.loss = lambda output, target: strength * inner(output, target)


def _summed(one: Program, strength: float) -> None:
    inner = one.loss
    one.loss = lambda output, target: inner(output, target) * len(target)


def _log_of_zero(one: Program, strength: float) -> None:
    one.loss = lambda output, target: -(output.relu().log().gather(1, target[:, None])).mean()


def _root_of_zero(one: Program, strength: float) -> None:
    """Add the root of a square, whose slope at zero is infinite."""
    inner = one.loss
    one.loss = lambda output, target: (
        inner(output, target)
        + 0.01 * (output.relu() ** 2).sum(-1).sqrt().mean()
        + (0.0 * (output - output).norm(dim=-1).mean())
    )


def _shuffled(one: Program, strength: float) -> None:
    order = torch.randperm(len(one.targets), generator=torch.Generator().manual_seed(1))
    n_moved = round(strength * len(order))
    targets = one.targets.clone()
    targets[:n_moved] = one.targets[:n_moved][order[order < n_moved]]
    one.targets = targets


def _decaying(one: Program, strength: float) -> None:
    one.rate = lambda progress: 0.1 ** (progress * strength)


def _deeper(design: Design, strength: float) -> Design:
    return replace(design, depth=round(design.depth * strength))


def _activation(name: str) -> Change:
    return lambda design, strength: replace(design, activation=name)


def _detached_weight(one: Program, strength: float) -> None:
    """Let the blocks' affine layers use copies of their weights that are cut off from the graph."""
    for module in one.model.blocks.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            _cut_weight(module)


def _cut_weight(module: nn.Linear | nn.Conv2d) -> None:
    kind = type(module)

    class Cut(kind):  # type: ignore[misc, valid-type]
        def forward(self, x: Tensor) -> Tensor:
            bias = self.bias.detach()
            if kind is nn.Linear:
                return nn.functional.linear(x, self.weight.detach(), bias)
            return self._conv_forward(x, self.weight.detach(), bias)

    Cut.__name__ = kind.__name__
    module.__class__ = Cut


def _evaluating(one: Program, strength: float) -> None:
    """Batch norm uses running statistics that are not the data's."""
    one.evaluates = True
    for module in one.model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_var.fill_(strength)  # type: ignore[union-attr]


def _reinitialised(one: Program, strength: float) -> None:
    """Draw the weights anew every so many forward passes."""
    count = [0]

    @torch.no_grad()
    def prepare(model: Net) -> None:
        count[0] += 1
        if count[0] % round(strength) == 0:
            for weight in _weights(model):
                weight.normal_(0.0, float(weight.std()) + 1e-8)

    one.prepare = prepare


_affine = _is_not("rnn", "gru", "lstm")
FAULTS: dict[str, Fault] = {
    "rate too high": Fault(("lr_high",), _setting("lr", lambda one, s: one.lr * s), strengths=(10.0, 40.0, 300.0)),
    "rate too low": Fault(("lr_low",), _setting("lr", lambda one, s: one.lr / s), strengths=(30.0, 300.0, 3000.0)),
    "rate decays too fast": Fault(("lr_decays", "lr_low"), _decaying, strengths=(10.0, 40.0)),
    "rate zero": Fault(STILL, _setting("lr", lambda one, s: 0.0)),
    "momentum too high": Fault(
        ("momentum_high", "lr_high"),
        _setting("momentum", lambda one, s: s),
        strengths=(0.99, 0.999),
        fits=lambda design: design.optimizer == "sgd",
    ),
    "epsilon too large": Fault(
        ("lr_low",),
        _setting("epsilon", lambda one, s: s),
        strengths=(1.0, 30.0),
        fits=lambda design: design.optimizer == "adam",
    ),
    "weight decay too large": Fault(
        ("weight_decay_high", "weights_shrink"), _setting("weight_decay", lambda one, s: s), strengths=(0.1, 1.0)
    ),
    "clipping too tight": Fault(
        ("clip_binds",),
        _setting("clip", lambda one, s: s),
        strengths=(1e-2, 1e-3),
        fits=lambda design: design.optimizer == "sgd",
    ),
    "gradients not cleared": Fault(("gradients_kept",), _setting("clears", lambda one, s: False)),
    "no optimizer step": Fault(STILL, _setting("steps", lambda one, s: False)),
    "optimizer holds a part": Fault(STILL, _held_half, strengths=(0.5, 0.8)),
    "optimizer without the head": Fault(STILL, _held_without_head),
    "layers replaced": Fault(STILL, _replaced),
    "layers frozen": Fault(("mostly_frozen",), _frozen, strengths=(0.6, 0.9)),
    "detached": Fault(CUTS, _detached, strengths=(0.5, 1.0)),
    "no_grad": Fault(CUTS, _without_gradients, strengths=(0.5, 1.0)),
    "weights detached": Fault((*CUTS, "parameter_without_gradient"), _detached_weight, fits=_affine),
    "all weights zero": Fault(
        ("zero_from_loss", "zero_gradient_between", "zero_parameters", "zero_gradient", "outputs_alike"),
        _scale_all,
        strengths=(0.0,),
    ),
    "all weights alike": Fault(("identical_units",), _constant, strengths=(0.1, 1.0), fits=_affine),
    "rows alike": Fault(("identical_units",), _alike, strengths=(0.3, 1.0)),
    "weights too large": Fault(("outputs_large", "units_saturated"), _scale_all, strengths=(3.0, 10.0)),
    "weights too small": Fault(("outputs_alike", "vanishing"), _scale_all, strengths=(0.3, 0.05)),
    "head too large": Fault(("outputs_large",), _scale_head, strengths=(30.0, 300.0)),
    "dead by a bias": Fault(
        ("units_off", "zero_gradient_between", "zero_from_loss"),
        _bias,
        strengths=(-5.0, -50.0),
        fits=_has_activation("relu"),
    ),
    "biases far off": Fault(
        ("units_saturated", "units_off", "zero_gradient_between", "outputs_large"),
        _all_biases,
        strengths=(-2.0, 5.0),
        fits=_has_activation("relu", "tanh"),
    ),
    "sigmoid": Fault(
        ("vanishing", "outputs_alike"),
        change=_activation("sigmoid"),
        fits=_is("mlp", "cnn", "autoencoder", "conv autoencoder"),
    ),
    "too deep": Fault(
        ("vanishing", "exploding", "outputs_alike", "stalled", "shattered"),
        change=_deeper,
        strengths=(5.0, 10.0),
        fits=lambda design: design.family in ("mlp", "cnn", "autoencoder") and not design.skip,
    ),
    "softmax before the loss": Fault(("squashed_logits",), _behind_head(make=nn.Softmax), fits=_answers("classes")),
    "softmax over one unit": Fault(("softmax_of_one",), _behind_head(make=nn.Softmax), fits=_answers("binary")),
    "sigmoid before the loss": Fault(
        ("squashed_logits",), _behind_head(torch.sigmoid), fits=_answers("binary", "classes")
    ),
    "relu at the output": Fault(
        ("squashed_logits", "squashed_values"), _behind_head(make=nn.ReLU), fits=_answers("classes", "values", "binary")
    ),
    "sigmoid on a regression": Fault(("squashed_values",), _behind_head(make=nn.Sigmoid), fits=_answers("values")),
    "dropout too strong": Fault(("dropout_strong",), _dropout, strengths=(0.9, 0.98)),
    "batch norm in eval": Fault(
        ("norm_in_eval",), _evaluating, strengths=(0.01, 100.0), fits=lambda design: design.norm == "batch"
    ),
    "inputs in hundreds": Fault(
        ("inputs_unscaled",), _inputs(lambda x, s: x * s), strengths=(30.0, 300.0), fits=_has_float_inputs
    ),
    "inputs far from zero": Fault(
        ("inputs_unscaled",), _inputs(lambda x, s: x + s), strengths=(10.0, 100.0), fits=_has_float_inputs
    ),
    "inputs tiny": Fault(
        ("inputs_unscaled",), _inputs(lambda x, s: x / s), strengths=(100.0, 10000.0), fits=_has_float_inputs
    ),
    "one feature huge": Fault(
        ("inputs_unscaled",), _inputs(_one_feature), strengths=(100.0, 10000.0), fits=_has_float_inputs
    ),
    "NaN in the inputs": Fault(("inputs_nonfinite", "nonfinite_forward"), _inputs(_nan_in_one), fits=_has_float_inputs),
    "targets in thousands": Fault(
        ("targets_unscaled",),
        _setting("targets", lambda one, s: one.targets * s),
        strengths=(30.0, 1000.0),
        fits=_answers("values"),
    ),
    "targets shuffled": Fault((), _shuffled),
    "wrong axis": Fault(
        ("attention_one_token", "recurrent_one_step"), _wrong_axis, fits=_is("transformer", "rnn", "gru", "lstm")
    ),
    "loss times a tiny number": Fault(("lr_low", "loss_tiny"), _times, strengths=(1e-2, 1e-4)),
    "loss with the wrong sign": Fault(("loss_negative",), _times, strengths=(-1.0,)),
    "loss summed": Fault(("lr_high", "loss_scaled"), _summed),
    "log of zero": Fault(
        ("nonfinite_loss", "nonfinite_from_loss", "nonfinite_backward"), _log_of_zero, fits=_answers("classes")
    ),
    "root of zero": Fault(
        ("nonfinite_loss", "nonfinite_from_loss", "nonfinite_backward"),
        _root_of_zero,
        fits=_answers("classes", "values"),
    ),
    "skips cut": Fault(
        ("vanishing", "outputs_alike"), _without_skip, fits=lambda design: design.skip or design.family == "transformer"
    ),
    "skips that drift": Fault(
        ("outputs_large", "exploding"), _drifting, strengths=(1.0, 2.0), fits=lambda design: design.skip
    ),
    "signal drowned": Fault(("outputs_alike",), _narrow, strengths=(1e-2, 1e-4)),
    "weights drawn again": Fault(("changed_elsewhere",), _reinitialised, strengths=(2.0, 10.0)),
}
