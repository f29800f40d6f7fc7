"""Where the gradient becomes exactly zero, or next to nothing."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import gradflow
from gradflow import Recording, diagnose
from tests.diagnosis.frames import NAN, chain, keys, learnt, only

DEAD = {"a": 0.0, "B": 0.0, "c": 0.0, "D": 1.0, "e": 2.0}


@pytest.mark.parametrize("graph", [True, False])
def test_a_stop_is_named_by_its_two_sides_and_once(graph):
    found = diagnose(chain(DEAD, graph=graph))
    values = only(found, "zero_gradient_between").values
    assert (values["layer"], values["user"], values["there"], values["layers"]) == ("c", "D", 1.0, 2)
    assert keys(found) == {"zero_gradient_between"}
    assert only(found, "zero_gradient_between").severity == "problem"
    assert "Other places" not in str(only(found, "zero_gradient_between"))


def test_weights_behind_dead_units_are_no_second_fault():
    rows = [{"layer": name, "parameter": "weight", "dim": 2, "grad_norm": 0.0} for name in "ac"]
    rows += [{"layer": "e", "parameter": "weight", "dim": 2, "grad_norm": 0.0}]
    rows += [{"layer": "e", "parameter": "bias", "dim": 1, "grad_norm": 1.0}]
    assert keys(diagnose(chain(DEAD, parameters=rows))) == {"zero_gradient_between"}


def test_parameters_alone_tell_it_in_their_order():
    made = chain({"a": 0.0, "b": 0.0, "c": 1.0})
    made = Recording(layers=made.layers.assign(out_grad_norm=NAN), steps=made.steps)
    found = diagnose(made)
    assert "parameter gradient is exactly zero at layer b" in str(only(found, "zero_gradient_between"))


def test_nothing_came_from_the_loss_where_the_last_has_none_either():
    found = only(diagnose(chain(dict.fromkeys("abc", 0.0))), "zero_from_loss")
    assert (found.values["layer"], found.values["layers"], found.severity) == ("c", 3, "problem")
    assert only(diagnose(chain(dict.fromkeys("abc", 0.0), steps=1)), "zero_from_loss").severity == "problem"


def test_nothing_is_left_to_learn_at_a_loss_of_zero():
    assert not keys(diagnose(chain(DEAD, losses=[0.0] * 3))) & {"zero_gradient_between", "zero_from_loss"}
    assert not keys(diagnose(chain({key: [1.0, 0.0, 0.0] for key in "abc"}, losses=[2.0, 0.0, 0.0])))


@pytest.mark.parametrize("weight", [0.0, 2.0, NAN])
def test_one_step_is_a_notice_and_zero_weights_are_a_design_where_they_are_zero(weight):
    made = chain({"a": 0.0, "b": 0.0, "c": 1.0}, steps=1)
    norms = np.where(made.layers["layer"] == "c", weight, 2.0)
    found = only(diagnose(Recording(layers=made.layers.assign(weight_norm=norms))), "zero_gradient_between")
    assert found.severity == "notice"
    assert ("by design" in str(found)) == (weight == 0.0)
    assert "at the only recorded step" in str(found)


def test_a_zero_bias_is_no_design():
    rows = [{"layer": "c", "parameter": "bias", "dim": 1, "grad_norm": 1.0, "weight_norm": 0.0}]
    made = chain({"a": 0.0, "b": 0.0, "c": 1.0}, steps=1, parameters=rows)
    assert "by design" not in str(only(diagnose(made), "zero_gradient_between"))


@pytest.mark.parametrize(
    ("dtype", "norm", "is_underflow"),
    [
        ("float16", 3e-6, True),
        ("float16", 1e-2, False),
        ("float32", 3e-6, False),
        ("float32", 1e-37, True),
        ("bfloat16", 3e-6, False),
        ("", 1e-37, True),
    ],
)
def test_underflow_is_said_as_such(dtype, norm, is_underflow):
    found = diagnose(chain({"a": 0.0, "b": 0.0, "c": norm, "d": 1.0}, dtype=dtype))
    assert ("zero_underflow" in keys(found)) == is_underflow
    assert ("zero_gradient_between" in keys(found)) != is_underflow


def branched(*, losses=None, zero=("b",)):
    """Return a residual chain, a to f, with a branch b beside the skip from a to c."""
    made = chain({name: 0.0 if name in zero else 1.0 for name in "abcdef"}, steps=40, losses=losses)
    graph = pd.DataFrame({"layer": ["b", "c", "c", "d", "e", "f"], "source": ["a", "a", "b", "c", "d", "e"]})
    return Recording(layers=made.layers, steps=made.steps, graph=graph)


def test_a_branch_is_a_notice_where_the_network_learns_and_a_problem_where_it_does_not():
    found = only(diagnose(branched(losses=learnt())), "zero_gradient_between")
    assert (found.severity, found.values["layer"], found.values["user"]) == ("notice", "b", "c")
    assert only(diagnose(branched(losses=[2.0] * 40)), "zero_gradient_between").severity == "problem"
    half = branched(losses=learnt(), zero=("b", "c", "d"))
    assert only(diagnose(half), "zero_gradient_between").severity == "problem"


def test_several_places_are_counted():
    found = only(diagnose(branched(zero=("b", "d"))), "zero_gradient_between")
    assert (found.values["layer"], found.values["n_more"]) == ("d", 1)
    assert "It also stops at 1 other place." in str(found)


@pytest.mark.parametrize("alive", [1.0, 0.7])
def test_a_gradient_that_is_lost_is_named_with_its_step_and_its_place(alive):
    steps = 6
    outputs = {"a": [alive, alive, 0, 0, 0, 0], "b": [alive, alive, 0, 0, 0, 0], "C": alive, "d": alive}
    found = only(diagnose(chain(outputs, steps=steps)), "lost_gradient_between")
    assert [found.values[name] for name in ("layer", "user", "step", "layers")] == ["b", "C", 2, 2]
    assert found.severity == "problem"
    everything = chain({key: [1.0, 1.0, 0, 0, 0, 0] for key in "abc"}, steps=steps)
    assert only(diagnose(everything), "lost_from_loss").values["layer"] == "c"


def test_a_solved_network_lost_nothing():
    outputs = dict.fromkeys("abc", [1.0] * 20 + [0.0] * 20)
    solved = list(np.geomspace(2.0, 1e-6, 40))
    assert "lost_from_loss" not in keys(diagnose(chain(outputs, steps=40, losses=solved)))
    assert "lost_from_loss" in keys(diagnose(chain(outputs, steps=40, losses=[2.0] * 40)))


def test_next_to_nothing_behind_the_last_weights():
    found = only(diagnose(chain({"a": 1e-9, "b": 2e-9, "C": 1.0})), "near_stop")
    assert [found.values[name] for name in ("layer", "user", "here", "there")] == ["b", "C", 2e-9, 1.0]
    assert "near_stop" not in keys(diagnose(chain({"a": 1e-3, "b": 2e-3, "C": 1.0})))
    assert "near_stop" not in keys(diagnose(chain({"a": 1.0, "b": 2e-9, "C": 1.0})))


def test_rows_of_other_passes_do_not_count():
    made = chain(DEAD)
    other = made.layers[made.layers["step"] == 0].assign(in_grad=False, backward=1, out_grad_norm=5.0, grad_norm=NAN)
    both = Recording(layers=pd.concat([made.layers, other]), steps=made.steps, graph=made.graph)
    assert only(diagnose(both), "zero_gradient_between").values["layer"] == "c"


def trained(model, x, y, *, steps=4, loss=nn.functional.cross_entropy):
    with gradflow.record(model, optimizer=(sgd := torch.optim.SGD(model.parameters(), 0.1)), weights=True) as recorder:
        for _ in range(steps):
            sgd.zero_grad()
            value = loss(model(x), y)
            value.backward()
            recorder.step(loss=value)
            sgd.step()
    return {one.key: one for one in diagnose(recorder.recording) if one.severity in ("problem", "notice")}


def test_real_networks():
    torch.manual_seed(0)
    x, y = torch.randn(32, 8), torch.randint(0, 3, (32,))

    def mlp():
        return nn.Sequential(*[layer for _ in range(4) for layer in (nn.Linear(8, 8), nn.ReLU())], nn.Linear(8, 3))

    assert trained(mlp(), x, y) == {}
    dead = mlp()
    with torch.no_grad():
        dead[4].bias.fill_(-50.0)
    values = trained(dead, x, y)
    assert set(values) == {"zero_gradient_between"}
    assert [values["zero_gradient_between"].values[name] for name in ("layer", "user", "layers")] == ["4", "5", 3]

    summed = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8), nn.LayerNorm(8, elementwise_affine=False))
    values = trained(summed, x, y, loss=lambda out, _: out.sum())
    assert {"near_stop", "zero_gradient_between"} & set(values)
    saturated = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3), nn.Tanh())
    with torch.no_grad():
        saturated[2].bias.fill_(100.0)
    found = trained(saturated, x, y)["zero_gradient_between"]
    assert [found.values[name] for name in ("layer", "user")] == ["2", "3"]
    one_by_one = nn.Sequential(nn.Linear(8, 1), nn.LayerNorm(1), nn.Linear(1, 3))
    found = trained(one_by_one, x, y)
    assert [found["zero_gradient_between"].values[name] for name in ("layer", "user")] == ["0", "1"]


def test_a_zero_initialised_head_is_a_notice_on_one_batch_and_nothing_after_an_update():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    nn.init.zeros_(model[2].weight)
    x, y = torch.randn(32, 8), torch.randint(0, 3, (32,))
    once = trained(model, x, y, steps=1)["zero_gradient_between"]
    assert (once.severity, "by design" in str(once)) == ("notice", True)
    nn.init.zeros_(model[2].weight)
    assert trained(model, x, y, steps=3) == {}
