"""Networks drawn at random from the kinds that verdicts must be right on."""

import random

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm

N_IN, N_CLASSES, BATCH = 6, 3, 16
ACTIVATIONS = (nn.Sigmoid, nn.Tanh, nn.ReLU, nn.GELU, nn.LeakyReLU, nn.Softplus, nn.Identity)
WIDTHS = ("constant", "pyramid", "alternating", "any")


class DetachedWeight(nn.Linear):
    """Its weight, or weight and bias, never get a gradient, though its output does."""

    def __init__(self, n_in, n_out, *, bias, both):
        super().__init__(n_in, n_out, bias=bias)
        self.both = both

    def forward(self, x):
        return functional.linear(
            x, self.weight.detach(), self.bias.detach() if self.both and self.bias is not None else self.bias
        )


class Detach(nn.Module):
    """Cuts the graph."""

    def forward(self, x):
        return x.detach()


class Tower(nn.Module):
    """Hidden layers, each with its norm, activation and skip, or one layer called again and again."""

    def __init__(self, draw):
        super().__init__()
        depth = draw.randint(1, 9)
        self.widths = [N_IN, *_widths(draw, depth)]
        self.is_reused = draw.random() < 0.15
        if self.is_reused:
            self.widths[1:] = [self.widths[1]] * depth
        self.skip = draw.random() < 0.15
        act, norm = draw.choice(ACTIVATIONS), draw.choice((None, None, None, nn.LayerNorm, nn.BatchNorm1d))
        wrap = draw.choice((None,) * 6 + (weight_norm, spectral_norm, orthogonal))
        scale = 10 ** draw.uniform(-0.6, 0.6) if draw.random() < 0.5 else 1.0
        sizes = list(zip(self.widths, self.widths[1:], strict=False))
        # A batch norm takes a bias before it away again: its gradient is rounding noise, or exactly zero by chance.
        bias = norm is not nn.BatchNorm1d
        self.affine = nn.ModuleList(nn.Linear(*size, bias=bias) for size in (sizes[:2] if self.is_reused else sizes))
        self.norms = nn.ModuleList(norm(width) if norm else nn.Identity() for width in self.widths[1:])
        self.acts = nn.ModuleList(act() for _ in sizes)
        with torch.no_grad():
            for layer in self.affine:
                layer.weight.mul_(scale)
        if wrap is not None:
            for layer in self.affine:
                wrap(layer)

    def forward(self, x):
        for number, (norm, act) in enumerate(zip(self.norms, self.acts, strict=True)):
            layer = self.affine[min(number, 1) if self.is_reused else number]
            branch = act(norm(layer(x)))
            x = x + branch if self.skip and x.shape == branch.shape else branch
        return x


class RandomNet(nn.Module):
    """One to three towers and a head; it may have a root parameter, frozen layers, cuts and layers that go unused."""

    def __init__(self, seed):
        super().__init__()
        draw = random.Random(seed)
        torch.manual_seed(seed)
        self.pos = nn.Parameter(0.1 * torch.randn(N_IN)) if draw.random() < 0.15 else None
        self.towers = nn.ModuleList(Tower(draw) for _ in range(draw.choice((1, 1, 1, 2, 3))))
        self.head = nn.Linear(sum(tower.widths[-1] for tower in self.towers), N_CLASSES)
        self.fault = draw.choice(("",) * 8 + ("weight", "both", "cut", "never called", "output dropped"))
        tower = self.towers[-1]
        place = draw.randrange(len(tower.affine))
        if self.fault in ("weight", "both"):
            old = tower.affine[place]
            tower.affine[place] = DetachedWeight(
                old.in_features, old.out_features, bias=old.bias is not None, both=self.fault == "both"
            )
        elif self.fault == "cut":
            tower.acts[place] = Detach()
        elif self.fault:
            self.unused = nn.Linear(N_IN, 2)
        if draw.random() < 0.2:
            for layer in self.towers[0].affine[: draw.randint(1, len(self.towers[0].affine))]:
                layer.requires_grad_(False)

    def forward(self, x):
        if self.fault == "output dropped":
            self.unused(x)
        if self.pos is not None:
            x = x + self.pos
        return self.head(torch.cat([tower(x) for tower in self.towers], 1))


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(BATCH, N_IN, generator=generator),
        torch.randint(0, N_CLASSES, (BATCH,), generator=generator),
    )


def _widths(draw, depth):
    kind, width = draw.choice(WIDTHS), draw.randint(5, 24)
    if kind == "pyramid":
        return [max(3, round(width * 0.85**number)) for number in range(depth)]
    if kind == "alternating":
        return [width if number % 2 else max(3, width // 2) for number in range(depth)]
    return [draw.randint(3, 24) if kind == "any" else width for _ in range(depth)]
