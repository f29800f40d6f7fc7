"""One test for each thing that makes other recorders crash, stay silent or print a wrong number."""

import copy
import dataclasses
import math
import threading
import warnings

import pytest
import torch
from oracles import norm64, output_gradients
from torch import nn
from torch.utils.checkpoint import checkpoint

import gradflow
from gradflow.hooks import GradflowWarning

TOLERANCE = 1e-6


def record_once(model, inputs, loss_of=lambda y: y.square().sum(), **options):
    with gradflow.record(model, **options) as recorder:
        loss_of(model(inputs)).backward()
        recorder.step()
    return recorder.recording.layers


class Residual(nn.Module):
    """In-place ReLU after an addition in place, as in most real ResNets."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.relu, self.last = (
            nn.Linear(4, 4),
            nn.LayerNorm(4),
            nn.ReLU(inplace=True),
            nn.Linear(4, 2),
        )

    def forward(self, x):
        y = self.norm(self.first(x))
        y += x
        return self.last(self.relu(y))


def test_in_place_addition_and_relu():
    model, x = Residual(), torch.randn(3, 4)
    first = model.first(x)
    normed = model.norm(first)
    summed = normed + x
    expected = torch.autograd.grad(model.last(summed.relu()).square().sum(), [first, normed])
    rows = record_once(model, x).set_index("layer")
    assert rows.out_grad_norm[["first", "norm"]].tolist() == pytest.approx([norm64(g) for g in expected], rel=TOLERANCE)
    assert set(rows.status) == {"measured"}


class ViewInPlace(nn.Module):
    """A layer returns a view, which is then changed in place: the view's own hook never fires."""

    class Reshape(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 6))

        def forward(self, x):
            return (x @ self.weight).view(-1, 2, 3).transpose(1, 2)

    def __init__(self):
        super().__init__()
        self.reshape = self.Reshape()

    def forward(self, x):
        y = self.reshape(x)
        y.mul_(torch.arange(1.0, 3.0))
        return y


def test_a_view_changed_in_place_is_read_at_its_base():
    model, x = ViewInPlace(), torch.randn(5, 4)
    y = model.reshape(x)
    (expected,) = torch.autograd.grad((y * torch.arange(1.0, 3.0)).square().sum(), [y])
    row = record_once(model, x).iloc[0]
    assert row.status == "measured at its base"
    assert row.out_grad_norm == pytest.approx(norm64(expected), rel=TOLERANCE)


def test_a_gradient_of_zero_at_a_view_changed_in_place_is_zero():
    model, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 1)), torch.randn(2, 3, 4)
    nn.init.constant_(model[0].bias, -100.0)  # no unit is ever on
    outputs = output_gradients(nn.Sequential(model[0], nn.ReLU(), model[2]), x, lambda y: y.square().sum())
    rows = record_once(model, x).set_index("layer")
    assert rows.out_grad_norm["0"] == norm64(outputs["0"]) == 0.0
    assert rows.status["0"] == "measured at its base"


def test_a_piece_that_is_not_used_has_no_gradient_although_another_piece_has_one():
    class Halves(nn.Linear):
        def forward(self, x):
            return super().forward(x).chunk(2, dim=-1)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.halves = Halves(4, 6)

        def forward(self, x):
            first, _ = self.halves(x)
            return first

    rows = record_once(Net(), torch.randn(5, 4))
    assert rows.output.tolist() == [0]
    assert rows.status.tolist() == ["measured"]


def test_a_view_of_the_input_changed_in_place_is_lost_and_says_so():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.flatten = nn.Linear(4, 4), nn.Flatten(0)

        def forward(self, x):
            y = self.flatten(self.linear(x))
            y.mul_(2)
            return y

    with pytest.warns(GradflowWarning, match=r"no gradient at the output of flatten \(lost: .*changed in place"):
        rows = record_once(Net(), torch.randn(3, 4)).set_index("layer")
    assert rows.status["flatten"] == "lost"
    assert math.isnan(rows.out_grad_norm["flatten"])


@dataclasses.dataclass
class Answer:
    logits: torch.Tensor
    extra: dict


