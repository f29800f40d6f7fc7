import pytest
import torch
from torch import nn

import gradflow


def rows_of(model, x):
    with gradflow.record(model, statistics=True) as recorder:
        model(x).sum().backward()
        recorder.step()
    return recorder.recording.layers.set_index("layer")


def test_rms_mean_zeros_and_saturation():
    model, x = nn.Sequential(nn.Linear(5, 50), nn.ReLU(), nn.Linear(50, 40), nn.Tanh()), 4 * torch.randn(30, 5)
    outputs = {}
    y = x
    for index, layer in enumerate(model):
        y = layer(y)
        outputs[str(index)] = y.detach().double()
    rows = rows_of(model, x)
    for layer, output in outputs.items():
        assert rows.act_rms[layer] == pytest.approx(output.square().mean().sqrt().item(), rel=1e-6)
        assert rows.act_mean[layer] == pytest.approx(output.mean().item(), rel=1e-4, abs=1e-6)
    assert rows.act_zero_fraction["1"] == pytest.approx((outputs["1"] == 0).double().mean().item(), rel=1e-6)
    assert rows.act_saturation["3"] == pytest.approx((outputs["3"].abs() > 0.98).double().mean().item(), rel=1e-6)
    assert rows.act_zero_fraction[["0", "2", "3"]].isna().all()
    assert rows.act_saturation[["0", "1", "2"]].isna().all()


def test_training_is_bit_identical():
    def train(**options):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        recorder = gradflow.record(model, optimizer=optimizer, **options) if options else None
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.randn(6, 5)).square().sum().backward()
            optimizer.step()
        if recorder is not None:
            recorder.close()
        return model.state_dict()

    bare, recorded = train(), train(statistics=True, weights=True)
    assert all(torch.equal(bare[name], recorded[name]) for name in bare)


def test_bounds_are_the_modules_own():
    model, x = nn.Sequential(nn.Linear(3, 3), nn.Hardtanh(-5, 5), nn.ReLU6()), torch.tensor([[2.0, 3.0, 4.99]])
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(3))
        model[0].bias.zero_()
    rows = rows_of(model, x)
    assert rows.act_saturation["1"] == pytest.approx(1 / 3)
    assert rows.act_saturation[["2"]].isna().all()
