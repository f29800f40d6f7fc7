"""What a network costs before it is trained: parameters, weighted layers, multiply-adds of one forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gradflow.memory import lack
from gradflow.models.layer_parts import Projection
from gradflow.models.transformer import Attention

TRAINED_BYTES = 12  # of a parameter with its gradient and momentum
WIDEST_LAYER = 16  # times width squared: a layer of any network here has fewer parameters


class Cost(NamedTuple):
    """Parameters, weighted layers and multiply-adds for one image."""

    parameters: int
    weighted_layers: int
    multiply_adds: int


def cost(network: nn.Module, input_shape: tuple[int, ...]) -> Cost:
    """Return what a network of this package costs for one input.

    Multiply-adds are those of convolutions, linear layers and the two products of attention, counted from the shapes
    that pass through them; norms, activations, additions and biases are left out, as in He et al. 2015, table 1.
    Weighted layers are convolutions and linear layers; projections on skips do not count.

    Parameters
    ----------
    network : nn.Module
        On any device; on "meta" nothing is computed. Its mode stays.
    input_shape : tuple of int
        Without the batch.

    Examples
    --------
    >>> cost(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), (4,))
    Cost(parameters=23, weighted_layers=2, multiply_adds=18)
    """
    counted: list[int] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        counted.append(_multiply_adds(module, inputs[0], output))

    weighted = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    projected = {module[0] for module in network.modules() if isinstance(module, Projection)}
    attentions = [module for module in network.modules() if isinstance(module, Attention)]
    handles = [module.register_forward_hook(count) for module in [*weighted, *attentions]]
    modes = [(module, module.training) for module in network.modules()]
    device = next(network.parameters()).device
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, *input_shape, device=device))  # norms must not learn from zeros
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    return Cost(n_parameters(network), sum(module not in projected for module in weighted), sum(counted))


def n_parameters(network: nn.Module) -> int:
    """Return how many numbers a network learns.

    Examples
    --------
    >>> n_parameters(nn.Linear(4, 3))
    15
    """
    return sum(parameter.numel() for parameter in network.parameters())


def check_memory(name: str, depth: int, width: int, make: Callable[[], nn.Module]) -> None:
    """Raise ValueError if the network that `make` returns has more parameters than memory can train.

    It is made on "meta", where it takes none, and only if it is wide or deep enough to matter.
    """
    if not lack(TRAINED_BYTES * WIDEST_LAYER * depth * width**2):
        return
    with torch.device("meta"):
        count = n_parameters(make())
    missing = lack(TRAINED_BYTES * count)
    if missing:
        raise ValueError(f"{name} of width {width} has {count:.3g} parameters: {missing}.")


def _multiply_adds(module: nn.Module, inputs: Tensor, output: Tensor) -> int:
    """Return the multiply-adds of one call."""
    if isinstance(module, Attention):
        batch, tokens, width = inputs.shape
        return 2 * batch * tokens * tokens * width  # queries with keys, weights with values
    assert isinstance(module, nn.Conv2d | nn.Linear)
    return output.numel() * module.weight[0].numel()  # each number is a sum over its fan-in
