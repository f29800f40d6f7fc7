"""Layers that no gradient reaches, told apart by what the graph says of them."""

import pytest
import torch
from torch import nn

import gradflow
from gradflow import diagnose
from tests.diagnosis.frames import NAN, chain, keys, only


def made(statuses, *, old=False, lr=None, order=None):
    """Return a chain in which each layer has a status; those with one that says why have no gradient."""
    names = [f"{chr(97 + place)}" for place in range(len(statuses))]
    is_measured = [status == "measured" for status in statuses]
    outputs = {name: 1.0 if measured else NAN for name, measured in zip(names, is_measured, strict=True)}
    rows = [
        {
            "layer": name,
            "parameter": "weight",
            "dim": 2,
            "lr": (lr or {}).get(name, 0.1),
            "grad_norm": outputs[name],
            "update_norm": outputs[name],
            "status": "measured" if measured else "no gradient",
        }
        for name, measured in zip(names, is_measured, strict=True)
    ]
    more = {} if order is None else {"order": order * 3}
    return chain(outputs, status=statuses * 3, n_nonfinite=0, parameters=None if old else rows, **more)


@pytest.mark.parametrize(
    ("statuses", "key"),
    [
        (["no gradient", "no gradient", "measured", "measured", "measured"], "cut_off"),
        (["no gradient", "called without gradients", "measured", "measured", "measured"], "cut_off_no_grad"),
        (["not in the graph", "measured", "measured", "measured", "measured"], "cut_off_outside"),
    ],
)
def test_what_runs_before_a_cut_is_one_problem(statuses, key):
    found = diagnose(made(statuses))
    (one,) = [finding for finding in found if finding.severity in ("problem", "notice")]
    assert (one.key, one.severity, one.values["example"]) == (key, "problem", "a")
    alive = "abcde"[statuses.index("measured")]
    assert (one.values["user"], one.values["layers"]) == (alive, statuses.index("measured"))


@pytest.mark.parametrize(
    ("status", "key"),
    [
        ("no gradient", "unused"),
        ("called without gradients", "without_gradients"),
        ("not called", "not_called"),
        ("not of the loss", "not_of_the_loss"),
    ],
)
def test_a_layer_beside_the_path_is_a_notice_and_half_of_the_network_is_none(status, key):
    one = only(diagnose(made(["measured", "measured", status, "measured"])), key)
    assert (one.severity, one.values["example"]) == ("notice", "c")
    assert only(diagnose(made(["measured", "measured", status, status])), key).severity == "problem"


def test_an_idle_expert_that_is_first_of_the_model_is_no_cut():
    found = diagnose(made(["not called", "measured", "measured", "measured"], order=[-1, 0, 1, 2]))
    assert only(found, "not_called").severity == "notice"


@pytest.mark.parametrize("status", ["no gradient", "not called", "not in the graph"])
def test_a_whole_model_without_gradient_is_a_problem(status):
    assert only(diagnose(made([status] * 3)), "no_gradient_anywhere").severity == "problem"


def test_an_adapter_without_gradient_is_a_problem_although_all_else_is_frozen():
    adapter = made(["frozen", "frozen", "no gradient", "frozen"])
    assert only(diagnose(adapter), "no_gradient_anywhere").values["example"] == "c"


def test_what_no_optimizer_holds_was_not_meant_to_learn():
    target = made(["called without gradients"] * 2 + ["measured"] * 2, lr={"a": NAN, "b": NAN})
    assert only(diagnose(target), "cut_off_no_grad").severity == "notice"


def test_old_recordings_do_not_tell_never_called_from_outside_the_graph():
    found = diagnose(made(["not in the graph", "measured", "measured", "measured"], old=True))
    assert only(found, "no_gradient").severity == "notice"


def test_a_layer_with_a_gradient_at_one_step_is_not_absent():
    statuses = ["measured", "no gradient", "measured"]
    recording = made(statuses)
    layers = recording.layers.copy()
    layers.loc[(layers["layer"] == "b") & (layers["step"] == 1), ["status", "grad_norm"]] = ["measured", 1.0]
    recording = gradflow.Recording(layers=layers, parameters=recording.parameters, steps=recording.steps)
    assert not keys(diagnose(recording)) & {"unused", "cut_off"}


class Net(nn.Module):
    """A chain whose second half takes what `between` makes of the first half's output; a spare layer besides."""

    def __init__(self, between, *, spare=False):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 8)
        self.third, self.fourth, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.spare = nn.Linear(4, 2) if spare else None
        self.between = between

    def forward(self, x):
        x = self.between(lambda x: self.second(self.first(x).relu()), x)
        return self.head(self.fourth(self.third(x.relu()).relu()).relu())


def without_gradients(half, x):
    with torch.no_grad():
        return half(x)


def recorded(model):
    torch.manual_seed(0)
    x, y = torch.randn(16, 4), torch.randint(0, 2, (16,))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with gradflow.record(model, optimizer=optimizer) as recorder:
        for _ in range(3):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            recorder.step(loss=loss)
            optimizer.step()
    return {one.key: one for one in diagnose(recorder.recording) if one.severity in ("problem", "notice")}


def test_real_networks():
    assert recorded(Net(lambda half, x: half(x))) == {}
    detached = recorded(Net(lambda half, x: half(x).detach()))
    assert {key: one.severity for key, one in detached.items()} == {"cut_off": "problem"}
    assert [detached["cut_off"].values[name] for name in ("example", "last", "user")] == ["first", "second", "third"]
    switched_off = recorded(Net(without_gradients))
    assert {key: one.severity for key, one in switched_off.items()} == {"cut_off_no_grad": "problem"}
    spare = recorded(Net(lambda half, x: half(x), spare=True))
    assert {key: one.severity for key, one in spare.items()} == {"not_called": "notice"}
    assert spare["not_called"].values["example"] == "spare"
