"""Files written whole, and a folder that stays the same while its name changes hands."""

import errno
from pathlib import Path

import pytest

from gradflow.recording import Recording
from gradflow.storage import InUseError, StorageError, anchored, named, save, write_whole

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no path leads to an open folder")


def test_what_is_written_goes_to_the_folder_that_was_opened(tmp_path):
    out, away = tmp_path / "out", tmp_path / "away"
    out.mkdir()
    with anchored(out) as place:
        out.rename(away)
        out.mkdir()
        write_whole(place / "file", b"ours")
        save(Recording(), place / "recording")
    assert sorted(file.name for file in away.iterdir()) == ["file", "recording"]
    assert list(out.iterdir()) == []


def test_nothing_can_be_written_once_the_folder_is_removed(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with anchored(out) as place:
        out.rmdir()
        out.mkdir()
        with pytest.raises(FileNotFoundError):
            write_whole(place / "file", b"ours")
    assert list(out.iterdir()) == []


def test_users_read_the_name_of_the_folder(tmp_path):
    with anchored(tmp_path) as place:
        assert named(f"cannot read {place / 'file'}: why") == f"cannot read {tmp_path / 'file'}: why"
    assert named(f"{place}") == f"{place}"  # let go of, and nobody's
    with pytest.raises(OSError, match="no room") as caught, anchored(tmp_path) as place:
        raise OSError(errno.ENOSPC, "no room", str(place / "file"))
    assert str(caught.value) == f"[Errno {errno.ENOSPC}] no room: '{tmp_path / 'file'}'"
    for kind in (StorageError, InUseError):
        with pytest.raises(kind) as caught, anchored(tmp_path) as place:
            raise kind(f"cannot write to {place}: why.")
        assert str(caught.value) == f"cannot write to {tmp_path}: why."


def test_a_folder_that_is_not_there_keeps_its_path(tmp_path):
    with anchored(tmp_path / "none") as place:
        assert place == tmp_path / "none"
