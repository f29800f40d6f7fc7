"""Networks on which a verdict was wrong once, each with its right value, and mended twins that are healthy."""

import importlib.util
import math

import pandas as pd
import pytest
import torch
from judge import decades, judge
from said import chain, found, keys, naming, recorded, worst
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, weight_norm

import gradflow
from gradflow import Recording
from gradflow.analysis.profile import profile

SIXTEEN = [16] * 13
PYRAMID = [64, 58, 52, 46, 40, 34, 28, 22, 16]
FAULTS = ("problem", "notice")


def batch(width, n=32, n_classes=3):
    return torch.randn(n, width), torch.randint(0, n_classes, (n,))


def loss_to(targets):
    return lambda outputs: functional.cross_entropy(outputs, targets)


def true_decades(model, x, y):
    """The smallest or largest of the judge's ratios."""
    return max((ratio for _, ratio in decades(judge(model, (x,), loss_to(y))).values()), key=abs)


# The two ends


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_frozen_first_layer_leaves_the_other_ends_to_judge(is_frozen):
    x, y = batch(16)
    model = chain(SIXTEEN, nn.Sigmoid)
    if is_frozen:
        model[0].requires_grad_(False)
    findings = found(recorded(model, x, y))
    assert "vanishing" in keys(findings, "problem")
    assert worst(findings, "vanishing") == pytest.approx(true_decades(model, x, y), abs=0.05)
    assert not keys(findings) & {"healthy", "ends_not_measured"}


def test_a_frozen_first_layer_of_a_healthy_network_is_no_fault():
    x, y = batch(16)
    model = chain(SIXTEEN[:5], nn.ReLU, gain=math.sqrt(2))
    model[0].requires_grad_(False)
    assert not keys(found(recorded(model, x, y)), *FAULTS)


WRAPS = {
    "none": lambda layer: layer,
    "old weight_norm": weight_norm,
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("wrap", WRAPS)
def test_a_parametrized_layer_is_the_layer_that_it_was(wrap):
    x, y = batch(16)
    model = chain(SIXTEEN, nn.Sigmoid, wrap=WRAPS[wrap])
    recording = recorded(model, x, y)
    rows = recording.layers[recording.layers["step"] == 0]
    weighted = rows[rows["weighted"]]
    assert weighted["layer"].tolist() == [str(2 * number) for number in range(13)]
    assert not rows["layer"].str.contains("parametrizations").any()
    findings = found(recording)
    assert worst(findings, "vanishing") == pytest.approx(true_decades(model.eval(), x, y), abs=0.05)


def test_orthogonal_tanh_layers_are_healthy():
    x, y = batch(16)
    model = chain(SIXTEEN, nn.Tanh, wrap=parametrizations.orthogonal)
    assert not keys(found(recorded(model, 0.3 * x, y)), *FAULTS)


@pytest.mark.parametrize("widths", [PYRAMID, PYRAMID[::-1], [64, 32] * 6], ids=["falling", "rising", "alternating"])
@pytest.mark.parametrize(("act", "gain", "key"), [(nn.Sigmoid, None, "vanishing"), (nn.ReLU, 5.0, "exploding")])
def test_widths_that_differ_do_not_hide_the_ratio(widths, act, gain, key):
    x, y = batch(widths[0], 64)
    model = chain(widths, act, gain=gain)
    for recording in (recorded(model, x, y), gradflow.analyze_gradients(model, x, y).recording):
        findings = found(recording)
        assert worst(findings, key) == pytest.approx(true_decades(model, x, y), abs=0.05)
        assert not keys(findings) & {"healthy", "ends_not_measured"}


@pytest.mark.parametrize("widths", [PYRAMID, [64, 32] * 4], ids=["falling", "alternating"])
def test_widths_that_differ_alone_are_no_fault(widths):
    x, y = batch(widths[0], 64)
    assert not keys(found(recorded(chain(widths, nn.ReLU, gain=math.sqrt(2)), x, y)), *FAULTS)


class WithPosition(nn.Module):
    """Tanh layers behind a position embedding that the root owns."""

    def __init__(self, *, pos, gain=1.0, depth=6, skip=True):
        super().__init__()
        self.patch = nn.Linear(6, 16)
        self.pos = nn.Parameter(0.02 * torch.randn(5, 16)) if pos else None
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(depth))
        self.head = nn.Linear(16, 3)
        self.skip = skip
        for layer in self.layers:
            nn.init.normal_(layer.weight, 0.0, gain / 4)

    def forward(self, x):
        x = self.patch(x)
        x = x + self.pos if self.pos is not None else x
        for layer in self.layers:
            branch = torch.tanh(layer(x))
            x = x + branch if self.skip else branch
        return self.head(x.mean(1))


