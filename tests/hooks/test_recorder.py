import copy
import gc
import io
import math
import pickle
import weakref

import pytest
import torch
from oracles import hook_counts, norm64, output_gradients
from torch import nn
from torch.nn import functional

import gradflow
from gradflow.hooks import Every, GradflowWarning
from gradflow.hooks.capture import OutputGradientHook
from gradflow.hooks.norms import SmallCopies
from gradflow.models import cifar_net

TOLERANCE = 1e-6


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(8, 1, 8, 8, generator=generator), torch.randint(0, 10, (8,), generator=generator)


def net(**options):
    torch.manual_seed(1)
    return cifar_net(8, in_channels=1, **options)


def loss_of(logits):
    return functional.cross_entropy(logits, batch()[1])


def train(model, recorder=None, steps=4):
    """A user's loop; returns every loss."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for step in range(steps):
        x, y = batch(step)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        if recorder is not None:
            recorder.step(loss=loss)
        optimizer.step()
        losses.append(loss.detach())
    return losses


@pytest.mark.parametrize("family", ["plain", "residual"])
def test_norms_equal_autograd(family):
    model = net(family=family)
    named = dict(model.named_parameters())
    gradients = dict(zip(named, torch.autograd.grad(loss_of(model(batch()[0])), list(named.values())), strict=True))
    outputs = output_gradients(model, batch()[0], loss_of)
    with gradflow.record(model, weights=True) as recorder:
        loss_of(model(batch()[0])).backward()
        recorder.step()
    rows = recorder.recording.layers.set_index("layer")
    assert len(rows) == len(outputs)
    for layer, row in rows.iterrows():
        if isinstance(model.get_submodule(layer), nn.Identity):
            assert row.status == "output is the input"
            continue
        assert row.status == "measured"
        assert row.out_grad_norm == pytest.approx(norm64(outputs[layer]), rel=TOLERANCE), layer
        own = [name for name in named if name.rpartition(".")[0] == layer]
        if own:
            assert row.grad_norm == pytest.approx(norm64(*[gradients[name] for name in own]), rel=TOLERANCE)
            assert row.weight_norm == pytest.approx(norm64(*[named[name] for name in own]), rel=TOLERANCE)
        else:
            assert math.isnan(row.grad_norm)
            assert math.isnan(row.weight_norm)
    total = recorder.recording.steps.total_grad_norm.iloc[0]
    assert total == pytest.approx(norm64(*gradients.values()), rel=TOLERANCE)


@pytest.mark.parametrize(
    "options", [{}, {"schedule": 2}, {"activations": False}, {"weights": True}, {"distributions": 2}]
)
def test_training_is_bit_identical(options):
    bare, recorded = net(), net()
    losses = train(bare)
    state = torch.random.get_rng_state()
    train(net())
    with gradflow.record(recorded, **options) as recorder:
        again = train(recorded, recorder)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(losses, again, strict=True))
    for (name, a), b in zip(bare.state_dict().items(), recorded.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    for a, b in zip(bare.parameters(), recorded.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


def test_with_form_and_explicit_form_record_the_same():
    with gradflow.record(net()) as inside:
        train(inside._model.root, inside)
    model = net()
    explicit = gradflow.record(model)
    train(model, explicit)
    explicit.close()
    assert explicit.recording.layers.equals(inside.recording.layers)
    assert explicit.recording.steps.equals(inside.recording.steps)


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_no_hook_is_left_after_an_exception(where):
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError("planted")

    model = net()
    before = hook_counts(model)

    def fail():
        if where == "forward":
            model(torch.randn(2, 3, 8, 8))
        else:
            loss_of(Fails.apply(model(batch()[0]))).backward()

    with pytest.raises(RuntimeError), gradflow.record(model) as recorder:
        fail()
    assert hook_counts(model) == before
    assert recorder.recording.steps.empty


def test_a_step_after_a_failed_one_is_right():
    model = net()
    with gradflow.record(model) as recorder:
        with pytest.raises(RuntimeError):
            model(torch.randn(2, 3, 8, 8))
        loss_of(model(batch()[0])).backward()
        recorder.step()
    expected = output_gradients(net(), batch()[0], loss_of)
    rows = recorder.recording.layers.set_index("layer")
    assert rows.out_grad_norm["fc"] == pytest.approx(norm64(expected["fc"]), rel=TOLERANCE)


def test_steps_that_are_not_due_carry_no_hook():
    model = net()
    bare = hook_counts(model)
    recorder = gradflow.record(model, schedule=Every(3, also=(4,)))
    attached = []
    for _ in range(7):
        attached.append(hook_counts(model) != bare)
        loss_of(model(batch()[0])).backward()
        recorder.step(loss=0.5)
    recorder.close()
    assert attached == [True, False, False, True, True, False, True]
    assert sorted(recorder.recording.layers.step.unique()) == [0, 3, 4, 6]
    assert recorder.recording.steps.step.tolist() == list(range(7))
    assert recorder.recording.steps.total_grad_norm.notna().tolist() == attached


def test_scalars_become_columns():
    model = net()
    with gradflow.record(model) as recorder:
        loss = loss_of(model(batch()[0]))
        loss.backward()
        recorder.step(loss=loss, batch_error=torch.tensor(0.25), lr=0.1, temperature=torch.tensor([2.0]))
        with pytest.warns(GradflowWarning, match="no layer of the model was seen running since the last step"):
            recorder.step(loss=1)
    steps = recorder.recording.steps
    assert steps.loss.tolist() == pytest.approx([loss.item(), 1.0])
    assert steps.batch_error.iloc[0] == 0.25
    assert steps.temperature.iloc[0] == 2.0
    assert math.isnan(steps.lr.iloc[1])


def test_accumulated_gradients_are_those_in_grad():
    model = net()
    with gradflow.record(model) as recorder:
        for seed in (0, 1):
            functional.cross_entropy(model(batch(seed)[0]), batch(seed)[1]).backward()
        recorder.step()
    rows = recorder.recording.layers
    fc = rows[rows.layer == "fc"]
    assert fc.backward.tolist() == [0, 1]
    assert fc.call.tolist() == [0, 0]
    assert fc.grad_norm.iloc[0] == pytest.approx(norm64(model.fc.weight.grad, model.fc.bias.grad), rel=TOLERANCE)
    assert math.isnan(fc.grad_norm.iloc[1])


@pytest.mark.parametrize("inplace", [False, True])
def test_a_layer_that_returns_its_input(inplace):
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=inplace), nn.Identity(), nn.Linear(3, 1))
    with gradflow.record(model) as recorder:
        model(torch.randn(2, 3)).sum().backward()
        recorder.step()
    status = recorder.recording.layers.set_index("layer").status
    assert status.tolist() == ["measured", "measured", "output is the input", "measured"]


def test_a_shared_module_has_a_row_per_call():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return self.layer(self.layer(x).tanh())

    model, x = Shared(), torch.randn(3, 4)
    first = model.layer(x)
    second = model.layer(first.tanh())
    expected = torch.autograd.grad(second.square().sum(), [first, second])
    with gradflow.record(model) as recorder:
        model(x).square().sum().backward()
        recorder.step()
    rows = recorder.recording.layers
    assert rows.call.tolist() == [0, 1]
    assert rows.out_grad_norm.tolist() == pytest.approx([norm64(g) for g in expected], rel=TOLERANCE)
    assert rows.grad_norm.notna().tolist() == [True, False]


def test_what_is_not_measured_is_said():
    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused, self.frozen, self.functional = (nn.Linear(2, 2) for _ in range(4))
            self.frozen.requires_grad_(False)

        def forward(self, x):
            return functional.linear(self.used(self.frozen(x)), self.functional.weight)

    model = Parts()
    with gradflow.record(model) as recorder:
        model(torch.randn(3, 2)).sum().backward()
        recorder.step()
    status = recorder.recording.layers.set_index("layer").status.to_dict()
    assert status == {
        "used": "measured",
        "unused": "not called",
        "frozen": "frozen",
        "functional": "parameters only",
    }
    rows = recorder.recording.layers.set_index("layer")
    assert math.isnan(rows.grad_norm["unused"])
    assert math.isnan(rows.out_grad_norm["unused"])


def test_nonfinite_gradients_are_data():
    model = nn.Linear(2, 2)
    with gradflow.record(model) as recorder:
        (model(torch.ones(1, 2)) * torch.tensor([math.inf, 1.0])).sum().backward()
        recorder.step()
    row = recorder.recording.layers.iloc[0]
    assert row.out_grad_norm == math.inf
    assert row.grad_norm == math.inf
    assert row.n_nonfinite == 1 + 3  # one entry of the output's gradient, two weights and a bias


def test_copies_of_a_recorded_model_are_inert():
    model = net()
    with gradflow.record(model) as recorder:
        stream = io.BytesIO()
        torch.save(model, stream)
        stream.seek(0)
        copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.load(stream, weights_only=False)]
        for other in copies:
            loss_of(other(batch()[0])).backward()
        with pytest.warns(GradflowWarning, match="no parameter has a gradient"):
            recorder.step()
    assert (recorder.recording.layers.status != "measured").all()


def test_no_output_is_kept_alive():
    model = net()
    with gradflow.record(model, schedule=1) as recorder:
        for with_backward in (True, False, True):
            gc.collect()
            gc.disable()
            try:
                logits = model(batch()[0])
                kept = weakref.ref(logits)
                if with_backward:
                    loss_of(logits).backward()
                del logits
                assert kept() is None
            finally:
                gc.enable()
            recorder.step()


def test_streaming_to_a_folder(tmp_path):
    model = net()
    with gradflow.record(model, path=tmp_path / "run", name="streamed") as recorder:
        train(model, recorder, steps=2)
        recorder.flush()
        train(model, recorder, steps=1)
    kept = gradflow.load(tmp_path / "run")
    assert kept.steps.step.tolist() == [0, 1, 2]
    assert kept.layers.groupby("step").size().nunique() == 1
    assert kept.name == "streamed"


def test_bad_input():
    with pytest.raises(ValueError, match="no parameter that requires a gradient"):
        gradflow.record(nn.ReLU())
    model = net()
    recorder = gradflow.record(model)
    with pytest.raises(ValueError, match="is being recorded already"):
        gradflow.record(model)
    with pytest.warns(GradflowWarning, match="no parameter has a gradient: call step\\(\\) after backward"):
        recorder.step()
    with pytest.raises(ValueError, match=r"loss must be one value; got a tensor of shape \(2,\)"):
        recorder.step(loss=torch.ones(2))
    recorder.close()
    recorder.close()
    with pytest.raises(RuntimeError, match=r"step\(\) was called after close"):
        recorder.step()
    with pytest.raises(ValueError, match="k at least 1; got 0"):
        gradflow.record(model, schedule=0)


def test_verifying_records_nothing():
    model = net()
    with gradflow.record(model) as recorder:
        recorder.verify(lambda: 100 * loss_of(model(batch()[0])))
        loss_of(model(batch()[0])).backward()
        recorder.step()
    twin = net()
    with gradflow.record(twin) as plain:
        loss_of(twin(batch()[0])).backward()
        plain.step()
    columns = ["layer", "call", "backward", "grad_norm", "out_grad_norm", "status"]
    assert recorder.recording.layers[columns].equals(plain.recording.layers[columns])


def test_a_module_that_returns_its_parameter_keeps_no_hook():
    class Prompt(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self):
            return self.weight

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.prompt, self.linear = Prompt(), nn.Linear(3, 1)

        def forward(self, x):
            return self.linear(x + self.prompt())

    model, seen = Net(), []
    with gradflow.record(model) as recorder:
        for _ in range(3):
            model(torch.ones(2, 3)).sum().backward()
            recorder.step()
    assert not model.prompt.weight._backward_hooks
    with gradflow.hooks.on_output_gradients(model, lambda layer, _: seen.append(layer)):
        model(torch.ones(2, 3)).sum().backward()
    model(torch.ones(2, 3)).sum().backward()
    assert sorted(seen) == ["linear", "prompt"]


def test_scalars_are_kept_as_they_were():
    model, running = nn.Linear(2, 1), torch.zeros(())
    with gradflow.record(model) as recorder:
        for _ in range(3):
            model(torch.ones(1, 2)).sum().backward()
            running += 1
            recorder.step(loss=running)
        with pytest.raises(ValueError, match="step counts the calls itself"):
            recorder.step(step=7)
    assert recorder.recording.steps.loss.tolist() == [1, 2, 3]


def test_a_recorder_that_streams_keeps_what_a_full_disk_refused(tmp_path, monkeypatch):
    with pytest.raises(TypeError, match="not JSON serializable"):
        gradflow.record(nn.Linear(2, 1), path=tmp_path / "bad", meta={"seed": object()})
    assert not (tmp_path / "bad").exists()
    model = nn.Linear(2, 1)
    recorder = gradflow.record(model, path=tmp_path / "run")
    model(torch.ones(1, 2)).sum().backward()
    recorder.step(loss=1.0)

    def full(table, frame):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(recorder._writer, "append", full)
        with pytest.warns(GradflowWarning, match="No space left on device"):
            recorder.flush()
    recorder.close()
    assert gradflow.load(tmp_path / "run").steps.loss.tolist() == [1.0]


def test_a_recorder_whose_steps_are_never_due_closes():
    model = nn.Linear(2, 1)
    with gradflow.record(model, schedule=lambda step: False) as recorder:
        model(torch.ones(1, 2)).sum().backward()
        recorder.step(loss=1.0)
    assert len(recorder.recording.steps) == 1
    assert recorder.recording.layers.empty


def test_gradients_held_are_few_and_have_no_graph(monkeypatch):
    monkeypatch.setattr("gradflow.hooks.passes.HELD", 100)
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), torch.ones(2, 4)
    with gradflow.record(model) as recorder:
        for _ in range(50):  # micro-batches of one step
            model(x).sum().backward()
        held = [
            gradient for gradient in gc.get_objects() if type(gradient) is torch.Tensor and gradient.shape == (2, 8)
        ]
        assert len(held) < 30
        recorder.step()
        torch.autograd.grad(model(x).square().sum(), list(model.parameters()), create_graph=True)
        assert not any(
            type(one) is torch.Tensor and one.requires_grad and one.shape == (2, 8) for one in gc.get_objects()
        )


@pytest.mark.slow
def test_of_one_long_backward_pass_half_a_mebibyte_of_gradients_is_held_and_four_of_copies():
    layer, output = nn.Linear(128, 128), torch.ones(64, 128)
    gradients, alive, copied = [], [], []

    def follow(gradient):
        gradients.append(weakref.ref(gradient))
        alive.append(sum(one() is not None for one in gradients))
        copied.append(sum(one.n_entries for one in gc.get_objects() if type(one) is SmallCopies))

    with gradflow.record(layer) as recorder:
        for _ in range(200):
            output = layer(output)
            output.register_hook(follow)
        output.sum().backward()
        recorder.step()
    assert 2**16 < max(alive) * 64 * 128 <= 2**17 + 64 * 128  # and the one under way
    assert 2**19 < max(copied) <= 2**20
    assert copied[-1] < max(copied), "those that come next are copied again"


def test_recorded_steps_leave_nothing_for_the_garbage_collector():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with gradflow.record(model, optimizer=optimizer, statistics=True) as recorder:

        def train(n_steps):
            for _ in range(n_steps):
                optimizer.zero_grad()
                model(torch.ones(3, 4)).square().sum().backward()
                recorder.step(loss=1.0)
                optimizer.step()

        def kept():
            gc.collect()
            return len(gc.get_objects())

        train(65)  # twice 32 steps, whose norms are taken together, and one
        before = kept()
        gc.disable()
        try:
            train(64)
            hooks = [one for one in gc.get_objects() if type(one) is OutputGradientHook and one.layer.module in model]
            assert len(hooks) < 32 * 3 + 1, "no cycle keeps them"
            del hooks
        finally:
            gc.enable()
        assert kept() - before < 3 * 64, "of a step one object, and no lists"


def test_rows_are_in_the_order_of_steps_where_steps_differ_in_form():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    model = nn.ModuleDict({"first": first, "second": second})
    x = torch.ones(2, 3)
    with gradflow.record(model) as recorder:
        for step in range(6):
            model.zero_grad()
            ((step + 1) * (first if step % 2 else second)(x)).sum().backward()
            recorder.step()
    rows = recorder.recording.layers
    assert rows.step.tolist() == sorted(rows.step)
    assert rows.query("status == 'measured'").layer.tolist() == ["second", "first"] * 3
    norms = rows.query("status == 'measured'").out_grad_norm
    assert norms.tolist() == pytest.approx([(step + 1) * 6**0.5 for step in range(6)])
