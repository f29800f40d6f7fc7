"""Models, optimizers and scalers are saved, copied, scripted and converted under recording as without a recorder."""

import contextlib
import copy
import gc
import io
import pickle
import subprocess
import sys
import weakref

import pytest
import torch
from oracles import hook_counts
from torch import fx, nn
from torch.nn import functional

import gradflow
from gradflow.hooks import GradflowWarning

WITHOUT_GRADFLOW = """
import sys
sys.modules["gradflow"] = None  # importing it raises
import torch
for weights_only in (False, True):
    with torch.serialization.safe_globals([torch.nn.Sequential, torch.nn.Linear, torch.nn.Tanh]):
        model = torch.load(sys.argv[1], weights_only=weights_only)
    print(model(torch.ones(1, 2)).shape, sum(len(module._forward_hooks) for module in model.modules()))
"""


def network():
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))


@pytest.fixture
def recorded():
    """A model, optimizer and scaler in the middle of a recorded training, with a hook of the user's on the model."""
    model = network()
    optimizer, scaler = torch.optim.Adam(model.parameters()), torch.amp.GradScaler("cpu")
    with gradflow.record(model, optimizer=optimizer, scaler=scaler, statistics=True) as recorder:
        for _ in range(2):
            train_step(model, optimizer)
        yield model, optimizer, scaler, recorder


def train_step(model, optimizer):
    optimizer.zero_grad()
    model(torch.ones(1, 2)).square().sum().backward()
    optimizer.step()


def same(model, other):
    return torch.equal(model(torch.ones(1, 2)), other(torch.ones(1, 2)))


def seen(module, args, output):
    CALLS.append(module)


CALLS = []


