"""Parameters that get nothing in layers whose output has a gradient."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import gradflow
from gradflow import Recording, diagnose
from tests.diagnosis.frames import NAN, chain, keys, learnt, only


def rows(**norms):
    """Return rows of parameters: `b__weight=0.0` is b's weight, `b__weight__q` its part q; None has no gradient."""
    known = {"part": "", "dim": 2, "grad_norm": 1.0, "n_entries": 9, "status": "measured"}
    table = [{"layer": name, "parameter": "weight", **known} for name in "ac"]
    for name, norm in norms.items():
        layer, parameter, *part = name.split("__")
        table.append(
            {
                "layer": layer,
                "parameter": parameter,
                "part": part[0] if part else "",
                "dim": 1 if "bias" in parameter or parameter == "alpha" else 2,
                "grad_norm": NAN if norm is None else norm,
                "n_entries": 9,
                "status": "no gradient" if norm is None else "measured",
            }
        )
    return table


def found_in(steps=3, losses=None, **norms):
    outputs = dict.fromkeys("abc", 1.0)
    return diagnose(chain(outputs, steps=steps, losses=losses, parameters=rows(**norms)))


def test_where_all_have_a_gradient_nothing_is_found():
    assert not keys(found_in())
    assert not keys(diagnose(chain(dict.fromkeys("abc", 1.0))))


def test_a_parameter_without_grad_is_named_although_its_layer_has_one():
    one = only(found_in(b__weight=None, b__bias=1.0), "parameter_without_gradient")
    assert (one.severity, one.values["example"], one.cause) == ("problem", "b.weight", "cause.detached_parameter")
    assert "1 parameter received no gradient" in str(one)


def test_many_are_counted_and_three_named():
    one = only(found_in(**{f"b__w{number}": None for number in range(5)}), "parameter_without_gradient")
    assert (one.values["parameters"], one.values["example"]) == (5, "b.w0, b.w1, b.w2, …")


def test_no_parameter_with_grad_means_that_it_was_cleared():
    table = [row | {"grad_norm": NAN, "status": "no gradient"} for row in rows(b__weight=None)]
    made = chain(dict.fromkeys("abc", 1.0), gradients=dict.fromkeys("abc", NAN), parameters=table)
    assert keys(diagnose(made)) == {"no_parameter_gradient"}


def test_frozen_ones_are_no_fault():
    table = [row | {"status": "frozen"} if row["layer"] == "b" else row for row in rows(b__weight=None)]
    assert not keys(diagnose(chain(dict.fromkeys("abc", 1.0), parameters=table)))


@pytest.mark.parametrize("name", ["b__weight", "b__alpha"])
def test_an_exact_zero_is_named_vectors_too(name):
    one = only(found_in(**{name: 0.0}), "zero_parameters")
    assert (one.severity, one.values["example"]) == ("problem", name.replace("__", "."))
    assert "at all 3 recorded steps" in str(one)
    assert only(found_in(steps=40, losses=learnt(), **{name: 0.0}), "zero_parameters").severity == "notice"
    assert only(found_in(steps=1, **{name: 0.0}), "zero_parameters").severity == "notice"


def test_a_bias_that_a_norm_or_a_softmax_removes_is_zero_by_construction():
    assert not keys(found_in(b__weight=1.0, b__bias=0.0))
    assert "zero_parameters" in keys(found_in(b__bias=0.0))


def test_a_zero_at_one_of_several_steps_is_none():
    made = chain(dict.fromkeys("abc", 1.0), parameters=rows(b__weight=0.0))
    table = made.parameters.copy()
    table.loc[table["step"] == 1, "grad_norm"] = 1.0
    assert not keys(diagnose(Recording(layers=made.layers, parameters=table, steps=made.steps)))