def test_a_root_parameter_stands_where_the_graph_uses_it():
    x, y = torch.randn(8, 5, 6), torch.randint(0, 3, (8,))
    findings, ratios = {}, {}
    for pos in (False, True):
        torch.manual_seed(0)
        recording = recorded(WithPosition(pos=pos), x, y)
        findings[pos] = found(recording)
        ratios[pos] = gradflow.analyze_gradients(WithPosition(pos=pos), x, y)
        if pos:
            rows = recording.layers[recording.layers["step"] == 0].drop_duplicates("layer").set_index("layer")
            assert rows["order"]["patch"] < rows["order"]["layers.0"] < rows["order"]["head"]
            assert rows["order"]["pos"] < rows["order"]["layers.0"]
            assert rows["grad_norm"]["pos"] > 0
            assert not rows["weighted"]["pos"]
    assert keys(findings[True]) == keys(findings[False])


def test_a_root_parameter_hides_no_vanishing():
    x, y = torch.randn(8, 5, 6), torch.randint(0, 3, (8,))
    model = WithPosition(pos=True, gain=0.2, skip=False)
    findings = found(recorded(model, x, y))
    assert worst(findings, "vanishing") == pytest.approx(true_decades(model, x, y), abs=0.05)


@pytest.mark.filterwarnings("ignore:no layer of the model was seen running")
def test_a_compiled_network_is_judged_by_its_parameters_in_their_order():
    x, y = batch(8, n_classes=2)
    model = chain([8] * 9, nn.Sigmoid, n_out=2)
    compiled = torch.compile(model, backend="eager")
    recorder = gradflow.record(compiled)
    for _ in range(3):
        model.zero_grad()
        functional.cross_entropy(compiled(x), y).backward()
        recorder.step()
    recorder.close()
    torch._dynamo.reset()
    findings = found(recorder.recording)
    norms = [math.hypot(*(one.grad.norm().item() for one in layer.parameters())) for layer in (model[0], model[-1])]
    assert worst(findings, "vanishing") == pytest.approx(math.log10(norms[0] / norms[1]), abs=0.05)
    assert not keys(findings, "healthy", "unmeasured")


def test_without_activations_the_parameters_are_judged():
    x, y = batch(8, n_classes=2)
    model = chain([8] * 9, nn.Sigmoid, n_out=2)
    findings = found(recorded(model, x, y, activations=False))
    norms = [math.hypot(*(one.grad.norm().item() for one in layer.parameters())) for layer in (model[0], model[-1])]
    assert worst(findings, "vanishing") == pytest.approx(math.log10(norms[0] / norms[1]), abs=0.05)


# Every path and every call


class Towers(nn.Module):
    """Two towers of one depth, of which one vanishes."""

    def __init__(self, *, first, second=nn.Sigmoid):
        super().__init__()
        self.first = first
        self.good = self._tower(nn.Tanh)
        self.bad = self._tower(second)
        self.out = nn.Linear(32, 2)
        for layer in self.good:
            if isinstance(layer, nn.Linear):
                nn.init.orthogonal_(layer.weight, 1.1)

    @staticmethod
    def _tower(act):
        return nn.Sequential(*[layer for _ in range(10) for layer in (nn.Linear(16, 16), act())])

    def forward(self, x):
        if self.first == "good":
            good, bad = self.good(x), self.bad(x)
        else:
            bad, good = self.bad(x), self.good(x)
        return self.out(torch.cat([good, bad], 1))


@pytest.mark.parametrize("first", ["good", "bad"])
def test_each_tower_is_judged_whichever_runs_first(first):
    x, y = batch(16, n_classes=2)
    model = Towers(first=first)
    findings = found(recorded(model, x, y))
    assert worst(findings, "vanishing") == pytest.approx(
        decades(judge(model, (x,), loss_to(y)))["bad.0", 0][1], abs=0.05
    )
    (vanishing,) = naming([one for one in findings if one.key == "vanishing"], "bad.0")[:1]
    assert vanishing.severity == "problem"
    assert "good.0" not in str(vanishing)