class Nested(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind, self.inner = kind, self.Inner(kind)

    class Inner(nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.kind, self.linear = kind, nn.Linear(3, 3)
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, x):
            a, b = self.linear(x), x * self.scale
            return {"tuple": (a, [b]), "dict": {"a": a, "b": {"c": b}}, "dataclass": Answer(a, {"b": b})}[self.kind]

    def forward(self, x):
        out = self.inner(x)
        if self.kind == "tuple":
            return out[0] * 2 + out[1][0] * 3
        return out["a"] * 2 + out["b"]["c"] * 3 if self.kind == "dict" else out.logits * 2 + out.extra["b"] * 3


@pytest.mark.parametrize("kind", ["tuple", "dict", "dataclass"])
def test_nested_outputs_have_a_row_each(kind):
    rows = record_once(Nested(kind), torch.randn(2, 3), loss_of=torch.sum, layers="inner")
    inner = rows[rows.layer == "inner"]
    assert inner.output.tolist() == [0, 1]
    assert inner.out_grad_norm.tolist() == pytest.approx([2 * math.sqrt(6), 3 * math.sqrt(6)], rel=TOLERANCE)


def test_lstm_outputs():
    model = nn.LSTM(3, 4)
    with gradflow.record(model) as recorder:
        output, (hidden, _) = model(torch.randn(5, 2, 3))
        (output.sum() + 2 * hidden.sum()).backward()
        recorder.step()
    rows = recorder.recording.layers
    assert rows.output.tolist() == [0, 1]  # nothing depends on the cell
    assert rows.out_grad_norm.iloc[1] == pytest.approx(2 * math.sqrt(8), rel=TOLERANCE)
    assert rows.grad_norm.iloc[0] == pytest.approx(norm64(*[p.grad for p in model.parameters()]), rel=TOLERANCE)


def test_sparse_embedding_and_complex_parameters():
    embedding = nn.Embedding(10, 3, sparse=True)
    row = record_once(embedding, torch.tensor([1, 1, 4]), loss_of=torch.sum).iloc[0]
    assert row.grad_norm == pytest.approx(math.sqrt(3 * (2**2 + 1)), rel=TOLERANCE)

    class Complex(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, dtype=torch.complex64))

        def forward(self, x):
            return x * self.weight

    model = Complex()
    row = record_once(model, torch.randn(3), loss_of=lambda y: y.abs().square().sum()).iloc[0]
    assert row.grad_norm == pytest.approx(norm64(torch.view_as_real(model.weight.grad)), rel=TOLERANCE)


def test_tied_weights_count_once():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Tanh(), nn.Linear(3, 3, bias=False))
    model[2].weight = model[0].weight
    rows = record_once(model, torch.randn(2, 3)).set_index("layer")
    assert rows.grad_norm["0"] == pytest.approx(norm64(model[0].weight.grad), rel=TOLERANCE)
    assert math.isnan(rows.grad_norm["2"])
    assert rows.n_params.tolist() == [9, 0, 0]


def test_script_modules_are_read_by_their_parameters():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(nn.Linear(3, 2))
    model = nn.Sequential(nn.Linear(3, 3), scripted)
    with pytest.warns(GradflowWarning, match=r"no gradient at the output of 1 \(scripted"):
        rows = record_once(model, torch.randn(4, 3)).set_index("layer")
    assert rows.status["1"] == "scripted"
    assert rows.grad_norm["1"] == pytest.approx(norm64(scripted.weight.grad, scripted.bias.grad), rel=TOLERANCE)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing(reentrant):
    class Net(nn.Module):
        def __init__(self, use):
            super().__init__()
            torch.manual_seed(2)
            self.use = use
            self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(3))

        def forward(self, x):
            for block in self.blocks:
                x = checkpoint(block, x, use_reentrant=reentrant) if self.use else block(x)
            return x

    x = torch.randn(5, 4, requires_grad=True)
    expected, found = (record_once(Net(use), x).set_index("layer") for use in (False, True))
    assert len(found) == len(expected) == 6
    assert (found.status == "measured").all()
    for column in ("grad_norm", "out_grad_norm", "call", "backward"):
        assert found[column].tolist() == pytest.approx(
            expected[column].reindex(found.index).tolist(), rel=1e-6, nan_ok=True
        )


