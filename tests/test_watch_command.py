"""`gradflow watch`: what it shows, that it only reads, and that it follows a run wherever its folder goes."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pandas as pd
import pytest
import torch
from torch import nn

import gradflow
from gradflow import storage
from gradflow.cli import main
from gradflow.cli.watching import WatchedRun, watched
from gradflow.storage import parts, tail

GONE = 2**22 + 1  # above the largest process id


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["watch", *map(str, arguments)])
    return ended.value.code


def shown(capsys, *arguments):
    assert run(*arguments) == 0
    return capsys.readouterr().out


def train(path, steps=12, each=None):
    """Train three layers, streaming every step to a folder; return the loss of each step and the last weights."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs, targets = torch.randn(16, 4), torch.arange(16) % 2
    losses = []
    with gradflow.record(model, path=path, schedule=1) as recorder:
        for step in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            recorder.step(loss=loss)
            optimizer.step()
            recorder.flush()
            losses.append(loss.item())
            if each is not None:
                each(step)
    return losses, [one.detach().clone() for one in model.parameters()]


def under_way(sweep, name="plain-8-seed0", **said):
    """Make the folder of a run under way and return it."""
    place = sweep / "unfinished" / name
    place.mkdir(parents=True)
    told = {"run": name, "status": "running", "step": 12, "steps": 40, "pid": os.getpid()}
    told |= {"host": socket.gethostname(), **said}
    (place / "status.json").write_text(json.dumps(told))
    return place


def files(folder):
    return {
        (str(one.relative_to(folder)), one.stat().st_mtime_ns, one.stat().st_size, one.stat().st_ino)
        for one in [folder, *folder.rglob("*")]
    }


def test_a_tail_has_the_rows_that_load_has_and_reads_each_part_once(tmp_path, monkeypatch):
    read, single = [], parts.joined

    def counted(folder, these):
        read.extend(part["file"] for part in these)
        return single(folder, these)

    monkeypatch.setattr(tail, "joined", counted)
    writer, following = storage.Writer(tmp_path / "r"), storage.Tail(tmp_path / "r")
    for step in range(40):  # merges twice on the way
        writer.append("steps", pd.DataFrame({"step": [step], "loss": [1 / (1 + step)]}))
        writer.commit({"at": step})
        found, whole = following.read(), storage.load(tmp_path / "r")
        pd.testing.assert_frame_equal(found.steps, whole.steps)
        assert found.meta == whole.meta
        assert following.read() is found
    assert len(read) == len(set(read)) == 40  # 38 parts of one row, and the two they were merged into
    writer.go_on({"steps": 36})
    for step in range(36, 40):  # under names that other rows had
        writer.append("steps", pd.DataFrame({"step": [step], "loss": [-1.0]}))
    writer.commit({})
    pd.testing.assert_frame_equal(following.read().steps, storage.load(tmp_path / "r").steps)


def test_a_frame_tells_measures_strip_and_findings(tmp_path, capsys):
    losses, _ = train(tmp_path / "mine")
    out = shown(capsys, "--once", tmp_path / "mine")
    (row,) = [line for line in out.splitlines() if line.startswith("loss of the batch")]
    assert row.split()[-3:] == [f"{losses[0]:.3f}", f"{losses[-1]:.3f}", "11"]
    assert "mine: recorded, step 11, last data" in out
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("step ")] == [
        ["step", "0"],
        ["step", "1"],
        ["step", "10"],
        ["step", "11"],
    ]
    assert out.index("Healthy") < out.index("loss of the batch") < out.index("step 10")
    assert max(map(len, out.splitlines())) <= 80
    (said,) = json.loads(shown(capsys, "--json", tmp_path / "mine"))
    assert (said["loss"], said["step"], said["train_error"]) == (pytest.approx(losses[-1]), 11, None)


def test_watching_changes_neither_training_nor_the_folder(tmp_path, capsys):
    seen, ended, stop = [], [], threading.Event()

    def look_on():
        target = WatchedRun(tmp_path / "seen")
        while not stop.is_set():
            seen.append(target.look())
        ended.append(target.look())

    watcher = threading.Thread(target=look_on)

    def begin(step):
        if step == 0:
            watcher.start()
        while step == 10 and len(seen) < 2:
            watcher.join(0.05)

    losses, weights = train(tmp_path / "seen", 20, each=begin)
    stop.set()
    watcher.join()
    alone = train(tmp_path / "alone", 20)
    assert losses == alone[0]
    assert all(map(torch.equal, weights, alone[1]))
    assert not any(look.reason for look in seen)
    assert len(seen) > 1
    pd.testing.assert_frame_equal(ended[0].recording.layers, storage.load(tmp_path / "alone").layers)
    before = files(tmp_path / "seen")
    for form in ("--once", "--json", "--csv"):
        run(form, tmp_path / "seen")
    assert files(tmp_path / "seen") == before


