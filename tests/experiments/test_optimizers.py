import io

import pytest
import torch
from torch import nn
from torch.nn import functional

import gradflow
from gradflow.experiments.recipe import Recipe
from gradflow.experiments.update_step import Updater, clip_gradients


def batches(n, size=12):
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(size, 1, 6, 6, generator=generator), torch.randint(5, (size,), generator=generator))
        for _ in range(n)
    ]


def small(*, norm=True):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=not norm),  # behind a norm the gradient of a bias is rounding alone
        nn.BatchNorm2d(4) if norm else nn.Identity(),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 5),
    )


def trained(recipe, steps=6, *, norm=True, resume_at=None):
    """Losses, errors and the model after some updates; at one of them a second updater takes over."""
    model = small(norm=norm)
    updater = Updater(model, recipe)
    losses, errors = [], []
    for step, (images, labels) in enumerate(batches(steps)):
        if step == resume_at:
            stream = io.BytesIO()
            torch.save(updater.state_dict(), stream)
            updater = Updater(model, recipe)
            updater.load_state_dict(torch.load(io.BytesIO(stream.getvalue()), weights_only=True))
        loss, error = updater.forward_backward(images, labels)
        losses.append(loss)
        errors.append(error)
        updater.update(recipe.lr)
    return torch.stack(losses), torch.stack(errors), model


def is_same(model, other):
    pairs = zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(one, two) for one, two in pairs)


def test_the_default_is_the_loop_anyone_writes():
    losses, errors, model = trained(Recipe())
    other = small()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    for step, (images, labels) in enumerate(batches(6)):
        logits = other(images)
        loss = functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert torch.equal(losses[step], loss)
        assert errors[step].item() == pytest.approx((logits.argmax(1) != labels).sum().item() / 12)
    assert is_same(model, other)


def test_adamw_decays_apart_from_the_gradient():
    _, _, model = trained(Recipe(optimizer="adamw", lr=0.01, momentum=0.8, weight_decay=0.1))
    other = small()
    first = {name: torch.zeros_like(parameter) for name, parameter in other.named_parameters()}
    second = {name: torch.zeros_like(parameter) for name, parameter in other.named_parameters()}
    for step, (images, labels) in enumerate(batches(6), start=1):  # Loshchilov & Hutter 2019, algorithm 2
        other.zero_grad()
        functional.cross_entropy(other(images), labels).backward()
        with torch.no_grad():
            for name, parameter in other.named_parameters():
                first[name] = 0.8 * first[name] + 0.2 * parameter.grad
                second[name] = 0.999 * second[name] + 0.001 * parameter.grad**2
                ratio = first[name] / (1 - 0.8**step) / ((second[name] / (1 - 0.999**step)).sqrt() + 1e-8)
                parameter -= 0.01 * ratio + 0.01 * 0.1 * parameter
    for found, expected in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(found, expected, atol=1e-5)


def test_parts_of_a_batch_add_up_to_the_batch():
    whole, parts = (trained(Recipe(batch_size=12, accumulate=count), norm=False) for count in (1, 4))
    assert torch.allclose(whole[0], parts[0], atol=1e-6)
    assert torch.allclose(whole[1], parts[1], atol=1e-6)
    for one, other in zip(whole[2].parameters(), parts[2].parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_batch_norm_sees_the_parts():
    model = small()
    ((images, labels),) = batches(1)
    Updater(model, Recipe(batch_size=12, accumulate=3)).forward_backward(images, labels)
    other = small()
    for part in images.split(4):
        other(part)
    assert torch.equal(model[1].running_var, other[1].running_var)
    assert model[1].num_batches_tracked == 3


def test_clipping_is_torchs():
    _, _, model = trained(Recipe(clip=0.5, lr=0.1))
    other = small()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    norms = []
    for images, labels in batches(6):
        optimizer.zero_grad()
        functional.cross_entropy(other(images), labels).backward()
        norms.append(nn.utils.clip_grad_norm_(other.parameters(), 0.5).item())
        optimizer.step()
    assert min(norms) > 0.5
    for found, expected in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [0.3, 30.0])
