"""Networks by name: what is filled in, what is refused, and that all of them can be recorded."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional

import gradflow
from gradflow.models import CATALOGUE, build, check, cifar_net, mini_net, mlp, resnet, transformer
from gradflow.models.depths import Depths
from gradflow.theory import ACTIVATIONS

DEPTHS = {"cifar": 8, "resnet": 18, "mini": 10, "mlp": 5, "transformer": 2}
NETWORKS = [(model, family) for model, entry in CATALOGUE.items() for family in entry.families]
NARROW = {"resnet": {"stem": "small", "widths": (4, 4, 8, 8)}, "transformer": {"width": 16}}
SHAPE = (2, 8, 8)
WITHOUT_SKIPS = ("plain", "no-skip")


def narrow(model, family, **options):
    torch.manual_seed(4)
    options = {**NARROW.get(model, {}), **options}
    return build(model, DEPTHS[model], family=family, input_shape=SHAPE, num_classes=3, options=options)


@pytest.mark.parametrize("model", CATALOGUE)
def test_defaults_are_those_of_the_builder(model):
    entry = CATALOGUE[model]
    filled = check(model, DEPTHS[model], entry.families[0], {})
    assert list(filled) == list(entry.options)
    assert filled == json.loads(json.dumps(filled))
    assert check(model, DEPTHS[model], entry.families[0], filled) == filled
    builders = {"cifar": cifar_net, "resnet": resnet, "mini": mini_net, "transformer": transformer}
    for name, value in entry.options.items():
        written = {**mlp.__kwdefaults__} if model == "mlp" else builders[model].__kwdefaults__
        assert written[name] == (None if value == "none" else value)


def test_networks_are_those_of_the_builders():
    images = torch.randn(4, 3, 8, 8)
    widths = (3, 4, 5)
    pairs = [
        (
            "cifar",
            14,
            "preactivation",
            {"widths": widths},
            lambda: cifar_net(14, family="preactivation", widths=widths),
        ),
        ("mini", 6, "plain", {"norm": "group"}, lambda: mini_net(6, family="plain", norm="group")),
        ("resnet", 18, "plain", {"stem": "small"}, lambda: resnet(18, family="plain", stem="small", num_classes=10)),
        ("mlp", 3, "residual", {"norm": "layer"}, lambda: mlp(3, in_features=192, norm="layer", skip=True)),
        ("transformer", 1, "post-norm", {}, lambda: transformer(1, family="post-norm", input_shape=(3, 8, 8))),
    ]
    for model, depth, family, options, builder in pairs:
        torch.manual_seed(1)
        built = build(model, depth, family=family, input_shape=(3, 8, 8), num_classes=10, options=options)
        torch.manual_seed(1)
        assert torch.equal(built(images), builder()(images)), model


@pytest.mark.parametrize(
    ("options", "widths", "norm"),
    [
        ({"widths": [8, 16, 32]}, [8, 16, 32], "batch"),
        ({"widths": (8, 16, 32), "norm": None}, [8, 16, 32], "none"),
        ({"widths": "8,16, 32", "norm": "none"}, [8, 16, 32], "none"),
    ],
)
def test_options_come_from_python_toml_or_the_command_line(options, widths, norm):
    filled = check("cifar", 20, "plain", options)
    assert filled["widths"] == widths
    assert filled["norm"] == norm
    assert check("mlp", 5, "plain", {"width": "64"})["width"] == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "cifr"}, "model must be one of .*; got 'cifr'. Nearest: cifar."),
        ({"depth": 21}, r"depth must be 6n \+ 2 \(8, 14, 20, ...\); got 21. Nearest: 20, 26."),
        ({"depth": 20.0}, r"depth must be 6n \+ 2 .*; got 20.0."),
        ({"depth": True}, "got True"),
        ({"model": "mini"}, r"depth must be 4n \+ 2 \(6, 10, 14, ...\); got 20. Nearest: 18, 22."),
        ({"model": "mlp", "depth": 1}, "depth must be at least 2; got 1. Nearest: 2."),
        ({"family": "pre-norm"}, "family must be one of plain, residual, preactivation; got 'pre-norm'."),
        ({"options": {"widht": 1}}, "options of cifar must be among shortcut, .*; got 'widht'. Nearest: widths."),
        ({"options": {"widths": (1, 2)}}, r"widths must be 3 positive ints, such as 16, 32, 64; got \(1, 2\)."),
        ({"options": {"widths": "1,x,3"}}, "widths must be a whole number of at least 1; got 'x'."),
        ({"options": {"norm": "instance"}}, "norm must be one of batch, none, group, layer; got 'instance'."),
        ({"options": {"norm": ["batch"]}}, r"norm must be one of .*; got \['batch'\]."),
        ({"options": {"init": "critical", "activation": "gelu"}}, "init='critical' is for activation relu, .*'gelu'"),
        ({"model": "mlp", "options": {"width": 0}}, "width must be at least 1; got 0."),
        ({"model": "mlp", "options": {"width": True}}, "width must be a whole number of at least 1; got True."),
        (
            {"model": "transformer", "family": "pre-norm", "options": {"heads": 3}},
            "heads must divide width 64; got 3. Nearest: 2.",
        ),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        check(**{"model": "cifar", "depth": 20, "family": "plain", "options": {}, **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "classes", "message"),
    [
        ((3, 32), 10, r"input_shape must be channels, height, width, each at least 1; got \(3, 32\)"),
        ((3, 32, 32), 0, "num_classes must be at least 1; got 0"),
        ((3, 30, 32), 10, "patch must divide the image's 30 x 32 pixels; got 4. Nearest: 2."),
    ],
)
def test_images_that_do_not_fit(shape, classes, message):
    with pytest.raises(ValueError, match=message):
        build("transformer", 1, family="pre-norm", input_shape=shape, num_classes=classes, options={})


def test_nearest_depths():
    steps = Depths("6n + 2", smallest=8, step=6)
    assert [steps.nearest(depth) for depth in (1, 8, 9, 13, 14)] == [(8, 14), (8,), (8, 14), (8, 14), (14,)]
    assert [Depths("any", smallest=2).nearest(depth) for depth in (0, 2, 3)] == [(2,), (2,), (3,)]
    few = Depths("few", few=(18, 34))
    assert [few.nearest(depth) for depth in (1, 18, 20, 34, 99)] == [(18,), (18,), (18, 34), (34,), (34,)]


@pytest.mark.parametrize(("model", "family"), NETWORKS)
def test_joins_are_found_where_the_family_has_skips(model, family):
    images, targets = torch.randn(4, *SHAPE), torch.tensor([0, 1, 2, 0])
    found = gradflow.analyze_gradients(narrow(model, family), images, targets)
    n_skips = {"cifar": 3, "resnet": 8, "mini": 4, "mlp": 3, "transformer": 4}[model]
    assert found.recording.skips["join"].nunique() == (0 if family in WITHOUT_SKIPS else n_skips)


@pytest.mark.parametrize(("model", "family"), NETWORKS)
def test_networks_are_recorded(model, family):
    images, targets = torch.randn(4, *SHAPE), torch.tensor([0, 1, 2, 0])
    net = narrow(model, family)
    with gradflow.record(net) as recorder:
        functional.cross_entropy(net(images), targets).backward()
        recorder.step()
    layers = recorder.recording.layers
    weighted = layers[layers["weighted"]]
    assert weighted["out_grad_norm"].gt(0).all()
    assert weighted["layer_depth"].max() == (4 * 2 + 2 if model == "transformer" else DEPTHS[model])
    one = weighted.set_index("layer")["grad_norm"]
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            gradients = torch.cat([parameter.grad.flatten() for parameter in module.parameters()])
            assert one[name] == pytest.approx(gradients.double().norm().item(), rel=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("model", ["mini", "mlp", "transformer"])
def test_any_activation(model, activation):
    net = narrow(model, CATALOGUE[model].families[-1], activation=activation)
    kinds = {type(module).__name__ for module in net.modules()}
    torch_names = {"leaky-relu": "LeakyReLU", "silu": "SiLU"}
    expected = torch_names.get(activation, activation).lower()
    assert expected in {kind.lower() for kind in kinds}
    assert net(torch.randn(4, *SHAPE)).isfinite().all()
