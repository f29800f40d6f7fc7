"""Do gradients of nearby inputs agree? Their correlation at each layer (Balduzzi et al. 2017, arXiv 1702.08591)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from gradflow.errors import GradflowError
from gradflow.hooks.gradients import OutputHook, remove, tensors_in
from gradflow.hooks.layer_graph import LayerGraph
from gradflow.hooks.layers import ROOT, is_container, is_weighted, named_modules
from gradflow.probe.preserved import left_as_found
from gradflow.recording import AUTOCORRELATION, INPUT, SHATTERING

LAGS = 15
INDEPENDENT = "the model's output does not depend on its inputs by a differentiable path."

Measure = Callable[[Tensor], Tensor]


class ShatteringError(GradflowError):
    """A model or inputs whose gradients per input cannot be told apart."""


def shattering(model: nn.Module, inputs: Tensor, *, seed: int = 0) -> pd.DataFrame:
    """Return how far the gradients of different inputs agree at the input and at each weighted layer's output.

    1 is a gradient that is the same for all inputs, as in a linear network; 0 is white noise: what one example
    teaches says nothing about the next. The model is left exactly as it was found.

    Parameters
    ----------
    model : nn.Module
        In the mode that matters: at initialisation batch norm normalises in training mode alone. Dropout that is
        on counts as shattering. A `Recorder` that is attached sees this pass, too.
    inputs : Tensor
        (n, ...), floating point, n at least 2. Nearby or unrelated ones: the closed forms in
        `gradflow.theory.correlation` hold for unrelated inputs of one distribution. Batch norm in training mode
        stretches a batch of nearby inputs to unit variance, so that they are no longer near.
    seed : int
        Draws the direction r in which outputs are read.

    Returns
    -------
    DataFrame
        One row per call of a weighted layer, input first, fit for `Recording(probes=...)`: probe, layer, x
        (weighted layers between here and the model's output), value (the correlation), layer_depth, n (inputs
        whose gradient is not zero), n_zero (the others, which have no direction and do not count).

    Raises
    ------
    ShatteringError
        The inputs are integers or fewer than two, the output has no row per input or does not depend on them,
        or the model is compiled or scripted.

    Notes
    -----
    g_i is the gradient of r · f(x_i) with respect to the activation of input i, and the value is the mean of
    <g_i, g_j> / (|g_i| |g_j|) over all pairs i, j of different inputs: the correlation R(i, j) of the paper's
    section 3, where the mean is over weights, of which a wide layer holds many. Batch statistics count as
    constants: in the gradient of a whole batch's loss they would subtract its mean over the batch, the very part
    in which the inputs agree.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(8, 64), nn.Linear(64, 3))
    >>> shattering(model, torch.randn(4, 8, generator=torch.Generator().manual_seed(0)))[["layer", "x", "value"]]
         layer    x  value
    0  (input)  2.0    1.0
    1        0  1.0    1.0
    2        1  0.0    1.0
    """
    places = _gradients(model, inputs, seed, _cosine)
    rows = []
    for place in places:
        value, n = place.measured.tolist() if place.measured is not None else (float("nan"), 0)
        rows.append({**_who(SHATTERING, place), "x": float(place.layers_after), "value": value, "n": int(n)})
    frame = pd.DataFrame(rows)
    frame["n_zero"] = len(inputs) - frame["n"]
    return frame[["probe", "layer", "x", "value", "layer_depth", "n", "n_zero"]]


def autocorrelation(model: nn.Module, line: Tensor, *, lags: int = LAGS, seed: int = 0) -> pd.DataFrame:
    """Return the autocorrelation of gradients along a line of inputs, lag by lag.

    White noise falls to 0 at once, brown noise slowly (`gradflow.theory.correlation.brown_noise`).
    The model is left exactly as it was found.

    Parameters
    ----------
    model : nn.Module
        As in `shattering`.
    line : Tensor
        (n, ...), floating point, in order, such as `torch.linspace(-2, 2, 256)[:, None]`.
    lags : int
        Largest lag, from 1 to n - 1.
    seed : int
        Draws the direction in which outputs are read.

    Returns
    -------
    DataFrame
        One row per place and lag (0 to `lags`), fit for `Recording(probes=...)`: probe, layer, x (the lag), value,
        layer_depth, n (inputs). NaN where the gradient is constant along the line.

    Raises
    ------
    ShatteringError
        As in `shattering`, or lags is out of its range.

    Notes
    -----
    sum_i <g_i - m, g_(i+k) - m> / sum_i |g_i - m|², m the mean of all g_i: the usual sample autocorrelation, for
    vectors. The paper draws it in its section 2 for networks of one input (its figure of ACFs).

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 1))
    >>> frame = autocorrelation(model, torch.linspace(-2, 2, 32)[:, None], lags=3)
    >>> frame[frame.layer == "(input)"].x.tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    if not 1 <= lags < len(line):
        raise ShatteringError(f"lags must be from 1 to {len(line) - 1}, one less than the inputs; got {lags}.")
    places = _gradients(model, line, seed, lambda gradients: _autocorrelation(gradients, lags))
    rows = []
    for place in places:
        values = place.measured.tolist() if place.measured is not None else [float("nan")] * (lags + 1)
        rows += [
            {**_who(AUTOCORRELATION, place), "x": float(lag), "value": value, "n": len(line)}
            for lag, value in enumerate(values)
        ]
    return pd.DataFrame(rows)[["probe", "layer", "x", "value", "layer_depth", "n"]]