def test_a_run_is_followed_as_it_dies_goes_on_and_ends(tmp_path):
    place = under_way(tmp_path, step=0)
    target = watched(place)
    assert (target.look().status, target.look().recording) == ("running", None)
    train(place / "recording")
    assert len(target.look().recording.steps) == 12
    told = json.loads((place / "status.json").read_text())
    (place / "status.json").write_text(json.dumps({**told, "pid": GONE}))
    assert target.look().status == "stopped"
    (place / "status.json").write_text(json.dumps({**told, "step": 20}))
    assert (target.look().status, target.look().step) == ("running", 20)
    (tmp_path / "runs").mkdir()
    ended = target.look().recording
    shutil.rmtree(place)
    assert target.look().step == 20  # between the two places
    gradflow.save(
        gradflow.Recording(steps=ended.steps, layers=ended.layers, meta={"status": "done"}),
        tmp_path / "runs" / place.name,
    )
    assert target.look().has_ended
    assert len(target.look().recording.steps) == 12


def test_a_sweep_shows_the_run_last_heard_of_in_full(tmp_path, capsys):
    for number, name in enumerate(("old", "new", "next")):
        place = under_way(tmp_path, name, status="waiting" if name == "next" else "running", step=number)
        if name != "next":
            train(place / "recording")
    os.utime(tmp_path / "unfinished" / "old" / "recording" / "recording.json", (0, 0))
    out = shown(capsys, "--once", tmp_path)
    assert out.startswith("new: running, step 1 of 40 (2 %), last data")
    others = out[out.index("Other runs under way") :]
    assert [line.split()[:2] for line in others.splitlines()[1:3]] == [["old", "running"], ["next", "waiting"]]
    shutil.rmtree(tmp_path / "unfinished")
    (tmp_path / "runs").mkdir()
    assert "no run is under way, 0 finished" in " ".join(shown(capsys, "--once", tmp_path).split())


def test_in_chinese_every_line_is_but_names(tmp_path, capsys):
    under_way(tmp_path, "deep", status="stopped", reason="interrupted", step=10, steps=40)
    out = shown(capsys, "--once", tmp_path, "--lang", "zh")
    assert "deep" in out
    assert "已中断" in out
    assert not re.findall("[a-zA-Z]{3,}", out.replace("deep", ""))
    train(tmp_path / "mine")
    out = shown(capsys, "--once", tmp_path / "mine", "--lang", "zh")
    assert "批损失" in out
    assert not re.findall("[a-zA-Z]{3,}", out.replace("mine", "").replace("model", ""))  # its run and its class


def test_hostile_names_and_statuses_are_text(tmp_path, capsys):
    layers = pd.DataFrame({"step": 0, "layer": ["\x1b[31m[red]", "b"], "out_grad_norm": [1.0, float("nan")]})
    layers = layers.assign(weighted=True, layer_depth=[1, 2], order=[0, 1])
    steps = pd.DataFrame({"step": [0], "loss": [float("inf")]})
    evil = "x\x1b[2J[bold]\u202e"
    meta = {"status": "\x1b]0;title\x07", "run": evil, "steps": 10**400}
    gradflow.save(gradflow.Recording(steps=steps, layers=layers, meta=meta), tmp_path / evil)
    under_way(tmp_path, "deep", steps=10**400, step="many", settings=7, reason="\x1b[31m" + "long " * 60)
    for arguments in (["--once", tmp_path / evil], ["--json", tmp_path / evil], ["--once", tmp_path]):
        out = shown(capsys, *arguments)
        assert not set(out) & {"\x1b", "\x07", "\u202e"}
        if "--once" in arguments:
            assert max(map(len, out.splitlines())) <= 80


