"""Random networks with residuals, in-place operations, views and reuse, against autograd without tensor hooks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import norm64
from torch import nn

import gradflow

WIDTH = 4
OPERATIONS = (
    "linear",
    "norm",
    "relu in place",
    "tanh",
    "add in place",
    "add",
    "view",
    "reuse",
    "scale in place",
    "dropout",
)


class RandomNet(nn.Module):
    """Applies the named operations in order; additions go back to the output of an earlier operation."""

    def __init__(self, operations):
        super().__init__()
        torch.manual_seed(0)
        self.operations = operations
        self.shared = nn.Linear(WIDTH, WIDTH)
        self.layers = nn.ModuleList(self._layer(name) for name, _ in operations)

    @staticmethod
    def _layer(name):
        made = {
            "linear": lambda: nn.Linear(WIDTH, WIDTH),
            "norm": lambda: nn.LayerNorm(WIDTH),
            "relu in place": lambda: nn.ReLU(inplace=True),
            "tanh": nn.Tanh,
            "dropout": lambda: nn.Dropout(0.3),
        }
        return made.get(name, nn.Identity)()

    def forward(self, x):
        past = [x]
        for (name, back), layer in zip(self.operations, self.layers, strict=True):
            earlier = past[back % len(past)]
            if name == "add in place":
                x = (x * 1).add_(earlier)
            elif name == "scale in place":
                x = x * 1
                x.mul_(0.5)
            elif name == "add":
                x = x + earlier
            elif name == "view":
                x = x.reshape(-1).view(-1, WIDTH)
            elif name == "reuse":
                x = self.shared(x)
            elif name == "relu in place":
                x = layer(x * 1)
            else:
                x = layer(x)
            past.append(x * 1)
        return x


def by_added_zeros(model, x):
    """Gradients of a zero added to the output of each call of each layer that is not an identity."""
    zeros, handles = {}, []

    def add_zero(name):
        def hook(module, args, output):
            call = sum(key[0] == name for key in zeros)
            zeros[name, call] = torch.zeros_like(output, requires_grad=True)
            return output + zeros[name, call]

        return hook

    for name, module in model.named_modules():
        if not list(module.children()) and not isinstance(module, (nn.Identity, nn.ModuleList)):
            handles.append(module.register_forward_hook(add_zero(name)))
    torch.manual_seed(1)
    loss = model(x).square().sum()
    for handle in handles:
        handle.remove()
    named = dict(model.named_parameters())
    found = torch.autograd.grad(loss, [*zeros.values(), *named.values()], allow_unused=True)
    return dict(zip(zeros, found, strict=False)), dict(zip(named, found[len(zeros) :], strict=True))


@settings(max_examples=80, deadline=None)
@given(operations=st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 5)), min_size=1, max_size=9))
def test_every_norm_is_autograds(operations):
    model = RandomNet([("linear", 0), *operations])
    x = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(7))
    outputs, parameters = by_added_zeros(model, x)
    torch.manual_seed(1)
    bare = model(x).square().sum()
    bare.backward()
    gradients = {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    with gradflow.record(model) as recorder:
        torch.manual_seed(1)
        loss = model(x).square().sum()
        loss.backward()
        recorder.step()
    assert torch.equal(loss, bare)
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (gradients[name] is None)
        assert parameter.grad is None or torch.equal(parameter.grad, gradients[name])
    rows = recorder.recording.layers.set_index(["layer", "call"])
    for key, gradient in outputs.items():
        if gradient is not None:
            assert rows.status[key] == "measured"
            assert rows.out_grad_norm[key] == pytest.approx(norm64(gradient), rel=1e-4, abs=1e-30)
    for layer, table in rows.groupby("layer"):
        own = [g for name, g in parameters.items() if name.rpartition(".")[0] == layer and g is not None]
        if own:
            assert table.grad_norm.iloc[0] == pytest.approx(norm64(*own), rel=1e-4, abs=1e-30)
