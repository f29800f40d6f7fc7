"""Every file appears whole, also where a shared file system refuses to rename it at first."""

import ast
import errno
import os
import time
from pathlib import Path

import pytest

import gradflow
from gradflow.storage import move, write_json, write_whole


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EBUSY, errno.EACCES])
@pytest.mark.parametrize("n_failures", [1, 3, 99])
def test_a_rename_that_fails_for_a_moment_is_tried_again(tmp_path, monkeypatch, code, n_failures):
    target, calls, real = tmp_path / "a.json", [], os.replace
    target.write_text("old")

    def refused(*names):
        calls.append(names)
        if len(calls) <= n_failures:
            raise OSError(code, os.strerror(code))
        real(*names)

    monkeypatch.setattr(os, "replace", refused)
    began = time.monotonic()
    if n_failures == 99:
        with pytest.raises(OSError, match=os.strerror(code)):
            write_json(target, {"a": 1})
        assert target.read_text() == "old"
    else:
        write_json(target, {"a": 1})
        assert target.read_text() == '{\n "a": 1\n}'
    assert time.monotonic() - began < 2  # one second at most, and some for a busy machine
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_rename_that_cannot_work_is_not_tried_again(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(time, "sleep", calls.append)
    with pytest.raises(FileNotFoundError):
        move(tmp_path / "none", tmp_path / "other")
    assert not calls


def test_what_was_written_is_as_open_to_others_as_any_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"x")
    write_whole(tmp_path / "whole", b"x", memoryview(b"y"))
    assert (tmp_path / "whole").read_bytes() == b"xy"
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_no_module_writes_files_in_another_way():
    """Names of functions that write to a path, wherever they are called but in files.py."""
    forbidden = {"write_text", "write_bytes", "replace of os", "rename of os", "NamedTemporaryFile", "mkstemp"}
    home = Path(gradflow.__file__).parent
    found = []
    for module in home.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                name = f"{node.func.attr} of os" if owner == "os" else node.func.attr
                if name in forbidden:
                    found.append(f"{module.relative_to(home)}: {name}")
    assert set(found) == {"storage/files.py: replace of os"}
