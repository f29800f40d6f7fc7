"""Training loops in which other gradients than the optimizer's reach a layer."""

import importlib.util
import math

import pytest
import torch
from said import found, keys
from torch import nn
from torch.nn import functional

import gradflow
from gradflow.analysis.profile import one_row_per_layer


def norm(tensors):
    return math.sqrt(sum(tensor.double().square().sum().item() for tensor in tensors if tensor is not None))


def of_outputs(layer, loss_of):
    """The gradient of a loss with respect to all outputs that a layer gave while it was computed."""
    outputs = []
    handle = layer.register_forward_hook(lambda module, args, output: outputs.append(output))
    loss = loss_of()
    handle.remove()
    return norm(torch.autograd.grad(loss, outputs, allow_unused=True))


def joined(recording, layer):
    """Out_grad_norm of a layer by step, as tables show it."""
    rows = one_row_per_layer(recording.layers)
    return rows[rows["layer"] == layer].sort_values("step")["out_grad_norm"].tolist()


def discriminator():
    return nn.Sequential(nn.Linear(6, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))


def test_in_the_order_of_dcgan_the_discriminator_has_its_own_gradient():
    generator, critic = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6)), discriminator()
    of_generator, of_critic = torch.optim.SGD(generator.parameters(), 1e-3), torch.optim.SGD(critic.parameters(), 1e-3)
    bce = functional.binary_cross_entropy_with_logits
    real, fake = torch.ones(5, 1), torch.zeros(5, 1)
    x, z, truth = torch.randn(5, 6), torch.randn(5, 4), []
    twin = discriminator()
    recorder = gradflow.record(critic, optimizer=of_critic)
    for _ in range(3):
        twin.load_state_dict(critic.state_dict())
        made = generator(z)
        truth.append(of_outputs(twin[0], lambda made=made: bce(twin(x), real) + bce(twin(made.detach()), fake)))
        critic.zero_grad()
        bce(critic(x), real).backward()
        bce(critic(made.detach()), fake).backward()
        of_critic.step()
        generator.zero_grad()
        bce(critic(made), real).backward()
        of_generator.step()
    recorder.close()
    assert joined(recorder.recording, "0") == pytest.approx(truth, rel=1e-4)


def penalised(critic, x, made, mixed):
    (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    return critic(made).mean() - critic(x).mean() + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()


def test_a_gradient_penalty_is_not_taken_for_the_gradient_of_the_loss():
    critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    x, made = torch.randn(32, 2) + 1, torch.randn(32, 2)
    mixed = ((x + made) / 2).requires_grad_()
    truth = {name: of_outputs(critic[name], lambda: penalised(critic, x, made, mixed)) for name in range(5)}
    recorder = gradflow.record(critic)
    penalised(critic, x, made, mixed).backward()
    recorder.step()
    recorder.close()
    rows = one_row_per_layer(recorder.recording.layers).set_index("layer")
    for name, value in truth.items():
        row = rows.loc[str(name)]
        if isinstance(critic[name], nn.Linear) or row["status"] != "double backward":
            assert row["out_grad_norm"] == pytest.approx(value, rel=1e-4)
        else:  # the derivative of tanh is made of its output, whose gradient is then not one number
            assert math.isnan(row["out_grad_norm"])


def test_an_inner_loop_is_not_taken_for_the_gradient_of_the_loss():
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    x, y = torch.randn(16, 3), torch.randn(16, 1)

    def adapted():
        weights = dict(model.named_parameters())
        inner = (torch.func.functional_call(model, weights, (x,)) - y).square().mean()
        slopes = torch.autograd.grad(inner, list(weights.values()), create_graph=True)
        weights = {name: weight - 0.1 * slope for (name, weight), slope in zip(weights.items(), slopes, strict=True)}
        return (torch.func.functional_call(model, weights, (x,)) - y).square().mean()

    truth = of_outputs(model[0], adapted)
    recorder = gradflow.record(model)
    adapted().backward()
    recorder.step()
    recorder.close()
    assert joined(recorder.recording, "0") == pytest.approx([truth], rel=1e-4)


def test_lbfgs_has_the_gradient_of_its_last_evaluation():
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    x, y = torch.randn(16, 4), torch.randn(16, 1)
    optimizer, truth = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=10), []
    recorder = gradflow.record(model, optimizer=optimizer)

    def closure():
        optimizer.zero_grad()
        hidden = model[0](x)
        hidden.retain_grad()
        loss = (model[2](model[1](hidden)) - y).square().mean()
        loss.backward()
        truth.append(hidden.grad.norm().item())
        return loss

    optimizer.step(closure)
    recorder.close()
    (measured,) = joined(recorder.recording, "0")
    assert measured == pytest.approx(truth[-1], rel=1e-4)


