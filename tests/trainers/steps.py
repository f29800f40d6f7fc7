"""What an optimizer was handed, read where torch computes the update: it shares no code with the recorder."""

import math
import sys
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.checkpoint import checkpoint

import gradflow

TOLERANCE = 1e-6
N_ROWS, N_INPUTS, BATCH = 48, 8, 8


def data(scale=1.0):
    """Return inputs and labels, the same each time."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(N_ROWS, N_INPUTS, generator=generator) * scale
    return x, (x[:, 0] > 0).long()


class Net(nn.Module):
    """Three layers, the middle one checkpointed if asked for."""

    def __init__(self, is_checkpointed=False, is_bf16=False):
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(N_INPUTS, 16), nn.Linear(16, 16), nn.Linear(16, 2)
        self.is_checkpointed, self.is_bf16 = is_checkpointed, is_bf16

    def forward(self, x):
        dtype = torch.bfloat16 if self.is_bf16 else torch.get_autocast_dtype("cpu")
        with torch.autocast("cpu", dtype, enabled=self.is_bf16 or torch.is_autocast_enabled("cpu")):
            x = torch.tanh(self.first(x))
            middle = lambda x: torch.tanh(self.middle(x))  # noqa: E731
            x = checkpoint(middle, x, use_reentrant=False) if self.is_checkpointed else middle(x)
            return self.last(x).float()


def net(**options):
    """Return the network, initialised the same each time."""
    torch.manual_seed(0)
    return Net(**options)


@contextmanager
def handed(monkeypatch):
    """Yield a list: for each update a dictionary from a parameter's id to the norm of the gradient that it used."""
    steps = []
    handle = register_optimizer_step_pre_hook(lambda *_: steps.append({}))
    with monkeypatch.context() as patch:
        for name in ("adam", "sgd"):
            module = sys.modules[f"torch.optim.{name}"]  # which is no attribute of torch.optim
            original = getattr(module, name)

            def spy(params, grads, *args, original=original, **kwargs):
                norms = (gradient.detach().double().norm().item() for gradient in grads)
                steps[-1].update(zip(map(id, params), norms, strict=True))  # called once for each group
                return original(params, grads, *args, **kwargs)

            patch.setattr(module, name, spy)
        yield steps
    handle.remove()


def worst_error(recording, model, steps):
    """Return the largest relative error of a layer's grad_norm, and check that all steps and layers are there."""
    rows = recording.layers[recording.layers["call"] == 0]
    rows = rows[rows["grad_norm"].notna()].drop_duplicates(["step", "layer"])
    assert sorted(rows["step"].unique()) == [*range(len(steps))], (len(steps), rows["step"].unique())
    worst, n = 0.0, 0
    for row in rows.itertuples():
        own = [id(p) for p in model.get_submodule(row.layer).parameters(recurse=False)]
        truth = math.hypot(*(steps[row.step][one] for one in own if one in steps[row.step]))
        worst, n = max(worst, abs(row.grad_norm - truth) / truth if truth else row.grad_norm), n + 1
    expected = {one for used in steps for one in used}
    layers = {name for name, m in model.named_modules() if any(id(p) in expected for p in m.parameters(recurse=False))}
    assert set(rows["layer"]) == layers, (set(rows["layer"]), layers)
    assert n == len(steps) * len(layers)
    return worst


def same(first, second):
    """Return whether two models have the same weights to the bit."""
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def is_bare(model):
    """Return whether no hook of a recorder is left on a model."""
    hooks = [
        hook
        for module in model.modules()
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    ]
    return not any(hook.__module__.startswith("gradflow") for hook in hooks)


def losses(recording):
    """Return the losses that were recorded."""
    return recording.steps["loss"].tolist()


def load(path):
    """Return the recording of a folder."""
    return gradflow.storage.load_one(path)