def test_clipped_gradients_have_the_largest_norm_or_their_own(size):
    model = small()
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    flat = torch.cat([parameter.grad.flatten() for parameter in model.parameters()]).double()
    found = clip_gradients(model, size)
    after = torch.cat([parameter.grad.flatten() for parameter in model.parameters()]).double()
    assert found.item() == pytest.approx(flat.norm().item(), rel=1e-6)
    assert after.norm().item() == pytest.approx(min(size, flat.norm().item()), rel=1e-5)
    assert torch.allclose(after / after.norm(), flat / flat.norm(), atol=1e-6)


def test_a_norm_that_is_not_finite_clips_nothing():
    model = nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[3.0, float("inf")]])
    assert clip_gradients(model, 1.0).isinf()
    assert model.weight.grad.tolist() == [[3.0, float("inf")]]


def test_bf16_runs_the_forward_pass_in_autocast_and_keeps_float32_weights():
    model = small()
    seen = []
    model[4].register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    ((images, labels),) = batches(1)
    loss, _ = Updater(model, Recipe(precision="bf16")).forward_backward(images, labels)
    assert seen == [torch.bfloat16]
    assert loss.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = functional.cross_entropy(small()(images), labels)
    assert torch.equal(loss, expected)
    assert {parameter.grad.dtype for parameter in model.parameters()} == {torch.float32}


def test_fp16_gradients_are_divided_by_the_scale():
    model, other = small(), small()
    ((images, labels),) = batches(1)
    updater = Updater(model, Recipe(precision="fp16"))
    updater.forward_backward(images, labels)
    functional.cross_entropy(other(images), labels).backward()
    assert updater.scaler.get_scale() == 65536
    for found, expected in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(found.grad, expected.grad, atol=2e-2 * float(expected.grad.norm()))


def test_fp16_makes_no_update_of_gradients_that_are_not_finite():
    model = small()
    ((images, labels),) = batches(1)
    updater = Updater(model, Recipe(precision="fp16", clip=1.0))
    before = [parameter.clone() for parameter in model.parameters()]
    updater.forward_backward(images * 1e4, labels)
    model[0].weight.grad[0] = float("inf")
    updater.scaler._per_optimizer_states[id(updater._optimizer)]["found_inf_per_device"][torch.device("cpu")].fill_(1.0)
    updater.update(0.1)
    assert all(torch.equal(one, two) for one, two in zip(before, model.parameters(), strict=True))
    assert updater.scaler.get_scale() == 32768


def test_the_scale_goes_on_too():
    recipe = Recipe(precision="fp16")
    updater, other = Updater(small(), recipe), Updater(small(), recipe)
    updater.forward_backward(*batches(1)[0])
    updater.scaler.update(2.0**10)
    other.load_state_dict(updater.state_dict())
    assert other.scaler.get_scale() == 1024


OPTIONS = {
    "default": {},
    "adamw": {"optimizer": "adamw"},
    "accumulate": {"accumulate": 3},
    "clip": {"clip": 0.5},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16", "clip": 0.5, "accumulate": 2},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_second_updater_goes_on_bit_by_bit(options):
    recipe = Recipe(batch_size=12, **options)
    losses, _, model = trained(recipe)
    resumed, _, other = trained(recipe, resume_at=3)
    assert torch.equal(losses, resumed)
    assert is_same(model, other)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_recorder_sees_what_the_optimizer_uses(options):
    model = small()
    updater = Updater(model, Recipe(batch_size=12, **options))
    norms, unclipped = [], []
    with gradflow.record(model, scaler=updater.scaler) as recorder:
        for images, labels in batches(4):
            updater.forward_backward(images, labels)
            recorder.step(unclipped_grad_norm=updater.unclipped_grad_norm)
            flat = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
            norms.append(flat.double().norm().item())
            updater.update(0.1)
            unclipped.append(updater.unclipped_grad_norm)
    steps = recorder.recording.steps
    assert steps.total_grad_norm.tolist() == pytest.approx(norms, rel=1e-5)
    assert ("unclipped_grad_norm" in steps) == ("clip" in options)
    if "clip" in options:
        assert steps.unclipped_grad_norm.tolist() == pytest.approx([norm.item() for norm in unclipped], rel=1e-6)
        assert steps.total_grad_norm.tolist() == pytest.approx([min(0.5, norm.item()) for norm in unclipped], rel=1e-4)
    outputs = recorder.recording.layers.out_grad_norm
    assert outputs.max() < 10  # not times the loss scale of 65536
