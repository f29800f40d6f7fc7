"""Finished runs at a URL: whole or not at all, on a file system's and on one that is none."""

import json

import fsspec
import pytest
from made import one_run

import gradflow
from gradflow.experiments import PlanError, RunsFailedError, execute
from gradflow.experiments.store import Store
from gradflow.storage import StorageError

TINY = {"steps": 3, "widths": (2, 2, 2), "batch_size": 16}
RUN = one_run(**TINY)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of one run's recording; worker processes made it and copied it to `bucket` beside."""
    home = tmp_path_factory.mktemp("made")
    execute([RUN], out=home / "out", workers=1, store=(home / "bucket").as_uri())
    return home / "out" / "runs" / RUN.id


@pytest.fixture(params=["file", "memory"])
def url(request, tmp_path):
    if request.param == "file":
        yield (tmp_path / "bucket").as_uri()
    else:
        yield f"memory://{tmp_path.name}/bucket"
        fsspec.filesystem("memory").store.clear()


def placed(url, name):
    """File system and path of a file of the run in the store."""
    return fsspec.core.url_to_fs(f"{url}/runs/{RUN.id}/{name}")


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_pushed_comes_back_byte_for_byte(url, made, tmp_path):
    store = Store(url)
    store.claim("first")
    assert not store.fetch(RUN.id, tmp_path / "home")
    store.push(made)
    assert store.fetch(RUN.id, tmp_path / "home")
    assert files(tmp_path / "home" / RUN.id) == files(made)
    assert [path.name for path in (tmp_path / "home").iterdir()] == [RUN.id]


def test_a_half_written_run_is_none(url, made, tmp_path):
    store = Store(url)
    store.push(made)
    system, path = placed(url, "recording.json")
    assert system.exists(path)
    system.rm(path)
    assert not store.fetch(RUN.id, tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []


def test_a_damaged_part_is_told_and_not_taken(url, made, tmp_path):
    store = Store(url)
    store.push(made)
    system, path = placed(url, "steps-00000.parquet")
    system.pipe_file(path, system.cat_file(path)[:-9])
    with pytest.raises(StorageError, match=r"steps-00000\.parquet"):
        store.fetch(RUN.id, tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []


def test_a_foreign_place_is_refused_and_left_alone(url):
    system, path = fsspec.core.url_to_fs(url)
    system.makedirs(path)
    system.pipe_file(f"{path}/theirs.txt", b"theirs")
    with pytest.raises(PlanError, match="holds other files than gradflow's; give a new or an empty place"):
        Store(url).claim("ours")
    assert [name.rpartition("/")[2] for name in system.ls(path, detail=False)] == ["theirs.txt"]


def test_a_place_of_a_newer_version_is_refused(url):
    store = Store(url)
    store.claim("first")
    system, path = fsspec.core.url_to_fs(url)
    mark = json.loads(system.cat_file(f"{path}/gradflow.json"))
    system.pipe_file(f"{path}/gradflow.json", json.dumps({**mark, "version": 99}).encode())
    with pytest.raises(PlanError, match="was written by a newer gradflow"):
        store.claim("second")


def test_an_unknown_protocol_is_one_line():
    with pytest.raises(PlanError, match=r"^store 'nope://x' cannot be opened: ValueError: Protocol not known: nope\.$"):
        Store("nope://x")


def test_runs_that_the_store_holds_are_not_made_again(made, tmp_path):
    bucket, events = made.parents[2] / "bucket", []
    assert files(bucket / "runs" / RUN.id) == files(made)
    again = execute([RUN], out=tmp_path / "two", store=bucket.as_uri(), on_event=events.append)
    assert [event.kind for event in events] == ["skipped"]
    assert again[0].layers.equals(gradflow.load(made).layers)


def test_a_push_that_fails_keeps_the_recording_and_is_told(tmp_path, monkeypatch):
    def refuse(store, recording):
        raise StorageError(f"{recording.name} cannot be copied to {store.url}: OSError: no route.")

    monkeypatch.setattr(Store, "push", refuse)
    with pytest.raises(RunsFailedError, match=r"cannot be copied to .*: OSError: no route") as caught:
        execute([RUN], out=tmp_path / "out", workers=1, store=(tmp_path / "bucket").as_uri())
    assert list(caught.value.failures) == [RUN.id]
    assert [recording.name for recording in caught.value.recordings] == [RUN.id]
    assert gradflow.load(tmp_path / "out" / "runs" / RUN.id).name == RUN.id
