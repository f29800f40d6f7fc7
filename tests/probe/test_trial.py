import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

import gradflow
from gradflow.models import mlp
from gradflow.probe.indicators import indicators
from gradflow.probe.loss import AnalysisError
from gradflow.probe.trial import ForecastError, chance_error, try_training, unlikeness

CLASSES = 3


def examples(n=96, features=12):
    """Three clouds far apart: any network that trains at all tells them apart at once."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % CLASSES
    centres = 3.0 * torch.randn(CLASSES, features, generator=generator)
    return centres[labels] + torch.randn(n, features, generator=generator), labels


def net(depth=3, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    return mlp(depth, width=32, in_features=12, num_classes=CLASSES, generator=generator, **options)


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same_state(before, model):
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    "make",
    [
        lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
        lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
    ],
)
def test_the_trial_is_plain_training(make):
    """Independent oracle: the same ten updates by hand, on the model itself."""
    model, (x, y) = net(init="kaiming"), examples()
    recording = try_training(model, x, y, optimizer=make(model.parameters()), batch_size=32, moments=(0, 10))
    first = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer, losses = make(model.parameters()), []
    for step in range(11):
        part = slice(32 * (step % 3), 32 * (step % 3) + 32)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[part]), y[part])
        loss.backward()
        losses.append(loss.item())
        if step == 10:
            with torch.no_grad():
                logits = [model(batch) for batch in x.split(32)]
            error = (torch.cat(logits).argmax(1) != y).double().mean().item()
            mean_loss = np.mean(
                [nn.functional.cross_entropy(one, t).item() for one, t in zip(logits, y.split(32), strict=True)]
            )
            growth = max(
                _size(model, name) / _size_of(first, name)
                for name in ("hidden.layer1.linear", "hidden.layer2.linear", "classifier")
            )
        optimizer.step()
    found = indicators(recording)
    assert recording.steps.loss.tolist() == pytest.approx(losses, rel=1e-6)
    assert found.probe_error[10] == pytest.approx(error)
    assert found.relative_error[10] == pytest.approx(error / (2 / 3))
    assert found.probe_loss[10] == pytest.approx(mean_loss, rel=1e-6)
    assert found.growth[10] == pytest.approx(growth, rel=1e-6)


def _size(model, layer):
    return _size_of({name: p.detach() for name, p in model.named_parameters()}, layer)


def _size_of(parameters, layer):
    own = [value.double().flatten() for name, value in parameters.items() if name.startswith(layer + ".")]
    return torch.cat(own).norm().item()


def test_gradient_decades_equal_autograd():
    model, (x, y) = net(depth=6, activation="tanh"), examples(n=32)
    seen = []
    hooks = [
        layer.linear.register_forward_hook(lambda module, args, output: seen.append(output)) for layer in model.hidden
    ]
    loss = nn.functional.cross_entropy(model(x), y)
    gradients = torch.autograd.grad(loss, seen)
    for hook in hooks:
        hook.remove()
    expected = math.log10(gradients[0].double().norm() / gradients[-1].double().norm())
    found = indicators(try_training(model, x, y, lr=0.1, batch_size=32, moments=(0, 1)))
    assert found.gradient_decades[0] == pytest.approx(expected, abs=1e-6)


def test_unlikeness_equals_the_mean_over_pairs():
    features = torch.randn(7, 2, 3, generator=torch.Generator().manual_seed(0))
    flat = features.double().flatten(1)
    cosines = [
        nn.functional.cosine_similarity(flat[i], flat[j], dim=0).item() for i in range(7) for j in range(7) if i != j
    ]
    assert unlikeness(features) == pytest.approx(1 - np.mean(cosines))
    assert unlikeness(torch.ones(4, 3)) == pytest.approx(0.0, abs=1e-12)
    assert unlikeness(torch.zeros(4, 3)) == 0.0
    assert math.isnan(unlikeness(torch.ones(1, 3)))
    assert math.isnan(unlikeness(torch.full((4, 3), math.nan)))


def test_chance_is_the_most_frequent_class():
    assert chance_error(torch.tensor([0, 0, 2, 1])) == 0.5
    assert chance_error(torch.tensor([0.5, 0.5])) is None


def test_everything_is_left_as_found():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net(norm="batch")
            self.dropout = nn.Dropout(0.5)

        def forward(self, x):
            return self.inner(self.dropout(x))

    model, (x, y) = Net(), examples()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    before, gradients = state(model), [parameter.grad.clone() for parameter in model.parameters()]
    settings, inputs = copy.deepcopy(optimizer.state_dict()), x.clone()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    try_training(model, x, y, optimizer=optimizer, batch_size=32)
    assert torch.equal(torch.rand(3), expected)
    assert_same_state(before, model)
    assert all(torch.equal(old, p.grad) for old, p in zip(gradients, model.parameters(), strict=True))
    assert str(settings) == str(optimizer.state_dict())
    assert torch.equal(inputs, x)
    assert model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_model_is_left_as_found_if_the_loss_raises():
    def broken(outputs, targets):
        raise KeyError("mine")

    model = net(norm="batch")
    before = state(model)
    with pytest.raises(KeyError, match="mine"):
        try_training(model, *examples(), lr=0.1, loss_fn=broken)
    assert_same_state(before, model)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": None}, "pass either optimizer"),
        ({"lr": 0.0}, "lr must be a positive number; got 0.0"),
        ({"batch_size": 1}, "batch_size must be at least 2; got 1"),
        ({"inputs": [1, 2]}, "inputs must be a tensor"),
        ({"targets": torch.zeros(5, dtype=torch.long)}, "one length"),
        ({"targets": torch.tensor(1)}, "targets must be a tensor .* without dimensions"),
        ({"inputs": torch.zeros(96, 5)}, r"failed on inputs \(64, 5\)"),
        ({"model": nn.ReLU()}, "ReLU has no parameter"),
        ({"model": print}, "model must be an nn.Module; got builtin"),
    ],
)
def test_bad_arguments_are_one_line(change, message):
    x, y = examples()
    arguments = {"model": net(), "inputs": x, "targets": y, "lr": 0.1, **change}
    with pytest.raises(ForecastError, match=message) as raised:
        try_training(**arguments)
    assert "\n" not in str(raised.value)


def test_the_optimizer_must_be_the_models():
    other = torch.optim.SGD(net(seed=1).parameters(), lr=0.1)
    with pytest.raises(ForecastError, match="none of this model's parameters"):
        try_training(net(), *examples(), optimizer=other)


def test_eval_mode_is_refused():
    with pytest.raises(ForecastError, match=r"model\.train\(\)"):
        try_training(net().eval(), *examples(), lr=0.1)


def test_a_loss_without_parameters_is_refused():
    with pytest.raises(ForecastError, match="nothing to train"):
        try_training(net(), *examples(), lr=0.1, loss_fn=lambda outputs, targets: outputs.detach().sum())


def test_outputs_that_are_no_tensor_name_loss_fn():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net()

        def forward(self, x):
            return {"a": self.inner(x), "b": x}

    with pytest.raises(AnalysisError, match="loss_fn"):
        try_training(Pair(), *examples(), lr=0.1)


def clipped_by_hand(model, x, y, bound, updates=4, lr=0.5):
    """Train the model itself, each gradient clipped to a bound, and return the losses."""
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=lr), []
    for _ in range(updates):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), bound)
        losses.append(loss.item())
        optimizer.step()
    return losses


def on_tensors(model, optimizer, bound):
    for parameter in model.parameters():
        parameter.register_hook(lambda gradient: gradient.clamp(-bound, bound))


def on_accumulated(model, optimizer, bound):
    def clip(parameter):
        parameter.grad.clamp_(-bound, bound)

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(clip)


def on_optimizer(model, optimizer, bound):
    def clip(one, args, kwargs):
        for group in one.param_groups:
            nn.utils.clip_grad_value_(group["params"], bound)

    optimizer.register_step_pre_hook(clip)


class Clipping(nn.Linear):
    """A layer whose method clips its own gradients, wherever it is."""

    bound = 1e-3

    def clip(self, optimizer, args, kwargs):
        nn.utils.clip_grad_value_(self.parameters(), self.bound)


@pytest.mark.parametrize("attach", [on_tensors, on_accumulated, on_optimizer])
def test_the_copy_carries_hooks_that_clip(attach):
    (x, y), bound = examples(n=32), 1e-3
    model = net(init="kaiming")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    attach(model, optimizer, bound)
    found = try_training(model, x, y, optimizer=optimizer, batch_size=32, moments=(0, 3))
    expected = clipped_by_hand(net(init="kaiming"), x, y, bound)
    assert found.steps.loss.tolist() == pytest.approx(expected, rel=1e-6)
    assert clipped_by_hand(net(init="kaiming"), x, y, math.inf) != pytest.approx(expected, rel=1e-2)


def test_a_method_of_the_model_that_clips_clips_the_copy():
    x, y = examples(n=32)
    model, plain = Clipping(12, CLASSES), nn.Linear(12, CLASSES)
    plain.load_state_dict(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    optimizer.register_step_pre_hook(model.clip)
    found = try_training(model, x, y, optimizer=optimizer, batch_size=32, moments=(0, 3))
    assert found.steps.loss.tolist() == pytest.approx(clipped_by_hand(plain, x, y, model.bound), rel=1e-6)


def test_a_recorder_on_the_original_sees_nothing_of_the_trial():
    model, (x, y) = net(), examples(n=32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with gradflow.record(model, optimizer=optimizer) as recorder:
        try_training(model, x, y, optimizer=optimizer, batch_size=32, moments=(0, 2))
        assert recorder.recording.layers.empty