def test_two_healthy_towers_are_healthy():
    x, y = batch(16, n_classes=2)
    model = Towers(first="good", second=nn.Tanh)
    for layer in model.bad:
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight, 1.1)
    assert keys(found(recorded(model, x, y))) == {"healthy"}


def test_a_table_drops_no_tower_without_a_word():
    x, y = batch(16, n_classes=2)
    text = str(gradflow.analyze_gradients(Towers(first="good"), x, y))
    assert "good.0" in text
    assert "bad.0" in text


class Reused(nn.Module):
    """One layer called twelve times."""

    def __init__(self, act, gain):
        super().__init__()
        self.cell = nn.Linear(16, 16)
        nn.init.orthogonal_(self.cell.weight, gain)
        self.act = act
        self.out = nn.Linear(16, 3)

    def forward(self, x):
        for _ in range(12):
            x = self.act(self.cell(x))
        return self.out(x)


@pytest.mark.parametrize(("gain", "key"), [(0.6, "vanishing"), (1.0, "healthy"), (3.0, "exploding")])
def test_a_layer_called_again_is_judged_along_its_calls(gain, key):
    x, y = batch(16)
    model = Reused(nn.Identity() if gain > 1 else torch.tanh, gain)
    findings = found(recorded(model, 0.1 * x, y))
    assert keys(findings) == {key, *(["outputs_large"] if key == "exploding" else [])}
    if key != "healthy":
        assert "cell" in str(next(one for one in findings if one.key == key))
        of_calls = judge(model, (0.1 * x,), loss_to(y)).outputs
        truth = (
            math.log10(of_calls["cell", 0] / of_calls["cell", 11]),
            math.log10(of_calls["cell", 0] / of_calls["out", 0]),
        )
        assert any(worst(findings, key) == pytest.approx(one, abs=0.05) for one in truth)


# A layer's parameters


class Cut(nn.Linear):
    def forward(self, x):
        return functional.linear(x, self.weight.detach(), self.bias.detach())


class CutWeight(nn.Linear):
    def forward(self, x):
        return functional.linear(x, self.weight.data, self.bias)


class Half(nn.Module):
    """Two matrices, of which one never gets a gradient."""

    def __init__(self):
        super().__init__()
        self.used = nn.Parameter(0.3 * torch.randn(8, 8))
        self.unused = nn.Parameter(0.3 * torch.randn(8, 8))

    def forward(self, x):
        return x @ self.used + (x @ self.unused).detach()


class ForgetsWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(weight)
        return x @ weight.t()

    @staticmethod
    def backward(ctx, gradient):
        (weight,) = ctx.saved_tensors
        return gradient @ weight, None


class Custom(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(0.3 * torch.randn(8, 8))

    def forward(self, x):
        return ForgetsWeight.apply(x, self.weight)


def around(middle):
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), middle, nn.ReLU(), nn.Linear(8, 2))


CUT_PARAMETERS = {
    "weight and bias detached": (lambda: Cut(8, 8), ("2.weight", "2.bias"), ()),
    "weight.data": (lambda: CutWeight(8, 8), ("2.weight",), ("2.bias",)),
    "one of two matrices": (Half, ("2.unused",), ("2.used",)),
    "a Function without the weight's gradient": (Custom, ("2.weight",), ()),
}


@pytest.mark.parametrize("case", CUT_PARAMETERS)
def test_a_parameter_without_gradient_is_named_although_its_layer_has_one(case):
    make, named, unnamed = CUT_PARAMETERS[case]
    x, y = batch(4, n_classes=2)
    model = around(make())
    for recording in (recorded(model, x, y, steps=4), gradflow.analyze_gradients(model, x, y).recording):
        faults = [one for one in found(recording) if one.severity in FAULTS]
        assert all(naming(faults, name) for name in named)
        assert not any(naming(faults, name) for name in unnamed)
        assert not any(naming(faults, name) for name in ("0.weight", "4.weight", "0.bias", "4.bias"))


def test_the_same_network_with_whole_gradients_is_healthy():
    x, y = batch(4, n_classes=2)
    assert keys(found(recorded(around(nn.Linear(8, 8)), x, y, steps=4))) == {"healthy"}