def test_a_saved_model_loads_where_gradflow_is_absent(recorded, tmp_path):
    torch.save(recorded[0], tmp_path / "model.pt")
    command = [sys.executable, "-c", WITHOUT_GRADFLOW, str(tmp_path / "model.pt")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["torch.Size([1, 1]) 0"] * 2


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_hold_the_users_hooks_and_none_of_the_recorder(recorded, protocol):
    model = recorded[0]
    model[0].register_forward_hook(seen)
    for dumps in (pickle.dumps, pickle._dumps):  # in C and in Python
        data = dumps(model, protocol)
        assert b"gradflow" not in data.replace(seen.__module__.encode(), b"")
        loaded = pickle.loads(data)
        assert same(loaded, model)
        assert [list(module._forward_hooks.items()) for module in loaded.modules() if module._forward_hooks] == [
            [(key, seen) for key, hook in model[0]._forward_hooks.items() if hook is seen]
        ]


def test_copies_have_no_hooks_and_can_be_recorded(recorded):
    model, optimizer, scaler, recorder = recorded
    copied = copy.deepcopy(model)
    assert not any(module._forward_hooks for module in copied.modules())
    gradflow.record(copied).close()
    both = copy.deepcopy({"model": model, "optimizer": optimizer, "scaler": scaler})
    train_step(both["model"], both["optimizer"])  # the parameters were copied once
    assert not same(both["model"], model)
    recorder.close()
    assert recorder.recording.steps.step.tolist() == [0, 1]


@pytest.mark.parametrize("part", [1, 2], ids=["optimizer", "scaler"])
def test_optimizers_and_scalers_are_saved_as_without_a_recorder(recorded, part):
    stream = io.BytesIO()
    torch.save(recorded[part], stream)
    assert b"gradflow" not in stream.getvalue() + pickle.dumps(recorded[part])
    stream.seek(0)
    loaded = torch.load(stream, weights_only=False)
    for other in (loaded, copy.deepcopy(recorded[part])):
        assert other.state_dict().keys() == recorded[part].state_dict().keys()
        assert other.step.__self__ is other


def test_a_tensor_that_a_layer_returned_is_saved_without_a_warning(recorded):
    output = recorded[0](torch.ones(1, 2))  # warnings are errors
    stream = io.BytesIO()
    torch.save(output, stream)
    stream.seek(0)
    assert torch.equal(torch.load(stream), output)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_models_are_scripted_traced_and_exported(recorded):
    model = recorded[0]
    assert same(torch.jit.script(model), model)
    assert same(torch.jit.trace(model, torch.ones(1, 2)), model)
    assert same(fx.symbolic_trace(model), model)
    assert same(torch.export.export(model, (torch.ones(1, 2),)).module(), model)
    train_step(*recorded[:2])


def test_nothing_is_left_on_a_model_when_the_recorder_is_closed(recorded):
    model, optimizer, scaler, recorder = recorded
    assert "step" in vars(scaler)
    recorder.close()
    assert "step" not in vars(scaler)
    assert hook_counts(model) == hook_counts(network())
    assert all(not vars(module._forward_hooks) for module in model.modules())
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


class Positions(nn.Module):
    """Returns a parameter as it is, on which a hook would stay."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.ones(2))

    def forward(self):
        return self.table


class WithPositions(nn.Module):
    def __init__(self):
        super().__init__()
        self.positions, self.head = Positions(), nn.Linear(2, 1)

    def forward(self, x):
        return self.head(x + self.positions())


@pytest.mark.parametrize("is_in_a_cycle", [False, True])
def test_a_dropped_recorder_goes_at_once_and_takes_its_hooks_along(is_in_a_cycle):
    model = WithPositions()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = gradflow.record(model, optimizer=optimizer)
    train_step(model, optimizer)
    output = model(torch.ones(1, 2))
    gone = weakref.ref(recorder)
    if is_in_a_cycle:
        model.recorder = recorder
        recorder.cycle = recorder
        del model.recorder
    gc.disable()
    try:
        del recorder
        if not is_in_a_cycle:
            assert gone() is None
            assert hook_counts(model) == hook_counts(WithPositions())
            assert not optimizer._optimizer_step_pre_hooks
            assert not model.positions.table._backward_hooks
        output.sum().backward()  # under way when the recorder went
        with gradflow.record(model) as other:
            train_step(model, optimizer)
            other.step()
        assert gone() is None
    finally:
        gc.enable()
    assert other.recording.layers.status.tolist() == ["measured", "measured"]


def test_an_exception_in_a_trainer_leaves_no_hook_when_the_trainer_is_gone():
    def trainer(model):
        recorder = gradflow.record(model)
        for step in range(3):
            model(torch.ones(1, 2)).sum().backward()
            if step == 1:
                raise RuntimeError("planted")
            recorder.step()

    model = network()
    with contextlib.suppress(RuntimeError):
        trainer(model)
    assert hook_counts(model) == hook_counts(network())
    gradflow.record(model).close()


def test_a_recorder_in_use_is_still_refused_in_one_line():
    model = network()
    recorder = gradflow.record(model)
    with pytest.raises(ValueError, match=r"^Sequential is being recorded already; close that recorder first\.$"):
        gradflow.record(model)
    recorder.close()
    recorder = gradflow.record(model)  # the first goes here
    assert not any(module._forward_hooks for module in copy.deepcopy(model).modules())
    recorder.close()


@pytest.mark.filterwarnings("ignore:no parameter has a gradient")  # a loaded parameter has none
@pytest.mark.parametrize("is_given", [False, True])
@pytest.mark.parametrize("when", ["before forward", "before step", "after step"])
@pytest.mark.parametrize("change", ["double", "load_state_dict", "half and back"])
def test_parameters_are_swapped_on_conversion_as_without_a_recorder(monkeypatch, change, when, is_given):
    monkeypatch.setattr(torch.__future__, "_swap_module_params_on_conversion", True)

    def trained(*, is_recorded):
        torch.manual_seed(0)
        model, dtype = network(), torch.float32
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        recorder = None
        if is_recorded:
            recorder = gradflow.record(model, optimizer=optimizer if is_given else None, weights=True)
        losses, n_gradients = [], 0
        for step in range(4):

            def convert(now, step=step):
                nonlocal dtype
                if step != 1 or now != when:
                    return
                if change == "double":
                    model.double()
                    dtype = torch.float64
                elif change == "half and back":
                    model.half().float()
                else:
                    model.load_state_dict({name: value + 1 for name, value in model.state_dict().items()})

            convert("before forward")
            loss = functional.softplus(model(torch.ones(2, 2, dtype=dtype))).sum()
            losses.append(loss.item())
            loss.backward()
            convert("before step")
            n_gradients += sum(layer.weight.grad is not None for layer in (model[0], model[2]))
            if recorder is not None:
                recorder.step(loss=losses[-1])
            optimizer.step()
            convert("after step")
            optimizer.zero_grad()
        if recorder is not None:
            recorder.close()
            assert recorder.recording.layers.grad_norm.notna().sum() == n_gradients
        return losses

    assert trained(is_recorded=True) == trained(is_recorded=False)


def test_a_failure_is_named_once_with_its_layer(monkeypatch):
    model = network()
    message = r"failed: act_mean of 2 \(ZeroDivisionError: division by zero\)"
    with gradflow.record(model, layers="2", statistics=True) as recorder:
        model(torch.ones(1, 2)).sum().backward()  # the first batch is looked at
        recorder.step()
        monkeypatch.setattr(torch.Tensor, "mean", lambda *_: 1 / 0)
        with pytest.warns(GradflowWarning, match=message):
            output = model(torch.ones(1, 2))
        output.sum().backward()
        recorder.step()
        model(torch.ones(1, 2)).sum().backward()  # a second warning would be an error
        recorder.step()
    layers = recorder.recording.layers
    assert layers.act_mean.isna().tolist() == [False, True, True]
    assert layers.act_rms.notna().all()
