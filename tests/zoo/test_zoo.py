"""A sample of the zoo; `python -m benchmarks.zoo` runs the whole of it."""

import importlib
import math

import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks.zoo.check import Pass, check, compare_rows, first_difference, wrong_parameters
from benchmarks.zoo.oracles import Answer
from benchmarks.zoo.specimen import Batch, Specimen

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own

SAMPLE = {
    "torchvision": ["resnet18", "densenet121", "googlenet", "fasterrcnn_mobilenet_v3_large_320_fpn", "raft_small"],
    "timm": ["test_vit", "test_efficientnet", "xcit_nano_12_p8_224", "test_mambaout"],
    "transformers": ["bert", "llama", "t5", "clip", "mixtral"],
}
# No float64: raft reads its feature maps at float32 coordinates, grouped experts multiply in float32.
FLOAT32 = {"raft_small", "mixtral"}


@pytest.mark.parametrize(("library", "model"), [(library, name) for library, names in SAMPLE.items() for name in names])
def test_recording_a_library_model(library, model):
    source = importlib.import_module(f"benchmarks.zoo.from_{library}")
    row = check(source.specimens(model))
    assert row["outcome"] == "checked", row["note"]
    assert row["identical"], row["difference"]
    assert row["parameters_right"], row["wrong_parameters"]
    assert row["oracle"] == f"zero leaf, float{32 if model in FLOAT32 else 64}", row["oracle_causes"]
    assert row["compared"] >= 0.5 * row["rows"]
    assert row["outputs_wrong"] == 0, row["wrong_outputs"]
    assert row["outputs_missed"] == 0, row["missed_outputs"]


def test_every_library_lists_what_it_promises():
    expected = {"torchvision": 100, "timm": 200, "transformers": 60}
    for library, least in expected.items():
        names = importlib.import_module(f"benchmarks.zoo.from_{library}").names()
        assert len(names) == len(set(names)) >= least


def test_wrong_norms_are_found():
    layers = pd.DataFrame(
        {"layer": ["a", "b", "c"], "call": 0, "output": 0, "out_grad_norm": [1.0, 2.0, math.nan]}
        | {"status": ["measured", "measured", "not in the graph"]}
    )
    right = {"a": 1.0, "b": 2.0 + 1e-5, "c": 3.0}
    expected = {(name, 0, 0): Answer(by_edge=norm, by_zero=norm, is_input=False) for name, norm in right.items()}
    found = compare_rows(layers, expected, torch.float64)
    assert (found["compared"], found["outputs_wrong"], found["outputs_missed"]) == (2, 1, 1)
    assert "'b'" in found["wrong_outputs"]
    assert "'c'" in found["missed_outputs"]


def test_other_uses_of_an_output_are_told_from_errors():
    layers = pd.DataFrame({"layer": ["a"], "call": [0], "output": [0], "out_grad_norm": [5.0], "status": ["measured"]})
    found = compare_rows(layers, {("a", 0, 0): Answer(by_edge=5.0, by_zero=1.0, is_input=False)}, torch.float64)
    assert (found["outputs_wrong"], found["other_uses"]) == (0, 1)


def test_a_changed_gradient_is_a_difference():
    def step(scale):
        torch.manual_seed(0)
        model = nn.Linear(2, 1)
        output = model(torch.ones(1, 2))
        (scale * output.sum()).backward()
        return Pass(model, [output.detach()], [torch.get_rng_state(), 0, (0,)])

    assert first_difference(step(1.0), step(1.0)) == ""
    assert first_difference(step(1.0), step(1.0 + 1e-7)) == "gradient of weight"


def test_wrong_parameter_norms_are_named():
    model = nn.Linear(2, 1)
    model(torch.ones(1, 2)).sum().backward()
    weight_norm = math.sqrt(sum(float(parameter.detach().square().sum()) for parameter in model.parameters()))
    layers = pd.DataFrame({"layer": ["(root)"], "grad_norm": [1.74], "weight_norm": [weight_norm]})
    found = list(wrong_parameters(Pass(model, [], [], layers, math.sqrt(3))))
    assert found == [f"(root) grad_norm 1.74 for {math.sqrt(3):.9g}"]


def test_what_does_not_train_is_left_out():
    row = check([Specimen(lambda: nn.Linear(2, 1), [lambda model: Batch((torch.ones(1, 3),))])])
    assert row["outcome"] == "left out"
    assert row["note"].startswith("forward: RuntimeError")