@dataclass(eq=False)
class _Place:
    """A tensor whose gradient is measured: whose output it is, how deep, and what was found."""

    layer: str
    layer_depth: int
    measured: Tensor | None = None
    layers_after: int = 0


def _who(probe: str, place: _Place) -> dict[str, Any]:
    return {"probe": probe, "layer": place.layer, "layer_depth": place.layer_depth}


def _cosine(gradients: Tensor) -> Tensor:
    """Return the mean cosine between different rows, and how many rows are not zero: (n, entries) -> (2,)."""
    norms = gradients.norm(dim=1, keepdim=True)
    n = (norms != 0).sum()
    total = (gradients / torch.where(norms == 0, 1.0, norms)).sum(dim=0)
    return torch.stack([(total.square().sum() - n) / (n * (n - 1)), n.double()])


def _autocorrelation(gradients: Tensor, lags: int) -> Tensor:
    """Return the autocorrelation of the rows at lags 0 to `lags`: (n, entries) -> (lags + 1,)."""
    centred = gradients - gradients.mean(dim=0)
    n = len(centred)
    sums = [(centred[: n - lag] * centred[lag:]).sum() for lag in range(lags + 1)]
    return torch.stack(sums) / sums[0]


def _gradients(model: nn.Module, inputs: Tensor, seed: int, measure: Measure) -> list[_Place]:
    """Return the input and every call of a weighted layer, each with the measure of its gradients."""
    _check(model, inputs)
    graph, places = LayerGraph(), []
    with torch.inference_mode(False), torch.enable_grad(), left_as_found(model):
        x = inputs.detach().clone().requires_grad_()

        def watch(layer: str, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            for tensor in tensors_in(output):
                place = graph.place([tensor], object(), weighted=True)
                if place is None:  # does not depend on the inputs
                    continue
                places.append(_Place(layer, place.depth))
                tensor.register_hook(_Receive(places[-1], len(inputs), measure))

        handles = _constant_statistics(model)
        handles += [
            module.register_forward_hook(OutputHook(watch, name or ROOT))
            for name, module in named_modules(model)
            if is_weighted(module) and not is_container(module)
        ]
        try:
            score, depth = _read(model(x), len(inputs), seed, graph)
            places.insert(0, _Place(INPUT, 0))
            (gradient,) = torch.autograd.grad(score, x, allow_unused=True)
        finally:
            remove(handles)
            graph.clear()
        if gradient is None:
            raise ShatteringError(INDEPENDENT)
        _Receive(places[0], len(inputs), measure)(gradient)
    for place in places:
        place.layers_after = depth - place.layer_depth
    return places


class _Receive:
    """Tensor hook: measures the gradient per input and keeps the result; NaN unless it has one row per input."""

    def __init__(self, place: _Place, n: int, measure: Measure) -> None:
        self.place, self.n, self.measure = place, n, measure

    def __call__(self, gradient: Tensor | None) -> None:
        if gradient is not None and gradient.dim() > 1 and len(gradient) == self.n:
            self.place.measured = self.measure(gradient.detach().reshape(self.n, -1).double())


def _check(model: nn.Module, inputs: Tensor) -> None:
    if isinstance(model, torch.jit.ScriptModule) or hasattr(model, "_orig_mod"):
        raise ShatteringError(f"model must be neither compiled nor scripted; got {type(model).__name__}.")
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        kind = str(inputs.dtype) if isinstance(inputs, Tensor) else type(inputs).__name__
        raise ShatteringError(f"inputs must be a floating-point tensor, such as token embeddings; got {kind}.")
    if inputs.dim() < 2 or len(inputs) < 2:
        raise ShatteringError(f"inputs must be (n, ...) with n at least 2; got shape {tuple(inputs.shape)}.")


def _read(outputs: Any, n: int, seed: int, graph: LayerGraph) -> tuple[Tensor, int]:
    """Return the sum over inputs of r · f(x), r standard normal and the same for all, and the output's depth."""
    output = next(tensors_in(outputs), None)
    if output is None or output.dim() == 0 or len(output) != n:
        shape = "no tensor" if output is None else f"shape {tuple(output.shape)}"
        raise ShatteringError(f"the model's output must start with the {n} inputs; got {shape}.")
    flat = output.reshape(n, -1)
    direction = torch.randn(flat.shape[1], generator=torch.Generator().manual_seed(seed))
    score = (flat @ direction.to(flat)).sum()
    if not score.requires_grad:
        raise ShatteringError(INDEPENDENT)
    place = graph.place([output], object(), weighted=False)
    return score, 0 if place is None else place.depth


def _constant_statistics(model: nn.Module) -> list[Any]:
    """Put hooks on batch norms that use the batch's statistics, so that these carry no gradient."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [
        module.register_forward_hook(_normalised) for module in norms if module.training or module.running_mean is None
    ]


def _normalised(module: nn.modules.batchnorm._BatchNorm, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Return the same output, with mean and variance held constant."""
    x = args[0]
    over = [dim for dim in range(x.dim()) if dim != 1]
    variance, mean = torch.var_mean(x.detach(), over, correction=0)
    return nn.functional.batch_norm(x, mean, variance, module.weight, module.bias, training=False, eps=module.eps)
