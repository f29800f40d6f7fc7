import math
import warnings
from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch
from oracles import hook_counts, norm64, output_gradients
from torch import nn
from torch.nn import functional

import gradflow
from gradflow.models import cifar_net
from gradflow.probe import AnalysisError, analyze_gradients
from gradflow.probe.loss import PROJECTION_SEED


class Block(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(width, width), nn.BatchNorm1d(width), nn.Linear(width, width)

    def forward(self, x):
        return x + self.second(torch.relu(self.norm(self.first(x))))


class Returns(nn.Module):
    """A linear layer whose output is wrapped."""

    def __init__(self, wrap):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.wrap = wrap

    def forward(self, x, **options):
        return self.wrap(self.linear(x))


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 6), Block(), nn.Dropout(0.2), Block(), nn.Linear(6, 3))


def plain():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))


INPUTS = torch.linspace(-1, 1, 20).reshape(5, 4)
CLASSES = torch.tensor([0, 2, 1, 0, 2])


def state(model):
    return {
        "state": {name: value.clone() for name, value in model.state_dict().items()},
        "gradients": [parameter.grad for parameter in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "hooks": hook_counts(model),
        "random": torch.get_rng_state(),
    }


def assert_same(now, before):
    for name, value in before["state"].items():
        assert torch.equal(now["state"][name], value), name
    assert all(a is b for a, b in zip(now["gradients"], before["gradients"], strict=True))
    assert now["modes"] == before["modes"]
    assert now["hooks"] == before["hooks"]
    assert torch.equal(now["random"], before["random"])


def layer(found, name):
    return found.recording.layers.set_index("layer").loc[name]


def test_the_numbers_are_autograds():
    model = plain()
    found = analyze_gradients(model, INPUTS, CLASSES)
    loss_of = lambda outputs: functional.cross_entropy(outputs, CLASSES)  # noqa: E731
    for name, gradient in output_gradients(model, INPUTS, loss_of).items():
        assert layer(found, name).out_grad_norm == pytest.approx(norm64(gradient), rel=1e-6)
    leaf = INPUTS.clone().requires_grad_()
    loss = loss_of(model(leaf))
    loss.backward()
    for name in "024":
        parameters = model[int(name)].parameters()
        assert layer(found, name).grad_norm == pytest.approx(norm64(*(one.grad for one in parameters)), rel=1e-6)
    assert found.recording.meta["input_grad_norm"] == pytest.approx(norm64(leaf.grad), rel=1e-6)
    assert found.recording.steps.loss.tolist() == [pytest.approx(loss.item())]
    wrong = (model(INPUTS).argmax(1) != CLASSES).float().mean()
    assert found.recording.steps.batch_error.tolist() == [pytest.approx(float(wrong))]
    assert layer(found, "0").weight_norm == pytest.approx(norm64(*model[0].parameters()), rel=1e-6)
    hidden = torch.relu(model[2](torch.tanh(model[0](INPUTS))))
    assert layer(found, "3").act_rms == pytest.approx(hidden.square().mean().sqrt().item(), rel=1e-6)
    assert layer(found, "3").act_zero_fraction == pytest.approx(float((hidden == 0).float().mean()))


@pytest.mark.parametrize("training", [True, False])
def test_the_model_and_the_inputs_are_left_as_found(training):
    model = network().train(training)
    model(INPUTS).sum().backward()
    inputs, targets = INPUTS.clone().requires_grad_(), CLASSES.clone()
    before = state(model)
    found = analyze_gradients(model, inputs, targets)
    assert_same(state(model), before)
    assert inputs.grad is None
    assert inputs.requires_grad
    assert torch.equal(inputs, INPUTS)
    assert found.recording.meta["mode"] == ("train" if training else "eval")
    assert not INPUTS.requires_grad


@pytest.mark.parametrize("fails_in", ["forward", "loss", "backward"])
def test_it_is_left_as_found_after_an_exception(fails_in):
    class Breaks(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError("torn")

    def loss_fn(outputs, targets):
        if fails_in == "loss":
            raise RuntimeError("torn")
        return Breaks.apply(outputs).sum()

    model = network()
    before = state(model)
    inputs = INPUTS[:, :3] if fails_in == "forward" else INPUTS
    with pytest.raises(AnalysisError, match="mat1 and mat2" if fails_in == "forward" else "torn"):
        analyze_gradients(model, inputs, CLASSES, loss_fn=loss_fn)
    assert_same(state(model), before)


def test_twice_gives_the_same_numbers():
    model = network()
    one, two = (analyze_gradients(model, INPUTS, CLASSES).recording for _ in range(2))
    assert one.layers.equals(two.layers)


def test_inputs_that_a_layer_changes_in_place_stay():
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3))
    inputs = INPUTS.clone()
    analyze_gradients(model, inputs, CLASSES)
    assert torch.equal(inputs, INPUTS)