def test_gan_two_forwards_one_backward_and_two_backwards():
    model = nn.Linear(3, 1)
    real, fake = torch.randn(4, 3), torch.randn(4, 3)
    with gradflow.record(model) as recorder:
        (model(real).sum() - 3 * model(fake).sum()).backward()
        recorder.step()
        model.zero_grad()
        first, second = model(real).sum(), 3 * model(fake).sum()
        first.backward()
        second.backward()
        recorder.step()
    rows = recorder.recording.layers
    assert rows.call.tolist() == [0, 1, 0, 1]
    assert rows.backward.tolist() == [0, 0, 0, 1]
    assert rows.out_grad_norm.tolist() == pytest.approx([2, 6, 2, 6], rel=TOLERANCE)


def test_double_backward_keeps_both_values_apart():
    model, x = nn.Sequential(nn.Linear(3, 3), nn.Tanh()), torch.randn(2, 3, requires_grad=True)
    z = torch.zeros(2, 3, requires_grad=True)
    hidden = model[0](x) + z
    (first, slope) = torch.autograd.grad(model[1](hidden).sum(), [hidden, x], create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), [z])
    with gradflow.record(model) as recorder:
        (gradient,) = torch.autograd.grad(model(x).sum(), [x], create_graph=True)
        gradient.square().sum().backward()
        recorder.step()
    rows = recorder.recording.layers.query("layer == '0'")
    assert rows.in_grad.tolist() == [True, False]
    assert rows.out_grad_norm.tolist() == pytest.approx([norm64(second), norm64(first)], rel=TOLERANCE)


def test_passes_through_a_retained_graph_are_added_up_from_the_second_step_on():
    model = nn.Linear(3, 1)
    with gradflow.record(model) as recorder:
        for _ in range(2):
            loss = model(torch.ones(2, 3)).sum()
            loss.backward(retain_graph=True)
            (5 * loss).backward()
            recorder.step()
    expected = [math.nan, 6 * math.sqrt(2)]
    assert recorder.recording.layers.out_grad_norm.tolist() == pytest.approx(expected, nan_ok=True)


def test_functorch_transforms_pass_by():
    model = nn.Linear(3, 1)
    with gradflow.record(model) as recorder:
        torch.func.vmap(model)(torch.randn(4, 3))
        torch.func.grad(lambda x: model(x).sum())(torch.randn(3))
        model(torch.ones(2, 3)).sum().backward()
        recorder.step()
    assert recorder.recording.layers.out_grad_norm.tolist() == pytest.approx([math.sqrt(2)])


def test_evaluation_in_between_leaves_no_trace():
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.Linear(3, 1))
    with gradflow.record(model) as recorder:
        for mode in (torch.no_grad, torch.inference_mode):
            with mode():
                model(torch.randn(2, 3))
        model(torch.ones(2, 3)).sum().backward()
        recorder.step()
    assert len(recorder.recording.layers) == 3


def test_layers_that_never_fire_fall_back_to_their_parameters():
    model = nn.MultiheadAttention(4, 2, batch_first=True)
    x = torch.randn(2, 3, 4)
    with gradflow.record(model) as recorder:
        model(x, x, x, need_weights=False)[0].square().sum().backward()
        recorder.step()
    rows = recorder.recording.layers.set_index("layer")
    assert rows.status["out_proj"] == "parameters only"
    assert rows.grad_norm["out_proj"] == pytest.approx(
        norm64(model.out_proj.weight.grad, model.out_proj.bias.grad), rel=TOLERANCE
    )
    assert rows.status["(root)"] == "measured"


@pytest.mark.parametrize("order", ["recorder first", "compile first", "recorder on the compiled model"])
def test_compiled_models_have_parameter_norms_and_no_graph_break(order):
    import torch._dynamo.testing

    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounter()
    model, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(5, 4)
    expected = torch.autograd.grad(model(x).sum(), list(model.parameters()))
    if order == "recorder first":
        recorder = gradflow.record(model)
        compiled = torch.compile(model, backend=counter, fullgraph=True)
    else:
        compiled = torch.compile(model, backend=counter, fullgraph=True)
        compiled(x)
        recorder = gradflow.record(compiled if "on the compiled" in order else model)
    compiled(x).sum().backward()
    with pytest.warns(GradflowWarning, match="no layer of the model was seen running"):
        recorder.step()
    recorder.close()
    rows = recorder.recording.layers.set_index("layer")
    assert counter.frame_count == 1
    assert rows.index.tolist() == ["0", "1", "2"]
    assert rows.grad_norm["0"] == pytest.approx(norm64(*expected[:2]), rel=TOLERANCE)
    assert set(rows.status) == {"compiled"}
    torch._dynamo.utils.counters.clear()
    torch._dynamo.reset()


