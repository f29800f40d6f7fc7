"""What `gradflow diff` prints and writes: two runs, or two groups of runs, side by side."""

from __future__ import annotations

from pathlib import Path

from gradflow import storage
from gradflow.analysis.difference import Difference, difference
from gradflow.analysis.sources import from_sources
from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.commands import command_line
from gradflow.cli.terminal import show
from gradflow.diagnosis.difference_card import difference_tables
from gradflow.recording import Recording
from gradflow.tables.exports import as_json as as_json_text
from gradflow.text import text
from gradflow.text.controls import utf8


def print_difference(before: Path, after: Path, out: Path | None, *, as_json: bool) -> None:
    """Print what differs between the recordings of two folders; with `out`, write a page as well."""
    with busy("reading"):
        groups = [[storage.load_one(folder) for folder in storage.find([path])] for path in (before, after)]
        found = difference(*groups)
    names = _names(before, after)
    if as_json:
        output.emit(as_json_text(_record(found)))
    else:
        show(*difference_tables(found, *names))
    if out is not None:
        with busy("report"):
            page = _write(groups, (before, after), found, names, out)
        output.say_where("report", page, err=as_json)


def _names(before: Path, after: Path) -> tuple[str, str]:
    """Return the folders' names, or the paths where they have one name."""
    alike = before.name == after.name
    return (str(before), str(after)) if alike else (before.name, after.name)


def _record(found: Difference) -> dict[str, object]:
    return {
        "first": None if found.first is None else found.first._asdict(),
        "aligned_by": found.by,
        "steps": found.steps,
        "only_before": list(found.only_was),
        "only_after": list(found.only_now),
        "rows": found.rows.to_dict("records"),
    }


def _write(
    groups: list[list[Recording]], paths: tuple[Path, Path], found: Difference, names: tuple[str, str], out: Path
) -> Path:
    """Write the report of both with a section on what differs."""
    from gradflow.analysis.runs import as_list
    from gradflow.reporting.page import write_page
    from gradflow.reporting.report_data import ReportData

    recordings = from_sources({utf8(path): group for path, group in zip(paths, groups, strict=True)})
    data = ReportData(as_list(recordings), out, command_line(), difference_tables(found, *names))
    return write_page(data, title=text("difference.heading", before=names[0], after=names[1]))
