"""doctor(): each mistake is named in a network that has it, with its line, and not in its healthy twin."""

import copy
import functools
import random

import numpy as np
import planted
import pytest
import torch
from planted import line_of
from torch import nn
from torch.nn import functional

import gradflow
from gradflow.diagnosis.finding import LAYOUT
from gradflow.models import CATALOGUE, build
from gradflow.probe.doctor import doctor
from gradflow.probe.loss import AnalysisError
from gradflow.probe.trial import ForecastError
from gradflow.reference import figures
from gradflow.text import catalogue


def images(n=8, size=16):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, size, size, generator=generator), torch.arange(n) % 10


def clouds(n=48, features=12, classes=3):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % classes
    centres = torch.randn(classes, features, generator=generator)
    return centres[labels] + torch.randn(n, features, generator=generator), labels


def seeded(make, *arguments, **options):
    torch.manual_seed(0)
    return make(*arguments, **options)


def named(found):
    """The findings that name something, by key."""
    return {one.key: one for one in found.findings if one.severity in ("problem", "notice")}


def of_block(block):
    return named(doctor(seeded(planted.Net, block), *images()))


HEALTHY = {
    "post-activation": planted.Block,
    "pre-activation": planted.PreActivation,
    "activation first": planted.ActivationFirst,
    "linear bottleneck": planted.Inverted,
    "linear bottleneck without expansion": functools.partial(planted.Inverted, expansion=1),
    "dense": planted.Dense,
    "layer scale": functools.partial(planted.Scaled, start=1e-6),
    "layer scale of zero": planted.Scaled,
    "ReZero": functools.partial(planted.Scaled, channels=False),
    "Fixup": planted.Fixup,
    "zero gamma": planted.ZeroGamma,
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_blocks_are_left_in_peace(name):
    assert of_block(HEALTHY[name]) == {}


def test_generators_have_no_activation_behind_their_additions_on_purpose():
    assert named(doctor(seeded(planted.Generator), images()[0])) == {}


# What each block has, the severity, the layer named, the line to change.
MISTAKES = {
    planted.NoNormOnProjection: (
        "projection_without_norm",
        "blocks.2.skip.0",
        "self.skip = nn.Sequential(nn.Conv2d(a, b, 1, stride=stride, bias=False))",
    ),
    planted.NoActivation: ("no_activation_after_addition", "blocks.0", "return branch + self.skip(x)"),
    planted.NormBehind: ("norm_after_activation", "blocks.0.bn1", "x = self.bn1(functional.relu(self.conv1(x)))"),
    planted.NormTwice: ("norm_twice", "blocks.0.bn3", "branch = self.bn3(branch)"),
    planted.Biased: (
        "bias_before_norm",
        "blocks.0.conv2",
        "self.conv2 = nn.Conv2d(b, b, 3, padding=1)  # with a bias",
    ),
}


@pytest.mark.parametrize("block", MISTAKES)
def test_a_mistake_of_layout_is_a_notice_with_the_line_to_change(block):
    key, layer, code = MISTAKES[block]
    found = of_block(block)
    assert found.keys() == {key}
    assert (found[key].severity, found[key].values["layer"]) == ("notice", layer)
    assert found[key].values["file"].endswith("planted.py")
    assert (found[key].values["line"], found[key].values["code"]) == (line_of(code), code)
    assert found[key].change


def test_how_many_there_are_is_said():
    said = str(of_block(planted.NoActivation)["no_activation_after_addition"])
    assert "2 of 3 additions" in said  # the last goes into the pooling, of which nothing can be said
    assert "Their 64 entries have no effect" in str(of_block(planted.Biased)["bias_before_norm"])


def test_a_skip_across_a_change_of_shape_is_explained():
    found = of_block(planted.NoProjection)
    assert found.keys() == {"skip_shape"}
    one = found["skip_shape"]
    assert (one.severity, one.values["module"]) == ("problem", "blocks.2")
    assert (one.values["skip"], one.values["branch"]) == ("8 × 16 × 16 × 16", "8 × 32 × 8 × 8")
    assert one.values["line"] == line_of("branch += x")
    assert one.change.endswith("nn.Conv2d(16, 32, kernel_size=1, stride=2, bias=False)")


def test_a_class_without_a_file_as_of_a_notebook_costs_its_line_alone():
    names = {"__name__": "cell", "nn": nn}
    exec("class Net(nn.Sequential):\n    def forward(self, x):\n        return super().forward(x).softmax(1)", names)
    assert "probabilities" in named(doctor(names["Net"](nn.Linear(4, 3)), torch.eye(4), torch.tensor([0, 1, 2, 0])))


def test_the_projection_that_is_named_mends_it():
    class Mended(planted.NoProjection):
        def __init__(self, a, b):
            super().__init__(a, b)
            code = of_block(planted.NoProjection)["skip_shape"].values["projection"] if a != b else "nn.Identity()"
            self.fix = eval(code, {"nn": nn})

        def forward(self, x):
            branch = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
            return functional.relu(branch + self.fix(x))

    found = of_block(Mended)
    assert found.keys() <= {"projection_without_norm"}  # which the sentence asks for as well


class Sum(nn.Module):
    """x + layer(x), or what else `add` makes of them."""

    def __init__(self, layer, add=torch.add):
        super().__init__()
        self.layer, self.add = layer, add

    def forward(self, x):
        return self.add(x, self.layer(x))


@pytest.mark.parametrize(
    ("layer", "shape", "projection"),
    [
        (nn.Linear(6, 4), (5, 6), "nn.Linear(6, 4, bias=False)"),
        (nn.Linear(6, 4), (5, 7, 6), "nn.Linear(6, 4, bias=False)"),
        (nn.Conv1d(6, 8, 3, padding=1), (5, 6, 9), "nn.Conv1d(6, 8, kernel_size=1, bias=False)"),
        (nn.Conv2d(6, 6, 3, stride=2, padding=1), (5, 6, 9, 9), "nn.Conv2d(6, 6, kernel_size=1, stride=2, bias=False)"),
        (nn.Conv3d(2, 4, 3, padding=1), (1, 2, 4, 4, 4), "nn.Conv3d(2, 4, kernel_size=1, bias=False)"),
        (nn.Conv2d(6, 6, 3), (5, 6, 9, 9), None),  # a padding is missing, which no projection is for
    ],
)
def test_the_projection_fits_the_shapes(layer, shape, projection):
    found = named(doctor(nn.Sequential(Sum(layer)), torch.randn(shape)))
    assert found.keys() == {"skip_shape" if projection else "addition_shape"}
    one = next(iter(found.values()))
    assert one.values.get("projection") == projection
    if projection:
        x = torch.randn(shape)
        assert eval(projection, {"nn": nn})(x).shape == layer(x).shape


@pytest.mark.parametrize(
    "add", [lambda a, b: a + b, lambda a, b: b + a, lambda a, b: b.add_(a), lambda a, b: b - a, torch.add]
)
def test_any_way_to_add_is_seen(add):
    assert "skip_shape" in named(doctor(Sum(nn.Linear(6, 4), add), torch.randn(5, 6)))


def test_a_sum_that_the_tensor_it_goes_into_cannot_hold_is_seen():
    found = named(doctor(Sum(nn.Linear(6, 1), lambda a, b: b.add_(a)), torch.randn(5, 6)))
    assert found.keys() == {"skip_shape"}


def test_another_error_of_the_forward_pass_is_one_line():
    with pytest.raises(AnalysisError, match="failed on inputs float32"):
        doctor(planted.Net(planted.Block), torch.randn(2, 5, 16, 16))
    with pytest.raises(AnalysisError, match="failed on inputs"):  # an addition that fits, behind one that does not
        doctor(nn.Sequential(Sum(nn.Linear(4, 4)), nn.Linear(5, 4)), torch.randn(2, 4))


@pytest.mark.parametrize(
    ("activation", "gain", "key", "wanted"),
    [
        (nn.ReLU, None, "init_unsuited", 2.0),
        (nn.Tanh, None, "init_unsuited", 1.0),
        (nn.Sigmoid, None, "init_small", None),
        (nn.ReLU, 3.0, "init_large", None),
    ],
)
def test_initial_weights_that_do_not_suit_the_activation(activation, gain, key, wanted):
    found = named(doctor(seeded(planted.Stack, activation=activation, gain=gain), *clouds()))
    one = found[key]
    assert one.severity == "problem"
    assert one.values.get("wanted") == wanted
    assert one.values["layers"] == 19
    assert found["exploding" if gain else "vanishing"].follows == key
    assert one.values["line"] == line_of(
        "self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 2))"
    )


def test_the_depth_at_which_the_gradient_is_lost_is_that_of_theory():
    one = named(doctor(seeded(planted.Stack, width=512), *clouds()))["init_unsuited"]
    assert one.values["lost"] == gradflow.theory.depth_below(1e-3, activation="relu", init="default")
    assert one.values["factor"] == pytest.approx(6**-0.5, rel=0.02)
    assert "0.408" in str(one) or "0.409" in str(one) or "0.407" in str(one)


@pytest.mark.parametrize(
    ("activation", "gain", "depth"), [(nn.ReLU, 2**0.5, 20), (nn.Tanh, 1.0, 20), (nn.ReLU, None, 4)]
)
def test_initial_weights_that_suit_are_left_in_peace(activation, gain, depth):
    assert named(doctor(seeded(planted.Stack, depth, activation, gain), *clouds())) == {}


def test_weights_of_which_theory_does_not_hold_are_left_in_peace():
    """Identities (Le et al. 2015) hand on the whole gradient; random weights of their variance would lose it."""
    model = seeded(planted.Stack, 20, gain=2**0.5)
    for one in model.hidden:
        nn.init.eye_(one.weight)
    assert named(doctor(model, *clouds())) == {}


@pytest.mark.parametrize("lr", [1.0, 100.0])
def test_a_learning_rate_that_is_too_high_is_a_problem(lr):
    model = seeded(planted.Stack, 4, gain=2**0.5)
    found = named(doctor(model, *clouds(), optimizer=torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)))
    one = found["step_overshoots" if "step_overshoots" in found else "step_overshoots_here"]
    assert one.severity == "problem"
    assert "momentum 0.900" in str(one)