class Gate(nn.Module):
    """A clamp that no gradient passes."""

    def __init__(self, start):
        super().__init__()
        self.alpha = nn.Parameter(torch.full((8,), start))

    def forward(self, x):
        return x * self.alpha.clamp(0.5, 2.0)


class TimesZero(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.scale = scale

    def forward(self, x):
        return x + self.scale * self.norm(x)


def test_vectors_with_a_zero_gradient_count():
    x, y = batch(4, 64, 2)
    model = nn.Sequential(nn.Linear(4, 8), Gate(-3.0), TimesZero(0.0), nn.ReLU(), nn.Linear(8, 2))
    faults = [one for one in found(recorded(model, x, y, steps=10)) if one.severity in FAULTS]
    assert naming(faults, "1.alpha")
    assert naming(faults, "2.norm")
    healthy = nn.Sequential(nn.Linear(4, 8), Gate(1.0), TimesZero(1.0), nn.ReLU(), nn.Linear(8, 2))
    assert keys(found(recorded(healthy, x, y, steps=10))) == {"healthy"}


class Attention(nn.Module):
    """Attention over all tokens, or over one: then queries and keys do not matter."""

    def __init__(self, n_tokens):
        super().__init__()
        self.embed = nn.Linear(4, 8)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.out = nn.Linear(8, 2)
        self.n_tokens = n_tokens

    def forward(self, x):
        h = self.embed(x)[:, : self.n_tokens]
        return self.out(self.attend(h, h, h, need_weights=False)[0].mean(1))


@pytest.mark.parametrize("n_tokens", [1, 5])
def test_blocks_of_a_fused_parameter_that_are_exactly_zero_are_found(n_tokens):
    x, y = torch.randn(16, 5, 4), torch.randint(0, 2, (16,))
    faults = [one for one in found(recorded(Attention(n_tokens), x, y)) if one.severity in FAULTS]
    assert bool(naming(faults, "attend")) == (n_tokens == 1)


class Recurrent(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        self.rnn = nn.GRU(4, 8, batch_first=batch_first)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


def test_a_recurrent_weight_that_a_sequence_of_one_step_leaves_without_gradient_is_found():
    x, y = torch.randn(1, 16, 4), torch.randint(0, 2, (1,))
    assert naming(found(recorded(Recurrent(False), x, y)), "weight_hh")
    x, y = torch.randn(16, 5, 4), torch.randint(0, 2, (16,))
    assert not naming(found(recorded(Recurrent(True), x, y)), "weight_hh")


class Unregistered(nn.Module):
    """Three layers in a Python list, and a tensor that is no parameter."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.hidden = [nn.Linear(8, 8) for _ in range(3)]
        self.loose = torch.randn(8, 8, requires_grad=True)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        x = self.first(x)
        for layer in self.hidden:
            x = functional.relu(layer(x))
        return self.out(x @ self.loose)


def test_tensors_that_require_gradients_and_are_no_parameters_are_counted():
    x, y = batch(4, 16, 2)
    recording = recorded(Unregistered(), x, y)
    assert recording.meta["unregistered"]["count"] == 7
    assert naming([one for one in found(recording) if one.severity in FAULTS], "7 tensors")


class Unused(nn.Module):
    """A second head that is never called, called in vain, or whose body is called under no_grad or through numpy."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.body, self.out, self.side = nn.Linear(4, 8), nn.Linear(8, 2), nn.Linear(8, 2)

    def forward(self, x):
        if self.how == "no_grad":
            with torch.no_grad():
                h = self.body(x)
        else:
            h = self.body(x)
        if self.how == "numpy":
            h = torch.from_numpy(h.detach().numpy())
        if self.how in ("in vain", "used"):
            side = self.side(h)
        return self.out(h) + side if self.how == "used" else self.out(h)


STATUS_OF = {
    "never called": ("side", "not called"),
    "in vain": ("side", "no gradient"),
    "no_grad": ("body", "called without gradients"),
    "numpy": ("body", "no gradient"),
    "used": (None, None),
}


@pytest.mark.parametrize("how", STATUS_OF)
def test_why_a_layer_gets_nothing_is_told(how):
    x, y = batch(4, 16, 2)
    recording = recorded(Unused(how), x, y)
    layer, status = STATUS_OF[how]
    findings = found(recording)
    if layer is None:
        assert keys(findings) == {"healthy"}
        return
    assert set(recording.layers.loc[recording.layers["layer"] == layer, "status"]) == {status}
    assert naming([one for one in findings if one.severity in FAULTS], layer)


# What moves


def training_set():
    x = torch.randn(64, 6)
    return x, (x[:, 0] > 0).long()


def small():
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))


