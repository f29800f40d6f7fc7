"""Progress of a sweep: live bars on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from gradflow.cli import output
from gradflow.experiments import Event, Run
from gradflow.text import text
from gradflow.text.controls import printable
from gradflow.text.numbers import percent, seconds

LINE_KINDS = ("skipped", "set aside", "finished", "failed")


@contextmanager
def follow(runs: Sequence[Run], *, to_stderr: bool = False) -> Iterator[Callable[[Event], None]]:
    """Yield a callback that shows the events of a sweep as they come."""
    tally = _Tally(len(runs))
    if not (sys.stderr if to_stderr else sys.stdout).isatty():
        yield lambda event: _echo(tally.line(event), to_stderr=to_stderr)
        return

    described = TextColumn("{task.description}", markup=False)
    columns = (described, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), Left())
    with Progress(*columns, console=Console(stderr=to_stderr), transient=True) as progress:
        yield _Bars(progress, tally, runs).show


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


class Left(ProgressColumn):
    """How long a task will still take, if all of it goes as what is done; `share` says how much that is."""

    def render(self, task: Task) -> Text:
        """Return the time that is left, nothing before anything is done."""
        share, elapsed = task.fields["share"], task.elapsed
        if not share or elapsed is None:
            return Text("")
        return Text(text("progress.left", time=seconds(elapsed * (1 - share) / share)))


class _Bars:
    """One bar for the sweep and one for each run under way."""

    def __init__(self, progress: Progress, tally: _Tally, runs: Sequence[Run]) -> None:
        self._progress = progress
        self._tally = tally
        self._sweep = progress.add_task(text("progress.runs"), total=len(runs), share=0.0)
        self._tasks: dict[Run, TaskID] = {}
        self._work = {run: float(run.steps * (run.depth or 1)) for run in runs}  # layers of one sweep cost about alike
        self._done = dict.fromkeys(runs, 0.0)
        self._first: dict[Run, int] = {}  # the step from which a run was resumed

    def show(self, event: Event) -> None:
        """Move the bars, and print a line above them for a run that ended."""
        if event.kind == "started":
            self._tasks[event.run] = self._progress.add_task(
                f"  {printable(event.run.label)}", total=event.run.steps, share=0.0
            )
        elif event.kind == "resumed":
            self._first[event.run] = event.step
            self._progress.update(self._tasks[event.run], completed=event.step)
        elif event.kind == "step":
            first = self._first.get(event.run, 0)
            self._done[event.run] = share = (event.step - first) / max(event.run.steps - first, 1)
            self._progress.update(self._tasks[event.run], completed=event.step, share=share)
        elif event.kind in ("finished", "failed", "skipped"):
            self._progress.advance(self._sweep)
            self._done[event.run] = 1.0
            if event.kind == "skipped":
                self._work[event.run] = 0.0
            if event.run in self._tasks:
                self._progress.remove_task(self._tasks.pop(event.run))
        work = sum(self._work.values())
        share = sum(self._work[run] * self._done[run] for run in self._work) / work if work else 1.0
        self._progress.update(self._sweep, share=share)
        line = self._tally.line(event)
        if line is not None:
            self._progress.console.print(printable(line), markup=False, highlight=False)
