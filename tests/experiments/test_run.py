import json
import os
import signal

import pytest
from made import broken_run

import gradflow
from gradflow.experiments import PlanError, RunsFailedError, compare, execute, plan

SMALL = {"seeds": 1, "steps": 6, "widths": (4, 4, 4), "device": "cpu"}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    out, events = tmp_path_factory.mktemp("sweep") / "out", []
    recordings = compare([8, 14], out=out, workers=2, on_event=events.append, **SMALL)
    return out, recordings, events


def test_every_run_is_recorded_and_on_disk(sweep):
    out, recordings, events = sweep
    runs = plan([8, 14], **SMALL)
    assert [recording.name for recording in recordings] == [run.id for run in runs]
    for run, recording in zip(runs, recordings, strict=True):
        kept = gradflow.load(out / "runs" / run.id)
        assert kept.layers.equals(recording.layers)
        assert kept.meta["threads"] == 1
    assert [event.run.depth for event in events if event.kind == "started"] == [14, 14, 8, 8]
    assert sum(event.kind == "finished" for event in events) == 4


def test_processes_give_the_numbers_of_this_one(sweep):
    _, recordings, _ = sweep
    here = gradflow.experiments.train(plan([8, 14], **SMALL)[0])
    assert here.steps.equals(recordings[0].steps)
    assert here.layers.equals(recordings[0].layers)


def test_the_same_call_again_makes_nothing_anew(sweep):
    out, recordings, _ = sweep
    events = []
    again = compare([8, 14], out=out, on_event=events.append, **SMALL)
    assert {event.kind for event in events} == {"skipped"}
    assert [a.layers.equals(b.layers) for a, b in zip(again, recordings, strict=True)] == [True] * 4


def test_a_damaged_run_is_set_aside_and_made_again(tmp_path):
    runs = plan([8], families=["plain"], **SMALL)
    execute(runs, out=tmp_path / "out")
    part = tmp_path / "out" / "runs" / runs[0].id / "layers-00000.parquet"
    part.write_bytes(part.read_bytes()[:-10])
    events = []
    execute(runs, out=tmp_path / "out", on_event=events.append)
    assert [event.kind for event in events if event.kind != "step"] == ["set aside", "started", "finished"]
    assert "layers-00000.parquet: cut short" in events[0].detail
    assert (tmp_path / "out" / "runs" / f"{runs[0].id}.damaged-1").is_dir()


def test_one_failing_run_does_not_stop_the_others(tmp_path):
    runs = plan([8], families=["plain"], **SMALL)
    broken = broken_run()
    with pytest.raises(RunsFailedError, match=r"family must be one of .* got 'dense'") as caught:
        execute([broken, *runs], out=tmp_path / "out", workers=1)
    assert list(caught.value.failures) == [broken.id]
    assert [recording.name for recording in caught.value.recordings] == [runs[0].id]


@pytest.mark.slow
def test_a_killed_worker_costs_its_run_alone(tmp_path):
    runs = plan([8, 14], families=["plain"], **{**SMALL, "steps": 60})
    victims = []

    def kill_first(event):
        if event.kind == "step" and not victims:
            victims.append(event.run)
            os.kill(event.pid, signal.SIGKILL)

    with pytest.raises(RunsFailedError, match=r"worker process was killed by SIGKILL \(signal 9\), as the") as caught:
        execute(runs, out=tmp_path / "out", workers=1, on_event=kill_first)
    assert list(caught.value.failures) == [victims[0].id]
    finished = execute(runs, out=tmp_path / "out", workers=1)
    assert len(finished) == 2


def test_folders_that_are_refused(tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    with pytest.raises(PlanError, match="holds other files than gradflow's"):
        compare([8], out=foreign, **SMALL)
    with pytest.raises(PlanError, match="is a file"):
        compare([8], out=foreign / "thesis.txt", **SMALL)
    with pytest.raises(PlanError, match="cannot write to out folder /proc/nowhere"):
        compare([8], out="/proc/nowhere", **SMALL)
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "gradflow.json").write_text(json.dumps({"format": "gradflow-sweep", "version": 99}))
    with pytest.raises(PlanError, match="newer gradflow"):
        compare([8], out=newer, **SMALL)
    assert (foreign / "thesis.txt").read_text() == "mine"
    with pytest.raises(PlanError, match="workers must be at least 1; got 0"):
        compare([8], out=tmp_path / "w", workers=0, **SMALL)


def test_what_only_the_data_can_tell_is_told_before_training(tmp_path):
    with pytest.raises(PlanError, match="at most the 1437 training images of digits; got 5000"):
        compare([8], out=tmp_path / "out", batch_size=5000, **SMALL)


def test_workers_stand_what_an_interpreter_prints_and_files_beside_them(tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("print('hello')")
    (tmp_path / "select.py").write_text("raise RuntimeError('not the library')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path)
    runs = plan([8], families=["plain"], **SMALL)
    assert len(execute(runs, out=tmp_path / "out", workers=1)) == 1


@pytest.mark.slow
def test_the_measured_shape_of_degradation(tmp_path):
    """Deep plain networks are chaotic: rounding moves their errors by tens of points, their order has room."""
    recordings = compare([20, 56, 110], seeds=[1], out=tmp_path / "out")
    error = {(r.meta["family"], r.meta["depth"]): r.steps.train_error.iloc[-1] for r in recordings}
    learnt = [error["plain", 20], *(error["residual", depth] for depth in (20, 56, 110))]
    assert max(learnt) < 0.02
    assert max(learnt) + 0.08 < error["plain", 56] < error["plain", 110]
    assert error["plain", 110] > 0.80
