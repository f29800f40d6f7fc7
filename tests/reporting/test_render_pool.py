"""A second process draws what this one would have drawn, byte for byte, and a report does not depend on it."""

import os
import signal
import warnings
from functools import partial

import pandas as pd
import pytest
from waiting import eventually

from gradflow import plots
from gradflow.plots.fonts import chinese_font
from gradflow.reporting import second_process as second
from gradflow.reporting.drawing import Job, drawn
from gradflow.reporting.render_pool import RenderPool, ask, render_pool
from gradflow.reporting.second_process import second_process
from gradflow.text import language


def frame(scale):
    rows = [
        {"family": family, "depth": depth, "layers_after": place, "mean": scale / (1 + place), "n": 3}
        for family in ("plain", "residual")
        for depth in (8, 20)
        for place in range(depth)
    ]
    found = pd.DataFrame(rows).astype({"depth": "Int64"})
    return found.assign(low=found["mean"] * 0.9, high=found["mean"] * 1.1)


def job(folder, name="one", scale=1.0, **how):
    folder.mkdir(exist_ok=True)
    values = {"has_narrow": True, "formats": ("svg",), **how}
    return Job(name, partial(plots.shattering_layers_figure, frame(scale)), folder, **values)


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch, _no_second_process_draws):
    monkeypatch.setattr(second, "_processors", lambda: 2)


@pytest.fixture
def started():
    with second_process() as process:
        found = RenderPool(process)
        yield found
        found.close()


def answered(found, one):
    """Draw one figure by the second process alone: this one does not take part."""
    ticket = found.ask(one)
    assert eventually(lambda: ticket.result is not None, pause=found._thread.join)
    return ticket


def test_both_draw_the_same_bytes(started, tmp_path):
    with plots.context():
        own = drawn(job(tmp_path / "own"))
    other = answered(started, job(tmp_path / "other"))
    assert other.result == own
    names = sorted(file.name for file in (tmp_path / "own").iterdir())
    assert names == ["one-single.svg", "one.png", "one.svg"]
    for name in names:
        assert (tmp_path / "other" / name).read_bytes() == (tmp_path / "own" / name).read_bytes()


def test_what_a_killed_process_leaves_is_drawn_here(started, tmp_path):
    started._process.send_signal(signal.SIGKILL)
    tickets = [started.ask(job(tmp_path / "out", f"figure{n}", 0.1 * (1 + n))) for n in range(3)]
    started.finish()
    assert all(ticket.result is not None for ticket in tickets)
    assert len({ticket.result.wide for ticket in tickets}) == 3


def test_an_error_is_raised_here_as_without_a_second_process(started, tmp_path):
    broken = job(tmp_path / "out")._replace(make=partial(plots.shattering_layers_figure, frame(1.0).drop(columns="n")))
    started.ask(broken)
    with pytest.raises(ValueError, match="frame lacks the column 'n'"):
        started.finish()


def test_what_cannot_be_sent_is_drawn_here(started, tmp_path):
    data = frame(1.0)
    ticket = started.ask(job(tmp_path / "out")._replace(make=lambda width: plots.shattering_layers_figure(data, width)))
    started.finish()
    assert ticket.result.wide.startswith("data:image/png")


def test_no_process_is_left():
    with render_pool() as pool:
        pid = pool._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_process_serves_all_blocks_inside_another():
    with second_process() as process:
        with render_pool() as pool:
            assert pool._process is process
        assert process.poll() is None
    assert process.poll() is not None


@pytest.mark.skipif(chinese_font() is None, reason="no Chinese font is installed")
def test_the_second_process_draws_in_the_language_of_the_report(tmp_path):
    with second_process(), language("zh"), render_pool() as pool, plots.context():
        other = answered(pool, job(tmp_path / "other"))
        assert other.result == drawn(job(tmp_path / "own"))
    assert other.result != drawn(job(tmp_path / "english"))


@pytest.mark.parametrize(
    ("processors", "is_alone", "has_helper"), [(1, False, False), (2, False, True), (2, True, False)]
)
def test_a_second_process_needs_a_second_processor(monkeypatch, processors, is_alone, has_helper):
    monkeypatch.setattr(second, "_processors", lambda: processors)
    with render_pool(is_alone=is_alone) as pool:
        assert (pool._process is not None) == has_helper


def test_without_a_pool_a_figure_is_drawn_at_once(tmp_path):
    with warnings.catch_warnings():
        assert ask(job(tmp_path / "out")).result is not None
