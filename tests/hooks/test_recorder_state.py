"""A recorder that goes on from a checkpoint, on a user's own loop."""

import io
import itertools
import json

import pytest
import torch
from torch import nn
from torch.nn import functional

import gradflow
from gradflow.models import cifar_net
from gradflow.storage import DamagedError, StorageError, read_manifest

STEPS = 12


def batch(step):
    generator = torch.Generator().manual_seed(step)
    return torch.randn(4, 1, 8, 8, generator=generator), torch.randint(0, 10, (4,), generator=generator)


def attempt(path, checkpoint=None, *, until=STEPS, state_at=(), driven=False, **options):
    """A user's own loop, which takes a checkpoint at some steps; returns the recorder and the checkpoints."""
    torch.manual_seed(1)
    model = cifar_net(8, in_channels=1, widths=(4, 4, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    recorder = gradflow.record(
        model, optimizer=optimizer if driven else None, path=path, schedule=3, weights=True, **options
    )
    start = 0
    if checkpoint is not None:
        saved = torch.load(io.BytesIO(checkpoint), weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        recorder.load_state_dict(saved["recorder"])
        start = saved["step"]
    taken = []
    for step in range(start, until):
        if step in state_at:
            saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
            stream = io.BytesIO()
            torch.save({**saved, "recorder": json.loads(json.dumps(recorder.state_dict()))}, stream)
            taken.append(stream.getvalue())
        x, y = batch(step)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        extra = {"late": float(step)} if step > 7 else {}
        recorder.step(loss=loss, **extra)
        optimizer.step()
    recorder.close()
    return recorder, taken


@pytest.mark.parametrize("options", [{}, {"driven": True}, {"activations": False}, {"distributions": 2}], ids=str)
def test_a_cut_recording_goes_on_as_if_it_had_not_been_cut(tmp_path, options):
    attempt(tmp_path / "whole", **options)
    whole = gradflow.load(tmp_path / "whole")
    _, (first, second) = attempt(tmp_path / "cut", until=9, state_at=(4, 7), **options)
    for checkpoint in (second, first):  # from the last, and then once more from the one before
        attempt(tmp_path / "cut", checkpoint, **options)
        cut = gradflow.load(tmp_path / "cut")
        assert cut.steps.equals(whole.steps)
        assert cut.layers.equals(whole.layers)
        assert cut.distributions.equals(whole.distributions)
        assert cut.meta["recorder_seconds"] > 0


def test_rows_after_the_state_are_dropped_inside_a_part_too(tmp_path):
    _, (checkpoint,) = attempt(tmp_path / "run", until=9, state_at=(4,))
    rows = torch.load(io.BytesIO(checkpoint), weights_only=True)["recorder"]["rows"]
    run = gradflow.load(tmp_path / "run")
    merged = gradflow.save(run, tmp_path / "merged")  # all rows in one part a table
    (tmp_path / "merged" / "steps-00001.tmp").write_bytes(b"half")
    recorder, _ = attempt(merged, checkpoint, until=4)
    assert recorder.recording.steps.step.tolist() == list(range(4))
    assert recorder.recording.steps.equals(run.steps[: rows["steps"]][recorder.recording.steps.columns])
    own = {part["file"] for part in read_manifest(merged)["parts"]} | {"recording.json"}
    assert {file.name for file in merged.iterdir()} == own


def test_a_recording_is_never_overwritten_by_accident(tmp_path):
    attempt(tmp_path / "run")
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    gradflow.record(cifar_net(8, in_channels=1), path=tmp_path / "run").close()
    for driven in (False, True):
        with pytest.raises(StorageError, match=r"already holds a recording. Recorder.load_state_dict goes on"):
            attempt(tmp_path / "run", driven=driven)
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before


def test_states_that_do_not_fit(tmp_path):
    _, (checkpoint,) = attempt(tmp_path / "run", state_at=(4,))
    state = torch.load(io.BytesIO(checkpoint), weights_only=True)["recorder"]
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"of a recorder of other layers \(conv1\)"):
        gradflow.record(model, path=tmp_path / "run").load_state_dict(state)
    with pytest.raises(RuntimeError, match="make the recorder with record"):
        gradflow.record(nn.Linear(2, 1)).state_dict()
    same = cifar_net(8, in_channels=1, widths=(4, 4, 4))
    with pytest.raises(StorageError, match="is not a recording"):
        gradflow.record(same, path=tmp_path / "other").load_state_dict(state)
    part = next((tmp_path / "run").glob("layers-00000*"))
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(DamagedError, match="cut short"):
        gradflow.record(cifar_net(8, in_channels=1, widths=(4, 4, 4)), path=tmp_path / "run").load_state_dict(state)


def test_the_state_is_json_and_of_rows_on_disk(tmp_path, monkeypatch):
    model = nn.Linear(2, 1)
    recorder = gradflow.record(model, path=tmp_path / "run")
    assert recorder.state_dict()["rows"] == {}
    model(torch.ones(1, 2)).sum().backward()
    recorder.step()

    def full(table, frame):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder._writer, "append", full)
    with pytest.raises(OSError, match="No space left"):
        recorder.state_dict()
    monkeypatch.undo()
    assert list(itertools.islice(json.loads(json.dumps(recorder.state_dict())), 2)) == ["step", "n_recorded"]
