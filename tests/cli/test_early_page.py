"""A sweep has a page before it is over: after each seed, and where it is interrupted."""

import re
import signal
import subprocess
import time

import pytest
from processes import start
from waiting import eventually

from gradflow import storage
from gradflow.cli.early_page import EarlyPages, main
from gradflow.experiments import Event, plan
from gradflow.experiments.run import _by_seed

SWEEP = ["compare", "--depths", "8", "--widths", "2,2,2", "--batch-size", "16", "--workers", "1", "--no-demo"]
SWEEP += ["--probes", "none", "--out", "out"]


def status(page):
    return re.findall(r'role="status">([^<]*)', page.read_text(encoding="utf-8")) if page.exists() else None


@pytest.mark.slow
def test_a_page_comes_after_each_seed_and_the_last_one_is_whole(tmp_path):
    command = start(*SWEEP, "--seeds", "2", "--steps", "1500", cwd=tmp_path)
    page = tmp_path / "out" / "report.html"
    assert eventually(lambda: status(page) or command.poll() is not None)
    (said,) = status(page)
    assert re.match("So far: [23] of 4 runs finished, 1 of 2 seeds complete", said)
    shown, problems = command.communicate(timeout=300)
    assert (command.returncode, problems, status(page)) == (0, "", [])
    order = re.findall(r"\] (\w+)-8 seed (\d)", shown)
    assert [seed for _, seed in order] == ["0", "0", "1", "1"]


@pytest.mark.slow
def test_an_interrupted_sweep_leaves_a_page_of_what_is_finished(tmp_path):
    command = start(*SWEEP, "--seeds", "1", "--steps", "1500", cwd=tmp_path)
    assert any(line.startswith("[1/2]") for line in iter(command.stdout.readline, ""))
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=300)
    assert command.returncode == 130
    assert status(tmp_path / "out" / "report.html") == [
        "So far: 1 of 2 runs finished, 0 of 1 seed complete. This page is updated as the sweep goes on."
    ]


def test_a_folder_that_is_another_one_by_now_is_left_alone(tmp_path):
    (tmp_path / storage.LOCK).touch()
    asked = {"lock": [0, 0], "lang": "en", "notes": {}, "command": "", "title": None, "status": "so far"}
    main(tmp_path, asked)
    assert [file.name for file in tmp_path.iterdir()] == [storage.LOCK]


@pytest.mark.parametrize(("kinds", "pages"), [("finished", 2), ("skipped", 0), ("failed", 0)])
def test_pages_are_written_for_runs_that_no_page_shows(tmp_path, monkeypatch, kinds, pages):
    runs = plan([8], families=["plain"], seeds=3, device="cpu")
    early, begun = EarlyPages(runs, tmp_path, None, {}, ""), []
    monkeypatch.setattr(early, "_begin", lambda nice: begun.append(nice))
    for run in runs:
        early.note(Event(kinds, run))
    assert len(begun) == pages


def test_pages_follow_each_other_more_and_more_rarely(tmp_path, monkeypatch):
    runs = plan([8], families=["plain"], seeds=6, device="cpu")
    early, clock, begun, popen = EarlyPages(runs, tmp_path, None, {}, ""), [0.0], [], subprocess.Popen

    def start_another(command, **how):  # which says that the page took 10 s
        begun.append(clock[0])
        return popen([command[0], "-c", "print(10)"], **how)

    monkeypatch.setattr(subprocess, "Popen", start_another)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    happens = [(0, "finished", 0), (20, "finished", 1), (49, "step", 2), (51, "step", 2), (70, "finished", 2)]
    happens += [(140, "finished", 3), (142, "step", 4), (231, "finished", 4), (271, "step", 5), (273, "step", 5)]
    for clock[0], kind, number in happens:
        early.note(Event(kind, runs[number], step=1))
        if early._process is not None:
            early._process.wait()
    assert begun == [0, 51, 142, 273]
    early.close()


def test_runs_go_seed_by_seed_the_longest_first():
    runs = _by_seed(plan([8, 14], seeds=2, device="cpu"))
    assert [run.seed for run in runs] == [0] * 4 + [1] * 4
    assert [run.depth for run in runs] == [14, 14, 8, 8] * 2
