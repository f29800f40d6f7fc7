"""Targets: from a name to a model and a batch that runs through it."""

import sys
import types

import pytest
import torch
from torch import nn

from gradflow import targets
from gradflow.targets import TargetError, load_target, random_input

FILE = """
import dataclasses
import beside
import torch
from torch import nn

@dataclasses.dataclass
class Options:
    width: int = beside.WIDTH

def make():
    return nn.Linear(Options().width, 2)

def with_input():
    return make(), torch.ones(3, 4)

def with_targets():
    return make(), torch.ones(3, 4), torch.zeros(3).long()

def four():
    return make(), 1, 2, 3

def nothing():
    return ()

def number():
    return 3

def fails():
    raise KeyError("weights\\nare missing")

model = make()
_hidden = make
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    (tmp_path / "nets_of_mine.py").write_text(FILE, encoding="utf-8")
    (tmp_path / "beside.py").write_text("WIDTH = 4", encoding="utf-8")
    (tmp_path / "broken.py").write_text("import", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "nets_of_mine.py"
    for name in ("nets_of_mine", "beside", "broken"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("source", ["nets_of_mine.py", "nets_of_mine", "./nets_of_mine.py"])
def test_a_factory_in_a_file_or_a_module(file, source):
    path, state = list(sys.path), torch.get_rng_state()
    found = load_target(f"{source}:make")
    assert isinstance(found.model, nn.Linear)
    assert found.inputs.shape == (8, 4)
    assert (found.origin, found.targets) == ("guessed", None)
    assert sys.path == path
    assert torch.equal(torch.get_rng_state(), state)


def test_a_factory_may_give_the_batch(file):
    assert load_target(f"{file}:with_input").origin == "factory"
    assert load_target(f"{file}:with_targets").targets.tolist() == [0, 0, 0]
    assert load_target(f"{file}:with_input", shape=(2, 4)).inputs.shape == (2, 4)
    assert isinstance(load_target(f"{file}:model").model, nn.Linear)


def test_the_seed_decides_weights_and_inputs(file):
    one, two, other = (load_target(f"{file}:make", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.model.weight, two.model.weight)
    assert torch.equal(one.inputs, two.inputs)
    assert not torch.equal(one.model.weight, other.model.weight)
    assert not torch.equal(one.inputs, other.inputs)


def test_a_class_with_no_arguments_is_a_factory(monkeypatch):
    module = types.ModuleType("one_class")
    module.Net = type("Net", (nn.Linear,), {"__init__": lambda self: nn.Linear.__init__(self, 5, 5)})
    monkeypatch.setitem(sys.modules, "one_class", module)
    assert load_target("one_class:Net").inputs.shape == (8, 5)


def flat(size, channels=1):
    return nn.Sequential(nn.Conv2d(channels, 2, 3), nn.Flatten(), nn.Linear(2 * (size - 2) ** 2, 3))


class NeedsTwo(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 4)

    @property
    def dummy_inputs(self):
        return {"one": torch.ones(2, 3, dtype=torch.long), "two": torch.ones(2, 3, dtype=torch.long)}

    def forward(self, one, two):
        return self.embedding(one) + self.embedding(two)


GUESSES = {
    "first convolution": (lambda: nn.Conv2d(3, 4, 7, stride=2), (8, 3, 224, 224)),
    "small pictures": (lambda: nn.Conv2d(3, 4, 3), (8, 3, 32, 32)),
    "what fits after flattening": (lambda: flat(28), (8, 1, 28, 28)),
    "and again": (lambda: flat(64, channels=3), (8, 3, 64, 64)),
    "signal": (lambda: nn.Conv1d(2, 4, 3), (8, 2, 1024)),
    "volume": (lambda: nn.Conv3d(1, 2, 3), (8, 1, 16, 112, 112)),
    "features": (lambda: nn.Sequential(nn.ReLU(), nn.Linear(6, 2)), (8, 6)),
    "sequence of features": (lambda: nn.TransformerEncoderLayer(8, 2, batch_first=True), (8, 16, 8)),
    "recurrent": (lambda: nn.LSTM(5, 3, batch_first=True), (8, 16, 5)),
    "tokens": (lambda: nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 2)), (8, 16)),
}


@pytest.mark.parametrize("which", GUESSES)
def test_the_guess_follows_the_first_layer(which, monkeypatch):
    make, shape = GUESSES[which]
    module = types.ModuleType("guesses")
    module.make = make
    monkeypatch.setitem(sys.modules, "guesses", module)
    found = load_target("guesses:make")
    assert tuple(found.inputs.shape) == shape
    found.model(found.inputs)


def test_trying_a_guess_changes_nothing(monkeypatch):
    module = types.ModuleType("guesses")
    module.make = lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    monkeypatch.setitem(sys.modules, "guesses", module)
    model = load_target("guesses:make").model
    assert int(model[1].num_batches_tracked) == 0
    assert model.training
    assert not model[1]._forward_hooks


def test_a_models_own_dummy_inputs_are_the_last_resort(monkeypatch):
    module = types.ModuleType("guesses")
    module.make = NeedsTwo
    monkeypatch.setitem(sys.modules, "guesses", module)
    assert set(load_target("guesses:make").inputs) == {"one", "two"}


def test_random_inputs_have_the_models_type():
    assert random_input(nn.Linear(2, 2).double(), (3, 2)).dtype == torch.float64
    tokens = random_input(nn.Embedding(7, 2), (50,))
    assert tokens.dtype == torch.int64
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < 7


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet50", "target must be one of torchvision:NAME.*got 'resnet50'"),
        (":make", "got ':make'"),
        ("no_such_file.py:make", "no file no_such_file.py"),
        ("no_such_module:make", "No module named 'no_such_module'"),
        ("nets_of_mine.py:makes", "no factory 'makes'. Nearest: make"),
        ("nets_of_mine.py:number", "must return a torch.nn.Module.*got int"),
        ("nets_of_mine.py:four", "must return a torch.nn.Module"),
        ("nets_of_mine.py:nothing", "must return a torch.nn.Module.*got tuple"),
        ("nets_of_mine.py:fails", "failed: KeyError"),
        ("broken.py:make", "cannot be imported: SyntaxError"),
        (
            "torch.nn:Linear",
            r"needs a value for in_features, out_features \(--set in_features=...\); its signature is Linear\(",
        ),
        ("torch.nn:ReLU", "no convolution, linear, recurrent or embedding layer"),
    ],
)
def test_a_target_that_names_no_model_is_one_line(file, name, message):
    with pytest.raises(TargetError, match=message) as raised:
        load_target(name)
    assert "\n" not in str(raised.value)


FACTORIES = {
    "needs": lambda depth, width=4, *, input_shape, num_classes: nn.Sequential(
        nn.Linear(input_shape[0], width),
        *[nn.Linear(width, width) for _ in range(depth)],
        nn.Linear(width, num_classes),
    ),
    "any": lambda **settings: nn.Linear(**settings),
    "positional": lambda n, /: nn.Linear(n, n),
    "whole": nn.Linear(3, 2),
}


@pytest.fixture
def factories(monkeypatch):
    module = types.ModuleType("factories_of_mine")
    vars(module).update(FACTORIES)
    monkeypatch.setitem(sys.modules, "factories_of_mine", module)


def test_a_factory_is_called_with_its_settings_and_what_the_data_decides(factories):
    found = load_target("factories_of_mine:needs", shape=(5, 7), num_classes=3, settings={"depth": 2, "width": 6})
    shapes = [tuple(layer.weight.shape) for layer in found.model]
    assert shapes == [(6, 7), (6, 6), (6, 6), (3, 6)]
    assert found.inputs.shape == (5, 7)
    given = {"depth": 1, "input_shape": (9,), "num_classes": 2}
    found = load_target("factories_of_mine:needs", settings=given)
    assert [tuple(layer.weight.shape) for layer in found.model] == [(4, 9), (4, 4), (2, 4)]
    found = load_target("factories_of_mine:any", settings={"in_features": 2, "out_features": 5})
    assert tuple(found.model.weight.shape) == (5, 2)


@pytest.mark.parametrize(
    ("factory", "settings", "message"),
    [
        (
            "needs",
            {},
            r"needs a value for depth, input_shape, num_classes \(--set depth=...\); its signature is needs\(depth",
        ),
        ("needs", {"deep": 3}, r"takes no argument deep; its signature is needs\(depth, width=4, \*, input_shape, num"),
        ("needs", {"depth": "x", "input_shape": (3,), "num_classes": 2}, "failed: TypeError"),
        ("positional", {"n": 3}, r"takes no argument n; its signature is positional\(n, /\)"),
        ("positional", {}, "needs a value for n"),
        ("whole", {"depth": 3}, "is a model already, and takes no depth"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(factories, factory, settings, message):
    with pytest.raises(TargetError, match=message) as raised:
        load_target(f"factories_of_mine:{factory}", settings=settings)
    assert "\n" not in str(raised.value)


def test_a_librarys_model_takes_settings_and_no_trained_weights(monkeypatch):
    library = types.ModuleType("timm")
    library.list_models = lambda: ["net"]
    library.create_model = lambda name, pretrained, width=3: nn.Linear(width, 2)
    monkeypatch.setitem(sys.modules, "timm", library)
    assert load_target("timm:net", settings={"width": 5}).inputs.shape == (8, 5)
    with pytest.raises(TargetError, match=r"net cannot be created with wide=5: TypeError: .*wide"):
        load_target("timm:net", settings={"wide": 5})
    with pytest.raises(TargetError, match="without trained weights, so it takes no pretrained"):
        load_target("timm:net", settings={"pretrained": True})


def test_what_fits_nothing_asks_for_the_shape(monkeypatch):
    module = types.ModuleType("guesses")
    module.make = lambda: flat(17)
    monkeypatch.setitem(sys.modules, "guesses", module)
    with pytest.raises(TargetError, match=r"10 shapes that its first layer, 0 \(Conv2d\).*--input 8,3,224,224"):
        load_target("guesses:make")
    assert load_target("guesses:make", shape=(2, 1, 17, 17)).origin == "given"


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_missing_library_is_one_line(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setitem(sys.modules, f"{library}.models", None)
    with pytest.raises(TargetError, match=f"{library} is not installed; pip install {library}"):
        load_target(f"{library}:resnet50")


def test_a_library_that_does_not_import_is_told_from_a_missing_one(monkeypatch):
    def fail(name):
        raise ModuleNotFoundError("No module named 'its_part'", name="its_part")

    monkeypatch.setattr(targets.importlib, "import_module", fail)
    with pytest.raises(TargetError, match=r"timm cannot be imported.*its_part"):
        load_target("timm:resnet50")
