"""Histograms of gradients, weights and outputs, against counts of torch.autograd.grad's tensors by comparison alone."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import hook_counts
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import gradflow
from gradflow.hooks import Every, GradflowWarning
from gradflow.hooks.histograms import ACTIVATION, DistributionRows, Histogram, counts_of

KEYS = ["step", "layer", "parameter", "kind"]


def net(activation=nn.ReLU):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), activation(), nn.Linear(7, 6), activation(), nn.Linear(6, 3))


def batch(seed=0, n=4):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 5, generator=generator), torch.randint(0, 3, (n,), generator=generator)


def table_of(tensor, **options):
    rows = DistributionRows()
    rows.add([Histogram(0, "layer", "", ACTIVATION, counts_of(tensor, **options))])
    return pd.concat(rows.tables(lambda what, error: pytest.fail(f"{what}: {error}")))


def assert_holds(rows, tensor):
    """The rows are the histogram of a tensor: each count by comparison with the bin's ends, and their sum."""
    tensor = tensor.detach()
    values = (torch.view_as_real(tensor) if tensor.is_complex() else tensor).double().numpy().ravel()
    for low, high, count in rows[["low", "high", "count"]].itertuples(index=False):
        if math.isnan(low):
            inside = np.isnan(values)
        elif low == high:
            inside = values == low
        else:
            inside = (values >= low) & (values < high) if high > 0 else (values > low) & (values <= high)
            inside &= values != 0
        assert count == inside.sum(), (low, high)
    assert rows["count"].sum() == values.size
    assert rows["low"].dropna().is_monotonic_increasing
    ends = np.sort(rows[["low", "high"]].abs(), axis=1)
    is_bin = np.isfinite(ends).all(axis=1) & (ends[:, 0] >= np.finfo(np.float32).tiny)
    assert (ends[is_bin, 1] <= 1.25 * ends[is_bin, 0]).all()


def recorded(model, closure, **options):
    with gradflow.record(model, distributions=True, **options) as recorder:
        closure(model)
        recorder.step()
    return recorder.recording.distributions


def of(rows, kind, layer, parameter=""):
    return rows[(rows.kind == kind) & (rows.layer == layer) & (rows.parameter == parameter)]


def test_counts_equal_those_of_autograd():
    model, (x, y) = net(), batch()
    outputs = list(itertools.accumulate([x, *model], lambda value, layer: layer(value)))[1:]
    named = dict(model.named_parameters())
    gradients = torch.autograd.grad(functional.cross_entropy(outputs[-1], y), list(named.values()))
    rows = recorded(model, lambda model: functional.cross_entropy(model(x), y).backward())
    assert len(rows[KEYS].drop_duplicates()) == 2 * len(named) + len(model)
    for (name, weight), gradient in zip(named.items(), gradients, strict=True):
        layer, parameter = name.split(".")
        assert_holds(of(rows, "weight", layer, parameter), weight)
        assert_holds(of(rows, "gradient", layer, parameter), gradient)
    for number, output in enumerate(outputs):
        assert_holds(of(rows, "activation", str(number)), output)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64], ids=str
)
def test_each_type_is_counted_to_its_ends(dtype):
    generator = torch.Generator().manual_seed(0)
    some = torch.randn(3000, generator=generator, dtype=torch.float64) * 10 ** torch.linspace(-44, 38, 3000).double()
    odd = [0.0, -0.0, 1.0, -1.0, 1.25, -2.5, math.inf, -math.inf, -math.inf, math.nan, 1e-40, -1e-45, 3.4e38, -3.4e38]
    values = torch.cat([some, torch.tensor(odd).double(), -torch.tensor([math.nan]).double()])
    tensor = values.to(dtype)
    if dtype.is_complex:
        tensor = torch.complex(values.float(), values.float().flip(0))
    assert_holds(table_of(tensor), tensor)
    assert_holds(table_of(tensor[:, None].expand(-1, 2).t()), torch.cat([tensor, tensor]))
    assert_holds(table_of(tensor[:0]), tensor[:0])


def test_large_tensors_are_counted_in_pieces(monkeypatch):
    monkeypatch.setattr("gradflow.hooks.histograms._CHUNK", 10)
    assert_holds(table_of(torch.arange(-33.0, 34.0)), torch.arange(-33.0, 34.0))


def test_what_a_sparse_gradient_leaves_out_is_zero():
    model = nn.Sequential(nn.Embedding(9, 4, sparse=True))
    tokens = torch.tensor([1, 3, 3])
    rows = recorded(model, lambda model: model(tokens).square().sum().backward())
    model.zero_grad()
    dense = nn.Embedding.from_pretrained(model[0].weight.detach().clone(), freeze=False)
    dense(tokens).square().sum().backward()
    assert_holds(of(rows, "gradient", "0", "weight"), dense.weight.grad)


