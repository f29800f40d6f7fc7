"""Who holds a folder, what may lie where its lock is, and what of it is left."""

import json
import os
import re
import socket

import pytest

from gradflow.storage import InUseError, file_id, held
from gradflow.storage.locks import NAME_LENGTH


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_lock_says_who_holds_it_and_is_free_again_afterwards(tmp_path, is_removed):
    lock, holder = tmp_path / "a.lock", tmp_path / "a.json"
    for _ in range(2):  # the second time its files may be there
        with held(lock, what="the folder", is_removed=is_removed):
            told = json.loads(holder.read_text())
            assert (told["pid"], told["host"]) == (os.getpid(), socket.gethostname())
            expected = f"the folder is in use: process {os.getpid()} on {socket.gethostname()} has been at work there "
            with (
                pytest.raises(InUseError, match=re.escape(f"{expected}since {told['since']}. Wait for it to end")),
                held(lock, what="the folder"),
            ):
                pass
        assert (lock.exists(), holder.exists()) == (not is_removed, not is_removed)


@pytest.mark.parametrize("name", ["a.lock", "a.json"])
@pytest.mark.parametrize("kind", ["folder", "link", "broken link"])
def test_what_is_no_file_is_no_lock(tmp_path, name, kind):
    (tmp_path / "elsewhere").write_text("mine")
    if kind == "folder":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).symlink_to(tmp_path / ("elsewhere" if kind == "link" else "none"))
    message = f"the folder cannot be locked: {tmp_path / name} is no regular file; remove it."
    with pytest.raises(InUseError, match=re.escape(message)), held(tmp_path / "a.lock", what="the folder"):
        pass
    assert (tmp_path / "elsewhere").read_text() == "mine"


@pytest.mark.parametrize(
    "told",
    [
        "", "[]", "{}", "1", '{"pid": "x", "host": "h", "since": "2020-01-01"}', '{"pid": 1, "host": "h"}',
        '{"pid": 1e999, "host": "h", "since": "2020-01-01"}', '{"pid": 1, "host": "h", "since": 3}', None,
    ],
)  # fmt: skip
def test_a_holder_that_says_nothing_is_another_process(tmp_path, told):
    with held(tmp_path / "a.lock", what="the folder"):
        if told is None:
            (tmp_path / "a.json").unlink()
        else:
            (tmp_path / "a.json").write_text(told)
        with (
            pytest.raises(InUseError, match=r"the folder is in use: another process is at work there\. Wait"),
            held(tmp_path / "a.lock", what="the folder"),
        ):
            pass


def test_a_hosts_name_is_cut(tmp_path):
    with held(tmp_path / "a.lock", what="the folder"):
        (tmp_path / "a.json").write_text(json.dumps({"pid": 7, "host": "h" * 999, "since": "2020-01-01"}))
        with pytest.raises(InUseError, match=r" on h{255} has been at"), held(tmp_path / "a.lock", what="the folder"):
            pass
    assert NAME_LENGTH == 255


def test_a_file_is_known_whatever_its_name(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    known = file_id(tmp_path / "a")
    assert known is not None
    assert known != file_id(tmp_path / "b")
    os.replace(tmp_path / "a", tmp_path / "c")
    assert file_id(tmp_path / "c") == known
    assert file_id(tmp_path / "a") is None