def test_a_rate_at_which_the_loss_falls_is_named():
    model = seeded(planted.Stack, 4, gain=2**0.5)
    found = named(doctor(model, *clouds(), lr=0.06))
    fits = found["step_overshoots_here"].values["fits"]
    assert fits == pytest.approx(0.006)
    assert not named(doctor(model, *clouds(), lr=fits)).keys() & {"step_overshoots", "step_overshoots_here"}


@pytest.mark.parametrize("lr", [0.001, 0.02, 0.1])
@pytest.mark.parametrize("block", [planted.Block, planted.PreActivation, planted.ZeroGamma])
def test_usual_learning_rates_are_left_in_peace(lr, block):
    model = seeded(planted.Net, block)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    assert named(doctor(model, *images(), optimizer=optimizer)) == {}


def test_the_first_update_is_that_of_the_optimizer():
    """Independent oracle: one step by hand, carried on by momentum."""
    model, (x, y) = seeded(planted.Stack, 4, gain=2**0.5), clouds()
    found = doctor(model, x, y, optimizer=torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.1))
    twin = copy.deepcopy(model)
    before = functional.cross_entropy(twin(x), y)
    before.backward()
    with torch.no_grad():
        for one in twin.parameters():
            one -= 10 * 0.05 * (one.grad + 0.1 * one)
        after = functional.cross_entropy(twin(x), y)
    measured = found.recording.meta["first_update"]
    assert measured["before"] == pytest.approx(before.item(), rel=1e-6)
    assert measured["after"] == pytest.approx(after.item(), rel=1e-5)