def optimized(model, held, *, steps=25, lr=0.1, is_stepped=True, given=True):
    x, y = training_set()
    optimizer = torch.optim.SGD([parameter for layer in held for parameter in layer.parameters()], lr)
    recorder = gradflow.record(model, optimizer=optimizer if given else None, weights=True)
    for _ in range(steps):
        model.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        recorder.step(loss=loss)
        if is_stepped:
            optimizer.step()
    recorder.close()
    return found(recorder.recording)


def test_parameters_that_no_optimizer_holds_are_named():
    model = small()
    faults = [one for one in optimized(model, [model[0], model[4]]) if one.severity in FAULTS]
    assert naming(faults, "2")
    assert keys(optimized(model, [model])) == {"healthy"}


def test_weights_that_never_change_are_said_to_be_so():
    model = small()
    findings = optimized(model, [model], is_stepped=False, given=False)
    assert naming([one for one in findings if one.severity == "problem"], "optimizer.step()")


@pytest.mark.filterwarnings("ignore:the optimizer given to record")
def test_an_optimizer_that_never_steps_is_named():
    model = small()
    findings = optimized(model, [model], is_stepped=False)
    assert naming([one for one in findings if one.severity == "problem"], "optimizer", "never")


def test_a_learning_rate_of_zero_is_named():
    model = small()
    findings = optimized(model, [model], lr=0.0)
    assert naming([one for one in findings if one.severity == "problem"], "learning rate")


# Origins


def five(middle=None, act=nn.ReLU):
    model = nn.Sequential(*[layer for _ in range(5) for layer in (nn.Linear(8, 8), act())], nn.Linear(8, 3))
    for linear in model[::2]:
        nn.init.normal_(linear.weight, 0.0, 0.5)
    if middle is not None:
        model[5] = middle
    return model


class Log(nn.Module):
    def forward(self, x):
        return torch.log(x)


class SqrtOfZero(nn.Module):
    """Finite forward; inf times 0 backward."""

    def forward(self, x):
        return (x * 0).sqrt() + x


def test_a_dead_layer_is_named_where_the_gradient_stops():
    x, y = batch(8)
    model = five()
    with torch.no_grad():
        model[6].bias.fill_(-50)
    faults = [one for one in found(recorded(model, x, y, steps=4, statistics=True)) if one.severity in FAULTS]
    stops = naming(faults, "from layer 7 back to layer 6")
    assert stops
    assert stops[0].severity == "problem"
    assert stops[0].cause == "cause.units_off"
    (off,) = (one for one in found(recorded(model, x, y, steps=40, statistics=True)) if one.key == "units_off")
    assert "remedy.lower_lr" not in off.remedies  # they were off before any update
    assert keys(found(recorded(five(), x, y, steps=4))) == {"healthy"}


@pytest.mark.parametrize("statistics", [True, False])
def test_a_nan_of_the_forward_pass_is_named_where_it_arises(statistics):
    x, y = batch(8)
    problems = [one for one in found(recorded(five(Log()), x, y, statistics=statistics)) if one.severity == "problem"]
    origin = [one for one in problems if "nonfinite" in one.key]
    assert origin
    if statistics:
        assert naming(origin, "5", "step 0", "forward")


@pytest.mark.parametrize("statistics", [True, False])
def test_a_nan_of_the_backward_pass_is_named_where_it_arises(statistics):
    x, y = batch(8)
    findings = found(recorded(five(SqrtOfZero()), x, y, statistics=statistics))
    assert naming([one for one in findings if one.severity == "problem"], "5", "step 0", "backward")


def test_a_nan_of_the_loss_alone_is_named():
    x, y = batch(8)

    def loss_of(outputs, targets):
        return functional.cross_entropy(outputs, targets) + (0 * outputs).square().sum().sqrt()

    findings = found(recorded(five(), x, y, loss_of=loss_of, statistics=True))
    assert keys(findings) == {"nonfinite_from_loss"}
    assert naming(findings, "loss", "step 0")


