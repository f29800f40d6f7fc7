"""Whatever lies in a sweep's folder in place of its own files: a line, or set aside; never a hang or a traceback.

Every file that a sweep writes, times every kind of thing that can have its name, times every command that reads it.
Each case is a process of its own that is given some seconds, with a copy of a sweep that was cut in the middle.
"""

import contextlib
import hashlib
import io
import itertools
import json
import os
import pickle
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import pytest
import torch
from made import one_run

from gradflow import cli, reporting, storage
from gradflow.experiments import engines, train
from gradflow.experiments.checkpoint import HEADER
from gradflow.experiments.checkpoint import read as read_checkpoint
from gradflow.experiments.folder import SweepFolder
from gradflow.experiments.pool import Event
from gradflow.experiments.run_directory import StoppedError
from gradflow.experiments.run_with_resume import run_with_resume
from gradflow.notes import write_notes

SECONDS = 60  # that a case may take on a busy machine
OPTIONS = {"steps": 12, "widths": (2, 2, 2), "batch_size": 16, "record_every": 5, "eval_every": 6}
DONE, CUT = (one_run(family, **OPTIONS) for family in ("plain", "residual"))
COMPARE = ["compare", "--depths", "8", "--seeds", "1", "--no-demo", "--device", "cpu", "--workers", "1"]
for name, value in OPTIONS.items():
    COMPARE += [f"--{name.replace('_', '-')}", ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
NOBODY = 65534

RUN = f"unfinished/{CUT.id}"
CHECKPOINTS = (f"{RUN}/checkpoint-000000010.pt", f"{RUN}/checkpoint-000000011.pt")
# Every file and folder that a sweep writes or reads; `test_the_places_are_all` compares with what is written.
OWN = {  # of the whole sweep: what is in their places is refused in a line
    "gradflow.json",
    "sweep.json",
    ".gradflow.lock",
    ".gradflow.json",
    "runs",
    "unfinished",
    f"unfinished/.{CUT.id}.lock",
    f"unfinished/.{CUT.id}.json",
}
MENDED = {  # of one run: what is in their places is set aside, and the run made to its end
    f"runs/{DONE.id}",
    f"runs/{DONE.id}/recording.json",
    f"runs/{DONE.id}/steps-00000.parquet",
    f"runs/{CUT.id}",
    RUN,
    f"{RUN}/status.json",
    f"{RUN}/recording",
    f"{RUN}/recording/recording.json",
    f"{RUN}/recording/steps-00000.parquet",
    f"{RUN}/recording/.gradflow.lock",
    f"{RUN}/recording/.gradflow.json",
    *CHECKPOINTS,
    f"{RUN}/whole",
    f"{RUN}/whole/recording.json",
    f"{RUN}/whole/steps-00000.parquet",
    f"{RUN}/whole/.gradflow.lock",
    f"{RUN}/whole/.gradflow.json",
}
PLACES = sorted(OWN | MENDED)


def serially(engine, work):
    """Make runs in this process, as a worker process does."""
    failures = {}
    for run in work.runs:
        try:
            work.recordings[run] = run_with_resume(work.folder, run, checkpoint_every=1e-9)
        except Exception as error:
            failures[run] = f"{type(error).__name__}: {error}".partition("\n")[0]
            work.tell(Event("failed", run, detail=failures[run]))
    return failures


def stopped(folder, run, *, at):
    """Make a run until a step, with a checkpoint at each."""
    stop = threading.Event()
    with pytest.raises(StoppedError):
        run_with_resume(folder, run, checkpoint_every=1e-9, on_step=lambda step: step == at and stop.set(), stop=stop)


@pytest.fixture(scope="module")
def cut():
    """A sweep's folder with one run finished and one cut, where another user may come."""
    torch.set_num_threads(1)  # as a worker has it: with two the last bits differ
    home = Path(tempfile.mkdtemp(prefix="gradflow-test-"))
    home.chmod(0o755)
    folder = SweepFolder(home / "cut", command="made by a test")
    with folder.claimed():
        run_with_resume(folder, DONE)
        stopped(folder, CUT, at=10)
    write_notes(home / "cut", {"title": "a sweep"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines.LocalEngine, "run", serially)
        patch.setattr(reporting, "report", seen)
        case(home / "cut", "sweep.json", CONTENTS["nothing"]).rename(home / "first")
        reading, writing = commands_in(home / "first")
        with (home / "said").open("w") as log, contextlib.redirect_stdout(log):
            assert [exit_code(one) for one in (*reading.values(), *writing.values())] == [0] * 6  # and all is imported
        yield home / "cut"
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def whole():
    torch.set_num_threads(1)
    return {run.id: train(run) for run in (DONE, CUT)}


# What can have a file's name. Each gets the place, which is free, and what was there, moved elsewhere.


def pipe(place, was):
    os.mkfifo(place)


def listening(place, was):
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(place.parent)  # names of sockets are short
        one.bind(place.name)
        os.chdir(here)


def full_folder(place, was):
    place.mkdir()
    (place / "thesis.txt").write_text("mine")


def link_to(target):
    return lambda place, was: place.symlink_to(target)


def link_out(place, was):
    place.symlink_to(was)


def forbidden(place, was):
    was.rename(place) if was.exists() else place.write_text("")
    place.chmod(0)


def holding(content):
    return lambda place, was: place.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def saying(**changes):
    """The file as it was, with other values in it and one level down."""

    def change(place, was):
        value = json.loads(was.read_text()) if was.is_file() and was.suffix == ".json" else {}
        value = value if isinstance(value, dict) else {}
        inner = {name: {**one, **changes} for name, one in value.items() if isinstance(one, dict)}
        place.write_text(json.dumps({**value, **inner, **changes}))

    return change


def dated(when):
    def change(place, was):
        was.rename(place) if was.exists() else place.write_text("{}")
        os.utime(place, (when, when))

    return change


HUGE = 10**4000
NAMES = ("version", "pid", "step", "steps", "seed", "depth", "wall_seconds", "recorded_seconds", "rows", "bytes")
TIMES = ("since", "updated", "started", "reason", "status", "host", "run")
CONTENTS = {
    "nothing": lambda place, was: None,
    "a pipe": pipe,
    "a socket": listening,
    "an empty folder": lambda place, was: place.mkdir(),
    "a folder with files": full_folder,
    "a link to zeros": link_to("/dev/zero"),
    "a link to random bytes": link_to("/dev/random"),
    "a link to standard input": link_to("/dev/stdin"),
    "a dangling link": link_to("nowhere"),
    "a link to itself": lambda place, was: place.symlink_to(place.name),
    "a link out of the folder": link_out,
    "a link to a folder outside": link_to("/usr"),
    "an empty file": holding(b""),
    "a file that may not be read": forbidden,
    "JSON 2,000 levels deep": holding(b"[" * 2000 + b"]" * 2000),
    "an object 2,000 levels deep": holding(b'{"a":' * 2000 + b"1" + b"}" * 2000),
    "a JSON list": holding([1, 2]),
    "a JSON number": holding(b"1e400"),
    "a JSON text": holding("running"),
    "JSON null": holding(b"null"),
    "random bytes": holding(hashlib.sha512(b"seed").digest() * 50),
    "huge integers": saying(**dict.fromkeys(NAMES, HUGE)),
    "integers of 5,000 digits": holding(b'{"format": "gradflow-sweep", "version": ' + b"9" * 5000 + b"}"),
    "NaN": saying(**dict.fromkeys((*NAMES, *TIMES), float("nan"))),
    "infinity": saying(**dict.fromkeys((*NAMES, *TIMES), float("inf"))),
    "negative numbers": saying(**dict.fromkeys((*NAMES, *TIMES), -1e300)),
    "negative integers": saying(**dict.fromkeys((*NAMES, *TIMES), -1)),
    "dates in the year 10^9": saying(**dict.fromkeys(TIMES, "1000000000-01-01T00:00:00")),
    "dates at the end of time": saying(**dict.fromkeys(TIMES, "9999-12-31T23:59:59-23:59")),
    "lists for values": saying(**{name: [[]] for name in (*NAMES, *TIMES, "settings", "meta", "parts")}),
    "nested values": saying(**dict.fromkeys((*NAMES, *TIMES), json.loads("[" * 700 + "]" * 700))),
    "many lines": saying(**dict.fromkeys(TIMES, "a\nb\x1b[31m\ud800")),
    "a run under way": saying(status="running", pid=os.getpid(), host=socket.gethostname()),
    "written before 1970": dated(-1e9),
    "written in the year 3000": dated(3.2e10),
}


def sealed(content):
    """A checkpoint file of any content with the checksum that fits it."""
    return HEADER.encode() + hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def torch_file(value, **options):
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


def bent(**changes):
    """The checkpoint as it was, with parts of its state replaced by what a function makes of them."""

    def change(place, was):
        held = read_checkpoint(was)
        for name, made in changes.items():
            held["state"][name] = made(held["state"][name])
        place.write_bytes(sealed(torch_file(held)))

    return change


def with_identity(state):
    def change(place, was):
        place.write_bytes(sealed(torch_file({"identity": read_checkpoint(was)["identity"], "state": state})))

    return change


class Evil:
    def __reduce__(self):
        return (os.system, ("touch /tmp/gradflow-test-evil",))


def scaled(tensors):
    return {
        name: tensor.repeat(2, *[1] * (tensor.dim() - 1)) if tensor.dim() else tensor
        for name, tensor in tensors.items()
    }


def wider_moments(updater):
    state = updater["optimizer"]["state"]
    wider = {number: {name: torch.zeros(3, 5, 7) for name in one} for number, one in state.items()}
    return {**updater, "optimizer": {**updater["optimizer"], "state": wider}}


def wordy_groups(updater):
    groups = [{**group, "momentum": "much", "weight_decay": "some"} for group in updater["optimizer"]["param_groups"]]
    return {**updater, "optimizer": {**updater["optimizer"], "param_groups": groups}}


def other(value):
    return lambda was: value


SEALED = {
    "random bytes": holding(sealed(bytes(range(256)) * 20)),
    "nothing": holding(sealed(b"")),
    "a pickle": holding(sealed(pickle.dumps({"identity": "", "state": {}}))),
    "a pickle that acts": holding(sealed(pickle.dumps(Evil()))),
    "a torch file that acts": holding(sealed(torch_file({"state": Evil()}))),
    "an old torch file": holding(sealed(torch_file({"a": torch.ones(2)}, _use_new_zipfile_serialization=False))),
    "a torch file cut short": holding(sealed(torch_file({"a": torch.ones(99)})[:-40])),
    "a tensor": holding(sealed(torch_file(torch.ones(3)))),
    "a list": holding(sealed(torch_file([1, 2]))),
    "an empty dictionary": holding(sealed(torch_file({}))),
    "a tensor for an identity": holding(sealed(torch_file({"identity": torch.ones(3), "state": {}}))),
    "another run's": holding(sealed(torch_file({"identity": "{}", "state": {}}))),
    "no state": with_identity(None),
    "an empty state": with_identity({}),
    "a list for a state": with_identity([1]),
    "a nested state": with_identity({"step": [[[[]]]]}),
    "a step beyond the plan": bent(step=other(13)),
    "a step far beyond": bent(step=other(10**15)),
    "a negative step": bent(step=other(-1)),
    "a step that is no number": bent(step=other("10")),
    "a step that is NaN": bent(step=other(float("nan"))),
    "a step that is a tensor": bent(step=other(torch.ones(3))),
    "another step than the rows'": bent(step=other(3)),
    "weights of other shapes": bent(model=scaled),
    "another model's weights": bent(model=other(torch.nn.Linear(3, 2).state_dict())),
    "no weights": bent(model=other({})),
    "words for weights": bent(model=lambda model: dict.fromkeys(model, "heavy")),
    "moments of other shapes": bent(updater=wider_moments),
    "words for an optimizer's settings": bent(updater=wordy_groups),
    "no optimizer": bent(updater=other(None)),
    "a random state that is none": bent(random=other(torch.zeros(5))),
    "a random state of words": bent(draws=other("seed")),
    "a rate that is none": bent(rate=other({"is_low": "yes", "errors": 7})),
    "a recorder that is none": bent(recorder=other(7)),
    "rows that are none": bent(recorder=lambda one: {**one, "rows": {"steps": "all"}}),
    "places that are none": bent(recorder=lambda one: {**one, "places": 3}),
    "a start that is no date": bent(started=other(torch.ones(2))),
    "seconds that are words": bent(seconds=other("long")),
    "steps resumed at that are none": bent(resumed_at=other([None, "x"])),
}


def case(cut, place, change):
    """Return a copy of the cut sweep with something else at a place."""
    home = Path(tempfile.mkdtemp(prefix="case-", dir=cut.parent))
    home.chmod(0o755)
    shutil.copytree(cut, home / "out")
    (home / "outside").mkdir()
    target, was = home / "out" / place, home / "outside" / Path(place).name
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        os.replace(target, was)
    change(target, was)
    return home


def contents(folder):
    """What is in a folder, links and pipes not followed."""
    if not folder.is_dir():
        return folder.read_bytes() if folder.is_file() else None
    return {file.name: contents(file) for file in sorted(folder.iterdir()) if not file.is_symlink()}


def run_commands(home, commands, *, as_nobody=False):
    """Run commands one after the other in a process of its own; return each one's exit code and all that it said.

    The code is None for one that hung, and the rest are not there then.
    """
    sys.stdout.flush()
    logs = {name: home / f"said by {name}" for name in commands}
    for log in logs.values():
        log.touch()
        log.chmod(0o666)
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            os.setsid()
            os.dup2(os.pipe()[0], 0)  # standard input that never ends
            if as_nobody:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            for name, arguments in commands.items():
                with logs[name].open("w") as sys.stdout:
                    sys.stderr = sys.stdout
                    sys.stdout.write(f"ended with {exit_code(arguments)}")
        os._exit(0)
    until = time.monotonic() + SECONDS
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            break
        time.sleep(0.003)
    said = {name: log.read_text(errors="replace").rpartition("ended with ") for name, log in logs.items()}
    return {name: (int(code) if word else None, before or code) for name, (before, word, code) in said.items()}


def exit_code(arguments):
    try:
        cli.main(arguments)
    except SystemExit as error:
        return error.code or 0
    except BaseException:
        traceback.print_exc(file=sys.stdout)
    return 99


def seen(recordings, folder, **options):
    """In place of a report: every table that one reads, and the file that it is known by."""
    for recording in recordings:
        for table in ("steps", "layers", "skips", "probes"):
            getattr(recording, table)
    return folder / "report.html"


def problem(code, said, *, allowed=(0, 2)):
    """What is wrong with how a command ended, or None."""
    if code is None:
        return "it hung"
    if "Traceback" in said or code not in allowed:
        return f"it ended with {code}: {said[-600:]}"
    if code == 2:
        lines = [line for line in said.splitlines() if line.startswith(("gradflow: ", "Error: "))]
        if not lines:
            return f"it ended with 2 and no line of ours: {said[-600:]}"
    return None


def commands_in(home):
    """The commands that only read a sweep's folder, and the one that goes on with it."""
    out = str(home / "out")
    reading = {
        "runs": ["runs", out],
        "runs as data": ["runs", out, "--json"],
        "watch": ["watch", out, "--once"],
        "watch a run": ["watch", f"{out}/{RUN}", "--once"],
        "report": ["report", out, "--out", str(home / "report")],
    }
    return reading, {"compare": [*COMPARE, "--out", out]}


def looked_at(home, as_nobody):
    """What is wrong with how the commands that only read take the folder."""
    before = contents(home / "out")
    ended = run_commands(home, commands_in(home)[0], as_nobody=as_nobody)
    problems = {name: problem(*one) for name, one in ended.items()}
    if contents(home / "out") != before:
        problems["all"] = "a command that only reads has written"
    return {name: one for name, one in problems.items() if one}


def gone_on_with(home, place, whole, as_nobody):
    """What is wrong with how the sweep goes on: with a line, or to the numbers of one that was not cut."""
    outside = contents(home / "outside")
    is_of_run = place.startswith("unfinished/.")
    allowed = (0, 2) if place in OWN and not is_of_run and not as_nobody else (0, 2, 3)
    code, said = run_commands(home, commands_in(home)[1], as_nobody=as_nobody)["compare"]
    found = problem(code, said, allowed=allowed)
    if found is None and code and place in MENDED and not as_nobody:  # told once, and then set aside
        code, said = run_commands(home, commands_in(home)[1])["compare"]
        found = problem(code, said, allowed=(0,))
    if found is None and code == 3 and len(re.findall(r"^failed ", said, re.M)) != 1:
        found = f"a run that failed is not told in a line: {said[-600:]}"
    if found is None and code == 0:
        for run, expected in whole.items():
            made = storage.load_one(home / "out" / "runs" / run)
            if not (made.steps.equals(expected.steps) and made.layers.equals(expected.layers)):
                found = f"{run} has other numbers"
    if found is None and contents(home / "outside") != outside:
        found = "something was written outside of the folder"
    return {"compare": found} if found else {}


def problems_of(cut, whole, place, content, change):
    as_nobody = change is forbidden and os.geteuid() == 0
    home = case(cut, place, change)
    if as_nobody:
        for folder, folders, files in os.walk(home):
            for name in (*folders, *files):
                os.chown(Path(folder, name), NOBODY, NOBODY, follow_symlinks=False)
        os.chown(home, NOBODY, NOBODY)
    try:
        found = looked_at(home, as_nobody) | gone_on_with(home, place, whole, as_nobody)
        return {f"{place}: {content}: {command}": one for command, one in found.items()}
    finally:
        shutil.rmtree(home)


def tried(cut, whole, place, changes):
    found = {}
    for content, change in changes.items():
        found |= problems_of(cut, whole, place, content, change)
    if os.environ.get("GRADFLOW_COUNT"):
        with open(os.environ["GRADFLOW_COUNT"], "a") as stream:
            stream.write(json.dumps({"tried": len(changes) * 6, "failed": found}) + "\n")
    assert not found, "\n\n".join(f"{name}: {one}" for name, one in found.items())


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(4))
def test_each_place_and_each_content_once(cut, whole, part):
    pairs = list(zip(itertools.cycle(PLACES), CONTENTS, strict=False))[part::4]
    for place, content in pairs:
        tried(cut, whole, place, {content: CONTENTS[content]})


@pytest.mark.slow
@pytest.mark.parametrize(
    "content", ["a step far beyond", "weights of other shapes", "words for an optimizer's settings"]
)
def test_a_checkpoint_whose_checksum_fits_is_set_aside(cut, whole, content):
    tried(cut, whole, CHECKPOINTS[-1], {content: SEALED[content]})


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("place", PLACES)
def test_whatever_has_the_name_of_a_file_is_a_line_or_set_aside(cut, whole, place):
    tried(cut, whole, place, CONTENTS)


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
def test_no_checkpoint_is_believed_for_its_checksum(cut, whole):
    tried(cut, whole, CHECKPOINTS[-1], SEALED)


def test_the_places_are_all(cut, tmp_path):
    """What a sweep opens for writing, makes or renames, as Python's audit events have it."""
    log = tmp_path / "written"
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException), log.open("w", buffering=1) as stream:
            sys.addaudithook(lambda event, given: note(stream, tmp_path / "out", event, given))
            folder = SweepFolder(tmp_path / "out", command="")
            with folder.claimed():
                run_with_resume(folder, DONE)
                stopped(folder, CUT, at=10)
            write_notes(folder.path, {"title": "a sweep"})
        os._exit(0)
    os.waitpid(pid, 0)
    moved = {"runs/run/recording.json", "runs/run/part.parquet"}  # they come with the folder `whole`
    known = {kind_of(place) for place in PLACES} - moved
    assert {kind_of(line) for line in log.read_text().splitlines()} - {"."} == known


def note(stream, out, event, given):
    """Write down a path below a folder that is written to."""
    paths = {"os.mkdir": given[:1], "os.rename": given[:2]}.get(event, ())
    if event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR):
        paths = given[:1]
    for path in paths:
        if isinstance(path, str | os.PathLike):
            place = Path(storage.named(os.fspath(path)))
            if place.is_relative_to(out):
                stream.write(f"{place.relative_to(out)}\n")


def kind_of(path):
    """A path with what differs from run to run and from step to step replaced by a word."""
    path = re.sub("|".join(map(re.escape, (DONE.id, CUT.id))), "run", str(path))
    path = re.sub(r"[.]([\w.-]+)[.][0-9a-f]{12}[.]tmp", r"\1", path)  # under a name that nothing else has, then renamed
    path = re.sub(r"(steps|layers|skips|probes|times|parameters|graph)-\d{5}", "part", path)
    return re.sub(r"checkpoint-\d+", "checkpoint", path)