def test_hooks_that_step_an_optimizer_in_the_backward_pass_do_not_run():
    model = plain()
    calls = []
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(calls.append)
    analyze_gradients(model, INPUTS, CLASSES)
    assert calls == []


LOSSES = {
    "classes": (CLASSES, lambda y: functional.cross_entropy(y, CLASSES), "cross-entropy"),
    "numbers": (torch.ones(5, 3), lambda y: functional.mse_loss(y, torch.ones(5, 3)), "mean squared error"),
    "none": (
        None,
        lambda y: (y * torch.randn(5, 3, generator=torch.Generator().manual_seed(PROJECTION_SEED))).sum() / 5,
        "random projection",
    ),
}


@pytest.mark.parametrize("which", LOSSES)
@pytest.mark.parametrize("wrap", ["tensor", "logits", "mapping", "namedtuple"])
def test_the_loss_that_fits_the_targets(which, wrap):
    pair = namedtuple("Pair", ["logits", "aux"])  # as torchvision's GoogLeNet returns
    wraps = {
        "tensor": lambda y: y,
        "logits": lambda y: SimpleNamespace(logits=y, loss=None),
        "mapping": lambda y: {"logits": y, "hidden": None},
        "namedtuple": lambda y: pair(y, y * 2),
    }
    targets, loss_of, words = LOSSES[which]
    model = Returns(wraps[wrap])
    found = analyze_gradients(model, INPUTS, targets)
    assert found.recording.steps.loss.tolist() == [pytest.approx(loss_of(model.linear(INPUTS)).item(), rel=1e-6)]
    assert found.recording.meta["loss"] == words


def test_the_models_own_loss_and_keyword_inputs():
    model = Returns(lambda y: SimpleNamespace(logits=y, loss=y.square().mean()))
    found = analyze_gradients(model, {"x": INPUTS, "mask": None})
    assert found.recording.steps.loss.tolist() == [pytest.approx(model.linear(INPUTS).square().mean().item())]
    assert found.recording.meta["loss"] == "the model's own loss"


def test_a_loss_of_ones_own():
    model = plain()
    with_targets = analyze_gradients(model, INPUTS, "any", loss_fn=lambda y, t: y.sum() * len(t))
    without = analyze_gradients(model, INPUTS, loss_fn=lambda y: y.sum() * 3)
    assert with_targets.recording.layers.equals(without.recording.layers)
    assert (without.recording.meta["loss"], without.recording.meta["loss_fn"]) == ("loss_fn", "<lambda>")


@pytest.mark.parametrize("axis", [1, -1])
def test_classes_may_stand_second_or_last(axis):
    model = Returns(lambda y: y.movedim(-1, axis))
    inputs, targets = torch.rand(2, 5, 4), torch.tensor([[0, 1, 2, -100, 0], [2, 2, 1, 0, 0]])
    found = analyze_gradients(model, inputs, targets)
    kept = targets.flatten() >= 0
    logits = model.linear(inputs).flatten(0, 1)[kept]
    expected = functional.cross_entropy(logits, targets.flatten()[kept])
    assert found.recording.steps.loss.tolist() == [pytest.approx(expected.item())]
    wrong = (logits.argmax(1) != targets.flatten()[kept]).float().mean()
    assert found.recording.steps.batch_error.tolist() == [pytest.approx(float(wrong))]


