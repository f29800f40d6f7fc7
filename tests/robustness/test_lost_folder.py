"""A sweep whose folder is removed or replaced ends in a line, and writes nothing to what is there now."""

import contextlib
import itertools
import os
import shutil
import threading
from pathlib import Path

import pytest
from made import one_run
from processes import start, workers_of
from waiting import eventually

import gradflow
from gradflow import storage
from gradflow.cli import main
from gradflow.experiments import keep_all
from gradflow.experiments.folder import FolderLostError, SweepFolder, guarded
from gradflow.experiments.run_with_resume import run_with_resume
from gradflow.reporting import render_pool, second_process

LOST = (
    "gradflow: out folder out was removed or replaced during the sweep. "
    "The sweep has ended; nothing was written to what is there now.\n"
)
SWEEP = ["compare", "--depths", "8", "--seeds", "1", "--widths", "4,4,4", "--batch-size", "32", "--device", "cpu"]
SWEEP += ["--no-demo", "--checkpoint-every", "0.2", "--out", "out"]
TINY = {"steps": 12, "widths": (2, 2, 2), "batch_size": 16}


def copied(source, target):
    with contextlib.suppress(shutil.Error):  # all else is copied where a file is gone: workers write and rename
        shutil.copytree(source, target)


def removed(out, away, elsewhere):
    copied(out, away)
    shutil.rmtree(out, ignore_errors=True)


def moved(out, away, elsewhere):
    out.rename(away)


def another_folder(out, away, elsewhere):
    out.rename(away)
    out.mkdir()
    (out / "thesis.txt").write_text("mine")


def an_empty_folder(out, away, elsewhere):
    out.rename(away)
    out.mkdir()


def a_copy(out, away, elsewhere):
    """Another sweep's folder that has the same runs."""
    out.rename(away)
    copied(away, out)


def a_file(out, away, elsewhere):
    out.rename(away)
    out.write_text("mine")


def a_link_elsewhere(out, away, elsewhere):
    out.rename(away)
    copied(away, elsewhere)
    out.symlink_to(elsewhere)


WAYS = (removed, moved, another_folder, an_empty_folder, a_copy, a_file, a_link_elsewhere)


def contents(folder):
    if not folder.is_dir():
        return folder.read_bytes() if folder.exists() else None
    return {file.name: contents(file) for file in folder.iterdir()}


CASES = [pytest.param(way, 2, id=way.__name__) for way in WAYS]
CASES += [pytest.param(way, 1, id=f"{way.__name__} one worker") for way in WAYS]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("way", "workers"), CASES)
def test_the_command_ends_in_a_line_and_goes_on_once_the_folder_is_back(tmp_path, way, workers):
    out, away = tmp_path / "out", tmp_path / "away"
    command = start(*SWEEP, "--steps", "800", "--workers", str(workers), cwd=tmp_path)
    assert eventually(lambda: list(out.glob("unfinished/*/checkpoint-*.pt")) or command.poll() is not None)
    way(out, away, tmp_path / "elsewhere")
    there = contents(out)
    _, said = command.communicate(timeout=120)
    assert (command.returncode, said.splitlines()[-1] + "\n") == (2, LOST)
    assert "Traceback" not in said
    assert contents(out) == there
    assert not workers_of(tmp_path)
    if out.is_symlink() or out.is_file():
        out.unlink()
    shutil.rmtree(out, ignore_errors=True)
    away.rename(out)
    again = start(*SWEEP, "--steps", "800", "--workers", str(workers), cwd=tmp_path)
    shown, said = again.communicate(timeout=300)
    assert (again.returncode, said) == (0, "")
    assert "training error" in shown
    assert len(storage.find([out])) == 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at", [0, 10])
def test_a_run_writes_nothing_more(tmp_path, way, at):
    """In this process, where every step looks: at the first update, and with a checkpoint due."""
    out, away = tmp_path / "out", tmp_path / "away"
    folder, there = SweepFolder(out, command=""), []

    def lose(step):
        if step == at and not there:
            way(out, away, tmp_path / "elsewhere")
            there.append(contents(out))

    with folder.claimed(), pytest.raises(FolderLostError, match=r"out was removed or replaced during"):
        run_with_resume(folder, one_run(**TINY), checkpoint_every=1e-9, on_step=lose)
    assert [contents(out)] == there


