"""Progress of a sweep: live bars on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gradflow.cli import output
from gradflow.experiments import Event, Run
from gradflow.text import text
from gradflow.text.controls import printable
from gradflow.text.numbers import percent

LINE_KINDS = ("skipped", "set aside", "finished", "failed")


@contextmanager
def follow(runs: Sequence[Run], *, to_stderr: bool = False) -> Iterator[Callable[[Event], None]]:
    """Yield a callback that shows the events of a sweep as they come."""
    tally = _Tally(len(runs))
    if not (sys.stderr if to_stderr else sys.stdout).isatty():
        yield lambda event: _echo(tally.line(event), to_stderr=to_stderr)
        return

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=to_stderr), transient=True) as progress:
        yield _Bars(progress, tally, len(runs)).show


def _echo(line: str | None, *, to_stderr: bool) -> None:
    if line is not None:
        output.say(line, err=to_stderr)


class _Tally:
    """Counts what is done and words each event."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._began: dict[Run, float] = {}

    def line(self, event: Event) -> str | None:
        """Return the line for an event, or None if it deserves none."""
        if event.kind == "started":
            self._began[event.run] = time.perf_counter()
        if event.kind == "resumed":
            return f"{event.run.label}: {text('progress.resumed', step=event.step)}"
        if event.kind not in LINE_KINDS:
            return None
        if event.kind == "set aside":
            return f"{event.run.label}: {event.detail}"
        self._done += 1
        return f"[{self._done}/{self._total}] {event.run.label}: {self._outcome(event)}"

    def _outcome(self, event: Event) -> str:
        if event.recording is None:
            return text("progress.failed", reason=event.detail)
        last = event.recording.steps.iloc[-1]
        errors = text("progress.errors", train=percent(last.train_error), test=percent(last.test_error))
        if event.recording.meta.get("status") == "diverged":
            errors = text("progress.diverged", step=event.recording.meta["diverged_step"], errors=errors)
        if event.kind == "skipped":
            return text("progress.earlier", errors=errors)
        return text("progress.done", errors=errors, seconds=f"{time.perf_counter() - self._began[event.run]:.1f}")


class _Bars:
    """One bar for the sweep and one for each run under way."""

    def __init__(self, progress: Progress, tally: _Tally, total: int) -> None:
        self._progress = progress
        self._tally = tally
        self._sweep = progress.add_task(text("progress.runs"), total=total)
        self._tasks: dict[Run, TaskID] = {}

    def show(self, event: Event) -> None:
        """Move the bars, and print a line above them for a run that ended."""
        if event.kind == "started":
            self._tasks[event.run] = self._progress.add_task(f"  {printable(event.run.label)}", total=event.run.steps)
        elif event.kind in ("step", "resumed"):
            self._progress.update(self._tasks[event.run], completed=event.step)
        elif event.kind in ("finished", "failed", "skipped"):
            self._progress.advance(self._sweep)
            if event.run in self._tasks:
                self._progress.remove_task(self._tasks.pop(event.run))
        line = self._tally.line(event)
        if line is not None:
            self._progress.console.print(printable(line), markup=False, highlight=False)
