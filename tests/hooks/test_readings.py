"""What is read of one step: a gradient read again as it is by then, in whole parameters and in parts of fused ones."""

import gc
import math

import pytest
import torch
from oracles import norm64
from torch import nn

import gradflow
from gradflow.hooks import GradflowWarning, readings, sharded
from gradflow.hooks.layers import OwnParameter
from gradflow.hooks.norms import SmallCopies
from gradflow.hooks.readings import Parameters, Readings, parts_of


def backward(model, factor=1.0):
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    (model(x) * factor).sum().backward()


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))


def test_entries_counted_before_they_were_mended_do_not_count():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer, activations=False) as recorder:
        backward(model)
        model[0].weight.grad[0, :3] = math.nan
        model[1].weight.grad[0, 0] = math.inf
        recorder.step()
        model[0].weight.grad.nan_to_num_(0.0)
        expected = norm64(model[0].weight.grad, model[0].bias.grad)
        optimizer.step()
    rows = recorder.recording.layers.set_index("layer")
    assert rows.n_nonfinite[["0", "1"]].tolist() == [0, 1]
    assert rows.grad_norm.tolist() == pytest.approx([expected, math.inf], rel=1e-6)


def test_entries_of_either_reading_are_counted_where_two_optimizers_step():
    model = net()
    first, last = (torch.optim.SGD(layer.parameters(), lr=0.0) for layer in model)
    with gradflow.record(model, optimizer=[first, last], activations=False) as recorder:
        backward(model)
        for layer in model:
            layer.bias.grad[:2] = math.nan
        first.step()
        last.step()
    assert recorder.recording.layers.n_nonfinite.tolist() == [2, 2]


def test_a_gradient_that_is_gone_at_the_second_reading_is_not_measured():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer, activations=False) as recorder:
        backward(model)
        recorder.step()
        model[0].weight.grad = model[0].bias.grad = None
        expected = norm64(*[parameter.grad for parameter in model[1].parameters()])
        optimizer.step()
    recording = recorder.recording
    rows = recording.layers.set_index("layer")
    assert math.isnan(rows.grad_norm["0"])
    assert rows.grad_norm["1"] == pytest.approx(expected, rel=1e-6)
    assert recording.steps.total_grad_norm.tolist() == pytest.approx([expected], rel=1e-6)


def three():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 2))


@pytest.mark.parametrize("is_unscaled", [False, True])
@pytest.mark.parametrize("n_optimizers", [1, 2])
def test_a_scale_is_divided_out_of_the_gradients_of_no_optimizer(n_optimizers, is_unscaled):
    reference, model = three(), three()
    backward(reference)
    expected = [norm64(*[one.grad for one in layer.parameters()]) for layer in reference]
    optimizers = [torch.optim.SGD(model[index].parameters(), lr=0.0) for index in range(n_optimizers)]
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with gradflow.record(model, optimizer=optimizers, scaler=scaler, activations=False) as recorder:
        backward(model, factor=scaler.scale(torch.ones(())))
        for optimizer in optimizers if is_unscaled else ():
            scaler.unscale_(optimizer)
        recorder.step()
        for optimizer in optimizers:
            scaler.step(optimizer)
        scaler.update()
    recording = recorder.recording
    assert recording.layers.grad_norm.tolist() == pytest.approx(expected, rel=1e-5)
    assert recording.steps.unclipped_grad_norm.tolist() == pytest.approx([math.hypot(*expected)], rel=1e-5)


@pytest.mark.filterwarnings("ignore:SGD changes the model, but record:gradflow.hooks.GradflowWarning")
def test_an_optimizer_that_is_not_recorded_may_be_unscaled_already():
    reference, model = net(), net()
    backward(reference)
    expected = [norm64(*[one.grad for one in layer.parameters()]) for layer in reference]
    recorded, other = (torch.optim.SGD(layer.parameters(), lr=0.0) for layer in model)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with gradflow.record(model, optimizer=recorded, scaler=scaler, activations=False) as recorder:
        backward(model, factor=scaler.scale(torch.ones(())))
        scaler.unscale_(other)
        recorder.step()
        scaler.step(recorded)
        scaler.step(other)
        scaler.update()
    assert recorder.recording.layers.grad_norm.tolist() == pytest.approx(expected, rel=1e-5)