# What one batch shows by rules that recordings have too: a model and a batch, the finding, and the twin.
def fully_connected(*last):
    return seeded(nn.Sequential, nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3), *last)


def alike():
    model = fully_connected()
    nn.init.constant_(model[2].weight, 0.1)
    return model


def zero():
    model = fully_connected()
    for one in model.parameters():
        nn.init.zeros_(one)
    return model


def dead():
    model = fully_connected()
    nn.init.constant_(model[2].bias, -50.0)
    return model


def eval_norm():
    model = nn.Sequential(nn.Linear(12, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3))
    model[1].eval()
    return model


def offset(x, scale=300.0):
    return scale * (x + 1)


x12, y3 = clouds()
ONE_BATCH = {
    "softmax under cross-entropy": (fully_connected(nn.Softmax(1)), x12, y3, "probabilities"),
    "inputs not normalised": (fully_connected(), offset(x12), y3, "inputs_unscaled"),
    "alike units": (alike(), x12, y3, "identical_units"),
    "zero weights": (zero(), x12, y3, "zero_gradient_between"),
    "dead units": (dead(), x12, y3, "units_off"),
    "strong dropout": (fully_connected(nn.Dropout(0.9)), x12, y3, "dropout_strong"),
    "batch norm in eval mode": (eval_norm(), x12, y3, "norm_in_eval"),
    "targets not normalised": (fully_connected(), x12, 1e3 * x12[:, :3], "targets_unscaled"),
    "targets out of reach": (fully_connected(nn.Sigmoid()), x12, 3 * x12[:, :3], "targets_unreachable"),
    "NaN in the inputs": (fully_connected(), x12.clone().fill_diagonal_(float("nan")), y3, "inputs_nonfinite"),
}