def test_counts_without_a_look_at_any_value_are_the_same():
    from gradflow.hooks.histograms import _FLOAT32, _FLOAT64, _by_numpy, _on_device

    odd = torch.tensor([0.0, -0.0, math.inf, -math.inf, math.nan, -math.nan, 1e-45, -1e-45, 3.4e38, -3.4e38])
    values = torch.cat([odd, torch.randn(500, generator=torch.Generator().manual_seed(0))])
    for bits, one in ((_FLOAT32, values), (_FLOAT64, values.double())):
        assert np.array_equal(_on_device(one, bits).numpy(), _by_numpy(one, bits))


def train(model, recorder=None, optimizer=None, steps=4):
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


@pytest.mark.parametrize("is_driven", [False, True])
def test_training_is_bit_identical(is_driven):
    bare, model = net(), net()
    losses = train(bare, optimizer=torch.optim.SGD(bare.parameters(), lr=0.1, momentum=0.9))
    state, before = torch.random.get_rng_state(), hook_counts(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with gradflow.record(model, optimizer=optimizer if is_driven else None, distributions=1) as recorder:
        again = train(model, recorder, optimizer)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert hook_counts(model) == before
    assert all(torch.equal(a, b) for a, b in zip(losses, again, strict=True))
    for a, b in zip(bare.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a.grad, b.grad)
    assert recorder.recording.distributions.step.unique().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("options", "recorded_steps", "counted"),
    [
        ({"distributions": True}, range(12), [0, 1, 10]),
        ({"distributions": True, "schedule": 7}, [0, 1, 7, 10], [0, 1, 10]),
        ({"distributions": 5, "schedule": 100}, [0, 5, 10], [0, 5, 10]),
        ({"distributions": Every(100, also=(3,))}, range(12), [0, 3]),
        ({"distributions": False}, range(12), []),
        ({}, range(12), []),
    ],
    ids=str,
)
def test_steps_that_are_counted(options, recorded_steps, counted):
    model = net()
    with gradflow.record(model, **options) as recorder:
        train(model, recorder, torch.optim.SGD(model.parameters(), lr=0.1), steps=12)
    recording = recorder.recording
    assert recording.distributions.step.unique().tolist() == counted
    assert recording.layers.step.unique().tolist() == list(recorded_steps)


def test_the_other_tables_are_the_same():
    found = []
    for options in ({}, {"distributions": 2}):
        model = net()
        with gradflow.record(model, statistics=True, **options) as recorder:
            train(model, recorder, torch.optim.SGD(model.parameters(), lr=0.1))
        found.append(recorder.recording)
    for table in ("steps", "layers", "parameters", "graph"):
        assert getattr(found[0], table).equals(getattr(found[1], table))


def test_of_a_driven_step_gradients_are_the_clipped_ones_and_weights_those_before_it():
    model, (x, y) = net(), batch()
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gradflow.record(model, optimizer=optimizer, distributions=True) as recorder:
        functional.cross_entropy(model(x), y).backward()
        recorder.step()
        nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        optimizer.step()
    rows = recorder.recording.distributions
    for (name, parameter), weight in zip(model.named_parameters(), weights, strict=True):
        assert_holds(of(rows, "weight", *name.split(".")), weight)
        assert_holds(of(rows, "gradient", *name.split(".")), parameter.grad)


def test_weights_of_several_optimizers_are_those_before_each_ones_step():
    model, (x, y) = net(), batch()
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    optimizers = [torch.optim.SGD(model[number].parameters(), lr=0.5) for number in (0, 2, 4)]
    with gradflow.record(model, optimizer=optimizers, distributions=True) as recorder:
        functional.cross_entropy(model(x), y).backward()
        for optimizer in optimizers:
            optimizer.step()
    rows = recorder.recording.distributions
    for (name, _), weight in zip(model.named_parameters(), weights, strict=True):
        assert_holds(of(rows, "weight", *name.split(".")), weight)


@pytest.mark.parametrize("is_driven", [False, True])
def test_a_loss_scale_is_divided_out(is_driven):
    model, (x, y) = net(), batch()
    plain = recorded(net(), lambda model: functional.cross_entropy(model(x), y).backward())
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1) if is_driven else None
    with gradflow.record(model, optimizer=optimizer, scaler=scaler, distributions=True) as recorder:
        scaler.scale(functional.cross_entropy(model(x), y)).backward()
        if optimizer is None:
            recorder.step()
        else:
            scaler.step(optimizer)
            scaler.update()
    pd.testing.assert_frame_equal(recorder.recording.distributions, plain)


def test_calls_of_a_layer_are_counted_together():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 4)), torch.randn(3, 4)

    def twice(model):
        outputs = model(x), model(x.double().float() * 2)
        (outputs[0].sum() + outputs[1].sum()).backward()
        twice.outputs = torch.cat(outputs)

    assert_holds(of(recorded(model, twice), "activation", "0"), twice.outputs)


