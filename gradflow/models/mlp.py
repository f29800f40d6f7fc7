"""Fully connected networks of constant width, with a chosen activation, initialisation, norm and skip."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from gradflow import theory
from gradflow.models.layer_parts import ACTIVATIONS, check_counts, normed
from gradflow.theory import Activation, Init, Norm


class Hidden(nn.Module):
    """A weighted layer, its norm and its activation, with or without a skip: (batch, in) -> (batch, out).

    The norm stands between weights and activation, as in the CIFAR networks' first half of a block.
    """

    def __init__(self, linear: nn.Linear, activation: Activation, norm: Norm | None, skip: bool) -> None:
        super().__init__()
        self.linear = linear
        self.norm = normed(norm, linear.out_features)
        self.act = ACTIVATIONS[activation]()
        self.skip = skip

    def branch(self, x: Tensor) -> Tensor:
        """Return phi(norm(W x + b))."""
        h = self.linear(x)
        activated: Tensor = self.act(self.norm(h) if self.norm is not None else h)
        return activated

    def forward(self, x: Tensor) -> Tensor:
        """Return the branch, plus x if there is a skip."""
        return x + self.branch(x) if self.skip else self.branch(x)


class Mlp(nn.Module):
    """Hidden layers of one width (`hidden.layer1`, ...) and a classifier. Build it with `mlp`."""

    def __init__(self, hidden: list[Hidden], classifier: nn.Linear) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.hidden = nn.Sequential()
        for number, layer in enumerate(hidden, start=1):
            self.hidden.add_module(f"layer{number}", layer)
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (batch, num_classes) for inputs (batch, ...) that flatten to in_features."""
        logits: Tensor = self.classifier(self.hidden(self.flatten(x)))
        return logits


def mlp(
    depth: int,
    *,
    width: int = 256,
    in_features: int = 64,
    num_classes: int = 10,
    activation: Activation = "relu",
    init: Init = "default",
    norm: Norm | None = None,
    skip: bool = False,
    generator: torch.Generator | None = None,
) -> Mlp:
    """Build a fully connected network of constant width.

    Parameters
    ----------
    depth : int
        Weighted layers, the classifier included; at least 2.
    width : int
        Units of every hidden layer.
    in_features, num_classes : int
        Entries of a flattened input and classes of the task.
    activation : str
        One of `gradflow.theory.ACTIVATIONS`.
    init : "default", "xavier", "kaiming", "kaiming-0.8" or "critical"
        "default" is PyTorch's for `nn.Linear`, with its biases unless a norm follows. The others draw normal
        weights of variance sigma_w^2 / fan_in (`gradflow.theory.weight_variance`), without biases, as their
        closed forms assume.
    norm : None, "batch" or "layer"
        Batch or layer norm between each hidden layer's weights and its activation.
    skip : bool
        x + phi(norm(W x)) in place of phi(norm(W x)), from the second hidden layer on: the first changes
        width.
    generator : torch.Generator, optional
        Where the weights are drawn from; otherwise PyTorch's global one.

    Raises
    ------
    ValueError
        An argument is out of its range; the message says which values are allowed.

    Examples
    --------
    >>> model = mlp(3, width=8, in_features=4, activation="tanh")
    >>> [name for name, _ in model.named_parameters() if name.endswith("weight")]
    ['hidden.layer1.linear.weight', 'hidden.layer2.linear.weight', 'classifier.weight']
    """
    if depth < 2:
        raise ValueError(f"depth must be at least 2 (one hidden layer and the classifier); got {depth}.")
    check_counts(width=width, in_features=in_features, num_classes=num_classes)
    theory.check(activation=activation, init=init, norm=norm)
    variance = theory.weight_variance(init, activation)
    hidden = []
    with _own_draws_undone(generator):
        for index in range(depth - 1):
            bias = init == "default" and norm is None
            linear = _linear(in_features if index == 0 else width, width, init, variance, bias, generator)
            hidden.append(Hidden(linear, activation, norm, skip=skip and index > 0))
        return Mlp(hidden, _linear(width, num_classes, init, variance, init == "default", generator))


def _own_draws_undone(generator: torch.Generator | None) -> AbstractContextManager[None]:
    """Keep the global generator as it was, if there is another: nn.Linear draws from it what is then replaced."""
    return nullcontext() if generator is None else torch.random.fork_rng(devices=[])


def _linear(
    fan_in: int, fan_out: int, init: Init, variance: float, bias: bool, generator: torch.Generator | None
) -> nn.Linear:
    """Return a layer drawn from the generator."""
    linear = nn.Linear(fan_in, fan_out, bias=bias)
    if init == "default":
        bound = 1 / math.sqrt(fan_in)  # what nn.Linear.reset_parameters comes to
        for parameter in linear.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)
    else:
        nn.init.normal_(linear.weight, 0.0, math.sqrt(variance / fan_in), generator=generator)
    return linear
