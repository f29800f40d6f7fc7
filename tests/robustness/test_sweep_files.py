"""A sweep file that is none is one line and exit code 2, and nothing waits for it."""

import os
from pathlib import Path

import pytest

from gradflow.cli import main

SWEEP = b"depths = [8]\nseeds = 1\n"
OWN = b'model = "nets.py:make"\nseeds = 1\n'
CONTENTS = {
    "binary": (bytes(range(256)) * 8, "is not UTF-8 text: byte 128 is not valid."),
    "empty": (b"", "depths must name at least one; got none."),
    "latin": (SWEEP + b'title = "\xe9"', "is not UTF-8 text: byte 32 is not valid."),
    "utf16": (SWEEP.decode().encode("utf-16"), "is not UTF-8 text: byte 0 is not valid."),
    "mark": (b"\xef\xbb\xbf" + SWEEP, "begins with a byte-order mark; save it as UTF-8 without one."),
    "deep": (b"x = " + b"[" * 2000 + b"]" * 2000, "is nested too deeply."),
    "deep keys": (b".".join([b"a"] * 2000) + b" = 1", "the file has no key 'a'."),
    "deep value": (
        SWEEP + b"[vary]\nlr = [{" + b".".join([b"a"] * 2000) + b" = 1}]",
        "vary.lr[1] must be a number; got {",
    ),
    "digits": (SWEEP + b"steps = " + b"9" * 5000, "is not valid TOML: Exceeds the limit"),
    "hexadecimal": (
        SWEEP + b"steps = 0x" + b"f" * 5000,
        "steps must be at most 1000000000; got a number of 6021 digits.",
    ),
    "keys": (b"\n".join(b"key%d = 1" % number for number in range(1_000_000)), "a sweep file may have 1048576."),
    "date": (SWEEP + b"steps = 1979-05-27", "steps must be a whole number; got datetime.date(1979, 5, 27)."),
    "time": (SWEEP + b"lr = 07:32:00", "lr must be a number; got datetime.time(7, 32)."),
    "inf": (SWEEP + b"lr = inf", "lr must be a positive number; got inf."),
    "nan": (SWEEP + b"clip = nan", "clip must be a positive number; got nan."),
    "both": (SWEEP + b"lr = 1.0\n[vary]\nlr = [0.1]", "lr is given twice, by itself and in vary; give only one."),
    "depth": (b"depths = [1000000]", "depth must be at most 10000; got 1000000."),
    "seeds": (SWEEP.replace(b"1\n", b"[-1]\n"), "seed must be at least 0; got -1."),
    "own date": (OWN + b"since = 1979-05-27", "since must be text, a number, a truth value or a list of them; got"),
    "own table": (OWN + b"[vary]\nkind = [{a = 1}]", "vary.kind[1] must be text, a number, a truth value or a list"),
    "blocks": (b'experiment = "shattering"\nblocks = [0]', "blocks must be at least 1; got 0."),
    "no blocks": (b'experiment = "shattering"\nblocks = []', "blocks must name at least one; got none."),
}


def ended(*arguments):
    with pytest.raises(SystemExit) as caught:
        main(["sweep", *arguments, "--dry-run"])
    return caught.value.code or 0


def line(capsys):
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("gradflow: ")
    assert shown.err.count("\n") == 1
    assert len(shown.err) < 500
    return shown.err


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_that_is_no_sweep_is_one_line(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    content, said = CONTENTS[name]
    Path("sweep.toml").write_bytes(content)
    Path("nets.py").write_text("def make(since=0, kind=0): ...\n")
    assert ended("sweep.toml") == 2
    assert said in line(capsys)


@pytest.mark.timeout(60)
def test_what_is_no_file_is_one_line_and_nothing_waits(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("folder").mkdir()
    Path("loop").symlink_to("loop")
    Path("dangling").symlink_to("nowhere")
    Path("file").touch()
    for name, said in {
        "pipe": "pipe is not a regular file",
        "/dev/zero": "/dev/zero is not a regular file",
        "folder": "folder is not a regular file",
        "loop": "file must be a path; got 'loop', a link that leads to itself.",
        "dangling": "cannot read dangling: No such file or directory.",
        "file/under": "cannot read file/under: Not a directory.",
        "": "file must be a path; got ''.",
        "-": "file must be a path; got '-'",
        "p" * 5000: "file must have at most 4095 bytes, 255 a name, and 200 levels; got 'ppp",
    }.items():
        assert ended(name) == 2
        assert said in line(capsys)


def test_a_link_to_a_sweep_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("sweep.toml").write_bytes(SWEEP)
    Path("link").symlink_to("sweep.toml")
    assert ended("link") == 0
