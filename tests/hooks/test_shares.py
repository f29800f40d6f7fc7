import math

import pytest
import torch
from torch import nn
from torch.autograd.graph import GradientEdge

from gradflow.hooks.additions import Additions
from gradflow.hooks.calls import ModuleCalls
from gradflow.hooks.edges import on_shares, without_shares
from gradflow.hooks.joins import find_joins
from gradflow.hooks.shares import measure_shares, share_of
from gradflow.models import cifar_net

WIDTH = 6


class Block(nn.Module):
    """x + f(x), or what is left of it when autograd is kept off one of the paths: the oracle of a removed share."""

    def __init__(self, *, keep="both", zero=False):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH))
        self.keep = keep
        if zero:
            nn.init.zeros_(self.f[2].weight)

    def forward(self, x):
        skip = x.detach() if self.keep == "branch" else x
        branch = x.detach() if self.keep == "skip" else x
        return skip + self.f(branch)


def stack(n=3, **options):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), *(Block(**options) for _ in range(n)), nn.Linear(WIDTH, 2))


def forward(model, inputs):
    with ModuleCalls(model) as calls, Additions() as additions:
        outputs = model(inputs)
    return outputs, find_joins(outputs, inputs, calls), additions


def loss_of(outputs):
    return outputs.logsumexp(1).mean()


def tensors(joins, loss, **options):
    found = {}
    with on_shares(joins, lambda join, skip, branch: found.update({join: (skip.clone(), branch.clone())})):
        loss.backward(**options)
    return found


def at_forks(joins, loss):
    edges = [GradientEdge(join.fork_node, join.fork_output) for join in joins]
    return dict(zip(joins, torch.autograd.grad(loss, edges, retain_graph=True), strict=True))


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_shares_sum_to_the_gradient_at_the_fork(shortcut):
    outputs, joins, _ = forward(cifar_net(20, shortcut=shortcut), torch.randn(4, 3, 16, 16))
    loss = loss_of(outputs)
    expected = at_forks(joins, loss)
    for join, (skip, branch) in tensors(joins, loss).items():
        assert torch.equal(skip + branch, expected[join]) or torch.allclose(skip + branch, expected[join], rtol=1e-6)


def test_each_share_is_the_path_s_own():
    model, inputs = stack(n=1).double(), torch.randn(5, WIDTH, dtype=torch.float64)
    outputs, (join,), _ = forward(model, inputs)
    loss = loss_of(outputs)
    (at_join,) = torch.autograd.grad(loss, [GradientEdge(join.node, 0)], retain_graph=True)
    x = model[0](inputs).detach().requires_grad_()
    (through_branch,) = torch.autograd.grad(model[1].f(x), x, at_join)
    skip, branch = tensors([join], loss)[join]
    assert torch.equal(skip, at_join)
    assert torch.allclose(branch, through_branch, rtol=1e-12)


def test_numbers_of_known_vectors():
    share = share_of(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0]))
    assert (share.skip_square, share.branch_square, share.inner, share.total_square) == (9.0, 16.0, 0.0, 25.0)


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e20])
def test_frame_of_a_linear_block(scale):
    matrix = torch.tensor([[0.0, -2.0], [2.0, 0.0]], requires_grad=True)  # s and b at right angles
    x = torch.ones(200_000, 2, requires_grad=True)
    y = x + nn.functional.linear(x, matrix)
    with measure_shares(find_joins(y, x)) as shares:
        (y.sum() * scale).backward()
    row = shares.frame().iloc[0]
    assert row.skip_sq == pytest.approx(0.2)
    assert row.branch_sq == pytest.approx(0.8)
    assert row.cross == pytest.approx(0.0, abs=1e-12)
    assert row.skip_share == pytest.approx(0.2)
    assert row.angle == pytest.approx(90)
    assert row.grad_norm == pytest.approx(scale * math.sqrt(200_000 * 10), rel=1e-6)
    assert row.status == "measured"


def test_fractions_sum_to_one_and_training_is_unchanged():
    inputs, grads = torch.randn(8, WIDTH), []
    for measured in (False, True):
        model = stack()
        outputs, joins, _ = forward(model, inputs)
        with measure_shares(joins if measured else []) as shares:
            loss_of(outputs).backward()
        grads.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))
    frame = shares.frame()
    assert list(frame["join"]) == ["1", "2", "3"]
    assert (frame.skip_sq + frame.branch_sq + frame.cross).tolist() == pytest.approx([1.0] * 3)


def test_a_second_backward_pass_is_measured_anew():
    outputs, joins, _ = forward(stack(), torch.randn(8, WIDTH))
    loss, norms = loss_of(outputs), []
    for _ in range(2):
        with measure_shares(joins) as shares:
            loss.backward(retain_graph=True)
        norms.append(shares.frame().grad_norm.tolist())
    assert norms[0] == norms[1]


