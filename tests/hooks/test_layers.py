import pytest
import torch
from torch import nn

import gradflow
from gradflow.hooks import LazyModelError, on_parameter_gradients, select_layers
from gradflow.models import cifar_net
from gradflow.probe import AnalysisError, analyze_gradients, effective_paths, shattering


def depths_of(model, x, **options):
    with gradflow.record(model, **options) as recorder:
        model(x).sum().backward()
        recorder.step()
    return recorder.recording.layers


@pytest.mark.parametrize("depth", [8, 20, 56])
@pytest.mark.parametrize(("family", "shortcut"), [("plain", "A"), ("residual", "A"), ("residual", "B")])
def test_weighted_layers_are_6n_plus_2(depth, family, shortcut):
    layers = depths_of(cifar_net(depth, family=family, shortcut=shortcut), torch.randn(2, 3, 8, 8))
    assert layers.layer_depth.max() == depth
    main = layers[layers.weighted].sort_values("order").drop_duplicates("layer_depth")
    assert main.layer_depth.tolist() == list(range(1, depth + 1))


def test_norms_and_activations_share_the_depth_of_the_layer_they_follow():
    layers = depths_of(cifar_net(8, family="plain"), torch.randn(2, 3, 8, 8)).set_index("layer")
    for conv, follower in (
        ("conv1", "relu1"),
        ("stage1.0.conv2", "stage1.0.bn2"),
        ("stage2.0.conv1", "stage2.0.relu1"),
    ):
        assert layers.layer_depth[conv] == layers.layer_depth[follower]


def test_stages_are_runs_of_one_map_size():
    layers = depths_of(cifar_net(8), torch.randn(2, 3, 8, 8))
    stage_of = layers.set_index("layer").stage
    assert [stage_of[name] for name in ("conv1", "stage1.0.conv2", "stage2.0.conv1", "stage3.0.relu2", "fc")] == [
        0, 0, 1, 2, 3,
    ]  # fmt: skip


def test_order_is_execution_order():
    class Swapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.first = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            return self.second(self.first(x))

    layers = depths_of(Swapped(), torch.randn(2, 3)).set_index("layer")
    assert (layers.order["first"], layers.order["second"]) == (0, 1)
    assert (layers.layer_depth["first"], layers.layer_depth["second"]) == (1, 2)


def test_containers_are_chosen_by_exact_name_only():
    model = cifar_net(8)
    assert "stage1" not in select_layers(model, "stage1*")
    assert list(select_layers(model, "stage1")) == ["stage1"]
    assert "fc" not in select_layers(model, exclude=["fc", "stage*"])


def test_modules_with_own_parameters_are_layers():
    assert {"", "out_proj"} & set(select_layers(nn.MultiheadAttention(4, 2))) == {"out_proj"}
    assert "(root)" in select_layers(nn.MultiheadAttention(4, 2))


@pytest.mark.parametrize(
    "make", [nn.LazyLinear, lambda n: nn.Sequential(nn.Flatten(), nn.LazyBatchNorm1d(), nn.Linear(2, n))]
)
def test_a_lazy_model_is_to_be_run_once_before_anything_else(make):
    x = torch.ones(4, 2)
    doors = {
        "record": gradflow.record,
        "analyze": lambda model: analyze_gradients(model, x),
        "forecast": lambda model: gradflow.forecast(model, x, torch.zeros(4, 3), lr=0.1),
        "paths": lambda model: effective_paths(model, x),
        "shattering": lambda model: shattering(model, x),
        "gradients": lambda model: on_parameter_gradients(model, print).__enter__(),
    }
    for name, door in doors.items():
        with pytest.raises((LazyModelError, AnalysisError), match="run one batch through it first") as raised:
            door(make(3))
        assert "\n" not in str(raised.value), name
    model = make(3)
    model(x)
    gradflow.record(model).close()