@pytest.mark.parametrize("name", ONE_BATCH)
def test_what_one_batch_shows_is_a_problem(name):
    model, x, y, key = ONE_BATCH[name]
    found = named(doctor(model, x, y))
    assert found[key].severity == "problem"


def scaled_inside():
    class Inside(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = fully_connected()

        def forward(self, x):
            return self.net(x / 300 - 1)

    return seeded(Inside)


TWINS = {
    "logits": (fully_connected(), x12, y3),
    "inputs that the model scales itself": (scaled_inside(), offset(x12), y3),
    "inputs that a norm follows": (
        seeded(nn.Sequential, nn.Linear(12, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3)),
        offset(x12),
        y3,
    ),
    "inputs that a norm takes": (seeded(nn.Sequential, nn.BatchNorm1d(12), nn.Linear(12, 3)), offset(x12), y3),
    "usual dropout": (fully_connected(nn.Dropout(0.5)), x12, y3),
    "targets within reach": (fully_connected(nn.Sigmoid()), x12, x12[:, :3].sigmoid()),
    "targets of size one": (fully_connected(), x12, x12[:, :3]),
}


@pytest.mark.parametrize("name", TWINS)
def test_its_twin_is_left_in_peace(name):
    assert named(doctor(*TWINS[name])) == {}


def test_less_than_three_decades_are_no_finding_before_training_and_not_said_to_be_less():
    found = doctor(*TWINS["inputs that a norm follows"])
    (healthy,) = (one for one in found.findings if one.key == "healthy")
    assert -3 < healthy.values["worst"] < -2  # the norm divides the gradient by the size of its input
    assert "within" not in str(healthy)


@pytest.mark.parametrize("name", CATALOGUE)
def test_networks_of_the_catalogue_are_left_in_peace(name):
    """All families, at a depth that trains."""
    for family in CATALOGUE[name].families:
        depth = {"cifar": 8, "resnet": 18, "mini": 10, "mlp": 4, "transformer": 2}[name]
        torch.manual_seed(0)
        model = build(name, depth, family=family, input_shape=(3, 32, 32), num_classes=10, options={})
        found = named(doctor(model, *images(4 if name == "resnet" else 16, 32), lr=0.02))
        assert found == {}, family


class Stateful(nn.Module):
    """Changes what a module can change in a forward pass."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
        self.register_buffer("count", torch.zeros(()))
        self.calls = 0

    def forward(self, x):
        self.count += 1
        self.calls += 1
        return self.net(x) + random.random() + float(np.random.rand())


def state_of(model, optimizer):
    tensors = {name: one.detach().clone() for name, one in [*model.named_parameters(), *model.named_buffers()]}
    gradients = {name: None if one.grad is None else one.grad.clone() for name, one in model.named_parameters()}
    modes = [one.training for one in model.modules()]
    hooks = [len(one._forward_hooks) + len(one._forward_pre_hooks) for one in model.modules()]
    states = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist())
    return tensors, gradients, modes, hooks, states, copy.deepcopy(optimizer.state_dict()), model.calls


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.numpy().tobytes() == b.numpy().tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("make", [torch.optim.AdamW, functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9)])
def test_everything_is_left_as_found(make, fails):
    model, (x, y) = Stateful(), clouds()
    optimizer = make(model.parameters())
    functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    kept = x.clone()
    before = state_of(model, optimizer)
    if fails:
        with pytest.raises(AnalysisError):
            doctor(model, x, y, optimizer=optimizer, loss_fn=lambda outputs, targets: outputs)
    else:
        assert doctor(model, x, y, optimizer=optimizer).recording.meta["first_update"]["after"] > 0
    assert same(before, state_of(model, optimizer))
    assert same(kept, x)


def test_a_recorder_at_work_is_said():
    model = fully_connected()
    with gradflow.record(model), pytest.raises(AnalysisError, match="recorder"):
        doctor(model, x12, y3)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": print}, AnalysisError, r"model must be a torch\.nn\.Module; got builtin"),
        ({"lr": 0.0}, ForecastError, "lr must be a positive number; got 0"),
        (
            {"lr": 0.1, "optimizer": torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.1)},
            AnalysisError,
            "pass one of them",
        ),
        ({"optimizer": torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.1)}, ForecastError, "none of this model's"),
        ({"targets": torch.zeros(5, dtype=torch.long)}, AnalysisError, "integer targets"),
        ({"model": nn.ReLU()}, AnalysisError, "no parameter"),
    ],
)
def test_bad_arguments_are_one_line(change, error, message):
    given = {"model": fully_connected(), "inputs": x12, "targets": y3, **change}
    with pytest.raises(error, match=message) as raised:
        doctor(given.pop("model"), given.pop("inputs"), **given)
    assert "\n" not in str(raised.value)


def test_a_saved_checkup_says_the_same(tmp_path):
    found = doctor(seeded(planted.Net, planted.NoActivation), *images(), lr=0.1)
    gradflow.save(found.recording, tmp_path / "run")
    again = gradflow.probe.doctor.Checkup(gradflow.load(tmp_path / "run"))
    assert [str(one) for one in again.findings] == [str(one) for one in found.findings]


def test_models_that_fx_cannot_trace_are_examined():
    class Branching(planted.NoActivation):
        def forward(self, x):
            return super().forward(x) if float(x.detach().sum()) < 1e9 else x

    assert of_block(Branching).keys() == {"no_activation_after_addition"}


def test_what_the_doctor_proposes_was_seen_to_repair():
    """A layout that cost nothing has nothing to repair, and an addition of two shapes cannot be trained."""
    study = figures("remedies_doctor")
    for change in (key for key in catalogue("en") if key.startswith("change.") and key not in study["exempt"]):
        fault = study["faults"][f"{change.removeprefix('change.')}/doctor"]
        if change.removeprefix("change.") in LAYOUT:
            assert 0 < fault["found"] == fault["harmless"]
        else:
            repaired, tried = fault["remedies"][change]
            assert repaired >= tried / 2 > 0


@pytest.mark.parametrize(
    ("make", "options", "remedies"),
    [
        (lambda: planted.Stack(), {}, {"add_norm", "skip"}),
        (lambda: planted.Stack(activation=nn.Sigmoid), {}, {"add_norm", "relu"}),
        (lambda: planted.Stack(gain=3.0), {}, {"add_norm", "init"}),
        (lambda: planted.Stack(4, gain=2**0.5), {"lr": 0.06}, set()),
        (lambda: planted.Stack(4, gain=2**0.5), {"lr": 100.0}, {"lower_lr"}),
    ],
)
def test_remedies_are_those_that_repaired_the_most_first(make, options, remedies):
    one = next(iter(doctor(seeded(make), *clouds(), **options).findings))
    counts = figures("remedies_doctor")["faults"][f"{one.key}/doctor"]["remedies"]
    shares = [counts[remedy][0] / counts[remedy][1] for remedy in one.remedies]
    assert set(one.remedies) == {f"remedy.{name}" for name in remedies}
    assert shares == sorted(shares, reverse=True)
    assert all(share >= 0.5 for share in shares)
