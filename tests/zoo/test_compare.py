"""`compare` trains networks of torchvision and timm by name."""

import sys

import pytest

from gradflow.experiments import PlanError, compare, load_data, plan
from gradflow.experiments.train import build

PICTURES = """
import torch

generator = torch.Generator().manual_seed(0)
X = torch.randn(24, 3, 32, 32, generator=generator)


def make():
    return X, torch.arange(24) % 3, X, torch.arange(24) % 3


def grey():
    return X[:, :1], torch.arange(24) % 3, X[:, :1], torch.arange(24) % 3
"""
SMALL = {"data": "pictures:make", "seeds": 1, "steps": 2, "batch_size": 8, "device": "cpu"}


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    (tmp_path / "pictures.py").write_text(PICTURES)
    monkeypatch.chdir(tmp_path)
    load_data.cache_clear()
    yield
    sys.modules.pop("pictures", None)


@pytest.mark.parametrize(
    ("model", "data", "vary"),
    [
        ("torchvision:resnet18", "pictures:make", {"zero_init_residual": [True]}),
        ("timm:test_resnet", "pictures:grey", {"drop_rate": [0.0, 0.1]}),
    ],
)
def test_a_librarys_network_is_trained_by_name(model, data, vary, tmp_path):
    found = compare(out=tmp_path / "out", workers=1, model=model, vary=vary, **{**SMALL, "data": data})
    (values,) = vary.values()
    assert len(found) == len(values)
    for recording in found:
        assert recording.meta["family"].startswith(model.partition(":")[2])
        assert recording.layers.grad_norm.notna().any()
        last = recording.layers[recording.layers.weighted].iloc[-1]
        assert last.layer == "fc"


def test_it_is_made_for_the_datas_classes_and_channels_from_the_seed():
    (run,) = plan(model="timm:test_resnet", **{**SMALL, "data": "pictures:grey"})
    one, same = (build(run, load_data(run.data)) for _ in range(2))
    assert next(one.parameters()).shape[1] == 1
    assert one.fc.out_features == 3
    assert all(a.equal(b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert run.network.code


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "torchvision:resnet81"}, r"model torchvision has no model 'resnet81'\. Nearest: resnet"),
        ({"model": "timm:resnet81"}, r"model timm has no model 'resnet81'"),
        (
            {"model": "torchvision:resnet18", "data": "pictures:grey"},
            r"model torchvision:resnet18 takes images with 3 channels; got 1\. Those of timm take any number",
        ),
    ],
)
def test_what_is_wrong_is_said_before_training(settings, message, tmp_path):
    with pytest.raises(PlanError, match=message):
        compare(out=tmp_path / "out", **{**SMALL, **settings})
