"""Stacks of rectifier layers of one width, plain and residual: the networks in which gradients shatter or hold."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gradflow import theory
from gradflow.models.layer_parts import check_counts, normed
from gradflow.theory import Norm

HE_VARIANCE = 2.0  # fan_in Var[w] that keeps the variance behind a ReLU (He et al. 2015, arXiv 1502.01852)


class Rectifiers(nn.Module):
    """One block: W relu(norm(x)), with or without x added to it: (batch, width) -> (batch, width).

    Norm and activation stand before the weights (He et al. 2016, arXiv 1603.05027), so that the skip is the
    identity from the first block to the last.
    """

    def __init__(self, width: int, norm: Norm | None, skip: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.norm = normed(norm, width)
        self.relu = nn.ReLU()
        self.linear = _linear(width, width, HE_VARIANCE, generator)
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        """Return the branch, plus x if there is a skip."""
        branch = self.linear(self.relu(x if self.norm is None else self.norm(x)))
        return x + branch if self.skip else branch


def rectifier_net(
    n_blocks: int,
    *,
    width: int = 256,
    norm: Norm | None = None,
    skip: bool = False,
    in_features: int | None = None,
    generator: torch.Generator,
) -> nn.Sequential:
    """Build the fully connected networks of Balduzzi et al. 2017 (arXiv 1702.08591, section 3), without a readout.

    Parameters
    ----------
    n_blocks : int
        Blocks x -> W relu(norm(x)), one weighted layer each; at least 1.
    width : int
        Units of every block.
    norm : None, "batch" or "layer"
        Batch or layer norm before each ReLU.
    skip : bool
        x + W relu(norm(x)) in place of W relu(norm(x)).
    in_features : int, optional
        Entries of an input; by default the width, and the first block reads the input itself. Otherwise a
        linear layer N(0, 1 / in_features) stands before the blocks; with one entry it has biases N(0, 1), so
        that units switch at different places of the line.
    generator : torch.Generator
        Where the blocks' weights are drawn from: N(0, 2 / width), without biases.

    Raises
    ------
    ValueError
        An argument is out of its range.

    Examples
    --------
    >>> rectifier_net(2, width=8, skip=True, generator=torch.Generator().manual_seed(0))(torch.ones(4, 8)).shape
    torch.Size([4, 8])
    """
    check_counts(n_blocks=n_blocks, width=width)
    theory.check(activation="relu", norm=norm)
    net = nn.Sequential()
    if in_features is not None:
        net.add_module("stem", _linear(in_features, width, 1.0, generator, bias=in_features == 1))
    for number in range(1, n_blocks + 1):
        net.add_module(f"block{number}", Rectifiers(width, norm, skip, generator))
    return net


def _linear(fan_in: int, fan_out: int, variance: float, generator: torch.Generator, bias: bool = False) -> nn.Linear:
    """Return a layer drawn from the generator; PyTorch's global one stays where it was."""
    with torch.random.fork_rng(devices=[]):
        linear = nn.Linear(fan_in, fan_out, bias=bias)
    for parameter in linear.parameters():
        nn.init.normal_(parameter, 0.0, math.sqrt(variance / fan_in), generator=generator)
    return linear