@pytest.mark.parametrize("tokens", [2, 3, 4])
def test_three_axes_are_tokens_and_classes_whatever_their_number(tokens):
    model = Returns(lambda y: y)
    inputs, targets = torch.rand(2, tokens, 4), torch.randint(0, 3, (2, tokens))
    found = analyze_gradients(model, inputs, targets)
    expected = functional.cross_entropy(model.linear(inputs).flatten(0, 1), targets.flatten())
    assert found.recording.steps.loss.tolist() == [pytest.approx(expected.item())]
    wrong = (model.linear(inputs).argmax(-1) != targets).float().mean()
    assert found.recording.steps.batch_error.tolist() == [pytest.approx(float(wrong))]


def test_the_classes_of_an_image_stand_second_where_both_axes_fit():
    model, images, targets = nn.Conv2d(1, 3, 1), torch.rand(2, 1, 3, 3), torch.randint(0, 3, (2, 3, 3))
    found = analyze_gradients(model, images, targets)
    expected = functional.cross_entropy(model(images), targets)
    assert found.recording.steps.loss.tolist() == [pytest.approx(expected.item())]


def test_token_numbers_reach_an_embedding():
    model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 3))
    found = analyze_gradients(model, torch.randint(0, 10, (2, 5)))
    assert layer(found, "0").status == "measured"
    assert found.recording.meta["input_grad_norm"] is None


def test_gradients_are_computed_under_no_grad():
    with torch.no_grad():
        found = analyze_gradients(plain(), INPUTS, CLASSES)
        assert not torch.is_grad_enabled()
    assert (found.recording.layers.out_grad_norm > 0).all()


def test_inputs_made_in_inference_mode_are_copied():
    with torch.inference_mode():
        inputs = INPUTS * 1
    assert analyze_gradients(plain(), inputs, CLASSES).recording.meta["input_grad_norm"] > 0


@pytest.mark.parametrize("how", ["wrapped", "in place", "inside"])
def test_compiled_models_run_uncompiled(how):
    model = plain()
    if how == "inside":
        given = nn.Sequential(torch.compile(model[:2], backend="eager"), model[2:])
    elif how == "wrapped":
        given = torch.compile(model, backend="eager")
    else:
        model.compile(backend="eager")
        given = model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = analyze_gradients(given, INPUTS, CLASSES)
    norms = found.recording.layers.out_grad_norm.tolist()
    assert norms == analyze_gradients(plain(), INPUTS, CLASSES).recording.layers.out_grad_norm.tolist()


def test_a_scripted_model_is_measured_at_its_parameters():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = torch.jit.script(plain())
        found = analyze_gradients(model, INPUTS, CLASSES)
    rows = found.recording.layers[found.recording.layers.n_params > 0]
    assert set(rows.status) == {"scripted"}
    assert (rows.grad_norm > 0).all()
    assert "TorchScript" in str(found)


def lazy():
    return nn.LazyLinear(3)


def made_in_inference_mode():
    with torch.inference_mode():
        return plain()


