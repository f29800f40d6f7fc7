"""What a recorder keeps is bounded, whatever the loop around it does."""

import gc
import math

import pytest
import torch
from torch import nn

import gradflow
from gradflow.analysis.profile import one_row_per_layer
from gradflow.hooks import GradflowWarning, capture, passes


class Loop(nn.Module):
    """A cell that is called once a time step."""

    def __init__(self, n_calls):
        super().__init__()
        self.cell, self.head, self.n_calls = nn.RNNCell(3, 4), nn.Linear(4, 1), n_calls

    def states(self, x):
        found = [torch.zeros(len(x), 4)]
        for _ in range(self.n_calls):
            found.append(self.cell(x, found[-1]))
        return found[1:]

    def forward(self, x):
        return self.head(self.states(x)[-1])


def norms_by_call(model, x):
    states = model.states(x)
    return [float(one.norm()) for one in torch.autograd.grad(model.head(states[-1]).sum(), states)]


@pytest.mark.parametrize(("n_calls", "most"), [(20, 5), (5, 5), (6, 5), (100, 64), (4, 3)])
def test_calls_of_a_layer_are_few_rows_that_together_have_the_norm_of_all(n_calls, most):
    torch.manual_seed(0)
    model, x = Loop(n_calls), torch.randn(5, 3)
    expected = norms_by_call(model, x)
    with gradflow.record(model, max_calls=most) as recorder:
        model(x).sum().backward()
        recorder.step()
    rows = recorder.recording.layers.query("layer == 'cell'")
    assert len(rows) == min(n_calls, most)
    own = rows[rows.call >= 0].sort_values("call")
    assert own.out_grad_norm.tolist() == pytest.approx([expected[call] for call in own.call], rel=1e-6)
    assert {0, n_calls - 1} <= set(own.call)
    assert math.hypot(*rows.out_grad_norm) == pytest.approx(math.hypot(*expected), rel=1e-6)
    joined = one_row_per_layer(recorder.recording.layers).set_index("layer").out_grad_norm["cell"]
    assert joined == pytest.approx(math.hypot(*expected), rel=1e-6)
    assert rows.grad_norm.notna().sum() == 1
    gaps = own.call.diff().dropna()
    assert gaps.max() - gaps.min() <= 1


def test_every_call_is_kept_on_request():
    model, x = Loop(100), torch.randn(5, 3)
    expected = norms_by_call(model, x)
    with gradflow.record(model, max_calls=None) as recorder:
        model(x).sum().backward()
        recorder.step()
    rows = recorder.recording.layers.query("layer == 'cell'").sort_values("call")
    assert rows.out_grad_norm.tolist() == pytest.approx(expected, rel=1e-6)


def test_loops_over_cells_under_lbfgs_have_few_rows():
    torch.manual_seed(0)
    model, x = Loop(50), torch.randn(5, 3)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=20)
    evaluations = []

    def closure():
        optimizer.zero_grad()
        loss = (model(x) - 1).square().sum()
        loss.backward()
        evaluations.append(math.sqrt(sum(float(p.grad.square().sum()) for p in model.cell.parameters())))
        return loss

    with gradflow.record(model, optimizer=optimizer, max_calls=10) as recorder:
        optimizer.step(closure)
    rows = recorder.recording.layers.query("layer == 'cell'")
    assert len(evaluations) > 10
    assert rows.in_grad.value_counts().to_dict() == {True: 10, False: 10}
    assert rows.grad_norm.dropna().tolist() == pytest.approx([evaluations[-1]], rel=1e-6)


@pytest.mark.parametrize("most", [2, 0, -1])
def test_too_few_calls_are_refused(most):
    with pytest.raises(ValueError, match=f"max_calls must be 3 or more, or None for every call; got {most}"):
        gradflow.record(nn.Linear(2, 2), max_calls=most)


def test_forward_passes_without_a_step_keep_no_memory(monkeypatch):
    monkeypatch.setattr(passes, "MAX_OUTPUTS", 64)
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1)), torch.randn(5, 3)
    recorder = gradflow.record(model)
    for _ in range(1000):
        model(x)  # as validation without no_grad() is
    gc.collect()
    assert (
        sum(type(one) is capture.OutputGradientHook and one._pass is recorder._pass for one in gc.get_objects()) <= 64
    )
    model(x).sum().backward()
    recorder.step()
    recorder.close()
    rows = recorder.recording.layers
    hidden = model[1](model[0](x))
    (expected,) = torch.autograd.grad(model[2](hidden).sum(), hidden)
    assert rows.status.tolist() == ["measured"] * 3
    assert rows.out_grad_norm[1] == pytest.approx(float(expected.norm()), rel=1e-6)


def test_outputs_that_all_still_count_are_told_of_once(monkeypatch):
    monkeypatch.setattr(passes, "MAX_OUTPUTS", 64)
    model, x = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1)), torch.randn(5, 3)
    recorder, expected = gradflow.record(model), []

    def train():
        for n_calls in (50, 50, 1):
            model.zero_grad()
            sum(model(x).sum() for _ in range(n_calls)).backward()
            expected.append(float(model[0].weight.grad.norm()))
            recorder.step()

    with pytest.warns(GradflowWarning, match="more than") as told:
        train()
    recorder.close()
    assert len(told) == 1
    rows = recorder.recording.layers
    assert set(rows.status[rows.step < 2]) == {"too many calls"}
    assert rows.out_grad_norm[rows.step < 2].isna().all()
    assert set(rows.status[rows.step == 2]) == {"measured"}
    parameters = recorder.recording.parameters.query("step == 1 and layer == '0' and parameter == 'weight'")
    assert parameters.grad_norm.tolist() == pytest.approx([expected[1]], rel=1e-6)


def test_thousands_of_evaluations_in_one_step_leave_the_last(monkeypatch):
    monkeypatch.setattr(passes, "MAX_OUTPUTS", 64)
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1)), torch.randn(5, 3)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.01, max_iter=200, tolerance_grad=0, tolerance_change=0)
    found = []

    def closure():
        optimizer.zero_grad()
        hidden = model[1](model[0](x))
        hidden.retain_grad()
        loss = (model[2](hidden) - 1).square().sum()
        loss.backward()
        found.append(float(hidden.grad.norm()))
        return loss

    with gradflow.record(model, optimizer=optimizer) as recorder:
        optimizer.step(closure)
    assert len(found) > 100
    row = one_row_per_layer(recorder.recording.layers).set_index("layer").loc["1"]
    assert row.out_grad_norm == pytest.approx(found[-1], rel=1e-6)
    assert len(recorder.recording.layers) <= 64
