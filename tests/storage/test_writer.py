"""What a writer counts, what it leaves alone when it goes on, and a folder that was replaced under it."""

import errno

import pandas as pd
import pytest

from gradflow.storage import Writer, load, read_manifest


def steps(*numbers):
    return pd.DataFrame({"step": numbers})


def test_rows_that_no_manifest_names_are_counted(tmp_path):
    writer = Writer(tmp_path / "r")
    counts = [writer.n_uncommitted]
    for numbers in ((0, 1, 2), (3,)):
        writer.append("steps", steps(*numbers))
        counts.append(writer.n_uncommitted)
    writer.commit({})
    counts.append(writer.n_uncommitted)
    writer.append("steps", steps(4, 5))
    counts.append(writer.n_uncommitted)
    assert counts == [0, 3, 4, 0, 2]
    writer.close()


def test_parts_that_are_kept_whole_are_not_written_anew(tmp_path):
    writer = Writer(tmp_path / "r")
    for numbers in ((0, 1), (2, 3), (4, 5)):
        writer.append("steps", steps(*numbers))
    writer.commit({})
    writer.close()
    before = read_manifest(tmp_path / "r")["parts"]
    for n_rows, expected in ((6, before), (4, before[:2])):
        again = Writer(tmp_path / "r", may_continue=True)
        again.go_on({"steps": n_rows})
        again.close()
        assert read_manifest(tmp_path / "r")["parts"] == expected
    cut = Writer(tmp_path / "r", may_continue=True)
    cut.go_on({"steps": 3})
    cut.close()
    assert [part["file"] for part in read_manifest(tmp_path / "r")["parts"]] == [
        "steps-00000.parquet", "steps-00001-first-1.parquet",
    ]  # fmt: skip
    assert load(tmp_path / "r").steps.step.tolist() == [0, 1, 2]


@pytest.mark.parametrize("write", [lambda writer: writer.append("steps", steps(1)), lambda writer: writer.commit({})])
def test_nothing_is_written_into_a_folder_that_took_the_others_place(tmp_path, write):
    writer = Writer(tmp_path / "r")
    writer.append("steps", steps(0))
    writer.commit({})
    (tmp_path / "r").rename(tmp_path / "moved")
    (tmp_path / "r").mkdir()
    with pytest.raises(OSError, match="the folder was replaced while it was written to") as caught:
        write(writer)
    assert caught.value.errno == errno.ESTALE
    assert list((tmp_path / "r").iterdir()) == []
    writer.close()
    assert load(tmp_path / "moved").steps.step.tolist() == [0]