def test_weights_are_those_before_the_first_step_that_changes_them():
    model = three()
    optimizers = [torch.optim.SGD(model[index].parameters(), lr=1.0) for index in (0, 2)]
    expected = [norm64(*layer.parameters()) for layer in model]
    with gradflow.record(model, optimizer=optimizers, weights=True, activations=False) as recorder:
        backward(model)
        for optimizer in optimizers:
            optimizer.step()
    rows = recorder.recording.layers
    assert rows.weight_norm.tolist() == pytest.approx(expected, rel=1e-6)
    assert rows.update_norm.notna().tolist() == [True, False, True]


def test_weights_are_read_on_request_alone():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gradflow.record(model, optimizer=optimizer, activations=False) as recorder:
        backward(model)
        optimizer.step()
    assert recorder.recording.layers.weight_norm.isna().all()
    assert recorder.recording.parameters.weight_norm.isna().all()


def test_a_learning_rate_that_cannot_be_read_costs_itself_alone(monkeypatch):
    def fail(value):
        raise RuntimeError("planted")

    monkeypatch.setattr("gradflow.hooks.readings.rate", fail)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with gradflow.record(model, optimizer=optimizer, activations=False) as recorder:
        backward(model)
        expected = [0.5 * norm64(*[one.grad for one in layer.parameters()]) for layer in model]
        with pytest.warns(GradflowWarning, match="a measurement failed: the learning rate .*planted"):
            optimizer.step()
    assert recorder.recording.layers.update_norm.tolist() == pytest.approx(expected, rel=1e-5)
    assert recorder.recording.parameters.lr.isna().all()


def test_a_gradient_that_cannot_be_measured_is_named_and_lost_alone(monkeypatch):
    def copies(tensors):
        if any(tensor.shape == (3, 4) for tensor in tensors):
            raise RuntimeError("planted")
        return SmallCopies(tensors)

    monkeypatch.setattr(readings, "SmallCopies", copies)
    model = net()
    with gradflow.record(model, activations=False) as recorder:
        backward(model)
        with pytest.warns(GradflowWarning, match="a measurement failed: the gradient of weight of 0 "):
            recorder.step()
    recording = recorder.recording
    rows = recording.parameters.set_index(["layer", "parameter"])
    assert rows.grad_norm.isna().tolist() == [True, False, False, False]
    assert rows.grad_norm["0", "bias"] == pytest.approx(norm64(model[0].bias.grad), rel=1e-6)
    assert rows.status.tolist() == ["failed", "measured", "measured", "measured"]
    assert math.isnan(recording.steps.total_grad_norm[0])


def test_norms_that_processes_take_together_are_tried_once_and_lost_together(monkeypatch):
    calls, told = [], []

    def norms_of(tensors):
        calls.append(len(tensors))
        raise RuntimeError("planted")

    monkeypatch.setattr(sharded, "norms_of", norms_of)
    monkeypatch.setattr(readings, "are_small", lambda tensors: False)
    model = net()
    backward(model)
    parameters = Parameters(model.parameters(), [])
    parameters.are_sharded = True
    read = Readings(parameters, scaler=None, with_weights=False, on_failure=lambda what, _: told.append(what))
    read.read_after_backward([])
    assert calls == [4]
    assert told == [f"the gradient of parameter {number}, of no recorded layer" for number in range(4)]
    assert read.failed == read.arrived == {0, 1, 2, 3}
    assert all(map(math.isnan, read.gradients))