def test_zero_branches_and_zero_gradients_are_named():
    inputs = torch.randn(8, WIDTH)

    def statuses(model, loss_of=loss_of):
        outputs, joins, _ = forward(model, inputs)
        with measure_shares(joins) as shares:
            loss_of(outputs).backward()
        return shares.frame()

    frame = statuses(stack(zero=True))
    assert set(frame.status) == {"zero branch"}
    assert frame[["skip_sq", "branch_sq", "cross", "skip_share"]].drop_duplicates().values.tolist() == [[1, 0, 0, 1]]
    assert frame.angle.isna().all()
    head = stack()
    nn.init.zeros_(head[-1].weight)
    frame = statuses(head)
    assert set(frame.status) == {"zero gradient"}
    assert (frame.grad_norm == 0).all()
    assert frame.skip_share.isna().all()
    assert set(statuses(stack(), lambda outputs: outputs.sum() * math.nan).status) == {"not finite"}
    _, joins, _ = forward(stack(), inputs)
    with measure_shares(joins) as shares:
        pass
    assert set(shares.frame().status) == {"no gradient"}


def test_opposite_shares_cancel():
    x = torch.ones(3, 2, requires_grad=True)
    y = x + nn.functional.linear(x, -torch.eye(2).requires_grad_())
    with measure_shares(find_joins(y, x)) as shares:
        y.sum().backward()
    row = shares.frame().iloc[0]
    assert (row.status, row.grad_norm, row.angle) == ("cancelled", 0.0, 180.0)


@pytest.mark.parametrize("kept", ["branch", "skip"])
@pytest.mark.parametrize("chosen", [[0], [0, 1, 2], [2]])
def test_a_removed_share_is_that_of_a_detached_path(kept, chosen):
    inputs = torch.randn(8, WIDTH)
    model, oracle = stack(), stack()
    for place in chosen:
        oracle[1 + place].keep = kept
    outputs, joins, _ = forward(model, inputs)
    removed = {"branch": "skips", "skip": "branches"}[kept]
    with without_shares(**{removed: [joins[place] for place in chosen]}):
        loss_of(outputs).backward(retain_graph=True)
    loss_of(oracle(inputs)).backward()
    for ours, theirs in zip(model.parameters(), oracle.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-8)
    model.zero_grad()
    loss_of(outputs).backward()
    whole = stack()
    loss_of(whole(inputs)).backward()
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(model.parameters(), whole.parameters(), strict=True))


def test_other_uses_of_a_fork_are_counted_apart():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.block, self.side = nn.Linear(WIDTH, WIDTH), Block(), nn.Linear(WIDTH, WIDTH)

        def forward(self, x):
            x = self.stem(x)
            return torch.cat([self.block(x), self.side(x)])

    outputs, (join,), _ = forward(TwoHeads(), torch.randn(4, WIDTH))
    (edge,) = join.other_edges
    other = []
    handle = edge.node.register_hook(lambda grad_inputs, grad_outputs: other.append(grad_inputs[edge.slot]))
    loss = loss_of(outputs)
    expected = at_forks([join], loss)[join]
    skip, branch = tensors([join], loss)[join]
    handle.remove()
    assert torch.allclose(skip + branch + other[-1], expected)


def test_shares_have_the_fork_s_type_and_shape():
    layer = nn.Linear(WIDTH, WIDTH)
    x = torch.randn(4, WIDTH, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = x + layer(x)
    join = find_joins(y, x)
    ((skip, branch),) = tensors(join, y.square().sum()).values()
    assert skip.dtype == branch.dtype == torch.float32
    assert torch.equal(skip + branch, x.grad)


def test_shares_of_broadcast_and_cast_forks():
    x = torch.randn(4, WIDTH, dtype=torch.bfloat16, requires_grad=True)
    weight = torch.randn(3, 1, WIDTH, requires_grad=True)
    y = x + (x * weight).mean(0)
    ((skip, branch),) = tensors(find_joins(y, x), y.square().sum()).values()
    assert (skip.dtype, branch.dtype, branch.shape) == (torch.bfloat16, torch.bfloat16, x.shape)
    assert torch.equal(skip + branch, x.grad)


def test_branch_ratios_are_those_of_the_values():
    model, inputs = stack(), torch.randn(8, WIDTH)
    _, joins, additions = forward(model, inputs)
    x, expected = model[0](inputs), []
    for block in model[1:4]:
        branch = block.f(x)
        expected.append((branch.norm() / x.norm()).item())
        x = x + branch
    ratios = additions.ratios(joins)
    assert [ratios[join] for join in joins] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("add", "ratio"),
    [
        (lambda x, f: f.add_(x), 0.5),
        (lambda x, f: torch.add(x, f, alpha=4), 2.0),
        (lambda x, f: torch.addcmul(x, f, torch.full_like(f, 3.0)), 1.5),
        (lambda x, f: x - f, 0.5),
        (lambda x, f: f + x + f * 1.0, math.nan),
    ],
)
def test_branch_ratios_of_other_forms(add, ratio):
    x = torch.ones(3, 2, requires_grad=True)
    with Additions() as additions:
        y = add(x, nn.functional.linear(x, (torch.eye(2) * 0.5).requires_grad_()))
    assert list(additions.ratios(find_joins(y, x)).values()) == pytest.approx([ratio], nan_ok=True)
