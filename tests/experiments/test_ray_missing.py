"""Without Ray the engine says what to install, and nothing else notices."""

import sys

import pytest
from made import one_run

from gradflow.experiments import PlanError, execute
from gradflow.experiments.ray_engine import RayEngine


def test_the_missing_extra_is_named_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PlanError, match=r"^the ray engine needs Ray: pip install 'gradflow-torch\[ray\]'\.$"):
        execute([one_run()], out=tmp_path / "out", engine=RayEngine())
    assert list((tmp_path / "out" / "runs").iterdir()) == []


def test_its_arguments_are_checked_when_it_is_made():
    with pytest.raises(PlanError, match="gpus per run must be a number of at least 0; got -1"):
        RayEngine(gpus_per_run=-1.0)
    with pytest.raises(PlanError, match="retries must be at least 0; got -2"):
        RayEngine(retries=-2)


def test_an_engine_excludes_workers(tmp_path):
    with pytest.raises(PlanError, match=r"workers is for worker processes of this machine; got 2 and RayEngine\."):
        execute([one_run()], out=tmp_path / "out", engine=RayEngine(), workers=2)