@pytest.mark.parametrize(("statistics", "origin"), [(True, "nonfinite_from_loss"), (False, "nonfinite_with_loss")])
def test_a_loss_that_is_nan_itself_is_told_from_an_output(statistics, origin):
    x, y = batch(8)

    def loss_of(outputs, targets):
        return functional.cross_entropy(outputs, targets) + math.nan * outputs.sum()

    assert keys(found(recorded(five(), x, y, loss_of=loss_of, statistics=statistics))) == {"diverged", origin}


def test_fp16_underflow_is_said_as_such():
    torch.manual_seed(0)
    model = five(act=nn.Sigmoid).half()
    x, y = batch(8)

    def loss_of(outputs, targets):
        return functional.cross_entropy(outputs.float(), targets) * 1e-5

    findings = found(recorded(model, x.half(), y, loss_of=loss_of))
    assert naming([one for one in findings if one.severity in FAULTS], "float16")


class UncountedNan:
    """A recording as an accelerator makes it: non-finite entries are not counted."""

    @staticmethod
    def make():
        layers = pd.DataFrame(
            {"step": 0, "layer": ["a", "b"], "order": [0, 1], "layer_depth": [1, 2], "weighted": True, "n_params": 4}
        )
        layers = layers.assign(out_grad_norm=math.nan, grad_norm=math.nan, n_nonfinite=-1, status="measured")
        return Recording(layers=layers, steps=pd.DataFrame({"step": [0], "loss": [math.nan]}), meta={"run": "gpu"})


def test_a_nan_that_no_one_counted_is_a_nan():
    assert keys(found(UncountedNan.make()), "problem")
    assert not keys(found(UncountedNan.make()), "healthy", "unmeasured")


# Harm


def test_a_loss_that_rises_from_its_floor_is_no_problem():
    steps = pd.DataFrame({"step": range(20), "loss": [9e-4] * 2 + [1e-2] * 8 + [0.02] * 10})
    assert not keys(found(Recording(steps=steps, meta={"run": "discriminator"})), "problem")
    steps = pd.DataFrame({"step": range(20), "loss": [0.7] * 2 + [5.0] * 8 + [9.0] * 10})
    assert keys(found(Recording(steps=steps, meta={"run": "mine"})), "problem")


def test_three_failing_seeds_are_no_less_than_each_alone():
    runs = []
    for seed, decades_ in enumerate((-8.5, -8.3, -3.5)):
        layers = pd.DataFrame(
            {"step": 0, "layer": ["a", "b", "c"], "order": [0, 1, 2], "layer_depth": [1, 2, 3], "weighted": True}
        ).assign(out_grad_norm=[10**decades_, 10 ** (decades_ / 2), 1.0], n_params=4, grad_norm=1.0)
        steps = pd.DataFrame({"step": range(40), "loss": [2.3] * 40})
        meta = {"run": f"plain-20-seed{seed}", "family": "plain", "depth": 20, "seed": seed}
        runs.append(Recording(layers=layers, steps=steps, meta=meta))
    alone = [keys(found(run), "problem") for run in runs]
    assert all("vanishing" in one for one in alone)
    assert "vanishing" in keys(found(runs), "problem")


def test_vanishing_with_a_level_loss_is_a_problem_and_carries_remedies_that_fit():
    x, y = batch(16)
    findings = found(recorded(chain(SIXTEEN, nn.Sigmoid), x, y, steps=25))
    vanishing = next(one for one in findings if one.key == "vanishing")
    assert vanishing.severity == "problem"
    assert "remedy.budget" not in vanishing.remedies


# analyze_gradients


@pytest.mark.parametrize("n_tokens", [11, 12])
def test_tokens_are_not_taken_for_channels(n_tokens):
    model = nn.Sequential(nn.Embedding(12, 8), nn.Linear(8, 12))
    x, y = torch.randint(0, 12, (4, n_tokens)), torch.randint(0, 12, (4, n_tokens))
    analysis = gradflow.analyze_gradients(model, x, y)
    right = functional.cross_entropy(model(x).flatten(0, 1), y.flatten()).item()
    assert analysis.recording.steps["loss"].iloc[0] == pytest.approx(right, rel=1e-5)


def test_probabilities_under_cross_entropy_are_warned_of():
    x, y = batch(4, 16)
    logits = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    assert "probabilit" in str(gradflow.analyze_gradients(nn.Sequential(*logits, nn.Softmax(-1)), x, y))
    assert "probabilit" not in str(gradflow.analyze_gradients(logits, x, y))


