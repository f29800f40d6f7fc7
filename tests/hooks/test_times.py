"""The gradient by time step of recurrent layers, against torch.autograd.grad and the closed form of a linear one."""

import math

import numpy as np
import pytest
import torch
from oracles import hook_counts
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import gradflow
from gradflow.hooks import GradflowWarning
from gradflow.hooks.sequence_norms import MAX_TIMES

TOLERANCE = 1e-5  # of float32 passes, computed twice


class Tagger(nn.Module):
    """Tokens through an embedding and a recurrent layer to two classes, from the last step or from all."""

    def __init__(self, kind=nn.LSTM, every=False, lengths=None, **options):
        super().__init__()
        torch.manual_seed(0)
        self.emb = nn.Embedding(20, 6)
        self.rnn = kind(6, 8, **options)
        width = options.get("proj_size") or 8
        self.head = nn.Linear(width * (1 + options.get("bidirectional", False)), 2)
        self.every, self.lengths = every, lengths

    def run(self, embedded):
        """The recurrent layer's output and the classes."""
        given = embedded
        if self.lengths is not None:
            given = pack_padded_sequence(embedded, self.lengths, self.rnn.batch_first, enforce_sorted=False)
        output = self.rnn(given)[0]
        whole = output
        if self.lengths is not None:
            whole, _ = pad_packed_sequence(output, self.rnn.batch_first)
        is_batch_first = self.rnn.batch_first and whole.dim() == 3
        return output, self.head(whole if self.every else whole[:, -1] if is_batch_first else whole[-1])

    def forward(self, tokens):
        return self.run(self.emb(tokens))[1]


def tokens(*shape, seed=0):
    return torch.randint(0, 20, shape, generator=torch.Generator().manual_seed(seed))


def recorded(model, x, **options):
    with gradflow.record(model, **options) as recorder:
        model(x).square().sum().backward()
        recorder.step()
    return recorder.recording.times


def of(times, tensor, layer="rnn"):
    rows = times[(times.tensor == tensor) & (times.layer == layer)]
    return rows.set_index("time").grad_norm


CASES = [
    (nn.RNN, {}, (9, 5)),
    (nn.LSTM, {}, (9, 5)),
    (nn.GRU, {"every": True}, (9, 5)),
    (nn.LSTM, {"batch_first": True}, (5, 9)),
    (nn.LSTM, {"batch_first": True, "bidirectional": True, "num_layers": 3}, (5, 9)),
    (nn.LSTM, {"proj_size": 3, "num_layers": 2}, (9, 5)),
    (nn.GRU, {}, (9,)),
    (nn.GRU, {"batch_first": True}, (9,)),
]


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize(("kind", "options", "shape"), CASES)
def test_norms_equal_autograd(kind, options, shape):
    model, x = Tagger(kind, **options), tokens(*shape)
    times = recorded(model, x)
    embedded = model.emb(x)
    output, classes = model.run(embedded)
    of_input, of_output = torch.autograd.grad(classes.square().sum(), [embedded, output])
    dim = 1 if options.get("batch_first") and len(shape) == 2 else 0
    for tensor, gradient in (("input", of_input), ("output", of_output)):
        expected = [gradient.select(dim, place).double().norm().item() for place in range(9)]
        found = of(times, tensor)
        assert found.index.tolist() == list(range(9))
        assert found.to_numpy() == pytest.approx(expected, rel=TOLERANCE)
    assert (of(times, "output") > 0).all() == bool(options.get("every"))


@pytest.mark.parametrize("batch_first", [False, True])
def test_packed_sequences_are_split_by_their_batch_sizes(batch_first):
    lengths = torch.tensor([4, 9, 1, 6])
    model = Tagger(nn.LSTM, every=True, lengths=lengths, batch_first=batch_first, bidirectional=True)
    x = tokens(4, 9) if batch_first else tokens(9, 4)
    times = recorded(model, x)
    embedded = model.emb(x)
    of_input = torch.autograd.grad(model.run(embedded)[1].square().sum(), embedded)[0]
    of_input = of_input if batch_first else of_input.transpose(0, 1)  # zero beyond each sequence's length
    assert of(times, "input").to_numpy() == pytest.approx(of_input.double().norm(dim=(0, 2)).numpy(), rel=TOLERANCE)
    output, classes = model.run(model.emb(x))
    of_output = torch.autograd.grad(classes.square().sum(), output.data)[0]
    parts = of_output.split(output.batch_sizes.tolist())
    assert of(times, "output").to_numpy() == pytest.approx(
        [part.double().norm().item() for part in parts], rel=TOLERANCE
    )