@pytest.mark.parametrize("sizes", [[4], [4, 4], [20000]])  # copied alone, joined, and too large to be held
def test_what_becomes_of_a_gradient_after_its_step_does_not_count(sizes):
    model = nn.ParameterList([torch.ones(size) for size in sizes])
    expected = []
    with gradflow.record(model, activations=False) as recorder:
        for step in range(70):  # more than are taken together
            for parameter in model:
                parameter.grad = torch.full_like(parameter, step + 1.0)
            recorder.step()
            expected.append((step + 1.0) * math.sqrt(sum(sizes)))
            for parameter in model:
                parameter.grad.mul_(math.nan)
    assert recorder.recording.steps.total_grad_norm.tolist() == pytest.approx(expected, rel=1e-6)


def test_norms_that_cannot_be_taken_together_are_taken_one_by_one(monkeypatch):
    def fail(copies):
        raise MemoryError("planted")

    monkeypatch.setattr(SmallCopies, "norms", fail)
    model = net()
    with gradflow.record(model) as recorder:
        backward(model, factor=3.0)
        recorder.step()
    expected = [norm64(*[one.grad for one in layer.parameters()]) for layer in model]
    rows = recorder.recording.layers
    assert rows.grad_norm.tolist() == pytest.approx(expected, rel=1e-6)
    assert rows.out_grad_norm[1] == pytest.approx(3.0 * math.sqrt(12.0), rel=1e-6)


def test_a_norm_that_cannot_be_taken_in_the_end_is_lost_alone(monkeypatch):
    def some_norms(copies, places):
        if 0 in places:
            raise MemoryError("planted")
        return [2.0] * len(places)

    monkeypatch.setattr(SmallCopies, "some_norms", some_norms)
    model = net()
    recorder = gradflow.record(model)
    backward(model)
    with pytest.warns(GradflowWarning, match="a measurement failed: the gradient "):
        recorder.step()
    with recorder:
        pass
    recording = recorder.recording
    assert recording.parameters.status.tolist() == ["failed", "measured", "measured", "measured"]
    assert recording.layers.status.tolist() == ["measured", "failed"]
    assert recording.layers.n_nonfinite.tolist() == [0, 0]
    assert math.isnan(recording.steps.total_grad_norm[0])


@pytest.mark.slow
def test_of_steps_that_wait_for_their_norms_four_mebibytes_are_held(monkeypatch):
    held = []
    model = nn.ParameterList([torch.ones(8000) for _ in range(16)])
    with gradflow.record(model, activations=False) as recorder:
        for _ in range(40):
            for parameter in model:
                parameter.grad = torch.ones_like(parameter)
            recorder.step()
            held.append(sum(one.n_entries for one in gc.get_objects() if type(one) is SmallCopies))
    assert 2**19 < max(held) <= 2**20


def test_projections_of_several_widths_are_whole_and_so_are_sharded_ones(monkeypatch):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(6, 2, kdim=4, vdim=4)

        def forward(self, x):
            return self.attention(torch.ones(6, 6), x, x)[0]

    model = Net()
    with gradflow.record(model) as recorder:
        backward(model)
        recorder.step()
    rows = recorder.recording.parameters.query("layer == 'attention'").groupby("parameter").part.apply(list)
    assert rows["q_proj_weight"] == rows["k_proj_weight"] == [""]
    assert rows["in_proj_bias"] == ["q", "k", "v"]
    bias = OwnParameter("in_proj_bias", model.attention.in_proj_bias)
    assert list(parts_of(model.attention, bias)) == ["q", "k", "v"]
    monkeypatch.setattr(sharded, "is_sharded", lambda tensor: True)
    assert parts_of(model.attention, bias) == {}


