"""A user's own network and data, by name: what is checked beforehand, and what is trained."""

import sys

import pytest
import torch
from torch import nn

from gradflow import storage
from gradflow.experiments import DataError, PlanError, RunsFailedError, compare, load_data, plan
from gradflow.experiments.own_factory import Factory
from gradflow.experiments.train import build

NETS = """
from torch import nn


def make(depth, width=8, family="plain", *, input_shape, num_classes):
    if depth > 6:
        raise RuntimeError("no more than 6 layers,\\nsays the factory")
    sizes = [input_shape[0], *[width] * (depth - 1)]
    layers = [layer for pair in zip(sizes, sizes[1:]) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(width, num_classes))


class Bare(nn.Linear):
    def __init__(self, input_shape, num_classes):
        super().__init__(input_shape[0], num_classes)


def any_settings(**settings):
    return nn.Linear(4, 3)


def positional(depth, /):
    return nn.Linear(4, 3)


def number():
    return 3


def pair(input_shape, num_classes):
    class Pair(nn.Linear):
        def forward(self, x):
            return super().forward(x), x
    return Pair(input_shape[0], num_classes)


a_constant = 3
"""

DATA = """
import numpy as np
import torch

generator = torch.Generator().manual_seed(0)
X = torch.randn(96, 4, generator=generator)
Y = (X[:, 0] > 0).long() + (X[:, 1] > 1).long()


def make():
    return X[:64], Y[:64], X[64:], Y[64:]


def arrays():
    return X[:64].double().numpy(), Y[:64].numpy().astype("int32"), X[64:].numpy(), Y[64:].numpy()


def three():
    return X, Y, X


def regression():
    return X, X[:, 0], X, X[:, 0]


def unequal():
    return X, Y[:5], X, Y


def holes():
    return X / 0 * 0, Y, X, Y


def negative():
    return X, Y - 1, X, Y


def shapes():
    return X, Y, X[:, :2], Y


def fails():
    raise OSError("no disk")
"""


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    (tmp_path / "mynets.py").write_text(NETS)
    (tmp_path / "mydata.py").write_text(DATA)
    monkeypatch.chdir(tmp_path)
    load_data.cache_clear()
    yield
    for name in ("mynets", "mydata"):
        sys.modules.pop(name, None)


SMALL = {"data": "mydata:make", "model": "mynets:make", "seeds": 1, "steps": 4, "batch_size": 16, "device": "cpu"}


def test_a_factory_is_trained_with_what_varies(tmp_path):
    recordings = compare(
        vary={"depth": [2, 4], "family": ["plain", "residual"], "width": [8]}, out=tmp_path / "out", workers=1, **SMALL
    )
    found = {(one.meta["family"], one.meta["depth"], one.meta["settings"]["width"]) for one in recordings}
    assert found == {("plain", 2, 8), ("plain", 4, 8), ("residual", 2, 8), ("residual", 4, 8)}
    for recording in recordings:
        assert recording.layers[recording.layers["step"] == 0]["weighted"].sum() == recording.meta["depth"]
        assert recording.steps["train_error"].iloc[-1] <= 1
    assert len(storage.find([tmp_path / "out" / "runs"])) == 4


def test_without_a_depth_the_factory_names_the_family():
    (run,) = plan(**{**SMALL, "model": "mynets:Bare"})
    assert (run.family, run.depth, run.label) == ("Bare", None, "Bare seed 0")
    assert run.id.startswith("Bare-seed0-")
    (run,) = plan(vary={"heads": [2]}, **{**SMALL, "model": "mynets.py:any_settings"})
    assert run.settings["heads"] == 2


def test_weights_come_from_the_seed():
    first, again, other = (plan([3], **{**SMALL, "seeds": [seed]})[0] for seed in (1, 1, 2))
    data = load_data("mydata:make")
    weights = [torch.cat([p.flatten() for p in build(run, data).parameters()]) for run in (first, again, other)]
    torch.manual_seed(1)
    oracle = nn.Linear(4, 8)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(weights[0][:32], oracle.weight.detach().flatten())


