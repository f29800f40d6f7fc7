import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradflow.hooks.calls import ModuleCalls
from gradflow.hooks.edges import without_shares
from gradflow.hooks.joins import CONCATENATION, IDENTITY, PROJECTION, find_joins
from gradflow.hooks.shares import measure_shares
from gradflow.models import cifar_net

WIDTH = 4


class Residual(nn.Module):
    """A module that is written as one function of its input and its children."""

    def __init__(self, forward, **children):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def linear(width=WIDTH):
    return nn.Linear(WIDTH, width)


def network():
    return nn.Sequential(linear(), nn.ReLU(), linear())


def joins_of(model, *inputs, **kwargs):
    with ModuleCalls(model) as calls:
        outputs = model(*inputs, **kwargs)
    return find_joins(outputs, inputs, calls)


def joins_in(forward, **children):
    """The joins of one forward function between two layers."""
    model = nn.Sequential(linear(), Residual(forward, **children), linear())
    return joins_of(model, torch.randn(3, WIDTH))


FORMS = {
    "x + f(x)": lambda m, x: x + m.f(x),
    "f(x) + x": lambda m, x: m.f(x) + x,
    "out += x": lambda m, x: m.f(x).add_(x),
    "torch.add": lambda m, x: torch.add(x, m.f(x)),
    "alpha": lambda m, x: torch.add(x, m.f(x), alpha=0.5),
    "x - f(x)": lambda m, x: x - m.f(x),
    "lerp": lambda m, x: torch.lerp(x, m.f(x), 0.5),
    "addcmul": lambda m, x: torch.addcmul(x, m.f(x), torch.ones(WIDTH)),
    "addmm": lambda m, x: torch.addmm(x, m.f(x), torch.eye(WIDTH)),
    "stochastic depth": lambda m, x: x + m.f(x) * torch.ones(3, 1) / 0.5,
    "post-norm": lambda m, x: functional.layer_norm(x + m.f(x), (WIDTH,)),
    "gated branch": lambda m, x: x + m.f(x) * m.f(x).mean(1, keepdim=True).sigmoid(),
    "views between": lambda m, x: (x.view(3, 2, 2) + m.f(x).view(3, 2, 2)).flatten(1),
    "addmm of another width": lambda m, x: torch.addmm(x, m.f(x)[:, :2], torch.ones(2, WIDTH)),
    "addcmul of two functions": lambda m, x: torch.addcmul(x, m.f(x).mean(1, keepdim=True), m.f(x)),
    "padded": lambda m, x: functional.pad(x[:, ::2], (1, 1)) + m.f(x),
}


@pytest.mark.parametrize("forward", FORMS.values(), ids=FORMS)
def test_forms_of_a_residual_block(forward):
    (join,) = joins_in(forward, f=network())
    assert (join.name, join.fork, join.kind, join.n_branches) == ("1", "0", IDENTITY, 2)


NO_JOINS = {
    "plain": lambda m, x: m.f(m.g(x)),
    "cubic gelu": lambda m, x: 0.5 * x * (1 + torch.tanh(0.8 * (x + 0.044715 * x.pow(3)))),
    "rotary": lambda m, x: x * 0.5 + torch.cat([-x[:, 2:], x[:, :2]], 1) * 0.5,
    "rotary that cuts": lambda m, x: torch.cat([x[:, :2] * 0.5 + x[:, 2:].neg() * 0.5, x[:, 2:]], 1),
    "two networks": lambda m, x: m.f(x) + m.g(x),
    "two linear maps": lambda m, x: m.a(x) + m.b(x),
    "doubled": lambda m, x: x + x,
    "position": lambda m, x: m.f(x) + m.table(torch.arange(3)),
    "pool less identity": lambda m, x: functional.avg_pool1d(x[None], 3, 1, 1)[0] - x,
    "highway": lambda m, x: x * (1 - m.g(x).sigmoid()) + m.f(x) * m.g(x).sigmoid(),
    "n + z (x - n)": lambda m, x: (lambda n, z: n + z * (x - n))(m.f(x), m.g(x).sigmoid()),
    "x + z (n - x)": lambda m, x: x + m.g(x).sigmoid() * (m.f(x) - x),
    "z (x - n), scaled": lambda m, x: (lambda n, z: (x - n) * 0.5 * z * 2 + n)(m.f(x), m.g(x).sigmoid()),
    "lerp by the batch": lambda m, x: torch.lerp(m.f(x), x, m.g(x).sigmoid()),
    "addcmul that interpolates": lambda m, x: torch.addcmul(x, m.g(x).sigmoid(), m.f(x) - x),
    "split": lambda m, x: torch.cat([x.chunk(2, 1)[0], m.halved(x.chunk(2, 1)[1])], 1),
    "split, one cut": lambda m, x: (lambda a, b: torch.cat([a, m.halved(b)], 1))(*x.chunk(2, 1)),
    "activation skip": lambda m, x: functional.relu(x) + m.f(x),
    "broadcast": lambda m, x: x + m.f(x).mean(0, keepdim=True),
    "concatenated with its rectified self": lambda m, x: m.f(torch.cat([x, x.relu()], 1)[:, :WIDTH]),
    "inception": lambda m, x: m.a(torch.cat([m.f(x).relu(), m.g(x).relu()], 1)[:, :WIDTH]),
}