class Gan(nn.Module):
    def __init__(self):
        super().__init__()
        self.G, self.D = nn.Linear(4, 6), nn.Linear(6, 1)


@pytest.mark.parametrize("order", ["G, D", "D, G"])
def test_of_two_optimizers_every_number_is_on_its_own_step(order):
    model, truth = Gan(), []
    g, d = torch.optim.SGD(model.G.parameters(), 0.1), torch.optim.SGD(model.D.parameters(), 0.1)
    recorder = gradflow.record(model, optimizer=[g, d] if order == "G, D" else [d, g])
    for _ in range(4):
        made, x = model.G(torch.randn(5, 4)), torch.randn(5, 6)
        d.zero_grad()
        softplus = functional.softplus
        (softplus(-model.D(x)).mean() + softplus(model.D(made.detach())).mean()).backward()
        of_d = norm(parameter.grad for parameter in model.D.parameters())
        d.step()
        g.zero_grad()
        softplus(-model.D(made)).mean().backward()
        truth.append((norm(parameter.grad for parameter in model.G.parameters()), of_d))
        g.step()
    recorder.close()
    rows = recorder.recording.layers
    for place, layer in enumerate("GD"):
        measured = rows[(rows["layer"] == layer) & (rows["call"] == 0)].groupby("step")["grad_norm"].max()
        assert measured.tolist() == pytest.approx([pair[place] for pair in truth], rel=1e-4)


def test_a_frozen_first_layer_under_an_optimizer_is_healthy():
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD([one for one in model.parameters() if one.requires_grad], 0.01)
    recorder = gradflow.record(model, optimizer=optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 8)).square().sum().backward()
        optimizer.step()
    recorder.close()
    assert keys(found(recorder.recording)) == {"healthy"}


@pytest.mark.skipif(importlib.util.find_spec("torchdiffeq") is None, reason="torchdiffeq is not installed")
def test_an_adjoint_is_not_taken_for_the_gradient_of_the_loss():
    from torchdiffeq import odeint_adjoint

    class Field(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8))

        def forward(self, t, y):
            return self.net(y)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.field, self.out = nn.Linear(8, 8), Field(), nn.Linear(8, 2)

        def forward(self, x):
            times = torch.tensor([0.0, 1.0])
            return self.out(
                odeint_adjoint(self.field, self.first(x), times, method="rk4", options={"step_size": 0.25})[-1]
            )

    model, x = Model(), torch.randn(8, 8)
    truth = of_outputs(model.first, lambda: model(x).square().sum())
    recorder = gradflow.record(model)
    model(x).square().sum().backward()
    recorder.step()
    recorder.close()
    assert joined(recorder.recording, "first") == pytest.approx([truth], rel=1e-3)
    inner = recorder.recording.layers
    inner = inner[inner["layer"].str.startswith("field")]
    assert not inner.loc[inner["in_grad"], "out_grad_norm"].notna().any()


class Wrapper:
    """As fastai's OptimWrapper and Accelerate's AcceleratedOptimizer: the optimizer is an attribute."""

    def __init__(self, attribute, optimizer):
        setattr(self, attribute, optimizer)
        self.param_groups = optimizer.param_groups

    def step(self):
        next(value for value in vars(self).values() if isinstance(value, torch.optim.Optimizer)).step()


@pytest.mark.parametrize("attribute", ["opt", "optimizer"])
@pytest.mark.parametrize("is_list", [False, True])
def test_a_wrapped_optimizer_is_unwrapped(attribute, is_list):
    model = nn.Linear(3, 2)
    wrapped = Wrapper(attribute, torch.optim.SGD(model.parameters(), 0.1))
    recorder = gradflow.record(model, optimizer=[wrapped] if is_list else wrapped)
    model(torch.ones(1, 3)).sum().backward()
    truth = norm(parameter.grad for parameter in model.parameters())
    wrapped.step()
    recorder.close()
    assert recorder.recording.layers["grad_norm"].tolist() == pytest.approx([truth], rel=1e-5)