# torch 2.13 warns so by itself where a graph is broken at a tensor with a history.
BROKEN_GRAPH = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")


@BROKEN_GRAPH
@pytest.mark.parametrize("compiled", [False, True])
def test_hooks_come_and_go_without_compiling_again(compiled):
    import torch._dynamo.testing

    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    model, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(5, 4)
    recorder = gradflow.record(model, schedule=2, compiled=compiled)
    fast = torch.compile(model, backend=counter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GradflowWarning)
        for step in range(8):
            fast(x).sum().backward()
            recorder.step()
            if step == 1:
                n_compiled = counter.frame_count
    recorder.close()
    assert counter.frame_count == n_compiled <= (4 if compiled else 2)  # one graph bare; with hooks one, or one a layer
    torch._dynamo.utils.counters.clear()
    torch._dynamo.reset()


@BROKEN_GRAPH
def test_outputs_inside_compiled_code_are_recorded_if_asked():
    torch._dynamo.reset()
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), torch.randn(5, 4)
    hidden = model[0](x)
    active = model[1](hidden)
    last = model[2](active)
    expected = [norm64(gradient) for gradient in torch.autograd.grad(last.square().sum(), [hidden, active, last])]
    bare = copy.deepcopy(model)
    torch.compile(bare, backend="aot_eager")(x).square().sum().backward()
    torch._dynamo.reset()  # the code of the same class without hooks would be used again
    with gradflow.record(model, compiled=True) as recorder:
        torch.compile(model, backend="aot_eager")(x).square().sum().backward()
        recorder.step()
    rows = recorder.recording.layers
    assert rows.status.tolist() == ["measured"] * 3
    assert rows.out_grad_norm.tolist() == pytest.approx(expected, rel=TOLERANCE)
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(bare.parameters(), model.parameters(), strict=True))
    torch._dynamo.utils.counters.clear()
    torch._dynamo.reset()


@pytest.mark.parametrize(("broken", "dtype"), [("l2_norm", torch.float64), ("SmallCopies", torch.float32)])
def test_a_measurement_that_fails_ends_training_only_if_asked(monkeypatch, broken, dtype):
    def fail(tensors):
        raise RuntimeError("planted")

    def train(recorder):
        model(torch.ones(1, 2, dtype=dtype)).sum().backward()
        recorder.step()

    monkeypatch.setattr(f"gradflow.hooks.capture.{broken}", fail)
    model = nn.Linear(2, 1, dtype=dtype)
    with gradflow.record(model) as recorder:
        with pytest.warns(GradflowWarning, match="planted"):
            train(recorder)
        train(recorder)  # warned of once
    assert recorder.recording.layers.status.tolist() == ["failed", "failed"]
    assert recorder.recording.layers.out_grad_norm.isna().all()
    with gradflow.record(model, strict=True) as recorder, pytest.raises(RuntimeError, match="planted"):
        train(recorder)


def test_a_gradient_changed_in_place_after_it_arrived_is_not_measured():
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    with gradflow.record(model) as recorder:
        hidden = model[0](torch.ones(1, 2))
        hidden.register_hook(lambda gradient: gradient.mul_(2.0))  # after the recorder's own
        with pytest.warns(GradflowWarning, match="another hook changed the gradient at 0 in place"):
            model[2](model[1](hidden)).sum().backward()
        recorder.step()
    assert recorder.recording.layers.status.tolist() == ["failed", "measured", "measured"]


def test_step_from_another_thread_is_refused():
    recorder, errors = gradflow.record(nn.Linear(2, 1)), []

    def call():
        try:
            recorder.step()
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    recorder.close()
    assert errors == ["step() was called from another thread than record(); use one recorder a thread."]


def test_a_layer_on_the_raw_input_is_not_in_the_graph():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    rows = record_once(model, torch.randn(3, 2, 2)).set_index("layer")
    assert rows.status.to_dict() == {"0": "not in the graph", "1": "measured"}