@pytest.mark.parametrize("forward", NO_JOINS.values(), ids=NO_JOINS)
def test_what_is_no_join(forward):
    children = {"f": network(), "g": network(), "a": linear(), "b": linear(), "halved": nn.Linear(2, 2)}
    assert joins_in(forward, **children, table=nn.Embedding(3, WIDTH)) == []


RECURRENT = {
    "RNN": nn.RNN(WIDTH, WIDTH),
    "LSTM": nn.LSTM(WIDTH, WIDTH, num_layers=2),
    "GRU": nn.GRU(WIDTH, WIDTH),
    "deep GRU": nn.GRU(WIDTH, WIDTH, num_layers=2, bidirectional=True, batch_first=True),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_layer_holds_no_joins_and_may_be_a_branch(name):
    model, inputs = RECURRENT[name], torch.randn(5, 3, WIDTH).requires_grad_()
    last = nn.Linear(2 * WIDTH if model.bidirectional else WIDTH, WIDTH)
    wrapped = Residual(lambda m, x: m.last(m.inner(x)[0]), inner=model, last=last)
    assert joins_of(wrapped, inputs) == []
    packed = nn.utils.rnn.pack_padded_sequence(
        inputs, [5, 3, 2] if not model.batch_first else [3, 3, 2, 2, 1], model.batch_first
    )
    wrapped = Residual(lambda m, x: m.last(m.inner(packed._replace(data=x))[0].data), inner=model, last=last)
    assert joins_of(wrapped, packed.data) == []
    around = Residual(lambda m, x: x + m.last(m.inner(x)[0]), inner=model, last=last)
    (join,) = joins_of(around, inputs)
    assert (join.name, join.fork, join.kind) == ("(root)", "(input)", IDENTITY)


def test_a_cell_stepped_by_hand_holds_no_joins():
    def steps(m, x):
        state = None
        for one in x:
            state = m.cell(one, state)
        return state

    assert joins_of(Residual(steps, cell=nn.GRUCell(WIDTH, WIDTH)), torch.randn(4, 3, WIDTH)) == []


def test_a_projection_is_a_skip_beside_a_network_only():
    (join,) = joins_in(lambda m, x: m.skip(x) + m.f(x), f=network(), skip=linear())
    assert join.kind == PROJECTION
    (join,) = joins_in(lambda m, x: m.scale(x) + m.f(x), f=linear(), scale=nn.LayerNorm(WIDTH))
    assert join.kind == PROJECTION


def test_parallel_branches_are_one_join_in_any_order():
    orders = (
        lambda m, x: m.f(x) + m.g(x) + x,
        lambda m, x: x + m.f(x) + m.g(x),
        lambda m, x: x + (m.f(x) + m.g(x)) * 0.5,
    )
    for forward in orders:
        (join,) = joins_in(forward, f=network(), g=network())
        assert (join.kind, join.n_branches, len(join.branch_edges)) == (IDENTITY, 3, 2)


def test_pre_norm_blocks_are_named_after_their_branches():
    def block(m, x):
        x = x + m.attention(m.norm1(x))
        return x + m.mlp(m.norm2(x))

    children = {"norm1": nn.LayerNorm(WIDTH), "attention": linear(), "norm2": nn.LayerNorm(WIDTH), "mlp": network()}
    joins = joins_in(block, **children)
    assert [(join.name, join.fork) for join in joins] == [("1.attention", "0"), ("1.mlp", "1.attention")]


def test_shared_modules_get_numbers():
    block = Residual(lambda m, x: x + m.f(x), f=network())
    joins = joins_of(nn.Sequential(linear(), block, block), torch.randn(2, WIDTH))
    assert [join.name for join in joins] == ["1", "1#2"]


def test_parts_of_a_split_that_are_added_up_are_no_skip():
    def hierarchical(m, x):
        first, second = x.view(3, 2, 2).unbind(1)
        return x + functional.pad(second + m.halved(first).relu(), (1, 1))

    (join,) = joins_in(hierarchical, halved=nn.Linear(2, 2))
    assert (join.name, join.fork, join.n_branches) == ("1", "0", 2)


def test_joins_within_a_branch_belong_to_their_own_fork():
    def outer(m, x):
        y = m.f(x)
        return x + (y + m.g(y))

    joins = joins_in(outer, f=network(), g=network())
    assert [join.n_branches for join in joins] == [2, 2]
    assert {join.fork for join in joins} == {"0", "1.f.2"}


@pytest.mark.parametrize(
    "add",
    [lambda x, y, z: (x + y) + z, lambda x, y, z: (y + x) + z, lambda x, y, z: (z + x) + y],
    ids=["(x + y) + z", "(y + x) + z", "(z + x) + y"],
)
def test_of_two_joins_at_one_addition_that_of_the_later_fork_comes_first(add):
    def block(m, x):
        y = m.f(x)
        return add(x, y, m.g(y))

    joins = joins_in(block, f=network(), g=network())
    assert [(join.fork, join.kind, join.n_branches) for join in joins] == [("1.f.2", IDENTITY, 2), ("0", IDENTITY, 2)]
    assert joins[0].node is joins[1].node


@pytest.mark.parametrize(
    ("forward", "place"),
    [
        (lambda m, x: torch.cat([x, x[:, :2]], 1)[:, :WIDTH] * 0 + x + x * 0.5 + m.f(x), 1),
        (lambda m, x: x * 0.5 + x + m.f(x), 0),
        (lambda m, x: x + x * 0.5 + m.f(x), 0),
    ],
)
def test_of_two_skips_as_plain_the_one_that_is_added_first_counts(forward, place):
    (join,) = joins_in(forward, f=network())
    assert (join.kind, join.skip_operand.place) == (IDENTITY, place)


@pytest.mark.parametrize(
    "forward", [lambda m, x: m.scale(x) + x + m.f(x), lambda m, x: x + m.scale(x) + m.f(x)], ids=["behind", "before"]
)
def test_of_two_skips_the_plainest_counts(forward):
    (join,) = joins_in(forward, f=network(), scale=nn.LayerNorm(WIDTH))
    assert (join.kind, join.n_branches) == (IDENTITY, 3)


def test_a_branch_may_read_the_fork_through_a_product():
    def block(m, x):
        y = m.f(x)
        return y + m.g(y * x)

    (join,) = joins_in(block, f=network(), g=network())
    assert (join.fork, join.kind, join.n_branches) == ("1.f.2", IDENTITY, 2)


def test_an_addition_after_the_model_is_no_module_s():
    model, head = nn.Sequential(linear(), nn.ReLU()), network()
    with ModuleCalls(model) as calls:
        x = model(torch.randn(3, WIDTH))
        outputs = x + head(x)
    (join,) = find_joins(outputs, None, calls)
    assert (join.fork, join.kind, join.n_branches) == ("1", IDENTITY, 2)


def test_a_side_input_does_not_hide_a_join():
    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.query, self.key = linear(), linear(), linear()

        def forward(self, x, memory):
            x = self.first(x)
            for _ in range(2):
                x = x + (self.query(x) @ self.key(memory).T).softmax(-1) @ memory
            return x

    x, memory = torch.randn(3, WIDTH), torch.randn(5, WIDTH, requires_grad=True)
    assert len(joins_of(Decoder(), x, memory)) == 2


def test_a_bias_shared_by_all_layers_is_no_fork():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.key = linear(), linear()

        def forward(self, x, bias):
            scores = self.query(x) @ self.key(x).T
            return x + (scores + bias).softmax(-1) @ x

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.bias = nn.Embedding(5, WIDTH), nn.Embedding(3, 3)
            self.layers = nn.ModuleList(Attention() for _ in range(3))

        def forward(self, ids):
            x, bias = self.tokens(ids), self.bias(torch.arange(3))
            for layer in self.layers:
                x = layer(x, bias)
            return x

    joins = joins_of(Encoder(), torch.tensor([0, 3, 1]))
    assert [join.name for join in joins] == ["layers.0", "layers.1", "layers.2"]


def test_concatenations_are_a_kind_of_their_own():
    def dense(m, x):
        a = m.f(x)
        b = m.g(torch.cat([x, a], 1))
        return m.last(torch.cat([x, a, b], 1))

    children = {"f": network(), "g": nn.Sequential(nn.Linear(8, 4), nn.ReLU()), "last": nn.Linear(12, 4)}
    joins = joins_in(dense, **children)
    assert [(join.kind, join.n_branches) for join in joins] == [(CONCATENATION, 2), (CONCATENATION, 3)]


def test_an_operand_that_is_no_skip_does_not_hide_a_later_one():
    def concatenated(m, x):
        y = m.f(x)
        return m.last(torch.cat([x.sigmoid(), y, m.g(y)], 1))

    (join,) = joins_in(concatenated, f=network(), g=network(), last=nn.Linear(12, 4))
    assert (join.kind, join.fork, join.n_branches, join.skip_operand.place) == (CONCATENATION, "1.f.2", 2, 1)


def test_u_nets_have_long_skips():
    class UNet(nn.Module):
        def __init__(self, merge):
            super().__init__()
            self.down = nn.ModuleList(nn.Conv2d(1 if level == 0 else 4, 4, 3, padding=1) for level in range(3))
            self.up = nn.ModuleList(nn.LazyConv2d(4, 3, padding=1) for _ in range(2))
            self.merge = merge

        def forward(self, x):
            kept = []
            for conv in self.down[:2]:
                kept.append(conv(x).relu())
                x = functional.max_pool2d(kept[-1], 2)
            x = self.down[2](x).relu()
            for conv in self.up:
                x = conv(self.merge(kept.pop(), functional.interpolate(x, scale_factor=2))).relu()
            return x

    image = torch.randn(2, 1, 8, 8)
    added = joins_of(UNet(torch.add), image)
    joined = joins_of(UNet(lambda a, b: torch.cat([a, b], 1)), image)
    assert [join.kind for join in added] == [IDENTITY] * 2
    assert [join.kind for join in joined] == [CONCATENATION] * 2


def test_an_input_is_a_fork_if_it_requires_grad():
    block = Residual(lambda m, x: x + m.f(x), f=network())
    assert joins_of(block, torch.randn(2, WIDTH)) == []
    (join,) = joins_of(block, torch.randn(2, WIDTH, requires_grad=True))
    assert (join.name, join.fork) == ("(root)", "(input)")
    made = torch.randn(2, WIDTH, requires_grad=True) * 2
    assert len(joins_of(block, made)) == 1


def test_frozen_layers_still_make_a_branch():
    block = Residual(lambda m, x: x + m.f(x), f=network()).requires_grad_(False)
    (join,) = joins_of(nn.Sequential(linear(), block), torch.randn(2, WIDTH))
    assert join.name == "1"


@pytest.mark.parametrize(("depth", "shortcut"), [(8, "A"), (20, "A"), (20, "B")])
def test_cifar_networks(depth, shortcut):
    image = torch.randn(2, 3, 16, 16)
    joins = joins_of(cifar_net(depth, shortcut=shortcut), image)
    assert len(joins) == (depth - 2) // 2
    assert sum(join.kind == PROJECTION for join in joins) == (2 if shortcut == "B" else 0)
    assert joins_of(cifar_net(depth, family="plain"), image) == []


def test_nothing_is_left_on_the_model():
    model = nn.Sequential(linear(), Residual(lambda m, x: x + m.f(x), f=network()))
    joins_of(model, torch.randn(2, WIDTH))
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())
    with pytest.raises(RuntimeError, match="shapes"), ModuleCalls(model):
        model(torch.randn(2, 3))
    assert all(not module._forward_hooks for module in model.modules())


def test_joins_without_module_calls_have_numbers():
    x = torch.randn(2, WIDTH, requires_grad=True)
    outputs = nn.Sequential(*(Residual(lambda m, x: x + m.f(x), f=network()) for _ in range(2)))(x)
    assert [join.name for join in find_joins(outputs, x)] == ["join", "join#2"]
    assert find_joins(torch.zeros(2), x) == []


def test_an_addition_into_a_view_is_seen():
    (join,) = joins_in(lambda m, x: m.f(x)[:, :WIDTH].add_(x), f=network())
    assert (join.name, join.kind) == ("1", IDENTITY)

    def add_to_a_part(m, x):
        y = m.f(x)
        y[:, :2] += x[:, :2]
        return y

    assert joins_in(add_to_a_part, f=network()) == []


def test_the_graph_goes_with_its_last_join():
    kept = []
    block = Residual(lambda m, x: x + m.f(x), f=network())
    block.f[1].register_forward_hook(lambda module, args, output: kept.append(weakref.ref(output)))
    joins = joins_of(nn.Sequential(linear(), block), torch.randn(2, WIDTH))
    with measure_shares(joins), without_shares(skips=joins):
        pass
    assert kept[0]() is not None
    del joins
    gc.collect()
    assert kept[0]() is None
