"""A run under way, seen from another terminal: a frame that is redrawn, or lines."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from gradflow.analysis.nonfinite import loss_lost
from gradflow.analysis.profile import beside_main_path, profile
from gradflow.cli import output
from gradflow.cli.commands import INTERRUPTED
from gradflow.cli.profile_strip import Line, strips
from gradflow.cli.terminal import say_tables, show, styled
from gradflow.cli.watching import Look, WatchedRun, WatchedSweep, watched
from gradflow.diagnosis.cards import card, in_a_line
from gradflow.diagnosis.finding import SHOWN
from gradflow.diagnosis.verdict import verdict
from gradflow.recording import Recording
from gradflow.tables import Table, column, words
from gradflow.text import has, text
from gradflow.text.numbers import number, percent, seconds
from gradflow.text.widths import shortened
from gradflow.text.words import not_shown, word

OTHERS = 8  # runs named beside the one in full
NAME_LENGTH = 40
TITLE_LENGTH = 30
ERRORS = ("batch_error", "train_error", "test_error")
MEASURES = ("loss", *ERRORS, "lr", "total_grad_norm")
IN_LINES = ("loss", "train_error", "test_error")


def watch_run(run: Path, *, once: bool, interval: float, form: str | None) -> int:
    """Show a run or a sweep until it has ended, or with `once` or a `form` as it stands; return the exit code."""
    target = watched(run)
    if form is not None:
        output.print_data(form, [_record(look) for look in _looks(target)])
        return 0
    if once:
        show(*_frame(target, run)[0])
        return 0
    is_live, code = sys.stdout.isatty(), 0
    try:
        (_live if is_live else _lines)(target, run, interval)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if isinstance(target, WatchedRun):
        _close(target.look(), is_live=is_live)
    return code


def _live(target: WatchedRun | WatchedSweep, path: Path, interval: float) -> None:
    """Redraw the frame until the run has ended."""
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        while True:
            tables, has_ended = _frame(target, path)
            live.update(styled(tables), refresh=True)
            if has_ended:
                return
            time.sleep(interval)


def _lines(target: WatchedRun | WatchedSweep, path: Path, interval: float) -> None:
    """Print a line whenever something came, until the run has ended."""
    said: dict[str, object] = {}
    while True:
        looks = _looks(target)
        for look in looks:
            for subject, state, line in _news(look):
                if said.get(subject) != state:
                    said[subject] = state
                    output.say(line)
        sys.stdout.flush()
        if looks and isinstance(target, WatchedRun) and looks[0].has_ended:
            return
        time.sleep(interval)


def _close(look: Look, *, is_live: bool) -> None:
    """Print the verdict, which a frame shows already, where the recording is, and what makes a report of it."""
    if look.place is None:
        return
    if not is_live:
        say_tables([_verdict(look)])
    output.say_where("recording", look.place)
    output.say(text("watch.report", path=shlex.quote(str(look.place))))


def _looks(target: WatchedRun | WatchedSweep) -> list[Look]:
    seen = target.look()
    if not isinstance(seen, tuple):
        return [seen]
    return [look for look in (seen[0], *seen[1]) if look is not None]


def _news(look: Look) -> Iterator[tuple[str, object, str]]:
    """Yield what a line is about, what must differ for it to be printed again, and the line."""
    measures = "".join(
        text("watch.measured", measure=_measure(name), value=value)
        for name, value in _latest(look).items()
        if name in IN_LINES
    )
    line = text(
        "watch.line",
        run=look.run,
        status=_status(look),
        progress=_progress(look),
        measures=measures,
        age=_age(look.age),
    )
    yield look.run, (look.status, look.step, look.reason), f"{line} {word(look.reason)}".rstrip()
    for finding in look.findings:
        yield f"{look.run} {finding.key}", finding.severity, in_a_line(finding)


def _frame(target: WatchedRun | WatchedSweep, path: Path) -> tuple[list[Table], bool]:
    """Return what to show now, and whether nothing more will come."""
    if isinstance(target, WatchedRun):
        look = target.look()
        return _run(look), look.has_ended
    first, others = target.look()
    if first is None:
        return [Table(text("watch.idle", folder=path, n=target.finished()), (), [])], False
    return [*_run(first), *([_others(others)] if others else [])], False


def _run(look: Look) -> list[Table]:
    """Return a run's standing, measures, strip and findings."""
    title = text(
        "watch.title",
        run=shortened(look.run, TITLE_LENGTH),
        status=_status(look),
        progress=_progress(look),
        age=_age(look.age),
    )
    why = " ".join(filter(None, [word(look.reason), text("watch.stopped") if look.status == "stopped" else ""]))
    standing = Table(title, (), [], why)
    if look.recording is None:
        return [standing]
    return [standing, _verdict(look), _measures(look.recording), *_strip(look.recording), *_other_findings(look)]


