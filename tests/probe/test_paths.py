"""Paths against gradients of models written out path by path, against autograd, and against closed forms."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from gradflow.analysis.paths import binomial_shares, path_lengths, path_probes
from gradflow.models import cifar_net, mlp
from gradflow.probe.effective_paths import PathsError, effective_paths
from gradflow.recording import PROBES, Recording


class Block(nn.Module):
    """x + W tanh(x), or one of its terms alone in the backward pass."""

    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def branch(self, x):
        return self.linear(torch.tanh(x))

    def forward(self, x):
        return x + self.branch(x)


class Scaled(nn.Module):
    """x + a Q x, Q orthogonal: the linear residual block."""

    def __init__(self, width, scale):
        super().__init__()
        self.linear = nn.Linear(width, width, bias=False)
        self.linear.weight.data = scale * torch.linalg.qr(torch.randn(width, width))[0]

    def forward(self, x):
        return x + self.linear(x)


def chain(n_blocks, width=6):
    return nn.Sequential(nn.Linear(4, width), *[Block(width) for _ in range(n_blocks)], nn.Linear(width, 3)).double()


def gradient_along(model, inputs, targets, branches):
    """Return the gradient at the input if only these blocks' branches pass it on and the others' skips do."""
    x = inputs.clone().requires_grad_()
    h = model[0](x)
    for block, module in enumerate(model[1:-1]):
        skip, branch = h, module.branch(h)
        kept, dropped = (branch, skip) if block in branches else (skip, branch)
        h = kept + dropped.detach()
    return torch.autograd.grad(nn.functional.cross_entropy(model[-1](h), targets), x)[0]


def batch(n=5):
    return torch.randn(n, 4, dtype=torch.float64), torch.arange(n) % 3


def test_every_path_of_a_small_network_is_taken_and_measured():
    model, (inputs, targets) = chain(4), batch()
    frame = effective_paths(model, inputs, targets, samples=6).set_index("length")
    for length in range(5):
        paths = [set(chosen) for chosen in combinations(range(4), length)]
        norms = [gradient_along(model, inputs, targets, path).norm().item() for path in paths]
        row = frame.loc[length]
        assert row["gradient"] == pytest.approx(np.mean(norms), rel=1e-9)
        assert (row["paths"], row["n"]) == (len(paths), len(paths))
        assert row["low"] == row["high"] == row["gradient"]
    weights = frame["paths"] * frame["gradient"]
    np.testing.assert_allclose(frame["share"], weights / weights.sum())


def test_signed_shares_are_those_of_the_sums_over_paths_and_add_up_to_the_gradient():
    model, (inputs, targets) = chain(4), batch()
    x = inputs.clone().requires_grad_()
    (whole,) = torch.autograd.grad(nn.functional.cross_entropy(model(x), targets), x)
    sums = [
        sum(gradient_along(model, inputs, targets, set(chosen)) for chosen in combinations(range(4), length))
        for length in range(5)
    ]
    torch.testing.assert_close(sum(sums), whole)
    frame = effective_paths(model, inputs, targets, samples=2)
    expected = [((one * whole).sum() / whole.square().sum()).item() for one in sums]
    np.testing.assert_allclose(frame["signed_share"], expected, rtol=1e-9)
    assert frame["signed_share"].sum() == pytest.approx(1.0, abs=1e-12)


def test_drawn_paths_agree_with_all_of_them():
    model, (inputs, targets) = chain(8), batch()
    every = effective_paths(model, inputs, targets, samples=70)
    drawn = effective_paths(model, inputs, targets, samples=40)
    few = drawn[drawn["paths"] > 40]
    assert (few["n"] >= 40).all()
    assert few["n"].sum() == pytest.approx(3 * 40 + 9 * 40, abs=3)
    assert few["length"].tolist() == [3, 4, 5]
    half = (few["high"] - few["low"]) / 2
    assert (abs(few["gradient"] - every.loc[few.index, "gradient"]) < 2 * half).all()
    again = effective_paths(model, inputs, targets, samples=40)
    assert again.equals(drawn)
    assert not effective_paths(model, inputs, targets, samples=40, seed=1).equals(drawn)


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.0])
def test_linear_residual_network_is_binomial(scale):
    model = nn.Sequential(*[Scaled(8, scale) for _ in range(7)]).double()
    frame = effective_paths(model, torch.randn(3, 8, dtype=torch.float64), samples=3)
    expected = [math.comb(7, k) * scale**k / (1 + scale) ** 7 for k in range(8)]
    np.testing.assert_allclose(frame["share"], expected, rtol=1e-5)
    np.testing.assert_allclose(binomial_shares(7, scale), expected, rtol=1e-12)


def test_projections_and_padded_shortcuts_are_skips():
    images, labels = torch.randn(8, 1, 8, 8), torch.arange(8) % 10
    for shortcut in ("A", "B"):
        model = cifar_net(14, in_channels=1, widths=(4, 8, 8), shortcut=shortcut)
        frame = effective_paths(model, images, labels, samples=2)
        assert frame["length"].tolist() == list(range(7))
        assert frame["signed_share"].sum() == pytest.approx(1.0, abs=1e-4)
        assert (frame["gradient"] > 0).all()


def test_token_models_are_read_at_the_first_fork():
    model = nn.Sequential(nn.Embedding(11, 6), *[Block(6) for _ in range(3)])
    frame = effective_paths(model, torch.tensor([[1, 4], [2, 3]]))
    assert len(frame) == 4
    assert frame["signed_share"].sum() == pytest.approx(1.0, abs=1e-5)


def test_dead_branches_leave_the_path_of_skips():
    model = chain(3)
    for block in model[1:-1]:
        block.linear.weight.data.zero_()
    frame = effective_paths(model, *batch())
    assert frame["share"].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert path_lengths(frame).longest == 0


def test_no_gradient_at_all_is_no_share():
    model, (inputs, targets) = chain(2), batch()
    frame = effective_paths(model, inputs, targets, loss_fn=lambda outputs, _: (outputs * 0).sum())
    assert frame["share"].isna().all()
    assert frame["signed_share"].isna().all()


@pytest.mark.parametrize("fails", [False, True])
def test_model_is_left_as_found(fails):
    model = cifar_net(8, in_channels=1, widths=(4, 4, 4))
    images, labels = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 3])
    nn.functional.cross_entropy(model(images), labels).backward()
    model.stage1.eval()
    values = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    modes, rng = [module.training for module in model.modules()], torch.get_rng_state()
    if fails:
        with pytest.raises(ValueError):
            effective_paths(model, images, labels + 90)
    else:
        effective_paths(model, images, labels, samples=2)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in values.items())
    assert all(torch.equal(a, b.grad) for a, b in zip(gradients, model.parameters(), strict=True))
    assert modes == [module.training for module in model.modules()]
    assert torch.equal(rng, torch.get_rng_state())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_networks_without_a_chain_of_blocks_are_named():
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.outer, self.inner = nn.Linear(4, 4), Block(4)

        def forward(self, x):
            return x + self.inner(self.outer(x))

    inputs = torch.randn(3, 4)
    with pytest.raises(PathsError, match="no residual block"):
        effective_paths(mlp(3, width=4, in_features=4), inputs)
    with pytest.raises(PathsError, match=r"must follow each other; .* begins before .* has ended"):
        effective_paths(nn.Sequential(nn.Linear(4, 4), Nested()), inputs)
    with pytest.raises(PathsError, match="samples must be at least 2; got 1"):
        effective_paths(chain(2), inputs, samples=1)


def test_rows_fit_a_recording_under_registered_names():
    frame = effective_paths(chain(2), *batch())
    probes = Recording(probes=path_probes(frame)).probes
    assert set(probes["probe"]) <= set(PROBES)
    np.testing.assert_array_equal(probes.loc[probes["probe"] == "path shares", "value"], frame["share"])