def test_a_gru_is_no_chain_of_residual_connections():
    analysis = gradflow.analyze_gradients(Recurrent(True), torch.randn(8, 6, 4), torch.randint(0, 2, (8,)))
    assert analysis.skips.empty


def test_layers_that_stand_out_are_measured_ones():
    model = nn.Sequential(
        *[nn.Linear(8, 8).requires_grad_(False) for _ in range(6)], nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)
    )
    with torch.no_grad():
        model[6].bias.fill_(-9)
    x, y = batch(8, 16)
    text = str(gradflow.analyze_gradients(model, x, y))
    stand_out = text[text.index("Weighted layers") :].split("Findings")[0]
    assert "6" in stand_out
    assert "8" in stand_out


@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")
@pytest.mark.filterwarnings("ignore")
def test_a_vision_transformer_has_no_root_layer_with_parameters():
    import timm

    model = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=6, num_classes=10)
    analysis = gradflow.analyze_gradients(model, torch.randn(4, 3, 32, 32), torch.randint(0, 10, (4,)))
    rows = analysis.recording.layers.drop_duplicates("layer").set_index("layer")
    assert rows["order"]["pos_embed"] < rows["order"]["blocks.0.attn.qkv"] < rows["order"]["head"]
    assert rows["order"]["cls_token"] < rows["order"]["blocks.0.attn.qkv"]


# Recurrent time


class FirstToken(nn.Module):
    """A classifier that reads the last of the steps of an LSTM."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.rnn = nn.LSTM(16, 16, 2, batch_first=True)
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        return self.head(self.rnn(self.embed(x))[0][:, -1])


def test_an_lstm_is_judged_by_where_its_gradient_ends_in_time():
    x = torch.randint(0, 50, (16, 80))
    y = (x[:, 0] > 25).long()
    model = FirstToken()
    recording = recorded(model, x, y)
    times = recording.times[(recording.times["step"] == 0) & (recording.times["tensor"] == "input")]
    embedded = model.embed(x).detach().requires_grad_()
    loss = functional.cross_entropy(model.head(model.rnn(embedded)[0][:, -1]), y)
    truth = torch.autograd.grad(loss, embedded)[0].norm(dim=(0, 2))
    assert times.sort_values("time")["grad_norm"].tolist() == pytest.approx(truth.tolist(), rel=1e-4)
    findings = found(recording)
    assert naming([one for one in findings if one.severity in FAULTS], "rnn", "time step")
    assert not any("remedy.init" in one.remedies for one in findings)


# Whose gradient (one recorded step each; loops are in test_loops.py)


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.policy, self.value = (
            nn.Linear(4, 16),
            nn.Linear(16, 16),
            nn.Linear(16, 2),
            nn.Linear(16, 1),
        )

    def forward(self, x):
        h = torch.tanh(self.b(torch.tanh(self.a(x))))
        return self.policy(h), self.value(h)


@pytest.mark.parametrize("how", ["one sum", "two passes", "opposite"])
def test_a_total_over_two_passes_is_that_of_the_sum_or_not_known(how):
    model, x = ActorCritic(), torch.randn(32, 4)
    actions, returns = torch.randint(0, 2, (32,)), torch.randn(32)
    recorder = gradflow.record(model)
    truth = {}
    for _ in range(2):
        model.zero_grad()
        hidden = model.a(x)
        h = torch.tanh(model.b(torch.tanh(hidden)))
        policy = functional.cross_entropy(model.policy(h), actions)
        value = (model.value(h).squeeze(1) - returns).square().mean()
        parts = {"one sum": [policy + value], "two passes": [policy, value], "opposite": [policy, -policy]}[how]
        total = sum(torch.autograd.grad(part, hidden, retain_graph=True)[0] for part in parts)
        truth["a"] = total.norm().item()
        for part in parts:
            part.backward(retain_graph=True)
        recorder.step(loss=policy)
    recorder.close()
    joined = profile([recorder.recording])
    rows = joined[joined["layer"] == "a"].sort_values("step")
    for norm, status in zip(rows["out_grad_norm"], rows["status"], strict=True):
        if math.isnan(norm):
            assert status == "several passes"
        else:
            assert norm == pytest.approx(truth["a"], rel=1e-4, abs=1e-7)
