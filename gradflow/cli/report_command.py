"""`gradflow report`: its options."""

from __future__ import annotations

from pathlib import Path

import click

from gradflow.cli.busy import busy
from gradflow.cli.lang_option import lang_option
from gradflow.cli.values import PathTo, Several


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PathTo())
@click.option("--out", type=PathTo(), help="Folder to write to.  [default: the first of RUNS]")
@click.option("--title", help="Title of the report.")
@click.option(
    "--formats", type=Several(), default="png", show_default=True, help="Of the figures: png, pdf, svg, or several."
)
@lang_option
def report(runs: tuple[Path, ...], out: Path | None, title: str | None, formats: tuple[str, ...]) -> None:
    """Make a report of recordings: folders of single runs, or of whole comparisons, mixed at will.

    Needs no torch.
    """
    with busy("reading"):  # what it imports brings matplotlib, which --help and errors of usage need not
        from gradflow.cli.report_writing import report_on

    report_on(runs, out or runs[0], title, formats)
