"""Reports: of recordings in folders, and of what a command has just made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradflow import storage
from gradflow.analysis.sources import by_folder, from_sources
from gradflow.cli import output
from gradflow.cli.commands import command_line
from gradflow.notes import annotated, mark_problem, read_notes
from gradflow.recording import Recording
from gradflow.text import text
from gradflow.text.controls import utf8
from gradflow.text.words import said

if TYPE_CHECKING:  # it brings torch, which a report of recordings does without
    from gradflow.experiments.folder import SweepFolder


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
    write_report(recordings, out, title or alone, formats=formats)


def write_report(
    recordings: Sequence[Recording],
    folder: Path,
    title: str | None = None,
    form: str | None = None,
    formats: Sequence[str] = ("png",),
    *,
    sweep: SweepFolder | None = None,
) -> None:
    """Write a report and say where it is; into the very folder of a sweep, where it is one's that is held."""
    from gradflow.plots.heatmap import seaborn_alone  # brings matplotlib, so not on the way to a dry run
    from gradflow.reporting import report

    try:
        place = folder if sweep is None else sweep.anchor
        with seaborn_alone():
            page = report(recordings, place, title=title, command=command_line(), formats=formats)
    except OSError as error:
        raise storage.StorageError(f"cannot write a report to {folder}: {error.strerror or error}.") from None
    if sweep is not None:
        sweep.check()
    output.say_where("report", folder / page.name, form)
    output.say_where("figures", folder / "figures", form)
    output.say_where("tables", folder / "tables", form)


def heading(notes: Mapping[str, Any]) -> str | None:
    """Return a report's heading: the sweep's title, whether it is scaled, and its question; None without any."""
    title = said(notes.get("title") or "")
    question = said(notes.get("question") or "")
    if title and notes.get("scaled"):
        title = text("sweep.title.scaled", title=title)
    if title and question:
        return text("sweep.heading", title=title, question=question)
    return title or question or None