@pytest.mark.parametrize("factor", [0.5, 1e-4, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_layer_multiplies_by_its_weight_at_each_step(factor, dtype):
    """h_t = c h_(t-1) + x_t: the gradient at position t of the last state's sum is c^(T - 1 - t)."""
    model = nn.Sequential(nn.Linear(1, 1), nn.RNN(1, 1, nonlinearity="relu", bias=False)).to(dtype)
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[0].bias.fill_(0.0)
        model[1].weight_ih_l0.fill_(1.0)
        model[1].weight_hh_l0.fill_(factor)
    length = 50 if dtype == torch.float64 else 9
    with gradflow.record(model) as recorder:
        model(torch.ones(length, 4, 1, dtype=dtype))[0][-1].sum().backward()
        recorder.step()
    expected = 2.0 * factor ** np.arange(length - 1, -1, -1)  # over four sequences: sqrt(4) times
    assert of(recorder.recording.times, "input", "1").to_numpy() == pytest.approx(expected, rel=1e-6, abs=0)


def test_training_is_bit_identical():
    def train(model, recorder=None):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        losses = []
        for step in range(5):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(tokens(5, 9, seed=step)), torch.tensor([0, 1, 0, 1, 1]))
            loss.backward()
            if recorder is not None:
                recorder.step(loss=loss)
            optimizer.step()
            losses.append(loss.detach())
        return losses, model

    make = {"kind": nn.LSTM, "batch_first": True, "num_layers": 2, "dropout": 0.3}
    losses, bare = train(Tagger(**make))
    model = Tagger(**make)
    before = hook_counts(model)
    with gradflow.record(model) as recorder:
        again, model = train(model, recorder)
    assert recorder.recording.times.step.nunique() == 5
    assert hook_counts(model) == before
    assert all(torch.equal(a, b) for a, b in zip(losses, again, strict=True))
    for a, b in zip(bare.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a.grad, b.grad)


def test_long_sequences_keep_evenly_spaced_positions_with_both_ends():
    times = of(recorded(Tagger(nn.RNN, every=True), tokens(1000, 2)), "input")
    assert len(times) == MAX_TIMES
    assert (times.index[0], times.index[-1]) == (0, 999)
    assert set(np.diff(times.index)) <= {3, 4}


def test_an_input_without_gradient_has_no_rows():
    model = nn.Sequential(nn.LSTM(3, 4))
    with gradflow.record(model) as recorder:
        model(torch.ones(5, 2, 3))[0].sum().backward()
        recorder.step()
    assert set(recorder.recording.times.tensor) == {"output"}


def test_the_hook_on_a_leaf_goes_with_its_step():
    model, x = nn.Sequential(nn.GRU(3, 4)), torch.ones(5, 2, 3, requires_grad=True)
    with gradflow.record(model) as recorder:
        model(x)[0].sum().backward()
        recorder.step()
    assert not x._backward_hooks
    assert of(recorder.recording.times, "input", "0").to_numpy() == pytest.approx(
        x.grad.double().norm(dim=(1, 2)).numpy(), rel=TOLERANCE
    )


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_layer_of_which_the_last_state_alone_is_used(kind, batch_first):
    """PyTorch calls hooks on a fused layer's unused output with None."""

    class LastState(Tagger):
        def run(self, embedded):
            state = self.rnn(embedded)[1]
            return embedded, self.head((state[0] if isinstance(state, tuple) else state)[-1])

    model, x = LastState(kind, batch_first=batch_first), tokens(5, 9) if batch_first else tokens(9, 5)
    with gradflow.record(model, strict=True) as recorder:
        model(x).square().sum().backward()
        recorder.step()
    embedded = model.emb(x)
    expected = torch.autograd.grad(model.run(embedded)[1].square().sum(), embedded)[0]
    expected = expected.double().norm(dim=(0, 2) if batch_first else (1, 2))
    assert of(recorder.recording.times, "input").to_numpy() == pytest.approx(expected.numpy(), rel=TOLERANCE)
    rows = recorder.recording.layers
    assert "failed" not in set(rows.status)
    seen = []
    with gradflow.hooks.on_output_gradients(model, lambda layer, gradient: seen.append(layer)):
        model(x).square().sum().backward()
    assert {"head", "rnn", "emb"} >= set(seen) >= {"head", "emb"}


class Decoder(nn.Module):
    """A recurrent layer called once a time step, its state handed on or cut."""

    def __init__(self, is_cut=False):
        super().__init__()
        torch.manual_seed(0)
        self.emb, self.rnn, self.is_cut = nn.Embedding(20, 6), nn.LSTM(6, 8), is_cut

    def run(self, embedded):
        state = None
        for row in embedded:
            output, state = self.rnn(row[None], state)
            if self.is_cut:
                state = tuple(one.detach() for one in state)
        return output

    def forward(self, x):
        return self.run(self.emb(x).unbind())


def test_calls_that_hand_on_their_state_are_one_sequence():
    model, x = Decoder(), tokens(7, 3)
    times = recorded(model, x)
    rows = model.emb(x).unbind()
    gradients = torch.autograd.grad(model.run(rows).square().sum(), rows)
    assert of(times, "input").to_numpy() == pytest.approx([one.double().norm().item() for one in gradients], rel=1e-5)
    assert of(times, "output").index.tolist() == [6]  # the others' outputs are not used
    assert of(recorded(Decoder(is_cut=True), x), "input").index.tolist() == [0]


def test_micro_batches_add_up_as_one_batch():
    model = Tagger(nn.GRU)
    with gradflow.record(model) as recorder:
        for seed in (0, 1):
            model(tokens(9, 5, seed=seed)).square().sum().backward()
        recorder.step()
    parts = [of(recorded(Tagger(nn.GRU), tokens(9, 5, seed=seed)), "input") for seed in (0, 1)]
    assert of(recorder.recording.times, "input").to_numpy() == pytest.approx(np.hypot(*parts), rel=TOLERANCE)


def test_two_backward_passes_through_one_sequence_are_not_known():
    model = Tagger(nn.GRU)
    with gradflow.record(model) as recorder:
        classes = model(tokens(9, 5))
        classes[0].sum().backward(retain_graph=True)
        classes[1].sum().backward()
        recorder.step()
    assert recorder.recording.times.grad_norm.isna().all()


def test_a_loss_scale_is_divided_out():
    model, x = Tagger(nn.LSTM), tokens(9, 5)
    expected = recorded(model, x)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gradflow.record(model, optimizer=optimizer, scaler=scaler) as recorder:
        scaler.scale(model(x).square().sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    assert recorder.recording.times.grad_norm.to_numpy() == pytest.approx(expected.grad_norm.to_numpy(), rel=TOLERANCE)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    model, x = Tagger(nn.LSTM).to(dtype), tokens(9, 5)
    times = recorded(model, x)
    embedded = model.emb(x)
    expected = torch.autograd.grad(model.run(embedded)[1].square().sum(), embedded)[0]
    assert of(times, "input").to_numpy() == pytest.approx(expected.double().norm(dim=(1, 2)).numpy(), rel=1e-6)


def test_a_failing_measurement_costs_itself_alone(monkeypatch):
    monkeypatch.setattr("gradflow.hooks.sequence_norms.l2_norms_along", lambda *_: 1 / 0)
    model = Tagger(nn.LSTM)
    with gradflow.record(model) as recorder:
        loss = model(tokens(9, 5)).square().sum()
        with pytest.warns(GradflowWarning, match="ZeroDivisionError"):
            loss.backward()
        recorder.step()
    assert recorder.recording.times.grad_norm.isna().tolist() == [True] * 18  # nine positions, input and output
    assert (recorder.recording.layers.status == "measured").all()


def test_without_activations_nothing_is_read_by_time():
    assert recorded(Tagger(nn.LSTM), tokens(9, 5), activations=False).empty


def test_rows_stream_to_a_folder(tmp_path):
    model = Tagger(nn.LSTM)
    with gradflow.record(model, path=tmp_path / "run") as recorder:
        for step in range(3):
            model(tokens(9, 5, seed=step)).square().sum().backward()
            recorder.step()
            recorder.flush()
    times = gradflow.load(tmp_path / "run").times
    assert len(times) == 3 * 2 * 9
    assert times.step.unique().tolist() == [0, 1, 2]
    assert not any(math.isnan(norm) for norm in times.grad_norm)


def test_passes_that_are_no_part_of_the_gradient_do_not_count():
    model, x = Tagger(nn.GRU), tokens(9, 5)
    expected = recorded(Tagger(nn.GRU), x)
    with gradflow.record(model) as recorder:
        classes = model(x)
        torch.autograd.grad(classes.sum(), list(model.parameters()), retain_graph=True)
        (7 * classes).sum().backward(retain_graph=True)
        model.zero_grad()
        classes.square().sum().backward()
        recorder.step()
    assert recorder.recording.times.grad_norm.to_numpy() == pytest.approx(expected.grad_norm.to_numpy(), rel=TOLERANCE)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_checkpointed_layers(use_reentrant):
    class Checkpointed(Tagger):
        def run(self, embedded):
            output = torch.utils.checkpoint.checkpoint(
                lambda given: self.rnn(given)[0], embedded, use_reentrant=use_reentrant
            )
            return output, self.head(output[-1])

    x = tokens(9, 5)
    found, expected = recorded(Checkpointed(nn.GRU), x), recorded(Tagger(nn.GRU), x)
    assert of(found, "output").to_numpy() == pytest.approx(of(expected, "output").to_numpy(), rel=TOLERANCE)