def made_and_lost_after(number, tmp_path, way):
    """Make a run whose sweep's folder is lost once a check has found it sound; how many checks came."""
    out, there, checks = tmp_path / "out", [], itertools.count()

    class Losing(SweepFolder):
        def check(self):
            super().check()
            if next(checks) == number:
                way(out, tmp_path / "away", tmp_path / "elsewhere")
                there.append(contents(out))

    folder = Losing(out, command="")
    with contextlib.suppress(FolderLostError), folder.claimed():
        run_with_resume(folder, one_run(**TINY), checkpoint_every=1e-9)
    assert [contents(out)] == there or next(checks) <= number
    return next(checks)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no path leads to an open folder")
@pytest.mark.parametrize(
    ("way", "number"),
    [
        *((a_copy, number) for number in range(2, 34, 7)),
        *(
            pytest.param(way, n, marks=pytest.mark.exhaustive)
            for way in (a_copy, a_link_elsewhere, moved)
            for n in range(34)
        ),
    ],
)
def test_nothing_is_written_between_a_check_and_a_write(tmp_path, way, number):
    assert made_and_lost_after(number, tmp_path, way) >= number


def test_a_run_that_is_asked_to_stop_then_leaves_no_checkpoint(tmp_path):
    out, stop = tmp_path / "out", threading.Event()
    folder = SweepFolder(out, command="")

    def lose(step):
        if not stop.is_set():
            another_folder(out, tmp_path / "away", None)
            stop.set()

    with folder.claimed(), pytest.raises(FolderLostError):
        run_with_resume(folder, one_run(**TINY), on_step=lose, stop=stop)
    assert contents(out) == {"thesis.txt": b"mine"}


def test_what_is_kept_beside_the_runs_is_not_written_either(tmp_path):
    out = tmp_path / "out"

    def recordings():
        yield gradflow.Recording(meta={"run": "one"})
        another_folder(out, tmp_path / "away", None)
        yield gradflow.Recording(meta={"run": "two"})

    with pytest.raises(FolderLostError):
        keep_all(recordings(), out, group="vanishing", command="")
    assert contents(out) == {"thesis.txt": b"mine"}
    assert os.listdir(tmp_path / "away" / "vanishing") == ["one"]
    shutil.rmtree(out)
    (tmp_path / "away").rename(out)
    with guarded(out) as folder:
        folder.check()
        another_folder(out, tmp_path / "away", None)
        with pytest.raises(FolderLostError):
            folder.check()


def test_a_recorder_s_own_folder_that_is_replaced_is_left_alone(tmp_path):
    writer = storage.Writer(tmp_path / "rows")
    (tmp_path / "rows").rename(tmp_path / "away")
    (tmp_path / "rows").mkdir()
    with pytest.raises(OSError, match="the folder was replaced while it was written to"):
        writer.commit({})
    assert os.listdir(tmp_path / "rows") == []


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no path leads to an open folder")
@pytest.mark.parametrize("way", [a_copy, another_folder, a_link_elsewhere])
def test_a_report_goes_to_the_folder_of_its_sweep_alone(tmp_path, way, monkeypatch, capsys):
    """The folder is lost while figures are drawn, by this process and by one beside it."""
    out, there = tmp_path / "out", []
    ask = render_pool.RenderPool.ask

    def losing(pool, job):
        if not there:
            way(out, tmp_path / "away", tmp_path / "elsewhere")
            there.append(contents(out))
        return ask(pool, job)

    monkeypatch.setattr(second_process, "_processors", lambda: 2)
    monkeypatch.setattr(render_pool.RenderPool, "ask", losing)
    command = [*SWEEP[:-1], str(out), "--steps", "3", "--workers", "1"]
    with pytest.raises(SystemExit, match="2"):
        main(command)
    shown = capsys.readouterr()
    assert f"out folder {out} was removed or replaced during" in shown.err
    assert "report.html" not in shown.out
    assert [contents(out)] == there
    figures = {file.stem for file in (tmp_path / "away" / "figures").glob("*.png")}
    assert len(figures) > 5
    assert (tmp_path / "away" / "report.html").exists()
