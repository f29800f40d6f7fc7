"""Check a recorder against autograd: one step computed twice, by hooks and without."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gradflow.hooks.accumulation import Accumulation, Owners
from gradflow.hooks.attachment import hookable
from gradflow.hooks.capture import ARRIVED
from gradflow.hooks.gradients import OutputHook, remove
from gradflow.hooks.layers import Layer
from gradflow.hooks.norms import l2_norm
from gradflow.hooks.passes import Pass


class Verification(NamedTuple):
    """How far recorded norms are from autograd's own: the largest relative difference, and where.

    `n` norms were compared; `skipped` names the layers that could not be: called several times, or with outputs that
    are no single tensor.
    """

    largest: float
    where: str
    n: int
    skipped: tuple[str, ...]


def verify(model: nn.Module, layers: list[Layer], closure: Callable[[], Tensor]) -> Verification:
    """Compare the norms that hooks take with those of `torch.autograd.grad`: see `Recorder.verify`."""
    by_parameter, by_layer, skipped = gradients_without_hooks(model, layers, closure)
    found = _norms_by_hooks(model, layers, closure)
    names = {parameter: name for name, parameter in model.named_parameters()}
    expected = {names[parameter]: l2_norm(gradient) for parameter, gradient in by_parameter.items()}
    expected |= {f"output of {name}": l2_norm(gradient) for name, gradient in by_layer.items()}
    compared = {
        where: relative_difference(float(found.get(where, math.nan)), float(norm)) for where, norm in expected.items()
    }
    where = max(compared, key=lambda name: compared[name], default="")
    return Verification(compared.get(where, 0.0), where, len(compared), tuple(sorted(skipped)))


def _norms_by_hooks(model: nn.Module, layers: list[Layer], closure: Callable[[], Tensor]) -> dict[str, Any]:
    """Return the norms of one backward pass as a recorder takes them: outputs by hooks, parameters from `.grad`."""
    accumulation = Accumulation(Owners(layers, list(model.parameters())))
    watched = Pass(
        accumulation, set(), with_statistics=False, before_first=bool, read_scale=lambda: 1.0, on_failure=_raise
    )

    def on_output(layer: Layer, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        watched.watch(layer, watched.count(layer), output, args)

    with state_kept(model):
        model.zero_grad(set_to_none=True)
        handles = [module.register_forward_hook(OutputHook(on_output, layer)) for module, layer in hookable(layers)]
        try:
            closure().backward()
            accumulation.use()
            watched.finish()
            watched.take_norms()
        finally:
            remove([*handles, *watched.handles])
        norms: dict[str, Any] = {
            name: l2_norm(parameter.grad) for name, parameter in model.named_parameters() if parameter.grad is not None
        }
    for output in watched.outputs:
        if output.in_grad and output.status in ARRIVED:
            norms.setdefault(f"output of {output.layer.name}", output.norm)
    return norms


def _raise(what: str, error: Exception) -> None:
    raise error


def gradients_without_hooks(
    model: nn.Module, layers: list[Layer], closure: Callable[[], Tensor]
) -> tuple[dict[nn.Parameter, Tensor], dict[str, Tensor], set[str]]:
    """Return gradients of parameters and of layers' outputs by `torch.autograd.grad`, and the layers left out.

    A zero that requires a gradient is added to each output: its gradient is the output's. No tensor hook is involved.
    The model is left as it was.
    """
    zeros: dict[str, Tensor] = {}
    skipped: set[str] = set()

    def add_zero(layer: Layer) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            usable = isinstance(output, Tensor) and output.requires_grad and all(output is not arg for arg in args)
            if not usable or layer.name in zeros:
                skipped.add(layer.name)
                return None
            zeros[layer.name] = torch.zeros_like(output, requires_grad=True)
            return output + zeros[layer.name]

        return hook

    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with state_kept(model):
        handles = [module.register_forward_hook(add_zero(layer)) for module, layer in hookable(layers)]
        try:
            loss = closure()
        finally:
            remove(handles)
        wanted = [*parameters, *zeros.values()]
        found = torch.autograd.grad(loss, wanted, allow_unused=True)
    by_parameter = zip(parameters, found[: len(parameters)], strict=True)
    by_layer = zip(zeros, found[len(parameters) :], strict=True)
    outputs = {name: gradient for name, gradient in by_layer if gradient is not None and name not in skipped}
    return {parameter: gradient for parameter, gradient in by_parameter if gradient is not None}, outputs, skipped


def relative_difference(found: float, expected: float) -> float:
    """Return |found - expected| / |expected|; 0 for two equal values, NaN and inf included."""
    if found == expected or (math.isnan(found) and math.isnan(expected)):
        return 0.0
    return abs(found - expected) / abs(expected) if expected else math.inf


@contextlib.contextmanager
def state_kept(model: nn.Module) -> Iterator[None]:
    """Give back buffers, gradients and random state as they were before the block."""
    buffers = {name: copy.deepcopy(buffer) for name, buffer in model.named_buffers()}
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    devices = sorted({parameter.device.index or 0 for parameter in model.parameters() if parameter.is_cuda})
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[name]