def test_coverage_says_why():
    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused, self.used = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x):
            return self.used(x)

    model = Parts()
    with gradflow.record(model) as recorder:
        assert set(recorder.coverage().reason) == {"no step was recorded yet"}
        model(torch.ones(1, 2)).sum().backward()
        recorder.step()
    table = recorder.coverage()
    assert table.layer.tolist() == ["used", "unused"]
    assert table.status.tolist() == ["measured", "not called"]
    assert table.reason.iloc[1] == "the layer was not called as a module"


def test_a_replica_of_data_parallel_is_not_taken_for_the_layer():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    replica = model._replicate_for_data_parallel()  # what DataParallel runs on each device but the first
    for name, child in model.named_children():
        twin = child._replicate_for_data_parallel()
        for key, parameter in child.named_parameters():
            setattr(twin, key, parameter.clone())
        replica._modules[name] = twin
    x = torch.randn(4, 3)
    with gradflow.record(model) as recorder:
        (model(x[:2]).square().sum() + replica(x[2:]).square().sum()).backward()
        recorder.step()
    whole = nn.Sequential(copy.deepcopy(model[0]), nn.Tanh())
    whole[0].zero_grad()
    whole(x).square().sum().backward()
    rows = recorder.recording.layers
    assert rows.call.tolist() == [0, 0]  # the replica's calls are none of the layer's
    assert rows.grad_norm[0] == pytest.approx(norm64(whole[0].weight.grad, whole[0].bias.grad), rel=TOLERANCE)


def test_data_parallel_without_a_device_to_spread_over_is_the_model_itself():
    model = nn.DataParallel(nn.Sequential(nn.Linear(3, 3), nn.Tanh()))
    rows = record_once(model, torch.randn(4, 3))
    assert rows.layer.tolist() == ["0", "1"]
    assert rows.status.tolist() == ["measured"] * 2


def test_channels_last_has_the_norms_of_ordinary_layout():
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 2, 3)).double()
    x = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    ordinary = record_once(model, x)
    model.zero_grad()
    last = record_once(model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last))
    assert last.out_grad_norm.tolist() == pytest.approx(ordinary.out_grad_norm.tolist(), rel=1e-12)
    assert last.grad_norm.tolist() == pytest.approx(ordinary.grad_norm.tolist(), rel=1e-12, nan_ok=True)


def test_parameters_alone_still_give_layers_their_place():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
    with gradflow.record(model, activations=False) as recorder:
        for _ in range(2):
            model(torch.randn(2, 3)).sum().backward()
            recorder.step()
            assert not any(layer._forward_hooks for layer in model)  # after the first step, none
    rows = recorder.recording.layers.query("step == 1")
    assert rows.layer_depth.tolist() == [1, 1, 2]
    assert rows.order.tolist() == [0, 1, 2]
    assert rows.out_grad_norm.isna().all()


def test_a_layer_that_first_runs_later_knows_what_lies_before_it():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.late = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)
            self.uses_late = False

        def forward(self, x):
            y = self.second(self.first(x).tanh())
            return self.late(y.tanh()) if self.uses_late else y

    model = Net()
    with gradflow.record(model) as recorder:
        for model.uses_late in (False, True):
            model(torch.randn(2, 3)).sum().backward()
            recorder.step()
    depths = recorder.recording.layers.query("step == 1").set_index("layer").layer_depth
    assert depths.to_dict() == {"first": 1, "second": 2, "late": 3}


def test_a_list_may_hold_the_input_that_a_layer_returns():
    class Pick(nn.Module):
        def forward(self, tensors):
            return tensors[0]

    model = nn.Sequential(nn.Linear(3, 3))
    pick = Pick()
    both = nn.ModuleDict({"net": model, "pick": pick})
    with gradflow.record(both) as recorder:
        pick([model(torch.randn(2, 3))]).sum().backward()
        recorder.step()
    assert recorder.recording.layers.set_index("layer").status["pick"] == "output is the input"