def test_calls_of_several_types_are_one_histogram():
    class Narrow(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return x * self.scale.to(x.dtype)

    model, x = nn.Sequential(Narrow()), torch.arange(1.0, 7.0)
    with gradflow.record(model, layers="0", distributions=True) as recorder:
        (model(x).sum() + model(x.double()).sum()).backward()
        recorder.step()
    rows = of(recorder.recording.distributions, "activation", "0")
    assert_holds(rows, torch.cat([x, x]))
    assert not rows.duplicated(["low", "high"]).any()


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_what_checkpointing_computes_again_is_counted_once(use_reentrant):
    x, y = batch()
    x.requires_grad_()
    plain = recorded(net(), lambda model: functional.cross_entropy(model(x), y).backward())

    def run(model):
        hidden = checkpoint(model[:4], x, use_reentrant=use_reentrant)
        functional.cross_entropy(model[4](hidden), y).backward()

    order = ["layer", "parameter", "kind", "low"]
    found = recorded(net(), run).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(found, plain.sort_values(order, ignore_index=True))


def test_a_layer_that_changes_its_input_in_place_is_counted_after_that_and_what_it_changed_before():
    model, (x, y) = net(lambda: nn.ReLU(inplace=True)), batch()
    rows = recorded(model, lambda model: functional.cross_entropy(model(x), y).backward())
    before = model[0](x)
    assert_holds(of(rows, "activation", "0"), before)
    assert_holds(of(rows, "activation", "1"), before.relu())


def test_what_has_no_gradient_has_no_histogram_of_it():
    model, (x, y) = net(), batch()
    model[2].weight.requires_grad_(False)
    rows = recorded(model, lambda model: functional.cross_entropy(model(x), y).backward())
    assert of(rows, "gradient", "2", "weight").empty
    assert_holds(of(rows, "weight", "2", "weight"), model[2].weight)


def test_without_activations_parameters_alone_are_counted():
    x, y = batch()
    rows = recorded(net(), lambda model: functional.cross_entropy(model(x), y).backward(), activations=False)
    assert set(rows.kind) == {"gradient", "weight"}


@pytest.mark.parametrize("lost", ["weight", "gradient", "activation"])
def test_a_histogram_that_fails_costs_itself_alone(monkeypatch, lost):
    model, (x, y) = net(), batch()
    whole = recorded(net(), lambda model: functional.cross_entropy(model(x), y).backward())
    size = {"weight": (7, 5), "gradient": (7, 5), "activation": (4, 7)}[lost]

    def failing(tensor, *scale):
        if tensor.shape == size and (lost == "activation" or isinstance(tensor, nn.Parameter) == (lost == "weight")):
            raise RuntimeError("no memory")
        return counts_of(tensor, *scale)

    for room in ("readings", "passes"):
        monkeypatch.setattr(f"gradflow.hooks.{room}.counts_of", failing)
    with pytest.warns(GradflowWarning, match=f"distribution of the {'output' if lost == 'activation' else lost}"):
        rows = recorded(model, lambda model: functional.cross_entropy(model(x), y).backward())
    missing = {"activation": "activation"}.get(lost, lost)
    layers = ["0", "1"] if lost == "activation" else ["0"]
    parameter = "" if lost == "activation" else "weight"
    is_lost = (whole.kind == missing) & whole.layer.isin(layers) & (whole.parameter == parameter)
    assert is_lost.any()
    pd.testing.assert_frame_equal(rows, whole[~is_lost].reset_index(drop=True))


def test_rows_stream_to_a_folder_and_survive_as_csv(tmp_path):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gradflow.record(model, distributions=Every(2), path=tmp_path / "run") as recorder:
        train(model, recorder, optimizer, steps=2)
        recorder.flush()
        train(model, recorder, optimizer, steps=3)
    kept = gradflow.load(tmp_path / "run")
    memory = net()
    with gradflow.record(memory, distributions=Every(2)) as recorder:
        optimizer = torch.optim.SGD(memory.parameters(), lr=0.1)
        train(memory, recorder, optimizer, steps=2)
        train(memory, recorder, optimizer, steps=3)
    pd.testing.assert_frame_equal(kept.distributions, recorder.recording.distributions)
    gradflow.storage.to_csv(kept, tmp_path / "csv")
    pd.testing.assert_frame_equal(gradflow.load(tmp_path / "csv").distributions, kept.distributions)


def test_names_that_users_choose(tmp_path):
    model = nn.ModuleDict({"</script>=1": nn.Linear(5, 3), "\ud800 \u202e": nn.Linear(3, 3)})
    model["</script>=1"].register_parameter("$x$,\n", nn.Parameter(torch.zeros(2)))
    x, y = batch()
    with gradflow.record(model, distributions=True, path=tmp_path / "run") as recorder:
        hidden = x
        for layer in model.values():
            hidden = layer(hidden)
        functional.cross_entropy(hidden, y).backward()
        recorder.step()
    kept = gradflow.load(tmp_path / "run")
    assert set(kept.distributions.layer) == set(kept.layers.layer)
    assert "$x$,\n" in set(kept.distributions.parameter)
    gradflow.storage.to_csv(kept, tmp_path / "csv")
    pd.testing.assert_frame_equal(gradflow.load(tmp_path / "csv").distributions, kept.distributions)
