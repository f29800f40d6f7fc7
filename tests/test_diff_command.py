"""`gradflow diff`: what is printed, the page, and what is refused."""

import json

import pytest

import gradflow
from gradflow.cli import main
from tests.analysis.test_difference import run


@pytest.fixture
def folders(tmp_path):
    gradflow.save(run(0), tmp_path / "before")
    gradflow.save(run(1, {"layer2": 30.0}, since=7), tmp_path / "after")
    return str(tmp_path / "before"), str(tmp_path / "after")


def ended(*arguments):
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return caught.value.code


def test_what_changed_first_and_a_row_for_each_difference(folders, capsys):
    assert ended("diff", *folders) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith(
        "after differs from before in 1 of 12 values by more than chance explains. First difference, from step 7 "
    )
    assert "the parameter gradient of layer2 is " in said
    assert "layer measure before after changed by by chance since step" in said
    assert ended("diff", *folders, "--lang", "zh") == 0
    assert "最早的差异始于第7步" in "".join(capsys.readouterr().out.split())
    assert ended("diff", folders[0], folders[0]) == 0
    assert "does not differ from" in " ".join(capsys.readouterr().out.split())


def test_json_and_a_page(folders, capsys, tmp_path):
    assert ended("diff", *folders, "--json", "--out", str(tmp_path / "page")) == 0
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert (said["first"]["step"], said["first"]["layer"], len(said["rows"])) == (7, "layer2", 12)
    assert "report.html" in printed.err
    page = (tmp_path / "page" / "report.html").read_text()
    assert "after differs from before in 1 of 12 values" in page
    assert "three successive recorded steps" in page
    assert page.index("What differs") < page.index("Findings in words")


def test_bad_input_is_one_line(folders, capsys, tmp_path):
    assert ended("diff", folders[0], str(tmp_path / "nowhere")) == 2
    assert "is not a directory" in capsys.readouterr().err
    gradflow.save(run(0, steps=range(100, 110)), tmp_path / "later")
    assert ended("diff", folders[0], str(tmp_path / "later")) == 2
    assert "no recorded step in common" in capsys.readouterr().err
