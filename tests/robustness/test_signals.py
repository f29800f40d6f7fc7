"""SIGTERM ends a command as Ctrl-C does, whatever it is at; a second signal ends it at once; no worker is left."""

import os
import signal
import time

import pytest
from made import one_run
from processes import start, workers_of
from waiting import eventually

from gradflow.experiments import RunsFailedError, execute

INTERRUPTED = 130
LINE = "interrupted; finished work is kept, and the same command continues from there.\n"
SWEEP = ["compare", "--depths", "8", "--seeds", "1", "--widths", "4,4,4", "--batch-size", "32", "--device", "cpu"]
SWEEP += ["--no-demo", "--workers", "2", "--out", "out"]
SLOW = """
import time
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.calls = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), 0

    def forward(self, x):
        self.calls += 1
        if self.calls > 5:
            open("asleep", "w").close()
            time.sleep(600)
        return self.body(x)

def make():
    return Net()
"""


def training(folder, command):
    return list(folder.glob("out/unfinished/*/status.json"))


def reporting(folder, command):
    return (folder / "out" / "figures").exists() or (folder / "out" / "tables").exists()


def after(seconds):
    began = time.monotonic()
    return lambda folder, command: time.monotonic() - began > seconds


SIGNALS = [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.exhaustive)]


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(("moment", "steps"), [(training, 3000), (reporting, 6)])
def test_a_signal_ends_the_command_in_a_line(tmp_path, number, moment, steps):
    command = start(*SWEEP, "--steps", str(steps), cwd=tmp_path)
    assert eventually(lambda: moment(tmp_path, command) or command.poll() is not None)
    command.send_signal(number)
    _, said = command.communicate(timeout=120)
    assert (command.returncode, said.lstrip()) == (INTERRUPTED, LINE)  # an empty line comes first, after ^C
    assert not workers_of(tmp_path)
    if moment is training:
        again = start(*SWEEP, "--steps", str(steps), cwd=tmp_path)
        assert eventually(lambda: "resumed at update" in again.stdout.readline())
        again.terminate()
        again.communicate(timeout=120)
        assert again.returncode == INTERRUPTED


@pytest.mark.exhaustive
@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0])
def test_a_signal_while_it_starts_or_plans_ends_it(tmp_path, seconds):
    """Before the command has taken hold of signals, the operating system ends it."""
    command = start(*SWEEP, "--steps", "3000", cwd=tmp_path)
    is_time = after(seconds)
    assert eventually(lambda: is_time(tmp_path, command))
    command.terminate()
    _, said = command.communicate(timeout=120)
    assert (command.returncode, said.lstrip()) in [(INTERRUPTED, LINE), (-signal.SIGTERM, "")]
    assert eventually(lambda: not workers_of(tmp_path))


MEETS = """
import os, signal, time

def make():
    try:
        {meets}
    except KeyboardInterrupt as error:
        raise {error} from error
    time.sleep(600)

class Dying:
    def __del__(self):
        {kill}
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("meets", "error"),
    [
        pytest.param("{kill}", "ImportError('numpy.core failed to import')", id="an error of C code that imports"),
        pytest.param("{kill}", "SystemError('error set')", id="an error of C code"),
        pytest.param("exec({kill!r})", "error", id="in a text that is executed"),
        pytest.param("Dying()", "error", id="in a destructor"),
    ],
)
def test_a_signal_is_the_interruption_whatever_comes_of_it(tmp_path, number, meets, error):
    kill = f"os.kill(os.getpid(), signal.{number.name})"
    (tmp_path / "nets.py").write_text(MEETS.format(meets=meets.format(kill=kill), error=error, kill=kill))
    command = start("analyze", "nets.py:make", cwd=tmp_path)
    _, said = command.communicate(timeout=120)
    assert (command.returncode, said.lstrip()) == (INTERRUPTED, LINE)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_does_not_wait_for_the_step_under_way(tmp_path, number):
    (tmp_path / "nets.py").write_text(SLOW)
    command = start("compare", "--model", "nets.py:make", "--seeds", "1", "--workers", "2", "--no-demo", cwd=tmp_path)
    assert eventually(lambda: (tmp_path / "asleep").exists() or command.poll() is not None)
    assert workers_of(tmp_path)
    command.send_signal(number)
    time.sleep(0.5)
    assert command.poll() is None  # it waits for the worker
    began = time.monotonic()
    command.send_signal(number)
    _, said = command.communicate(timeout=25)
    assert time.monotonic() - began < 20
    assert (command.returncode, said.lstrip()) == (INTERRUPTED, LINE)  # an empty line comes first, after ^C
    assert not workers_of(tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("number", "name"), [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGKILL, "SIGKILL")])
def test_a_worker_that_is_killed_is_named_with_its_signal_and_the_sweep_goes_on(tmp_path, number, name):
    runs = [one_run(seed=seed, steps=60, widths=(4, 4, 4)) for seed in range(2)]
    victims = []

    def kill_first(event):
        if event.kind == "step" and not victims:
            victims.append(event.run)
            os.kill(event.pid, number)

    with pytest.raises(RunsFailedError) as caught:
        execute(runs, out=tmp_path / "out", workers=1, on_event=kill_first)
    (reason,) = caught.value.failures.values()
    assert reason.startswith(f"its worker process was killed by {name} (signal {number.value})")
    assert reason.endswith("; the run was not tried again: the same command goes on with it")
    assert [recording.name for recording in caught.value.recordings] == [runs[1].id]
    assert len(execute(runs, out=tmp_path / "out", workers=1)) == 2
