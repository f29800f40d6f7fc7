"""Where a NaN or an infinity came from, on frames made by hand and in real networks."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import gradflow
from gradflow import Recording, diagnose
from gradflow.analysis.origins import nonfinite_origin
from tests.diagnosis.frames import NAN, chain, keys, only


def with_layers(recording, **columns):
    return Recording(
        layers=recording.layers.assign(**columns), graph=recording.graph, steps=recording.steps, meta=recording.meta
    )


BROKEN = {"a": [1.0, NAN, NAN], "b": [1.0, NAN, NAN], "C": 1.0, "d": 2.0}


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("counted", [True, False])
def test_the_backward_pass_is_named_by_the_layers_between_which_it_broke(graph, counted):
    made = chain(BROKEN, graph=graph)
    made = made if counted else with_layers(made, n_nonfinite=-1)
    values = only(diagnose(made), "nonfinite_backward").values
    assert (values["source"], values["layer"], values["step"]) == ("b", "C", 1)


def test_the_graph_says_which_layers_follow_and_not_the_order():
    made = chain({"a": 1.0, "b": [NAN] * 3, "c": 1.0, "d": 1.0}, graph=False)
    graph = pd.DataFrame({"layer": ["c", "d", "d"], "source": ["a", "b", "c"]})
    made = Recording(layers=made.layers, steps=made.steps, graph=graph)
    values = only(diagnose(made), "nonfinite_backward").values
    assert (values["source"], values["layer"]) == ("b", "d")


def test_a_layer_whose_user_was_not_measured_is_looked_at_through_it():
    outputs = {"a": [NAN] * 3, "B": 1.0, "c": 1.0}
    made = chain(outputs)
    made = Recording(layers=made.layers[made.layers["layer"] != "B"], steps=made.steps, graph=made.graph)
    assert nonfinite_origin(made)[:5] == ("backward", 0, -1, "c", "a")


def test_the_calls_of_a_cell_are_followed_one_by_one():
    made = chain({"cell": [NAN], "proj": [NAN], "head": 1.0}, steps=1, graph=False)
    again = made.layers[made.layers["layer"] == "cell"].assign(call=1)
    edges = [("proj", 0, "cell", 0), ("cell", 1, "proj", 0), ("head", 0, "cell", 1)]
    graph = pd.DataFrame(edges, columns=["layer", "call", "source", "source_call"])
    made = Recording(layers=pd.concat([made.layers, again]), steps=made.steps, graph=graph)
    assert nonfinite_origin(made)[:5] == ("backward", 0, -1, "head", "cell")


def test_a_gradient_that_is_broken_where_it_arrives_came_from_the_loss():
    outputs = {key: [1.0, 1.0, NAN] for key in "abc"}
    finite = chain(outputs)
    assert only(diagnose(finite), "nonfinite_from_loss").values["layer"] == "c"
    lost = chain(outputs, losses=[2.0, 1.9, NAN])
    assert only(diagnose(lost), "nonfinite_with_loss").values["step"] == 2
    assert "statistics=True" in str(only(diagnose(lost), "nonfinite_with_loss"))
    described = chain(outputs, losses=[2.0, 1.9, NAN], act_rms=1.0, act_mean=0.0)
    assert "nonfinite_loss" in keys(diagnose(described))
    unknown = chain(outputs, losses=[NAN] * 3, act_rms=1.0, act_mean=0.0)
    assert "nonfinite_from_loss" in keys(diagnose(unknown))


def test_the_first_output_that_is_not_finite_made_it():
    made = chain({key: [1.0, NAN, NAN] for key in "abcd"}, losses=[2.0, NAN, NAN])
    is_broken = made.layers["layer"].isin(["c", "d"]) & (made.layers["step"] > 0)
    rms = np.where(is_broken, NAN, 1.0)
    found = only(diagnose(with_layers(made, act_rms=rms, act_mean=rms)), "nonfinite_forward")
    assert (found.values["layer"], found.values["step"]) == ("c", 1)
    assert "input" not in str(found)
    rms = np.where(made.layers["step"] > 0, NAN, 1.0)
    assert "the network's input may already contain it" in str(
        only(diagnose(with_layers(made, act_rms=rms, act_mean=rms)), "nonfinite_forward")
    )


@pytest.mark.parametrize("statistics", [True, False])
def test_weights_that_were_broken_already_are_named(statistics):
    made = chain({key: [1.0, 1.0, NAN] for key in "abcd"}, losses=[2.0, 1.9, NAN])
    last = made.layers["step"] == 2
    weights = np.where(last & (made.layers["layer"] == "b"), NAN, 2.0)
    rms = np.where(last & (made.layers["layer"] != "a"), NAN, 1.0 if statistics else NAN)
    found = diagnose(with_layers(made, weight_norm=weights, act_rms=rms, act_mean=rms))
    assert only(found, "nonfinite_weights").values["layer"] == "b"


def test_a_parameter_alone_is_named():
    rows = [
        {"layer": layer, "parameter": name, "grad_norm": NAN if (layer, name) == ("b", "bias") else 1.0, "dim": 2}
        for layer in "abc"
        for name in ("weight", "bias")
    ]
    made = chain(dict.fromkeys("abc", 1.0), gradients={"b": NAN}, parameters=rows)
    counts = np.where(made.layers["layer"] == "b", 3, 0)
    broken = Recording(layers=made.layers.assign(n_nonfinite=counts), parameters=made.parameters, steps=made.steps)
    assert only(diagnose(broken), "nonfinite_parameter").values["source"] == "b.bias"


def test_unrecorded_steps_between_are_said_to_be_unknown():
    made = chain(BROKEN)
    late = Recording(layers=made.layers.assign(step=made.layers["step"] * 50), steps=made.steps, graph=made.graph)
    found = only(diagnose(late), "nonfinite_backward")
    assert "Steps between 0 and 50 were not recorded" in str(found)
    assert "not recorded" not in str(only(diagnose(made), "nonfinite_backward"))


def test_a_gradient_that_is_finite_again_is_a_notice():
    passing = {"a": [1.0, np.inf, 1.0], "b": 1.0}
    found = only(diagnose(chain(passing)), "nonfinite_backward")
    assert found.severity == "notice"
    assert "finite again" in str(found)
    assert only(diagnose(chain({"a": [1.0, np.inf, np.inf], "b": 1.0})), "nonfinite_backward").severity == "problem"


def test_a_pass_that_the_optimizer_did_not_use_is_said_to_be_one():
    made = chain({"a": [1.0, NAN, 1.0], "b": 1.0})
    other = with_layers(made, in_grad=made.layers["out_grad_norm"].notna())
    assert only(diagnose(other), "nonfinite_other_pass").values["layer"] == "a"


class Sqrt(nn.Module):
    """Finite forward, infinite times zero backward."""

    def forward(self, x):
        return (x * 0).sqrt() + x


class Log(nn.Module):
    def forward(self, x):
        return torch.log(x)


def train(middle=None, *, statistics=True, loss=nn.functional.cross_entropy):
    torch.manual_seed(0)
    model = nn.Sequential(*[layer for _ in range(3) for layer in (nn.Linear(8, 8), nn.ReLU())], nn.Linear(8, 3))
    if middle is not None:
        model[3] = middle
    x, y = torch.randn(32, 8), torch.randint(0, 3, (32,))
    with gradflow.record(model, statistics=statistics) as recorder:
        for _ in range(3):
            model.zero_grad()
            value = loss(model(x), y)
            value.backward()
            recorder.step(loss=value)
    return {one.key: one.values for one in diagnose(recorder.recording) if one.severity == "problem"}


def test_real_networks():
    assert train() == {}
    assert train(Log())["nonfinite_forward"]["layer"] == "3"
    assert train(Log(), statistics=False)["nonfinite_with_loss"]["layer"] == "6"
    for statistics in (True, False):
        values = train(Sqrt(), statistics=statistics)["nonfinite_backward"]
        assert (values["source"], values["layer"]) == ("2", "3")
    assert "nonfinite_from_loss" in train(loss=lambda out, y: (out * 0).sum() / (out * 0).sum())  # or none passed in
    values = train(loss=lambda out, y: nn.functional.cross_entropy(out, y) + (out * 0).sqrt().sum())
    assert values["nonfinite_from_loss"]["layer"] == "6"
