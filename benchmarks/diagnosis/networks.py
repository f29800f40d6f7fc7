"""The networks of the zoo: a stem, blocks and a head each, so that a fault finds its place in any of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .tasks import LENGTH, N_TOKENS, load_task

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "leaky-relu": nn.LeakyReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}  # fmt: skip
Step = Callable[[nn.Module, "Design"], nn.Module]


@dataclass(frozen=True)
class Design:
    """What a network is built from, and how it is trained well."""

    task: str
    family: str
    width: int
    depth: int
    activation: str = "relu"
    norm: str = ""
    skip: bool = False
    post_norm: bool = False
    dropout: float = 0.0
    optimizer: str = "sgd"
    lr: float = 0.05
    updates: int = 160


class Hidden(nn.Module):
    """phi(norm(affine(x))), with x added where there is a skip."""

    def __init__(self, affine: nn.Module, norm: nn.Module, design: Design, *, skip: bool) -> None:
        super().__init__()
        self.affine, self.norm, self.act = affine, norm, ACTIVATIONS[design.activation]()
        self.drop = nn.Dropout(design.dropout) if design.dropout else nn.Identity()
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        h = self.drop(self.act(self.norm(self.affine(x))))
        return x + h if self.skip else h


class Residual(nn.Module):
    """x + affine(phi(norm(affine(norm(x))))): pre-activation, as He et al. 2016."""

    def __init__(self, first: nn.Module, second: nn.Module, norms: tuple[nn.Module, nn.Module], design: Design) -> None:
        super().__init__()
        self.norm1, self.norm2 = norms
        self.act1, self.act2 = ACTIVATIONS[design.activation](), ACTIVATIONS[design.activation]()
        self.first, self.last = first, second
        self.skip = True

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        h = self.last(self.act2(self.norm2(self.first(self.act1(self.norm1(x))))))
        return x + h if self.skip else h


class Attention(nn.Module):
    """A transformer's block, normalised before its two branches, or behind them."""

    def __init__(self, design: Design, *, causal: bool) -> None:
        super().__init__()
        width = design.width
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.affine, self.act = nn.Linear(width, 2 * width), ACTIVATIONS[design.activation]()
        self.last = nn.Linear(2 * width, width)
        self.drop = nn.Dropout(design.dropout) if design.dropout else nn.Identity()
        self.skip, self.post_norm, self.causal = True, design.post_norm, causal

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        if self.post_norm:
            x = self.norm1(x + self.drop(self._attend(x)))
            return self.norm2(x + self.drop(self._think(x)))
        h = self.drop(self._attend(self.norm1(x)))
        x = x + h if self.skip else h
        h = self.drop(self._think(self.norm2(x)))
        return x + h if self.skip else h

    def _attend(self, x: Tensor) -> Tensor:
        tokens = x.shape[1] if self.attention.batch_first else x.shape[0]
        mask = torch.ones(tokens, tokens, dtype=torch.bool).triu(1) if self.causal else None
        return self.attention(x, x, x, need_weights=False, attn_mask=mask)[0]  # type: ignore[no-any-return]

    def _think(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.affine(x)))  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    """A recurrent layer's outputs at all times."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, time, width)."""
        return self.layer(x)[0]  # type: ignore[no-any-return]


