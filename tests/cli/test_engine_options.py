"""Which engine makes the runs, from the command line."""

import json
import sys

import pytest

import gradflow.experiments
from gradflow.cli import main
from gradflow.experiments.folder import SweepFolder
from gradflow.experiments.ray_engine import RayEngine

SMALL = (
    "compare",
    "--depths",
    "8",
    "--seeds",
    "1",
    "--steps",
    "2",
    "--widths",
    "2,2,2",
    "--device",
    "cpu",
    "--no-demo",
)


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([*SMALL, *arguments])
    return ended.value.code or 0


@pytest.mark.parametrize("option", [("--address", "auto"), ("--gpus-per-run", "0.5")])
def test_options_of_a_cluster_need_the_ray_engine(option, tmp_path, capsys):
    assert run(*option, "--out", str(tmp_path / "out")) == 2
    assert f"{option[0]} requires --engine ray." in capsys.readouterr().err


def test_workers_are_for_this_machine(tmp_path, capsys):
    assert run("--engine", "ray", "--workers", "2", "--out", str(tmp_path / "out")) == 2
    assert "--workers requires --engine local" in capsys.readouterr().err


def test_without_ray_its_extra_is_named_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run("--engine", "ray", "--out", str(tmp_path / "out")) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said == ["gradflow: the ray engine needs Ray: pip install 'gradflow-torch[ray]'."]


def test_what_is_given_reaches_the_engine(tmp_path, monkeypatch):
    taken = {}

    def execute(runs, *, out, **arguments):
        with SweepFolder(out, command="").claimed():
            taken.update(arguments)
        return []

    monkeypatch.setattr(gradflow.experiments, "execute", execute)
    asked = ("--engine", "ray", "--address", "head:6379", "--gpus-per-run", "0.25", "--store", "memory://there")
    assert run(*asked, "--out", str(tmp_path / "out")) == 0
    assert taken["engine"] == RayEngine("head:6379", 0.25)
    assert taken["store"] == "memory://there"


def test_an_unknown_store_is_one_line(tmp_path, capsys):
    assert run("--store", "nope://x", "--out", str(tmp_path / "out")) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said == ["gradflow: store 'nope://x' cannot be opened: ValueError: Protocol not known: nope."]


@pytest.mark.slow
def test_a_run_that_cannot_be_copied_is_told_and_reported(tmp_path, capsys, monkeypatch):
    from gradflow.experiments.store import Store
    from gradflow.storage import StorageError

    def refuse(store, recording):
        raise StorageError(f"{recording.name} cannot be copied to {store.url}: OSError: no route.")

    monkeypatch.setattr(Store, "push", refuse)
    out = tmp_path / "out"
    asked = ("--families", "plain", "--workers", "1", "--store", (tmp_path / "bucket").as_uri(), "--json")
    assert run(*asked, "--out", str(out)) == 3
    printed = capsys.readouterr()
    assert "cannot be copied to" in printed.err
    assert json.loads(printed.out)
    assert len(list((out / "runs").iterdir())) == 1
    assert (out / "report.html").exists()
