"""A model that changes under a recorder: numbers of what is there now, and of nothing that is gone."""

import copy
import math
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

import gradflow
from gradflow.hooks import GradflowWarning

STEPS = 6
CHANGED_AT = 3


class Net(nn.Module):
    """Some layers in containers of every kind, and a parameter that the model itself owns."""

    def __init__(self):
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(4))
        self.first = nn.Linear(4, 4)
        self.body = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
        self.more = nn.ModuleList([nn.Linear(4, 4)])
        self.free = nn.ParameterList([nn.Parameter(torch.full((4,), 0.1))])
        self.norm = parametrizations.weight_norm(nn.Linear(4, 4))
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.body(torch.tanh(self.first(x + self.offset)))
        for layer in self.more:
            x = x + layer(x)
        for scale in self.free:
            x = x * (1 + scale)
        extra = getattr(self, "extra", None)
        x = x if extra is None else x + (extra(x) if isinstance(extra, nn.Module) else extra)
        return self.head(self.frozen(self.norm(x)))


class Adapter(nn.Module):
    """A layer in a wrapper with two small ones beside it, as LoRA does it."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.down, self.up = inner.requires_grad_(False), nn.Linear(4, 1), nn.Linear(1, 4)

    def forward(self, x):
        return self.inner(x) + self.up(self.down(x))


def assign(model):
    model.load_state_dict({name: value.clone() for name, value in model.state_dict().items()}, assign=True)


def convert(model):
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        model.to(torch.float64).to(torch.float32)
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)


def empty(model):
    model.first.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in model.first.parameters():
            parameter.fill_(0.1)


def swap(model):
    model.body[0], model.body[2] = model.body[2], model.body[0]


def rename(model):
    model.front = model.first
    del model.first
    type(model).first = property(lambda self: self.front)


def without_bias(model):
    model.first.bias = None


def parameter(model):
    model.extra = nn.Parameter(torch.full((4,), 0.1))


def parametrized(model):
    parametrizations.orthogonal(model.body[0])


def tie(model):
    model.body[2].weight = model.body[0].weight


CHANGES = {
    "load_state_dict(assign=True)": (assign, set(), set()),
    "another head": (lambda m: setattr(m, "head", nn.Linear(4, 2)), set(), set()),
    "another kind of head": (lambda m: setattr(m, "head", nn.Sequential(nn.Linear(4, 2))), {"head.0"}, {"head"}),
    "a copy of a layer": (lambda m: setattr(m, "first", copy.deepcopy(m.first)), set(), set()),
    "a new parameter": (parameter, {"extra"}, set()),
    "another parameter": (lambda m: setattr(m, "offset", nn.Parameter(torch.ones(4))), set(), set()),
    "a new layer": (lambda m: setattr(m, "extra", nn.Linear(4, 4)), {"extra"}, set()),
    "a layer in a list": (lambda m: m.more.append(nn.Linear(4, 4)), {"more.1"}, set()),
    "a parameter in a list": (lambda m: m.free.append(nn.Parameter(torch.ones(4))), set(), set()),
    "a layer inserted": (lambda m: m.body.insert(1, nn.Linear(4, 4)), {"body.3"}, set()),
    "a layer taken out": (lambda m: m.body.pop(0), set(), {"body.2"}),
    "a list emptied": (lambda m: m.more.pop(0), {"more"}, {"more.0"}),
    "a wrapper": (
        lambda m: setattr(m, "first", Adapter(m.first)),
        {"first.inner", "first.down", "first.up"},
        {"first"},
    ),
    "another activation": (lambda m: m.body.__setitem__(1, nn.ReLU()), set(), set()),
    "two layers swapped": (swap, set(), set()),
    "a layer renamed": (rename, {"front"}, {"first"}),
    "a bias taken away": (without_bias, set(), set()),
    "weight_norm": (lambda m: parametrizations.weight_norm(m.first), set(), set()),
    "orthogonal": (parametrized, set(), set()),
    "parametrization removed": (lambda m: parametrize.remove_parametrizations(m.norm, "weight"), set(), set()),
    "old weight_norm": (lambda m: nn.utils.weight_norm(m.first), set(), set()),
    "old spectral_norm": (lambda m: nn.utils.spectral_norm(m.first), set(), set()),
    "pruned": (lambda m: prune.l1_unstructured(m.first, "weight", 0.5), set(), set()),
    "pruned for good": (
        lambda m: prune.remove(prune.l1_unstructured(m.first, "weight", 0.5), "weight"),
        set(),
        set(),
    ),
    "to_empty": (empty, set(), set()),
    "a conversion that replaces": (convert, set(), set()),
    "tied": (tie, set(), set()),
    "frozen": (lambda m: m.first.requires_grad_(False), set(), set()),
    "thawed": (lambda m: m.frozen.requires_grad_(True), set(), set()),
}


def fresh():
    torch.manual_seed(0)
    return type("Net", (Net,), {})()  # a class of its own, which a change may alter


def train(model, change, *, recorder_of=None, with_optimizer=False, schedule=1, **options):
    """Train, change the model in the middle; return losses, true norms by step and the recorder."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    given = {"optimizer": optimizer} if with_optimizer else {}
    recorder = recorder_of(model, schedule=schedule, **given, **options) if recorder_of else None
    losses, norms, by_layer = [], [], []
    for step in range(STEPS):
        if step == CHANGED_AT:
            torch.manual_seed(1)
            change(model)
            if not with_optimizer:
                optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        x = torch.randn(5, 4, generator=torch.Generator().manual_seed(step))
        model.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        losses.append(loss.item())
        gradients = {name: p.grad.double() for name, p in model.named_parameters() if p.grad is not None}
        norms.append(math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients.values())))
        by_layer.append({name: float(gradient.norm()) for name, gradient in gradients.items()})
        if recorder is not None and not with_optimizer:
            recorder.step(loss=loss)
        optimizer.step()
    if recorder is not None:
        recorder.close()
    return losses, norms, by_layer, recorder


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("schedule", [1, 2])
@pytest.mark.parametrize("activations", [True, False])
@pytest.mark.parametrize("with_optimizer", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_what_is_there_now_is_recorded(name, with_optimizer, activations, schedule):
    change, added, gone = CHANGES[name]
    bare, *_ = train(fresh(), change, with_optimizer=with_optimizer)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        losses, norms, by_layer, recorder = train(
            fresh(),
            change,
            recorder_of=gradflow.record,
            with_optimizer=with_optimizer,
            activations=activations,
            schedule=schedule,
            weights=True,
        )
    assert losses == bare  # to the bit
    recording = recorder.recording
    due = list(range(0, STEPS, schedule))
    assert recording.steps.total_grad_norm[due].tolist() == pytest.approx([norms[step] for step in due], rel=1e-6)
    for step in due:
        rows = recording.parameters[recording.parameters.step == step]
        prefix = rows.layer.where(
            rows.parameter == rows.layer.str.split(".").str[-1], rows.layer + "." + rows.parameter
        )
        found = dict(zip(prefix, rows.grad_norm, strict=True))
        known = {where: norm for where, norm in found.items() if not math.isnan(norm)}
        assert known == pytest.approx(by_layer[step], rel=1e-6)
    last = recording.layers[recording.layers.step == due[-1]].drop_duplicates("layer").set_index("layer")
    assert gone == set(last.index[last.status == "gone"])
    assert last.loc[sorted(gone), ["grad_norm", "out_grad_norm", "weight_norm"]].isna().all(axis=None)
    assert added <= set(last.index)
    if activations:
        assert (last.status[sorted(added - {"extra", "first.inner", "more"})] == "measured").all()
        assert last.order[last.status == "measured"].is_unique
    of_changes = [str(one.message) for one in told if "has changed since" in str(one.message)]
    is_silent = name in ("frozen", "thawed", "to_empty") or (  # the same parameters as before
        name == "another activation" and not activations
    )
    assert len(of_changes) <= 1
    assert bool(of_changes) or is_silent
    if added | gone:
        assert recording.meta["changes"][0]["added"] == [layer for layer in last.index if layer in added]
        assert set(recording.meta["changes"][0]["gone"]) == gone


def test_the_outputs_of_new_layers_are_right():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    recorder = gradflow.record(model)
    model(x).sum().backward()
    recorder.step()
    model.insert(1, nn.Linear(3, 3))
    expected = []

    def train_twice():
        for _ in range(2):
            model.zero_grad()
            outputs = [x]
            for layer in model:
                outputs.append(layer(outputs[-1]))
            outputs[-1].sum().backward(retain_graph=True)
            expected.append([float(one.norm()) for one in torch.autograd.grad(outputs[-1].sum(), outputs[1:])])
            recorder.step()

    with pytest.warns(GradflowWarning, match="3 is new"):
        train_twice()
    recorder.close()
    recording = recorder.recording
    for step in (1, 2):
        rows = recording.layers[(recording.layers.step == step) & recording.layers.in_grad].set_index("layer")
        found = rows.out_grad_norm[["0", "1", "2", "3"]].tolist()
        assert found == pytest.approx(expected[step - 1], rel=1e-6)
        assert rows.order[["0", "1", "2", "3"]].tolist() == [0, 1, 2, 3]
    last = recording.graph[recording.graph.step == 1]
    assert list(zip(last.source, last.layer, strict=True)) == [("0", "1"), ("1", "2"), ("2", "3")]


def test_a_first_layer_that_is_new_is_measured_from_the_next_step():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    with gradflow.record(model) as recorder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in range(3):
            if step == 1:
                model[0] = nn.Linear(3, 3)
            model(torch.ones(2, 3)).sum().backward()
            recorder.step()
    rows = recorder.recording.layers.query("layer == '0'")
    assert rows.status.tolist() == ["measured", "added", "measured"]
    assert rows.grad_norm.notna().all()


@pytest.mark.parametrize("part", ["all", "some"])
def test_an_optimizer_of_parameters_that_are_gone_is_told_of(part):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gradflow.record(model, optimizer=optimizer) as recorder:
        if part == "all":
            assign(model)
        else:
            model[0] = nn.Linear(3, 3)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model(torch.ones(2, 3)).sum().backward()
            optimizer.step()
    assert any(f"{part} of the parameters that SGD holds are no longer the model's" in str(one.message) for one in told)
    rows = recorder.recording.parameters
    assert rows.grad_norm.notna().all()
    assert rows.update_norm.isna().all() == (part == "all")


def test_parameters_that_functional_call_puts_in_are_no_change():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
    others = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
    with gradflow.record(model) as recorder, warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            torch.func.functional_call(model, others, torch.ones(2, 3)).sum().backward()
            model(torch.ones(2, 3)).sum().backward()
            recorder.step()
    assert "changes" not in recorder.meta


def test_layers_that_a_selector_no_longer_finds():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    model.add_module("head", nn.Linear(1, 1))
    recorder = gradflow.record(model, layers="head")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for step in range(2):
            if step:
                del model[2]
            model(torch.ones(2, 3)).sum().backward()
            recorder.step()
        recorder.close()
    assert "matches no layer" in str(told[0].message)
    assert "\n" not in str(told[0].message)
    assert len(recorder.recording.steps) == 2


@pytest.mark.parametrize("trained", [(0, 3), (1, 2), (2,)])
def test_a_layer_is_called_frozen_in_the_steps_in_which_it_was(trained):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    with gradflow.record(model) as recorder:
        for step in range(4):
            model[0].requires_grad_(step in trained)
            model.zero_grad()
            model(torch.ones(5, 3)).sum().backward()
            recorder.step()
    expected = ["measured" if step in trained else "frozen" for step in range(4)]
    assert recorder.recording.layers.query("layer == '0'").status.tolist() == expected
    assert recorder.recording.parameters.query("layer == '0' and parameter == 'weight'").status.tolist() == expected