def test_an_edited_network_is_another_run(tmp_path):
    before = plan([3], **SMALL)[0].id
    assert plan([3], **SMALL)[0].id == before
    sys.modules.pop("mynets")
    (tmp_path / "mynets.py").write_text(NETS.replace("nn.ReLU()", "nn.Tanh()"))
    assert plan([3], **SMALL)[0].id != before


def test_a_factory_that_fails_costs_its_runs_alone(tmp_path):
    with pytest.raises(RunsFailedError, match="RuntimeError: no more than 6 layers,") as caught:
        compare([2, 8], out=tmp_path / "out", workers=1, **SMALL)
    assert [recording.meta["depth"] for recording in caught.value.recordings] == [2]
    assert "\n" not in str(caught.value)


def test_a_network_that_returns_no_logits_says_so(tmp_path):
    with pytest.raises(RunsFailedError, match=r"must return logits \(batch, classes\); it returned tuple"):
        compare(out=tmp_path / "out", workers=1, **{**SMALL, "model": "mynets:pair"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "mynets:mak"}, "model mynets:mak: mynets has no factory 'mak'. Nearest: make"),
        ({"model": "mynet:make"}, "model mynet:make cannot be imported: ModuleNotFoundError"),
        ({"model": "nets.py:make"}, "model there is no file nets.py"),
        ({"model": "mynets:a_constant"}, "has no factory 'a_constant'"),
        ({"model": "mynets:positional", "depths": [2]}, "by name; depth cannot be named"),
        ({}, r"model mynets:make needs a value for depth: --vary depth=\.\.\."),
        (
            {"vary": {"widht": [2]}, "depths": [2]},
            "takes no argument widht. Did you mean width. It takes: depth,",
        ),
        ({"model": "mynets:Bare", "depths": [2]}, "model mynets:Bare takes no argument depth. It takes: none"),
        ({"model": "mynets"}, "model must be one of cifar, .*, timm:NAME, or a factory package.module:FACTORY"),
    ],
)
def test_what_is_wrong_with_a_network_is_said_before_training(arguments, message):
    with pytest.raises(PlanError, match=message) as caught:
        plan(**{**SMALL, **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"augment": ["flip"]}, r"augment takes images \(channels, height, width\); inputs of mydata:make are \(4,\)"),
        ({"model": "mlp"}, r"model mlp takes images \(channels, height, width\); inputs of mydata:make are \(4,\)"),
        ({"batch_size": 80}, "batch size must be at most the 64 training images of mydata:make; got 80"),
    ],
)
def test_what_does_not_fit_the_data_is_said_before_training(settings, message, tmp_path):
    with pytest.raises(PlanError, match=message):
        compare([3], out=tmp_path / "out", **{**SMALL, **settings})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("three", "or a Dataset; got 3 values"),
        ("regression", r"labels must be whole numbers \(classification\); got torch.float32 in train"),
        ("unequal", r"train must have one label per input; got \(5,\) for 96 inputs"),
        ("holes", "inputs must be finite; 384 entries are not"),
        ("negative", "labels must be at least 0; got -1 in train"),
        ("shapes", r"inputs must have the same shape; got \(4,\) and \(2,\)"),
        ("fails", "data mydata:fails failed: OSError: no disk"),
        ("missing", "data mydata:missing: mydata has no factory 'missing'"),
    ],
)
def test_what_is_wrong_with_data_is_one_line(name, message):
    with pytest.raises(DataError, match=message) as caught:
        load_data(f"mydata:{name}")
    assert "\n" not in str(caught.value)


def test_arrays_are_taken_as_tensors():
    data, arrays = load_data("mydata:make"), load_data("mydata:arrays")
    assert arrays.train_images.dtype == torch.float32
    assert arrays.train_labels.dtype == torch.int64
    assert torch.equal(data.train_images, arrays.train_images)
    assert data.num_classes == 3


def test_what_a_factory_returns_is_checked():
    run = plan(**{**SMALL, "model": "mynets:number"})[0]
    with pytest.raises(PlanError, match=r"must return a torch\.nn\.Module; got int"):
        build(run, load_data("mydata:make"))


def test_a_class_tells_its_arguments():
    assert Factory.of("mynets:Bare").arguments == ()
    assert Factory.of("mynets:make").required == ("depth",)