def test_a_damaged_part_is_a_reason_and_no_end(tmp_path):
    train(tmp_path / "r")
    target = watched(tmp_path / "r")
    assert target.look().reason == ""
    for part in (tmp_path / "r").glob("steps-*.parquet"):
        part.write_bytes(b"short")
    assert watched(tmp_path / "r").look().recording is None
    assert "steps-" in watched(tmp_path / "r").look().reason


def test_what_is_no_run_is_one_line(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("")
    assert run(tmp_path) == 2
    assert (
        capsys.readouterr().err == f"gradflow: {tmp_path} contains neither a run nor a sweep; pass the folder of one.\n"
    )
    assert run(tmp_path / "nowhere") == 2


def test_a_pipe_gets_a_line_for_each_change_until_the_run_has_ended(tmp_path, capsys):
    train(tmp_path / "r")
    whole = storage.load(tmp_path / "r")
    done = gradflow.Recording(steps=whole.steps, layers=whole.layers, meta={"status": "done", "steps": 11})
    gradflow.save(done, tmp_path / "done")
    lines = shown(capsys, "--interval", "0.1", tmp_path / "done").splitlines()
    assert lines[0].startswith("done: done, step 11 of 11 (100 %), loss of the batch 0.")
    assert "No problem was found" in "\n".join(lines[3:])
    assert lines[-2:] == [f"recording   {tmp_path / 'done'}", f"For its report: gradflow report {tmp_path / 'done'}"]


def test_findings_come_first_and_fit_a_small_terminal(tmp_path, capsys, monkeypatch):
    torch.manual_seed(0)
    hidden = [module for _ in range(10) for module in (nn.Linear(4, 4), nn.Sigmoid())]
    model = nn.Sequential(*hidden, nn.Linear(4, 3))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with gradflow.record(model, optimizer=optimizer, weights=True, path=tmp_path / "r") as recorder:
        for _ in range(30):
            loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.randint(0, 3, (8,)))
            optimizer.zero_grad()
            loss.backward()
            recorder.step(loss=loss)
            optimizer.step()
    monkeypatch.setenv("COLUMNS", "80")
    heads = ("r: recorded", "Problem ", "Change first", "loss of the batch")
    screen = shown(capsys, "--once", tmp_path / "r").splitlines()[:24]
    places = [next(number for number, line in enumerate(screen) if line.startswith(head)) for head in heads]
    assert places == sorted(places)


def test_control_c_ends_it(tmp_path):
    train(tmp_path / "r")
    command = [sys.executable, "-m", "gradflow", "watch", str(tmp_path / "r")]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # as a terminal starts it
    ) as process:
        assert process.stdout.readline().startswith("r: recorded, step 11")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stderr.read() == ""


@pytest.mark.parametrize(("broken", "word"), [(float("nan"), "NaN"), (float("inf"), "∞")])
def test_a_loss_that_is_no_number_any_more_is_told(tmp_path, capsys, broken, word):
    steps = pd.DataFrame({"step": range(5), "loss": [2.5, 2.25, 2.0, broken, broken], "lr": 0.1})
    gradflow.save(gradflow.Recording(steps=steps, meta={"run": "r", "status": "done"}), tmp_path / "r")
    out = shown(capsys, "--once", tmp_path / "r")
    (row,) = [line for line in out.splitlines() if line.startswith("loss of the batch")]
    assert row.split()[-3:] == ["2.50", word, "4"]
    assert f"The loss has been {word} since step 3." in out
    assert f"loss of the batch {word} since step 3," in shown(capsys, "--interval", "0.1", tmp_path / "r")
    (said,) = json.loads(shown(capsys, "--json", tmp_path / "r"))
    assert (said["loss"], said["loss_not_finite_since"]) == (None if word == "NaN" else "inf", 3)
    assert f"自第 3 步起，损失为 {word}。" in shown(capsys, "--once", tmp_path / "r", "--lang", "zh")


def test_in_a_pipe_each_finding_is_a_line_with_what_to_change_first(tmp_path, capsys):
    steps = pd.DataFrame({"step": range(30), "loss": [*[2.3] * 20, *[float("nan")] * 10]})
    storage.save(gradflow.Recording(steps=steps, meta={"run": "mine", "status": "done"}), tmp_path / "mine")
    lines = [line for line in shown(capsys, tmp_path / "mine").splitlines() if line.startswith("Problem: ")]
    assert len(lines) == 1
    assert lines[0].startswith("Problem: mine: the loss became NaN or infinite, first at step 20. Change first: Lower ")
