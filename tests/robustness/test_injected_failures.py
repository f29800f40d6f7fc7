"""Whatever call of the recorder fails, training goes on as it would have, and only the number concerned is lost.

Every call that the code of gradflow/hooks makes, into PyTorch, NumPy, pandas and its own functions, is listed in a
clean run; then each is made to raise in a run of its own. An unrecorded run is the oracle for the training, the clean
run for the rows.
"""

import random
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

import gradflow
import gradflow.hooks.recorder
from gradflow.hooks import GradflowWarning

HOOKS = str(Path(gradflow.hooks.recorder.__file__).parent)
GUARD = "failures.py"  # what lets no failure out is not made to fail itself
# The ways in from PyTorch and the user, what tells of users' mistakes, and a call of the user's that passes through.
NOT_FAILING = {"call", "enter", "uninterrupted", "check_scalar", "Writer.check_open", "GradScaler.step"}
STEPS = 4
DRAWN = 8  # calls of each loop in the short version
KINDS = (RuntimeError, torch.OutOfMemoryError)
TABLES = ("steps", "layers", "parameters", "times", "graph", "distributions")
PLACES = {"order": -1, "layer_depth": -1, "stage": -1, "dtype": ""}  # unknown where the first step is to be seen again
CODE = (HOOKS, "/torch/", "/numpy/", "/pandas/")
BUILTIN = (str, bytes, list, tuple, dict, set, frozenset, type, int, float, type(sys), type(None))
KEYS = {
    "steps": ["step"],
    "layers": ["step", "layer", "backward", "call", "output"],
    "parameters": ["step", "layer", "parameter", "part"],
    "times": ["step", "layer", "tensor", "time"],
    "distributions": ["step", "layer", "parameter", "kind", "low"],
}


class Training:
    """One run of a small loop: its losses and weights and, if recorded, its recording."""

    def __init__(self, folder=None, *, is_recorded=True):
        self.now = 0  # the step under way; STEPS while the recorder is closed
        self.is_on = False  # whether calls may fail: from record() to close()
        self.losses = []
        self.recorder = None
        self.is_recorded = is_recorded
        self.folder = folder

    def run(self, loop):
        torch.manual_seed(0)
        self.models = loop(self)
        self.now = STEPS
        self.weights = [parameter.detach().clone() for model in self.models for parameter in model.parameters()]
        return self

    def record(self, model, **options):
        if self.is_recorded:
            self.recorder = gradflow.record(model, **options)
            self.is_on = True

    def end_backward(self, loss):
        self.losses.append(loss.item())
        if self.recorder is not None:
            self.recorder.step(loss=loss)

    def tables(self):
        self.recorder.close()
        self.is_on = False  # whoever reads a recording is told what fails
        recording = self.recorder.recording
        return {table: getattr(recording, table) for table in TABLES}


def plain(training):
    model = nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 8), nn.Tanh(), nn.Flatten(), nn.Linear(8, 2)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    training.record(model, statistics=True, weights=True)
    train(training, model, optimizer, torch.randn(5, 6))
    return [model]


def given_optimizer(training):
    model = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 100), nn.Linear(100, 100))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    training.record(model, optimizer=optimizer, weights=True)
    train(training, model, optimizer, torch.randn(5, 6))
    return [model]


def recurrent(training):
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.rnn, self.head = nn.Embedding(9, 4), nn.LSTM(4, 5), nn.Linear(5, 2)
            self.offset = nn.Parameter(torch.zeros(5))

        def forward(self, tokens):
            return self.head(self.rnn(self.embed(tokens))[0] + self.offset)

    model = Tagger()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    training.record(model, optimizer=optimizer)
    train(training, model, optimizer, torch.randint(0, 9, (7, 3)), micro=2)
    return [model]


def two_optimizers(training):
    pair = nn.ModuleDict(
        {
            "make": nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6)),
            "judge": nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1)),
        }
    )
    make, judge = pair["make"], pair["judge"]
    optimizers = [torch.optim.Adam(one.parameters(), lr=0.01) for one in (make, judge)]
    training.record(pair, optimizer=optimizers)
    for training.now in range(STEPS):
        real, noise = torch.randn(5, 6), torch.randn(5, 4)
        made = make(noise)
        optimizers[1].zero_grad()
        loss = functional.softplus(-judge(real)).mean() + functional.softplus(judge(made.detach())).mean()
        loss.backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        loss = functional.softplus(-judge(made)).mean()
        loss.backward()
        training.end_backward(loss)
        optimizers[0].step()
    return [pair]