class Embedding(nn.Module):
    """Vectors of tokens or of rows, plus those of their positions."""

    def __init__(self, of_one: nn.Module, width: int, length: int) -> None:
        super().__init__()
        self.of_one = of_one
        self.position = nn.Parameter(0.02 * torch.randn(length, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, length, width)."""
        return self.of_one(x) + self.position  # type: ignore[no-any-return]


class Mean(nn.Module):
    """The mean over positions, or over the places of a map."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, width)."""
        return x.mean(dim=(2, 3)) if x.dim() == 4 else x.mean(dim=1)


class Last(nn.Module):
    """The last of a sequence's outputs."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, width)."""
        return x[:, -1]


class Net(nn.Module):
    """stem, blocks, pool, head, and whatever a fault puts behind the head."""

    def __init__(self, stem: nn.Module, blocks: list[nn.Module], pool: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.stem, self.blocks, self.pool, self.head = stem, nn.ModuleList(blocks), pool, head
        self.out: nn.Module = nn.Identity()
        self.without_gradients = 0  # blocks that run under no_grad

    def forward(self, x: Tensor) -> Tensor:
        """Return logits or values."""
        x = self.stem(x)
        for number, block in enumerate(self.blocks):
            with torch.set_grad_enabled(torch.is_grad_enabled() and number >= self.without_gradients):
                x = block(x)
        return self.out(self.head(self.pool(x)))  # type: ignore[no-any-return]


def build(design: Design) -> Net:
    """Build a network with the current random state; weights suit the activation, or are PyTorch's own."""
    task = load_task(design.task)
    net = _FAMILIES[design.family](design, task.inputs, task.n_outputs)
    gain = {"relu": math.sqrt(2), "leaky-relu": math.sqrt(2), "gelu": math.sqrt(2), "silu": math.sqrt(2), "tanh": 1.0}
    if design.activation in gain and design.family in ("mlp", "cnn", "autoencoder", "conv autoencoder"):
        for module in [*net.stem.modules(), *net.blocks.modules()]:
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, gain[design.activation] / math.sqrt(module.weight[0].numel()))
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    return net


def _mlp(design: Design, inputs: Tensor, n_outputs: int) -> Net:
    n_inputs = inputs[0].numel()
    stem = nn.Sequential(nn.Flatten(), _hidden(n_inputs, design, skip=False))
    if design.skip:
        width = design.width
        pairs = [(nn.LayerNorm(width), nn.LayerNorm(width)) for _ in range(design.depth)]
        blocks: list[nn.Module] = [
            Residual(nn.Linear(width, width), nn.Linear(width, width), pair, design) for pair in pairs
        ]
    else:
        blocks = [_hidden(design.width, design, skip=False) for _ in range(design.depth)]
    return Net(stem, blocks, nn.Identity(), nn.Linear(design.width, n_outputs))


def _hidden(n_inputs: int, design: Design, *, skip: bool) -> Hidden:
    norms: dict[str, Callable[[], nn.Module]] = {
        "": nn.Identity, "layer": lambda: nn.LayerNorm(design.width), "batch": lambda: nn.BatchNorm1d(design.width)
    }  # fmt: skip
    return Hidden(nn.Linear(n_inputs, design.width), norms[design.norm](), design, skip=skip)


def _autoencoder(design: Design, inputs: Tensor, n_outputs: int) -> Net:
    net = _mlp(design, inputs, n_outputs)
    code = design.width // 4
    middle = len(net.blocks) // 2
    net.blocks[middle] = nn.Sequential(nn.Linear(design.width, code), nn.Linear(code, design.width))
    return net


def _cnn(design: Design, inputs: Tensor, n_outputs: int) -> Net:
    width = design.width
    stem = _conv(inputs.shape[1], design, stride=1)
    if design.skip:
        blocks: list[nn.Module] = [
            Residual(_three(width), _three(width), (_norm2d(design), _norm2d(design)), design)
            for _ in range(design.depth)
        ]
    else:
        blocks = [_conv(width, design, stride=2 if number == 1 else 1) for number in range(design.depth)]
    return Net(stem, blocks, Mean(), nn.Linear(width, n_outputs))


def _conv_autoencoder(design: Design, inputs: Tensor, n_outputs: int) -> Net:
    blocks: list[nn.Module] = [
        _conv(design.width, design, stride=2 if number < 2 else 1) for number in range(design.depth)
    ]
    return Net(_conv(inputs.shape[1], design, stride=1), blocks, nn.Flatten(), nn.Linear(4 * design.width, n_outputs))


def _conv(n_inputs: int, design: Design, *, stride: int) -> Hidden:
    return Hidden(nn.Conv2d(n_inputs, design.width, 3, stride, 1), _norm2d(design), design, skip=False)


def _three(width: int) -> nn.Conv2d:
    return nn.Conv2d(width, width, 3, 1, 1)


def _norm2d(design: Design) -> nn.Module:
    return nn.BatchNorm2d(design.width) if design.norm == "batch" else nn.Identity()


def _transformer(design: Design, inputs: Tensor, n_outputs: int) -> Net:
    is_causal = not inputs.is_floating_point()
    of_one = nn.Embedding(N_TOKENS, design.width) if is_causal else nn.Linear(inputs.shape[2], design.width)
    stem = Embedding(of_one, design.width, LENGTH if is_causal else inputs.shape[1])
    blocks: list[nn.Module] = [Attention(design, causal=is_causal) for _ in range(design.depth)]
    return Net(stem, blocks, nn.Identity() if is_causal else Mean(), nn.Linear(design.width, n_outputs))


def _recurrent(kind: type[nn.RNNBase]) -> Callable[[Design, Tensor, int], Net]:
    def make(design: Design, inputs: Tensor, n_outputs: int) -> Net:
        sizes = [inputs.shape[2], *[design.width] * design.depth]
        blocks: list[nn.Module] = [
            Recurrent(kind(n_in, n_out, batch_first=True))  # type: ignore[arg-type]
            for n_in, n_out in itertools.pairwise(sizes)
        ]
        return Net(nn.Identity(), blocks, Last(), nn.Linear(design.width, n_outputs))

    return make


_FAMILIES: dict[str, Callable[[Design, Tensor, int], Net]] = {
    "mlp": _mlp,
    "autoencoder": _autoencoder,
    "cnn": _cnn,
    "conv autoencoder": _conv_autoencoder,
    "transformer": _transformer,
    "rnn": _recurrent(nn.RNN),
    "gru": _recurrent(nn.GRU),
    "lstm": _recurrent(nn.LSTM),
}
NETWORKS: dict[str, Design] = {
    "mlp": Design("digits", "mlp", 48, 3),
    "deep mlp": Design("digits", "mlp", 48, 8, "tanh", lr=0.03),
    "mlp on a table": Design("table", "mlp", 48, 2, lr=0.03, updates=240),
    "mlp of logits": Design("binary table", "mlp", 48, 3, "gelu", lr=0.1, updates=240),
    "mlp with layer norm": Design("table of classes", "mlp", 48, 3, "gelu", norm="layer", optimizer="adam", lr=0.003),
    "mlp with batch norm": Design("table of classes", "mlp", 48, 3, norm="batch", updates=200),
    "residual mlp": Design("digits", "mlp", 48, 4, skip=True, optimizer="adam", lr=0.003),
    "cnn": Design("digits", "cnn", 16, 3, lr=0.05, updates=240),
    "cnn with batch norm": Design("digits", "cnn", 12, 5, norm="batch"),
    "residual cnn": Design("digits", "cnn", 12, 3, norm="batch", skip=True, lr=0.03),
    "residual cnn, adam": Design("digits", "cnn", 12, 2, "silu", norm="batch", skip=True, optimizer="adam", lr=0.003),
    "transformer": Design("rows", "transformer", 32, 2, optimizer="adam", lr=0.003),
    "gpt": Design("tokens", "transformer", 32, 2, "gelu", optimizer="adam", lr=0.003),
    "rnn": Design("rows", "rnn", 48, 1, optimizer="adam", lr=0.003, updates=240),
    "gru": Design("rows", "gru", 48, 1, optimizer="adam", lr=0.005),
    "lstm": Design("sequences", "lstm", 32, 2, optimizer="adam", lr=0.005),
    "autoencoder": Design("pictures", "autoencoder", 64, 3, optimizer="adam", lr=0.002, updates=240),
    "conv autoencoder": Design("pictures", "conv autoencoder", 16, 3, "tanh", optimizer="adam", lr=0.003, updates=240),
}
