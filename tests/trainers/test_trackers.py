"""Trackers: read back from their own files, in step with the recording, and never in the way."""

import csv
import json
import struct
import time
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

import gradflow
from gradflow.hooks import sinks as sinks_of_recorder
from gradflow.hooks.failures import GradflowWarning
from gradflow.integrations import CSV, MLflow, TensorBoard, WandB


@pytest.fixture(autouse=True)
def _flush_at_every_step(monkeypatch):
    monkeypatch.setattr(sinks_of_recorder, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(sinks_of_recorder, "MAX_SHARE", 1e9)


def network(n_layers=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(*(part for _ in range(n_layers) for part in (nn.Linear(8, 8), nn.Tanh())))


def train(sinks, n_steps=4, model=None, state=None, after=lambda step: None, **options):
    model = model or network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = gradflow.record(model, optimizer=optimizer, sinks=sinks, weights=True, **options)
    if state is not None:
        recorder.load_state_dict(state)
    for step in range(n_steps):
        optimizer.zero_grad()
        model(torch.randn(4, 8)).square().mean().backward()
        optimizer.step()
        after(step)
    return recorder


def expected(recorder, step):
    return recorder.recording.steps.query(f"step == {step}")["total_grad_norm"].item()


def accumulated(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    found.Reload()
    return found


def test_tensorboard(tmp_path):
    from PIL import Image

    with SummaryWriter(tmp_path) as writer:
        recorder = train([TensorBoard(writer)])
        recorder.close()
    found = accumulated(tmp_path)
    tags = found.Tags()["scalars"]
    assert 9 <= len(tags) <= 14
    assert all(tag.startswith("gradflow/") for tag in tags)
    shown = found.Scalars("gradflow/total_grad_norm")
    assert [one.step for one in shown] == [0, 1, 2, 3]
    assert [one.value for one in shown] == pytest.approx([expected(recorder, step) for step in range(4)], rel=1e-6)
    images = found.Images("gradflow/layers")
    assert [one.step for one in images] == [0, 1, 2, 3]
    import io

    pixels = np.asarray(Image.open(io.BytesIO(images[-1].encoded_image_string)))
    assert pixels.shape == (images[-1].height, images[-1].width, 3)


def test_hundreds_of_series_only_if_asked(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        train([TensorBoard(writer, layers=True, prefix="net", step_offset=100, picture=False)]).close()
    found = accumulated(tmp_path)
    assert not found.Tags()["images"]
    shown = found.Scalars("net/out_grad_norm/4")
    assert [one.step for one in shown] == [100, 101, 102, 103]


def test_a_resumed_recording_goes_on_at_its_step(tmp_path):
    with SummaryWriter(tmp_path / "tb") as writer:
        recorder = train([TensorBoard(writer)], path=tmp_path / "run")
        state = recorder.state_dict()
        recorder.close()
    with SummaryWriter(tmp_path / "tb") as writer:
        train([TensorBoard(writer)], n_steps=2, path=tmp_path / "run", state=state).close()
    assert [one.step for one in accumulated(tmp_path / "tb").Scalars("gradflow/zero_layers")] == [0, 1, 2, 3, 4, 5]


def rows_of_wandb(folder):
    """Return the rows of an offline run's history once its file is whole, which may be after `finish` has returned."""
    for _ in range(600):
        records = records_of_wandb(folder)
        if any(record.WhichOneof("record_type") == "exit" for record in records):
            break
        time.sleep(0.1)
    rows = [record.history.item for record in records if record.WhichOneof("record_type") == "history"]
    return [{one.key or ".".join(one.nested_key): json.loads(one.value_json) for one in items} for items in rows]


def records_of_wandb(folder):
    """Return what an offline run's file holds so far: LevelDB's log format, after a head of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.rglob("*.wandb")
    data, place, whole, records = file.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:  # no room for a head at the end of a block
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            if place <= len(data):
                records.append(wandb_internal_pb2.Record.FromString(whole))
            whole = b""
    return records


@pytest.mark.parametrize("commit", [True, False])
def test_wandb(tmp_path, commit):
    import wandb

    run = wandb.init(mode="offline", dir=tmp_path, project="gradflow", settings=wandb.Settings(silent=True))
    recorder = train([WandB(run, commit=commit)], after=lambda step: run.log({"loss": 1.0 + step}))
    recorder.close()
    run.finish()
    rows = rows_of_wandb(tmp_path)
    ours = [row for row in rows if "gradflow/total_grad_norm" in row]
    assert [row["gradflow/step"] for row in ours] == [0, 1, 2, 3]
    assert [row["gradflow/total_grad_norm"] for row in ours] == pytest.approx(
        [expected(recorder, step) for step in range(4)]
    )
    assert all(row["gradflow/layers._type"] == "image-file" for row in ours)
    assert [row["loss"] for row in rows if "loss" in row] == [1.0, 2.0, 3.0, 4.0]
    assert any("loss" in row for row in ours) is not commit
    assert list(tmp_path.rglob("*.png"))


def test_mlflow(tmp_path):
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = mlflow.create_experiment("gradflow", artifact_location=f"file://{tmp_path}/artifacts")
    with mlflow.start_run(experiment_id=experiment) as run:
        recorder = train([MLflow()])
        recorder.close()
    client = mlflow.MlflowClient()
    history = client.get_metric_history(run.info.run_id, "gradflow/total_grad_norm")
    assert sorted(one.step for one in history) == [0, 1, 2, 3]
    assert {one.step: one.value for one in history} == pytest.approx(
        {step: expected(recorder, step) for step in range(4)}
    )
    assert len(client.get_run(run.info.run_id).data.metrics) <= 14
    assert [one.path for one in client.list_artifacts(run.info.run_id, "gradflow")] == ["gradflow/layers.png"]


def test_csv(tmp_path):
    train([CSV(tmp_path / "g.csv")]).close()
    recorder = train([CSV(tmp_path / "g.csv", step_offset=4)], n_steps=2)
    recorder.close()
    with (tmp_path / "g.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [0, 1, 2, 3, 4, 5]
    assert float(rows[-1]["total_grad_norm"]) == pytest.approx(expected(recorder, 1), rel=1e-12)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(gradflow.recording.GradflowError, match="first column is not step"):
        CSV(tmp_path / "other.csv")


def test_training_is_the_same_to_the_bit_with_every_tracker(tmp_path):
    bare, told = network(), network()
    torch.manual_seed(1)
    train([], model=bare).close()
    torch.manual_seed(1)
    with SummaryWriter(tmp_path / "tb") as writer:
        train([TensorBoard(writer), CSV(tmp_path / "g.csv")], model=told).close()
    assert all(torch.equal(a, b) for a, b in zip(bare.parameters(), told.parameters(), strict=True))


def test_a_tracker_that_fails_is_named_once_and_training_goes_on(tmp_path):
    class Gone:
        def add_scalar(self, *args):
            raise ConnectionError("server is gone")

        flush = add_scalar

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        recorder = train([TensorBoard(Gone()), CSV(tmp_path / "g.csv")])
        recorder.close()
    said = [str(one.message) for one in seen if issubclass(one.category, GradflowWarning)]
    assert said == ["TensorBoard failed (ConnectionError: server is gone); training goes on."]
    assert len(recorder.recording.steps) == 4
    assert len((tmp_path / "g.csv").read_text(encoding="utf-8").splitlines()) == 5


def test_a_flush_of_a_hundred_layers_costs_less_than_50_ms(tmp_path):
    """Of processor time, which is not made longer by what else runs: the median of 20."""
    seconds = []

    class Timed(TensorBoard):
        def write(self, flushed):
            began = time.process_time()
            super().write(flushed)
            seconds.append(time.process_time() - began)

    with SummaryWriter(tmp_path) as writer:
        train([Timed(writer)], n_steps=20, model=network(100)).close()
    assert len(seconds) == 20
    assert np.median(seconds) < 0.05