def test_blocks_of_fused_parameters():
    attention = {"b__in_proj_weight__q": 0.0, "b__in_proj_weight__k": 0.0, "b__in_proj_weight__v": 1.0}
    one = only(found_in(**attention), "attention_one_token")
    assert (one.values["parameter"], one.values["example"]) == ("in_proj_weight", "b")
    bias = {"b__in_proj_bias__q": 1.0, "b__in_proj_bias__k": 0.0, "b__in_proj_bias__v": 1.0}
    assert not keys(found_in(**dict.fromkeys(attention, 1.0), **bias))
    half = found_in(**attention | {"b__in_proj_weight__k": 1.0})
    assert only(half, "zero_parameters").values["example"] == "b.in_proj_weight (q)"


def test_recurrent_weights_of_one_step():
    gates = {f"b__weight_ih_l0__{gate}": float(gate != "forget") for gate in ("input", "forget", "cell", "output")}
    gates |= {f"b__weight_hh_l0__{gate}": 0.0 for gate in ("input", "forget", "cell", "output")}
    found = found_in(**gates)
    assert keys(found) == {"recurrent_one_step"}
    assert "batch_first" in str(only(found, "recurrent_one_step"))
    plain = found_in(b__weight_ih_l0=1.0, b__weight_hh_l0=0.0)
    assert keys(plain) == {"recurrent_one_step"}
    gates |= {"b__weight_hh_l0__cell": 1.0}
    assert "recurrent_one_step" not in keys(found_in(**gates))


def test_old_recordings_are_judged_by_layer():
    made = chain(dict.fromkeys("abc", 1.0), gradients={"b": 0.0}, graph=False)
    assert only(diagnose(made), "zero_gradient").values["example"] == "b"


class Detached(nn.Linear):
    def forward(self, x):
        return functional.linear(x, self.weight.detach(), self.bias)


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.alpha = nn.Parameter(torch.full((8,), -3.0))

    def forward(self, x):
        return x * self.alpha.clamp(0.5, 2.0)


class Recurrent(nn.Module):
    def __init__(self, cell, head):
        super().__init__()
        self.cell, self.head = cell, head

    def forward(self, x):
        return self.head(self.cell(x)[0][:, -1])


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.attention(x, x, x, need_weights=False)[0][0])


def recorded(model, x, *, steps=4):
    y = torch.arange(16) % 2
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with gradflow.record(model, optimizer=optimizer, weights=True) as recorder:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x), y)
            loss.backward()
            recorder.step(loss=loss)
            optimizer.step()
    return {one.key: one for one in diagnose(recorder.recording) if one.severity in ("problem", "notice")}


def test_real_networks():
    torch.manual_seed(0)
    flat, sequence = torch.randn(16, 8), torch.randn(16, 5, 8)

    def around(layer):
        return nn.Sequential(nn.Linear(8, 8), nn.Tanh(), layer, nn.Tanh(), nn.Linear(8, 2))

    assert recorded(around(nn.Linear(8, 8)), flat) == {}
    assert recorded(around(Detached(8, 8)), flat)["parameter_without_gradient"].values["example"] == "2.weight"
    assert recorded(around(Gate()), flat)["zero_parameters"].values["example"] == "2.alpha"
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        head = nn.Linear(8, 2)
        assert not {"recurrent_one_step", "zero_parameters"} & set(
            recorded(Recurrent(kind(8, 8, batch_first=True), head), sequence)
        )
        found = recorded(Recurrent(kind(8, 8, batch_first=True), head), sequence[:, :1])
        assert "recurrent_one_step" in found, kind
        assert "zero_parameters" not in found
    both = Recurrent(nn.LSTM(8, 4, batch_first=True, bidirectional=True), nn.Linear(8, 2))
    found = recorded(both, sequence)  # of the reverse direction the last position is the first step
    assert found["reverse_one_step"].values["parameter"] == "weight_hh_l0_reverse"
    assert not {"recurrent_one_step", "zero_parameters"} & set(found)
    tokens = torch.randn(5, 16, 8)
    assert not recorded(Attention(), tokens)
    assert recorded(Attention(), tokens[:1])["attention_one_token"].values["example"] == "attention"