def streamed(training):
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    training.record(model, path=training.folder)
    train(training, model, optimizer, torch.randn(5, 6))
    return [model]


def counted(training):
    model = nn.Sequential(nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    training.record(model, optimizer=optimizer, distributions=1)
    train(training, model, optimizer, torch.randn(2, 6), micro=2)
    return [model]


def scaled(training):
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    training.record(model, optimizer=optimizer, scaler=scaler, weights=True)
    for training.now in range(STEPS):
        optimizer.zero_grad()
        loss = model(torch.randn(5, 6)).square().mean()
        scaler.scale(loss * (float("inf") if training.now == 1 else 1)).backward()  # a step that is skipped
        training.end_backward(loss)
        scaler.step(optimizer)
        scaler.update()
    return [model]


def train(training, model, optimizer, batch, micro=1):
    for training.now in range(STEPS):
        optimizer.zero_grad()
        for _ in range(micro):
            loss = model(batch).square().mean()
            loss.backward()
        training.end_backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


LOOPS = [plain, given_optimizer, recurrent, two_optimizers, streamed, counted, scaled]


@contextmanager
def profiled(notice):
    """Call `notice(site)` before each call that the hooks' code makes; an error that it raises is that of the call."""

    def on_event(frame, event, function):
        if event == "c_call":
            owner = getattr(function, "__self__", None)
            module = getattr(function, "__module__", None) or getattr(type(owner), "__module__", "")
            is_of_library = module.partition(".")[0] in ("torch", "numpy", "pandas") or isinstance(owner, torch.Tensor)
            if frame.f_code.co_filename.startswith(HOOKS) and is_of_library:
                notice(site(frame, function.__name__))
        elif event == "call" and frame.f_back is not None:
            code, caller = frame.f_code, frame.f_back
            if (
                caller.f_code.co_filename.startswith(HOOKS)
                and any(part in code.co_filename for part in CODE)
                and not code.co_filename.endswith(GUARD)
                and not code.co_name.startswith("<")
            ):
                notice(site(caller, code.co_qualname))

    sys.setprofile(on_event)
    try:
        yield
    finally:
        sys.setprofile(None)


def site(frame, callee):
    return Path(frame.f_code.co_filename).name, frame.f_lineno, frame.f_code.co_name, callee


def calls_of(loop, folder):
    """Every call site in a clean run, with the number of its first call, and of its first in a step in the middle."""
    counts, chosen = {}, {}

    def notice(where):
        if training.is_on and NOT_FAILING.isdisjoint(where):
            number = counts[where] = counts.get(where, -1) + 1
            chosen.setdefault((where, training.now == STEPS // 2), number)

    training = Training(folder)
    with profiled(notice):
        training.run(loop).tables()
    return sorted({(where, number) for (where, _), number in chosen.items()})


def failing(loop, where, number, kind, folder):
    """Train with an error at one call; return the run, its tables, the step in which it failed, and the warnings."""
    count, failed_in = -1, None

    def notice(place):
        nonlocal count, failed_in
        if training.is_on and place == where:
            count += 1
            if count == number:
                failed_in = training.now
                raise kind("planted")

    training = Training(folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with profiled(notice):
            tables = training.run(loop).tables()
    assert failed_in is not None, "the call was not reached"
    return training, tables, failed_in, [str(one.message) for one in caught if one.category is GradflowWarning]


def lost_numbers(clean, found, failed_in):
    """The numbers that are missing, all of the step that failed; an AssertionError if anything else is different."""
    lost = []
    for table in TABLES:
        if table == "graph":
            pd.testing.assert_frame_equal(found[table], clean[table])
            continue
        failed, passed = [frame.step.isin([failed_in, failed_in + 1]) for frame in (clean[table], found[table])]
        others = [
            frame[~rows].reset_index(drop=True) for frame, rows in ((found[table], passed), (clean[table], failed))
        ]
        pd.testing.assert_frame_equal(*others)
        here = {tuple(row[key] for key in KEYS[table]): row for _, row in found[table][passed].iterrows()}
        for _, row in clean[table][failed].iterrows():
            key = tuple(row[name] for name in KEYS[table])
            if key not in here and table == "distributions":
                assert all(key[:-1] != other[:-1] for other in here), f"{key[:-1]} is no whole histogram"
                lost.append((table, *key))
                continue
            if key not in here:  # whose gradient it was is not known: the layer says that it failed
                statuses = [other.status for other in here.values() if table == "layers" and other.layer == row.layer]
                assert "failed" in statuses, f"{table} has no row {key}"
                lost.append((table, *key))
                continue
            lost += [(table, *key, name) for name in row.index if not is_same(name, here[key], row)]
    return lost


def is_same(name, row, clean):
    """Whether a value is as expected; if not, an AssertionError unless it says that it was not measured."""
    value, expected = row[name], clean[name]
    if value == expected or (pd.isna(value) and pd.isna(expected)):
        return True
    if isinstance(value, float) and value == pytest.approx(expected, rel=1e-6):  # one by one, not all together
        return True
    is_lost = pd.isna(value) or value == "failed" or value == PLACES.get(name)
    assert is_lost or row.get("status") == "failed", (name, row, expected)
    return False


def check(loop, where, number, kind, clean, bare, folder):
    """The numbers that one failure costs; an error or AssertionError if it costs anything else."""
    training, tables, failed_in, messages = failing(loop, where, number, kind, folder)
    assert training.losses == bare.losses
    assert all(torch.equal(one, other) for one, other in zip(training.weights, bare.weights, strict=True))
    assert not any(len(module._forward_hooks) for model in training.models for module in model.modules())
    lost = lost_numbers(clean, tables, failed_in)
    assert len(messages) == len(set(messages))
    assert messages or not lost, "numbers are missing and nothing was said"
    assert all("planted" in message for message in messages)
    return lost


@pytest.fixture(autouse=True)
def _written_at_every_step(monkeypatch):
    monkeypatch.setattr("gradflow.hooks.stream.FLUSH_SECONDS", 0)


def prepared(loop, folder):
    clean = Training(folder / "clean").run(loop).tables()
    return clean, Training(is_recorded=False).run(loop), calls_of(loop, folder / "listed")


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_a_drawn_failure_costs_its_own_numbers_alone(loop, tmp_path):
    clean, bare, calls = prepared(loop, tmp_path)
    fail_all(random.Random(0).sample(calls, DRAWN), loop, clean, bare, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_every_failure_costs_its_own_numbers_alone(loop, tmp_path):
    clean, bare, calls = prepared(loop, tmp_path)
    fail_all(calls, loop, clean, bare, tmp_path)


def fail_all(calls, loop, clean, bare, folder):
    for place, (where, number) in enumerate(calls):
        check(loop, where, number, KINDS[place % 2], clean, bare, folder / str(place))


@pytest.mark.parametrize(
    "place",
    [
        "rows.Buffer.add_layers",
        "passes.Pass.finish",
        "capture.OutputGradientHook.take",
        "rows.Buffer._settled",
        "rows.Buffer.flush",
    ],
)
def test_training_goes_on_after_an_interrupt(monkeypatch, place):
    module, name, method = place.split(".")
    owner = getattr(getattr(gradflow.hooks, module), name)
    original, calls = getattr(owner, method), []

    def interrupted(*args, **kwargs):
        calls.append(None)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, method, interrupted)
    monkeypatch.setattr("gradflow.hooks.recorder.FLUSH_ROWS", 1)
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    recorder, n_interrupts = gradflow.record(model), 0
    for _ in range(5):
        model.zero_grad()
        try:
            model(torch.ones(1, 3)).sum().backward()
            recorder.step(loss=1.0)
        except KeyboardInterrupt:
            n_interrupts += 1
    recorder.close()
    assert n_interrupts == 1
    recording = recorder.recording
    assert recording.steps.step.is_unique
    assert not recording.layers.duplicated(KEYS["layers"]).any()
    last = recording.layers[recording.layers.step == recording.layers.step.max()]
    assert last.status.tolist() == ["measured", "measured"]
    assert len(recording.layers.groupby("step")) >= 4