@pytest.mark.parametrize("n_optimizers", [1, 2])
def test_totals_before_clipping_and_updates_of_small_and_large_parameters_are_those_of_their_step(n_optimizers):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(4, 3000), nn.ReLU(), nn.Linear(3000, 3), nn.Linear(3, 2)
    )  # 12,000 entries are large
    parts = [model] if n_optimizers == 1 else [model[:3], model[3]]
    optimizers = [torch.optim.SGD(part.parameters(), lr=0.1, momentum=0.9) for part in parts]
    totals, clipped, moved = [], [], []
    with gradflow.record(model, optimizer=optimizers, activations=False) as recorder:
        for step in range(40):  # more than are taken together
            model.zero_grad()
            backward(model, factor=1.0 + step)
            totals.append(norm64(*[one.grad for one in model.parameters()]))
            recorder.step()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            clipped += [norm64(one.grad) for one in model.parameters()]
            before = [one.detach().clone() for one in model.parameters()]
            for optimizer in optimizers:
                optimizer.step()
            moved += [norm64(one.detach() - old) for one, old in zip(model.parameters(), before, strict=True)]
    recording = recorder.recording
    assert recording.steps.unclipped_grad_norm.tolist() == pytest.approx(totals, rel=1e-6)
    assert recording.parameters.grad_norm.tolist() == pytest.approx(clipped, rel=1e-6)
    assert recording.parameters.update_norm.tolist() == pytest.approx(moved, rel=1e-6)


def test_updates_that_cannot_be_taken_together_are_taken_one_by_one(monkeypatch):
    def fail(copies, others):
        raise MemoryError("planted")

    monkeypatch.setattr(SmallCopies, "subtract", fail)
    model = nn.MultiheadAttention(4, 2)  # whose in_proj is read in three parts
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with gradflow.record(model, optimizer=optimizer, activations=False) as recorder:
        x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
        model(x, x, x)[0].square().sum().backward()
        optimizer.step()
    rows = recorder.recording.parameters
    assert len(rows) == 8
    assert rows.update_norm.tolist() == pytest.approx((0.5 * rows.grad_norm).tolist(), rel=1e-5)
    grads = [part for one in (model.in_proj_weight, model.in_proj_bias) for part in one.grad.chunk(3)]
    assert rows.update_norm[:6].tolist() == pytest.approx([0.5 * norm64(one) for one in grads], rel=1e-5)


def test_a_total_before_clipping_that_cannot_be_taken_is_named(monkeypatch):
    def fail(total):
        raise MemoryError("planted")

    monkeypatch.setattr(readings.Total, "norms", fail)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    recorder = gradflow.record(model, optimizer=optimizer, activations=False)
    backward(model)
    recorder.step()
    optimizer.step()
    with pytest.warns(GradflowWarning, match="a measurement failed: unclipped_grad_norm .*planted"):
        recorder.close()
    assert recorder.recording.steps.unclipped_grad_norm.isna().all()
    assert recorder.recording.steps.total_grad_norm.notna().all()


def test_gradients_that_are_read_again_after_an_error_count_once_in_their_total(monkeypatch):
    right, errors = Parameters.all_pieces, [RuntimeError("planted")]

    def all_pieces(parameters, numbers):
        if errors:
            raise errors.pop()
        return right(parameters, numbers)

    monkeypatch.setattr(Parameters, "all_pieces", all_pieces)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with gradflow.record(model, optimizer=optimizer, activations=False) as recorder:
        backward(model)
        expected = norm64(*[one.grad for one in model.parameters()])
        recorder.step()
        optimizer.step()
    assert recorder.recording.steps.unclipped_grad_norm.tolist() == pytest.approx([expected], rel=1e-6)


def test_updates_are_those_of_the_optimizer_that_has_stepped_and_of_its_last_try():
    model = net()
    first, last = (torch.optim.SGD(layer.parameters(), lr=0.5) for layer in model)
    backward(model)
    read = Readings(Parameters(model.parameters(), []), scaler=None, with_weights=False, on_failure=lambda *_: None)
    read.keep(last)
    with torch.no_grad():
        model[1].bias.add_(7.0)  # by a step that raised
    read.keep(first)
    first.step()
    read.read_updates(first)
    assert read.updated == {0, 1}
    read.keep(last)
    last.step()
    read.read_updates(last)
    read.take_norms()
    assert read.updated == {0, 1, 2, 3}
    assert read.updates == pytest.approx([0.5 * norm64(one.grad) for one in model.parameters()], rel=1e-5)
