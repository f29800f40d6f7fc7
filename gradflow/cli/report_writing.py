"""Reports: of recordings in folders, and of what a command has just made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gradflow import storage
from gradflow.analysis.runs import as_list
from gradflow.analysis.sources import by_folder, from_sources
from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.commands import command_line
from gradflow.cli.terminal import say_tables
from gradflow.notes import annotated, mark_problem, read_notes
from gradflow.recording import Recording
from gradflow.tables import Table
from gradflow.text import text
from gradflow.text.controls import utf8
from gradflow.text.words import said

if TYPE_CHECKING:  # it brings torch, which a report of recordings does without
    from gradflow.experiments.folder import SweepFolder


class Written(NamedTuple):
    """A report's page, and what a terminal says of it."""

    page: Path
    verdict: list[Table]


def report_on(runs: Sequence[Path], out: Path, title: str | None, formats: Sequence[str]) -> None:
    """Write a report of all recordings in the folders, titled as their sweep is where they are one sweep's."""
    storage.find(runs)  # all of them, before any is read
    seen: set[Path] = set()
    groups: dict[str, list[Recording]] = {}
    titles: dict[Path, str | None] = {}
    given: dict[Path, Path] = {}
    for path in runs:
        given.setdefault(path.resolve(), path)  # a folder has several spellings
    for path in given.values():
        folders = [folder for folder in storage.find([path]) if folder.resolve() not in seen]
        seen.update(folder.resolve() for folder in folders)
        notes = read_notes(path)
        problem = mark_problem(path)
        if problem is not None:
            output.say(f"gradflow: {problem}; the report is made without it.", err=True)
        titles[path] = heading(notes)
        found = by_folder({utf8(folder.resolve()): storage.load_one(folder) for folder in folders})
        groups[utf8(path.resolve())] = annotated(found, notes)
    recordings = from_sources(groups)
    alone = next(iter(titles.values())) if len(titles) == 1 else None
    say_report(write_report(recordings, out, title or alone, formats))


def write_report(
    recordings: Sequence[Recording],
    folder: Path,
    title: str | None = None,
    formats: Sequence[str] = ("png",),
    *,
    sweep: SweepFolder | None = None,
) -> Written:
    """Write a report, into the very folder of a sweep where it is one's that is held."""
    from gradflow.reporting.own_process import importing, lean  # not on the way to a dry run
    from gradflow.reporting.second_process import second_process

    with busy("report"), second_process(), lean():
        with importing():
            from gradflow.reporting.head import closing
            from gradflow.reporting.page import write_page
            from gradflow.reporting.report_data import ReportData

        data = ReportData(as_list(recordings), folder if sweep is None else sweep.anchor, command_line())
        try:
            page = write_page(data, title=title, formats=formats)
        except OSError as error:
            reason = error.strerror or error
            raise storage.StorageError(text("error.report_unwritable", path=folder, reason=reason)) from None
    if sweep is not None:
        sweep.check()
    return Written(folder / page.name, closing(data))


def say_report(written: Written, form: str | None = None, recordings: Path | None = None) -> None:
    """Say what is wrong and what to change first, then where all is, the report last."""
    page, verdict = written
    say_tables(verdict, form)
    places = {"recordings": recordings, "figures": page.parent / "figures", "tables": page.parent / "tables"}
    for name, place in {**places, "report": page}.items():
        if place is not None:
            output.say_where(name, place, form)


def heading(notes: Mapping[str, Any]) -> str | None:
    """Return a report's heading: the sweep's title, whether it is scaled, and its question; None without any."""
    title = said(notes.get("title") or "")
    question = said(notes.get("question") or "")
    if title and notes.get("scaled"):
        title = text("sweep.title.scaled", title=title)
    if title and question:
        return text("sweep.heading", title=title, question=question)
    return title or question or None
