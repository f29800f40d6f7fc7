import pytest
import torch
from oracles import hook_counts
from torch import nn

import gradflow
from gradflow.models import cifar_net


def dropout_net():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 2))


@pytest.mark.parametrize(
    ("make", "shape"),
    [(dropout_net, (5, 6)), (lambda: cifar_net(8), (3, 3, 8, 8)), (lambda: cifar_net(8, family="plain"), (3, 3, 8, 8))],
)
def test_recorders_agree_with_autograd_and_leave_the_model_alone(make, shape):
    torch.manual_seed(0)
    model, x = make(), torch.randn(*shape)
    model(x).sum().backward()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    state, hooks = torch.random.get_rng_state(), hook_counts(model)
    recorder = gradflow.record(model, schedule=10**6, activations=True)
    result = recorder.verify(lambda: model(x).square().sum())
    recorder.close()
    assert result.largest < 1e-5
    assert result.n >= len(gradients) + 3
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(torch.equal(a, p.grad) for a, p in zip(gradients, model.parameters(), strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert hook_counts(model) == hooks
    assert recorder.recording.steps.empty


def test_a_wrong_norm_is_found(monkeypatch):
    from gradflow.hooks.norms import SmallCopies

    right = SmallCopies.norms
    monkeypatch.setattr(SmallCopies, "norms", lambda copies: [1.01 * norm for norm in right(copies)])
    model = dropout_net()
    with gradflow.record(model) as recorder:
        result = recorder.verify(lambda: model(torch.ones(4, 6)).square().sum())
    assert result.largest == pytest.approx(0.01, rel=0.01)
    assert result.where.startswith("output of ")