class Stale(nn.Module):
    """Keeps a hidden state of the pass before, its graph and all."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.hidden = torch.zeros(5, 4)

    def forward(self, x):
        self.hidden = torch.tanh(self.linear(x + self.hidden))
        return self.hidden


def stale():
    model = Stale()
    model(INPUTS).sum().backward()
    return model


def recorded():
    model = plain()
    model.recorder = gradflow.record(model)
    return model


WRONG = {
    "no module": (lambda: torch.relu, INPUTS, {}, "model must be a torch.nn.Module"),
    "frozen": (lambda: plain().requires_grad_(False), INPUTS, {}, "no parameter that requires a gradient"),
    "lazy": (lazy, INPUTS, {}, "parameters without a shape"),
    "meta": (lambda: plain().to("meta"), INPUTS, {}, "device 'meta'"),
    "inference": (made_in_inference_mode, INPUTS, {}, "was made in torch.inference_mode"),
    "recorded": (recorded, INPUTS, {}, "being recorded already"),
    "freed": (stale, INPUTS, {}, "graph that was freed"),
    "integers": (plain, torch.ones(5, 4, dtype=torch.long), {}, "has no embedding for them"),
    "shape": (plain, torch.ones(5, 7), {}, r"failed on inputs float32 \(5, 7\)"),
    "no tensor": (lambda: Returns(lambda y: {"a": y, "b": y}), INPUTS, {}, "a dict with a, b.*pass loss_fn="),
    "several": (plain, INPUTS, {"loss_fn": lambda y: (y.sum(), y.mean())}, "a tuple of 2.*their sum"),
    "vector": (plain, INPUTS, {"loss_fn": lambda y: y.mean(1)}, r"tensor of shape \(5,\)"),
    "a float": (plain, INPUTS, {"loss_fn": lambda y: y.sum().item()}, "got float"),
    "whole": (plain, INPUTS, {"loss_fn": lambda y: y.sum().long()}, "real floating-point"),
    "detached": (plain, INPUTS, {"loss_fn": lambda y: y.detach().sum()}, "depends on no parameter.*detached"),
    "elsewhere": (
        plain,
        INPUTS,
        {"loss_fn": lambda y: torch.ones((), requires_grad=True) * 2},
        "depends on no parameter.*use the outputs",
    ),
    "classes": (plain, INPUTS, {"targets": torch.tensor([0, 1, 2, 3, 0])}, "classes from 0 to 2; got 3"),
    "negative": (plain, INPUTS, {"targets": torch.tensor([0, 1, -1, 0, 0])}, "classes from 0 to 2; got -1"),
    "targets": (plain, INPUTS, {"targets": torch.ones(5)}, r"output's shape \(5, 3\); got \(5,\)"),
    "whole targets": (plain, INPUTS, {"targets": torch.ones(4).long()}, r"without the class axis; got \(4,\)"),
    "words": (plain, INPUTS, {"targets": "cat"}, "targets must be a tensor"),
    "one class": (lambda: nn.Linear(4, 1), INPUTS, {"targets": torch.ones(5).long() * 0}, "one class"),
}


@pytest.mark.parametrize("which", WRONG)
def test_bad_input_is_one_line(which):
    make, inputs, options, message = WRONG[which]
    with pytest.raises(AnalysisError, match=message) as raised:
        analyze_gradients(make(), inputs, **options)
    assert "\n" not in str(raised.value)


def test_inference_mode_is_refused():
    model = plain()
    with torch.inference_mode(), pytest.raises(AnalysisError, match="outside of it"):
        analyze_gradients(model, INPUTS, CLASSES)


def test_reentrant_checkpoints_are_named():
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = plain()

        def forward(self, x):
            return checkpoint(self.inner, x, use_reentrant=True)

    with pytest.raises(AnalysisError, match="use_reentrant=False"):
        analyze_gradients(Checkpointed(), INPUTS, CLASSES)


def test_a_loss_that_is_no_number_is_data():
    found = analyze_gradients(plain(), INPUTS, loss_fn=lambda y: y.sum() * math.inf)
    assert math.isinf(found.recording.steps.loss[0])
    assert any("finite" in str(finding) for finding in found.findings)


def test_what_is_printed_holds_the_numbers():
    found = analyze_gradients(network(), INPUTS, CLASSES)
    shown = str(found)
    assert max(map(len, shown.splitlines())) <= 80
    for name in found.recording.layers.layer[found.recording.layers.weighted]:
        assert f" {name} " in shown
    html = found._repr_html_()
    assert html.count("<table>") >= 3
    assert repr(found) == shown


def test_a_long_network_is_shown_by_its_ends():
    found = analyze_gradients(nn.Sequential(*(nn.Linear(4, 4) for _ in range(40))), INPUTS)
    assert "16 more between" in str(found)
    assert len(found.layers) == 40


def test_ranking_puts_first_what_stands_out():
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(6)))
    model.unused = nn.Linear(2, 2)
    model.forward = lambda x: model[5](model[4](model[3](model[2](model[1](model[0](x))))))
    with torch.no_grad():
        model[3].weight.mul_(1000)
    ranked = analyze_gradients(model, INPUTS).ranking
    assert ranked.layer.tolist()[:2] == ["unused", "3"]
    assert ranked.reason.tolist()[:2] == ["no gradient", "off the median"]
    row = ranked.set_index("layer").loc["3"]
    per_weight = (ranked.grad_norm / ranked.weight_norm).dropna()
    assert row.decades_off == pytest.approx(math.log10(row.grad_norm / row.weight_norm / per_weight.median()))


def test_saving_and_reading_back(tmp_path):
    found = analyze_gradients(plain(), INPUTS, CLASSES)
    found.save(tmp_path / "kept")
    again = gradflow.Analysis(gradflow.load(tmp_path / "kept"))
    assert str(again) == str(found)


def test_a_report_is_made_of_it(tmp_path):
    page = gradflow.report(analyze_gradients(network(), INPUTS, CLASSES).recording, tmp_path)
    assert page.stat().st_size > 10_000


def test_a_plain_twin_stands_beside_its_residual_network():
    twin, model = (cifar_net(8, family=family, in_channels=1) for family in ("plain", "residual"))
    inputs = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    classes = torch.tensor([0, 1, 2, 3])
    found = analyze_gradients(model, inputs, classes, twin=twin)
    output = []
    handle = twin.get_submodule(found.layers.layer[2]).register_forward_hook(lambda m, a, y: output.append(y))
    loss = torch.nn.functional.cross_entropy(twin(inputs), classes)
    handle.remove()
    (expected,) = torch.autograd.grad(loss, output)
    rows = found.counterfactuals.query("variant == 'plain twin'")
    assert rows.layer.tolist() == found.layers.layer.tolist()
    assert rows.out_grad_norm.iloc[2] == pytest.approx(expected.double().norm().item(), rel=1e-5)
    assert "plain twin" in str(found)
    assert "plain twin" in set(found.degree.measure)
    alone = analyze_gradients(model, inputs, classes)
    assert "plain twin" not in str(alone)
    assert alone.counterfactuals.variant.unique().tolist() == ["as it is", "without skips", "without branches"]


def test_a_twin_of_other_layers_is_refused():
    with pytest.raises(
        AnalysisError, match=r"twin must have the model's weighted layers, by name.*'4' is in one alone"
    ):
        analyze_gradients(
            nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2)),
            torch.ones(2, 3),
            twin=nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2)),
        )


class TwoTowers(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = (nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)) for _ in range(2))
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        return self.out(torch.cat([self.left(x), self.right(x)], 1))


def test_layers_of_other_paths_are_not_left_out_without_a_word():
    x, y = torch.randn(6, 4), torch.randint(0, 2, (6,))
    assert "Not shown: 2 layers on other paths" in " ".join(str(analyze_gradients(TwoTowers(), x, y)).split())
    chain = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    assert "Not shown" not in str(analyze_gradients(chain, x, y))


def test_frozen_layers_and_containers_do_not_crowd_the_tables():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(*(nn.Linear(4, 4).requires_grad_(False) for _ in range(6)))
            self.position = nn.Parameter(torch.zeros(4))
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return self.head(torch.tanh(self.body(x) + self.position))

    found = analyze_gradients(Network(), INPUTS, CLASSES)
    assert set(found.worst().layer) == {"position", "head"}
    assert found.layers.layer.tolist() == [*(f"body.{n}" for n in range(6)), "head"]
    assert (found.layers.out_grad_norm > 0).all()
    assert "(root)" not in str(found)


def test_a_gru_is_no_chain_of_residual_connections():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.head = nn.GRU(4, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.cell(x)[0][:, -1])

    assert analyze_gradients(Network(), torch.randn(5, 6, 4), CLASSES).skips.empty
