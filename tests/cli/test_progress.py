"""Bars of a sweep: what is left of it, and of each run, is estimated from what is done."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from gradflow.cli.progress import Left, _Bars, _Tally
from gradflow.experiments import Event, plan


@pytest.fixture
def clock():
    return [0.0]


def shown(bars, clock, *events):
    for seconds, event in events:
        clock[0] = seconds
        bars.show(event)
    lines = io.StringIO()
    Console(file=lines, width=100).print(bars._progress.get_renderable())
    return lines.getvalue().splitlines()


def bars(runs, clock):
    progress = Progress("{task.description}", Left(), console=Console(file=io.StringIO()), get_time=lambda: clock[0])
    return _Bars(progress, _Tally(len(runs)), runs)


def test_what_is_left_is_measured_in_layers_and_steps(clock):
    shallow, deep = plan(depths=[8, 32], families=["plain"], seeds=1, steps=100)[::-1]
    if shallow.depth > deep.depth:
        shallow, deep = deep, shallow
    found = bars([deep, shallow], clock)
    assert "left" not in "".join(shown(found, clock, (0, Event("started", deep))))
    sweep, run = shown(found, clock, (30, Event("step", deep, step=50)))
    assert "30.0 s left" in run
    assert "45.0 s left" in sweep  # half of 32 of 40 layers took 30 s; the rest are 24 of 40


def test_a_run_that_is_resumed_counts_from_there(clock):
    (only,) = plan(depths=[8], families=["plain"], seeds=1, steps=100)
    found = bars([only], clock)
    events = [(0, Event("started", only)), (0, Event("resumed", only, step=80)), (10, Event("step", only, step=90))]
    assert all("10.0 s left" in line for line in shown(found, clock, *events))