class Positions(nn.Module):
    """Returns a view of its parameter, whose gradient is then a view of the one at the output."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(4))

    def forward(self):
        return self.table.unsqueeze(0)


class WithPositions(nn.Module):
    def __init__(self):
        super().__init__()
        self.positions, self.last = Positions(), nn.Linear(4, 1)

    def forward(self, x):
        return self.last(torch.tanh(x + self.positions()))


def test_gradients_at_outputs_are_read_before_those_of_parameters_are_clipped():
    model, x = WithPositions(), torch.randn(3, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    expected = norm64(torch.autograd.grad(model(x).sum(), model.positions.table)[0])
    with gradflow.record(model, optimizer=optimizer, strict=True) as recorder:
        model(x).sum().backward()
        for parameter in model.parameters():
            parameter.grad.data.mul_(1e-3)
        optimizer.step()
    row = recorder.recording.layers.set_index("layer").loc["positions"]
    assert [row.out_grad_norm, row.grad_norm] == pytest.approx([expected, 1e-3 * expected], rel=TOLERANCE)


def test_accumulated_gradients_leave_those_at_outputs_apart():
    model, batches = WithPositions(), torch.randn(2, 3, 4)
    expected = [norm64(torch.autograd.grad(model(x).sum(), model.positions.table)[0]) for x in batches]
    with gradflow.record(model, strict=True) as recorder:
        for x in batches:
            model(x).sum().backward()
        recorder.step()
    rows = recorder.recording.layers.query("layer == 'positions'")
    assert rows.out_grad_norm.tolist() == pytest.approx(expected, rel=TOLERANCE)


def test_a_vectorized_jacobian_spoils_no_other_backward_pass():
    model, x = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)), torch.randn(4)
    with gradflow.record(model) as recorder:
        with pytest.warns(GradflowWarning, match="a measurement failed"):
            torch.autograd.functional.jacobian(model, x, vectorize=True)
        model(x).sum().backward()
        recorder.step()
    rows = recorder.recording.layers
    assert set(rows.status) == {"measured"}
    assert rows.out_grad_norm.notna().all()


def test_parameters_thawed_during_training_are_read():
    model, x = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(3, 4)
    model[0].requires_grad_(False)
    with gradflow.record(model) as recorder:
        for _ in range(2):
            model.zero_grad()
            model(x).sum().backward()
            recorder.step()
            model[0].requires_grad_(True)
    thawed = recorder.recording.layers.query("step == 1 and layer == '0'")
    assert thawed.grad_norm.item() == pytest.approx(
        math.hypot(*(norm64(parameter.grad) for parameter in model[0].parameters())), rel=TOLERANCE
    )
    total = math.hypot(*(norm64(parameter.grad) for parameter in model.parameters()))
    assert recorder.recording.steps.total_grad_norm.iloc[1] == pytest.approx(total, rel=TOLERANCE)


class Repeated(nn.Module):
    """Layers that return a tensor which was there before: a parameter, and the input of a checkpointed piece."""

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

        def forward(self):
            return self.weight

    def __init__(self, use_reentrant):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.same, self.own, self.last = nn.Linear(4, 4), nn.Identity(), self.Own(), nn.Linear(4, 1)
        self.use_reentrant = use_reentrant

    def piece(self, x):
        return self.same(x) * self.own()

    def forward(self, x):
        x = self.first(x)
        use = self.use_reentrant
        return self.last(self.piece(x) if use is None else checkpoint(self.piece, x, use_reentrant=use))


# Passes through one graph; of a reentrant checkpoint, each makes another.
@pytest.mark.parametrize(("reentrant", "n_passes"), [(True, 1), (False, 1), (False, 2)])
def test_a_tensor_that_a_checkpointed_layer_returns_again_is_recorded_once(reentrant, n_passes):
    def rows_of(use_reentrant):
        model, found = Repeated(use_reentrant), []
        with gradflow.record(model) as recorder:
            for seed in range(2):
                torch.manual_seed(seed)
                model.zero_grad()
                loss = model(torch.randn(5, 4)).square().sum()
                for _ in range(n_passes):
                    loss.backward(retain_graph=n_passes > 1)
                found.append(norm64(model.own.weight.grad))
                recorder.step()
        return recorder.recording.layers, found

    expected, gradients = rows_of(None)
    rows, _ = rows_of(reentrant)
    own = expected.query("layer == 'own'")
    assert own.out_grad_norm.iloc[-1] == pytest.approx(gradients[-1], rel=TOLERANCE)
    columns = ["step", "layer", "call", "backward", "status"]
    assert rows[columns].values.tolist() == expected[columns].values.tolist()
    assert rows.out_grad_norm.tolist() == pytest.approx(expected.out_grad_norm.tolist(), rel=TOLERANCE, nan_ok=True)
