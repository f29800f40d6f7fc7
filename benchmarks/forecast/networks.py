"""The networks of the study, built of a design."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gradflow.models import cifar_net

from .designs import Design
from .tasks import Task

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
}
GAINS = {"xavier": 1.0, "kaiming": math.sqrt(2), "kaiming-0.8": 0.8 * math.sqrt(2), "kaiming-2": 2 * math.sqrt(2)}
OPTIMIZERS = {
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr),
    "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9),
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
    "adamw": torch.optim.AdamW,
}


class Block(nn.Module):
    """phi(norm(W x)), plus x with a skip: (batch, in) -> (batch, out). gradflow.models.mlp has fewer activations."""

    def __init__(self, n_in: int, n_out: int, design: Design, skip: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)
        self.norm = norm_of(design.norm, n_out)
        self.act = ACTIVATIONS[design.activation]()
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, out) from (batch, in)."""
        branch = self.act(self.norm(self.linear(x)))
        return x + branch if self.skip else branch


def build(design: Design, task: Task) -> nn.Module:
    """Return the network of a design, drawn with the design's number as seed (PyTorch's global generator)."""
    torch.manual_seed(design.number)
    model = _conv(design, task) if design.kind == "conv" else _mlp(design, task)
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            draw_weights(module, design.init)
    return model.train()


def draw_weights(module: nn.Linear | nn.Conv2d, init: str) -> None:
    """Draw a layer's weights; "default" leaves PyTorch's."""
    if init == "orthogonal":
        nn.init.orthogonal_(module.weight)
    elif init == "normal-0.02":
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif init in GAINS:
        nn.init.normal_(module.weight, 0.0, GAINS[init] / math.sqrt(module.weight[0].numel()))
    if init != "default" and module.bias is not None:
        nn.init.zeros_(module.bias)


def norm_of(name: str, width: int) -> nn.Module:
    """Return a norm of features (batch, width)."""
    return {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}[name](*[width] * (name != "none"))


def _mlp(design: Design, task: Task) -> nn.Module:
    n_in = task.inputs[0].numel()
    first = Block(n_in, design.width, design, skip=False)
    hidden = [Block(design.width, design.width, design, design.skip) for _ in range(design.depth - 2)]
    return nn.Sequential(nn.Flatten(), first, *hidden, nn.Linear(design.width, task.n_classes))


def _conv(design: Design, task: Task) -> nn.Module:
    """Return a narrow CIFAR network; activations and norms are put in the place of its own."""
    family = "residual" if design.skip else "plain"
    widths = (4, 8, 16) if design.width == 32 else (8, 16, 32)
    model = cifar_net(design.depth, family=family, widths=widths, in_channels=1, num_classes=task.n_classes)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(parent, name, ACTIVATIONS[design.activation]())
            elif isinstance(child, nn.BatchNorm2d) and design.norm == "layer":
                setattr(parent, name, nn.GroupNorm(1, child.num_features))  # the layer norm of feature maps
    return model
