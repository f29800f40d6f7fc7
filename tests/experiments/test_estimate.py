"""Estimates: how timed updates become hours. The timing itself is replaced by known numbers."""

import pytest

from gradflow.experiments import estimate as module
from gradflow.experiments import plan
from gradflow.experiments.estimate import estimate, makespan

UPDATE, EVALUATION = 0.5, 0.001
DIGITS = 1437 + 360


@pytest.fixture
def timed(monkeypatch):
    """Networks that were timed; each update takes half a second, each image of evaluation a millisecond."""
    calls = []

    def known(run, work, budget):
        calls.append(run.depth)
        return module._Sample(UPDATE, EVALUATION, work)

    monkeypatch.setattr(module, "_timed", known)
    return calls


def test_updates_and_evaluations_are_added_up(timed):
    runs = plan([8], families=["plain"], seeds=3, steps=20, eval_every=8, device="cpu")
    found = estimate(runs, workers=2)
    each = 21 * UPDATE + 3 * DIGITS * EVALUATION  # evaluated after 8, 16 and 20 updates
    assert found.of_runs == pytest.approx([each] * 3)
    assert found.seconds == pytest.approx(2 * each)
    assert found.total_seconds == pytest.approx(3 * each)
    assert (found.workers, found.measured, found.scaled) == (2, 1, 0)
    assert timed == [8]


def test_beyond_the_budget_networks_are_scaled_by_multiply_adds(timed):
    runs = plan([8, 20, 56], families=["plain"], seeds=1, steps=10, device="cpu")
    found = estimate(runs, workers=1, budget=0.0)
    assert timed == [8]
    assert (found.measured, found.scaled) == (1, 2)
    seconds = {run.depth: taken for run, taken in zip(runs, found.of_runs, strict=True)}

    def multiply_adds(depth):  # 3x3 convolutions of a net of 6n + 2 layers on 8x8 pixels of one channel, by hand
        n = (depth - 2) // 6
        first = 9 * 64 * (1 * 16 + 2 * n * 16 * 16)
        later = 9 * 16 * (16 * 32 + (2 * n - 1) * 32 * 32) + 9 * 4 * (32 * 64 + (2 * n - 1) * 64 * 64)
        return first + later + 64 * 10

    for depth in (20, 56):
        assert seconds[depth] / seconds[8] == pytest.approx(multiply_adds(depth) / multiply_adds(8))


def test_nothing_is_fetched_for_an_estimate(timed, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    runs = plan([8], families=["plain"], seeds=1, steps=10, data="cifar10", device="cpu")
    assert estimate(runs).of_runs == pytest.approx([11 * UPDATE + 60_000 * EVALUATION])
    assert not list(tmp_path.iterdir())


def test_real_networks_are_timed():
    runs = plan([8], seeds=1, steps=10, batch_size=4, widths=[2, 2, 2], device="cpu")
    found = estimate(runs, workers=2, budget=0.1)
    assert 0 < found.seconds < found.total_seconds < float("inf")
    assert found.measured + found.scaled == 2


def test_the_next_run_goes_to_the_first_free_worker():
    assert makespan([5.0, 4.0, 3.0, 2.0], 2) == 7.0
    assert makespan([1.0], 3) == 1.0