def _measures(recording: Recording) -> Table:
    """Return the first and the latest value of each measure that there is."""
    rows, lost = [], loss_lost(recording)
    for name in MEASURES:
        is_lost = name == "loss" and lost is not None
        known = recording.steps[["step", name]] if is_lost else recording.steps[["step", name]].dropna()
        if len(known):
            first, latest = (_value(name, known[name].iloc[place]) for place in (0, -1))
            rows.append({"measure": _measure(name), "first": first, "latest": latest, "step": known["step"].iloc[-1]})
    columns = (words("measure"), column("first"), column("latest"), column("step"))
    caption = "" if lost is None else text("watch.lost.sentence", step=lost[0], value=_value("loss", lost[1]))
    return Table("", columns, rows, caption, "watch.column")


def _strip(recording: Recording) -> list[Table]:
    """Return the gradient along depth at the steps that a profile shows; nothing where none is recorded."""
    frame = profile(recording)
    lines = [
        Line(text("head.step", step=step), list(rows["out_grad_norm"]))
        for step, rows in frame.groupby("step")
        if len(rows)
    ]
    return [strips(text("terminal.strip.title_one"), lines, not_shown(beside_main_path([recording])))] if lines else []


def _verdict(look: Look) -> Table:
    """Return what is wrong and what to change first, as the rows say so far."""
    if not look.findings:
        return Table(text("watch.findings.none"), (), [])
    return card(verdict(look.findings, look.findings.checks))


def _other_findings(look: Look) -> list[Table]:
    """Return what the rows say besides."""
    others = [finding for finding in look.findings[1:] if finding.severity in SHOWN]
    rows = [(text(f"severity.{finding.severity}"), finding.said) for finding in others]
    return [Table(text("watch.findings"), (), rows)] if rows else []


def _others(looks: list[Look]) -> Table:
    rows = [(shortened(look.run, NAME_LENGTH), _status(look), _progress(look)) for look in looks[:OTHERS]]
    more = text("watch.others.more", n=len(looks) - OTHERS) if len(looks) > OTHERS else ""
    return Table(text("watch.others"), (), rows, more)


def _record(look: Look) -> dict[str, Any]:
    """Return a look as values."""
    recording = look.recording
    latest = {} if recording is None else {name: recording.steps[name].dropna().iloc[-1:].tolist() for name in MEASURES}
    lost = None if recording is None else loss_lost(recording)
    if lost is not None:
        latest["loss"] = [lost[1]]
    return {
        "run": look.run,
        "status": look.status,
        "step": look.step,
        "steps": look.steps,
        "age_seconds": look.age,
        "reason": look.reason,
        **{name: (latest.get(name) or [math.nan])[0] for name in MEASURES},
        "loss_not_finite_since": None if lost is None else lost[0],
        "findings": [{"severity": one.severity, "sentence": str(one)} for one in look.findings],
    }


def _latest(look: Look) -> dict[str, str]:
    """Return the latest value of each measure, as text."""
    if look.recording is None:
        return {}
    known = {name: look.recording.steps[name].dropna() for name in MEASURES}
    latest = {name: _value(name, values.iloc[-1]) for name, values in known.items() if len(values)}
    lost = loss_lost(look.recording)
    said = {} if lost is None else {"loss": text("watch.lost", step=lost[0], value=_value("loss", lost[1]))}
    return {**said, **latest, **said}


def _measure(name: str) -> str:
    return text(f"measure.{name}")


def _value(name: str, value: float) -> str:
    if name == "loss" and math.isnan(value):
        return text("watch.nan")
    return percent(value) if name in ERRORS else number(value)


def _status(look: Look) -> str:
    key = f"terminal.status.{look.status}"
    return text(key) if has(key) else shortened(look.status, 12)


def _progress(look: Look) -> str:
    if look.step is None:
        return text("watch.progress.none")
    if not look.steps or look.steps < 0:
        return text("head.step", step=look.step)
    return text("watch.progress.of", step=look.step, steps=look.steps, share=percent(look.step / look.steps, 0))


def _age(age: float) -> str:
    return text("watch.age.none") if math.isnan(age) else text("watch.age", age=seconds(age))
