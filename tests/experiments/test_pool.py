"""What a worker process is started with."""

import os

import pytest

from gradflow.experiments import execute, plan, pool


class StartedError(Exception):
    pass


def environment_of_a_worker(tmp_path, monkeypatch):
    seen = {}

    def start(*_, env, **__):
        seen.update(env)
        raise StartedError

    monkeypatch.setattr(pool.subprocess, "Popen", start)
    with pytest.raises(StartedError):
        execute(plan([8], steps=1, seeds=[0], families=["plain"], device="cpu"), out=tmp_path / "out")
    return seen


def test_a_worker_has_one_thread_and_keeps_its_memory_for_the_next_step(tmp_path, monkeypatch):
    found = environment_of_a_worker(tmp_path, monkeypatch)
    assert found["OMP_NUM_THREADS"] == "1"
    assert int(found["MALLOC_MMAP_THRESHOLD_"]) == 32 * 2**20
    assert int(found["MALLOC_TRIM_THRESHOLD_"]) > 2**30


def test_what_the_user_says_of_memory_holds(tmp_path, monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000")
    assert environment_of_a_worker(tmp_path, monkeypatch)["MALLOC_TRIM_THRESHOLD_"] == "1000"
    assert os.environ["MALLOC_TRIM_THRESHOLD_"] == "1000"
