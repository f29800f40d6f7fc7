"""Networks with one mistake each, and their healthy twins, for the tests of the doctor. Lines count: see `line_of`."""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

HERE = Path(__file__)


def line_of(code):
    """The number of the only line of this file that holds some code."""
    numbers = [number for number, line in enumerate(HERE.read_text().splitlines(), 1) if line.strip() == code]
    assert len(numbers) == 1, code
    return numbers[0]


class Net(nn.Module):
    """A stem, blocks and a head, for images (n, 3, 16, 16) and ten classes."""

    def __init__(self, block, widths=(16, 16, 32), norm=nn.BatchNorm2d):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 3, padding=1, bias=False), norm(widths[0]), nn.ReLU())
        before = (widths[0], *widths)
        self.blocks = nn.Sequential(*(block(a, b) for a, b in zip(before, widths, strict=False)))
        self.head = nn.Linear(widths[-1], 10)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        return self.head(x.mean((2, 3)))


class Block(nn.Module):
    """The basic block of He et al. 2015, option B; healthy."""

    projects = projects_normed = True

    def __init__(self, a, b):
        super().__init__()
        stride = 1 if a == b else 2
        self.conv1 = nn.Conv2d(a, b, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(b)
        self.conv2 = nn.Conv2d(b, b, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(b)
        self.skip = nn.Identity()
        if a != b and self.projects:
            self.skip = nn.Sequential(nn.Conv2d(a, b, 1, stride=stride, bias=False))
            if self.projects_normed:
                self.skip.append(nn.BatchNorm2d(b))

    def forward(self, x):
        return functional.relu(self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x))))) + self.skip(x))


class NoProjection(Block):
    """The skip is the identity where the shape changes."""

    projects = False

    def forward(self, x):
        branch = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        branch += x
        return functional.relu(branch)


class NoNormOnProjection(Block):
    """The projection has no norm, the branch ends with one."""

    projects_normed = False


class NoActivation(Block):
    """Nothing follows the addition."""

    def forward(self, x):
        branch = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return branch + self.skip(x)


class NormBehind(Block):
    """Batch norm comes after the activation."""

    def forward(self, x):
        x_in = x
        x = self.bn1(functional.relu(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)) + self.skip(x_in))


class NormTwice(Block):
    """A batch norm behind a batch norm."""

    def __init__(self, a, b):
        super().__init__(a, b)
        self.bn3 = nn.BatchNorm2d(b)

    def forward(self, x):
        branch = functional.relu(self.bn1(self.conv1(x)))
        branch = self.bn2(self.conv2(branch))
        branch = self.bn3(branch)
        return functional.relu(branch + self.skip(x))


class Biased(Block):
    """A convolution with a bias before its batch norm."""

    def __init__(self, a, b):
        super().__init__(a, b)
        self.conv2 = nn.Conv2d(b, b, 3, padding=1)  # with a bias


class PreActivation(nn.Module):
    """Norm and activation before each layer (He et al. 2016); the projection has no norm; healthy."""

    def __init__(self, a, b):
        super().__init__()
        stride = 1 if a == b else 2
        self.bn1, self.bn2 = nn.BatchNorm2d(a), nn.BatchNorm2d(b)
        self.conv1 = nn.Conv2d(a, b, 3, stride=stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(b, b, 3, padding=1, bias=False)
        self.skip = nn.Identity() if a == b else nn.Conv2d(a, b, 1, stride=stride, bias=False)

    def forward(self, x):
        active = functional.relu(self.bn1(x))
        branch = self.conv2(functional.relu(self.bn2(self.conv1(active))))
        return branch + (x if isinstance(self.skip, nn.Identity) else self.skip(active))


class ActivationFirst(Block):
    """Xception's: the branch begins with an activation, the projection reads the bare sum; healthy."""

    def forward(self, x):
        branch = functional.relu(self.bn1(self.conv1(functional.relu(x))))
        return self.bn2(self.conv2(branch)) + self.skip(x)


class Inverted(nn.Module):
    """A linear bottleneck (MobileNetV2), with an expansion that may be 1 (MobileNetV3's first block); healthy."""

    def __init__(self, a, b, expansion=4):
        super().__init__()
        inner, stride = a * expansion, 1 if a == b else 2
        self.branch = nn.Sequential(
            nn.Conv2d(a, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(),
            nn.Conv2d(inner, inner, 3, stride=stride, padding=1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(),
            nn.Conv2d(inner, b, 1, bias=False),
            nn.BatchNorm2d(b),
        )
        self.has_skip = a == b

    def forward(self, x):
        return x + self.branch(x) if self.has_skip else self.branch(x)


class Dense(nn.Module):
    """DenseNet's layer: norm, activation, convolution, concatenation; healthy."""

    def __init__(self, a, b):
        super().__init__()
        self.norm = nn.BatchNorm2d(a)
        self.conv = nn.Conv2d(a, max(b - a, 8), 3, padding=1, bias=False)
        self.mix = nn.Conv2d(a + max(b - a, 8), b, 1, bias=False)

    def forward(self, x):
        return self.mix(torch.cat([x, self.conv(functional.relu(self.norm(x)))], 1))


class Scaled(nn.Module):
    """x + gain * F(x), the gain zero: ReZero with one gain, LayerScale with one a channel; healthy."""

    def __init__(self, a, b, channels=True, start=0.0):
        super().__init__()
        self.change = nn.Identity() if a == b else nn.Conv2d(a, b, 1, stride=2)
        self.branch = nn.Sequential(nn.Conv2d(b, b, 3, padding=1), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1))
        self.gain = nn.Parameter(torch.full((b, 1, 1) if channels else (), start))

    def forward(self, x):
        x = self.change(x)
        return x + self.gain * self.branch(x)


class Fixup(Scaled):
    """No norm, the last layer of each branch zero, ReLU behind the addition (Zhang et al. 2019); healthy."""

    def __init__(self, a, b):
        super().__init__(a, b, channels=False, start=1.0)
        nn.init.zeros_(self.branch[2].weight)

    def forward(self, x):
        return functional.relu(super().forward(x))


class ZeroGamma(Block):
    """The last batch norm of each branch starts at zero (Goyal et al. 2017); healthy."""

    def __init__(self, a, b):
        super().__init__(a, b)
        nn.init.zeros_(self.bn2.weight)


class Generator(nn.Module):
    """SRGAN's blocks, which have no activation behind the addition on purpose; gives images; healthy."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.blocks = nn.Sequential(*(NoActivation(16, 16) for _ in range(3)))
        self.last = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, x):
        return self.last(self.blocks(self.stem(x)))


class Stack(nn.Module):
    """Fully connected layers of one width, with an activation and an initialisation."""

    def __init__(self, depth=20, activation=nn.ReLU, gain=None, width=64, inputs=12, outputs=3):
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 2))
        self.act = activation()
        self.last = nn.Linear(width, outputs)
        if gain is not None:
            for one in (self.first, *self.hidden, self.last):
                nn.init.normal_(one.weight, 0.0, gain / one.in_features**0.5)
                nn.init.zeros_(one.bias)

    def forward(self, x):
        x = self.act(self.first(x))
        for one in self.hidden:
            x = self.act(one(x))
        return self.last(x)
