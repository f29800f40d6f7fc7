"""`gradflow report`: its options."""

from __future__ import annotations

from pathlib import Path

import click

from gradflow.cli.busy import busy
from gradflow.cli.help import command, option
from gradflow.cli.lang_option import lang_option
from gradflow.cli.values import PathTo, Several
from gradflow.reporting.own_process import importing, lean
from gradflow.reporting.second_process import second_process


@command
@click.argument("runs", nargs=-1, required=True, type=PathTo())
@option("--out", type=PathTo())
@option("--title")
@option("--formats", known=lambda: ("png", "pdf", "svg"), type=Several(), default="png", show_default=True)
@lang_option
def report(runs: tuple[Path, ...], out: Path | None, title: str | None, formats: tuple[str, ...]) -> None:
    """Make a report of recordings: folders of single runs, or of whole comparisons, mixed at will."""
    with second_process(), lean():
        with busy("reading"), importing():  # it brings matplotlib, which --help and errors of usage need not
            from gradflow.cli.report_writing import report_on

        report_on(runs, out or runs[0], title, formats)
