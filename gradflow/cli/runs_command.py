"""`gradflow runs`: its options."""

from __future__ import annotations

from pathlib import Path

import click

from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.commands import REPORTS
from gradflow.cli.help import command
from gradflow.cli.lang_option import lang_option
from gradflow.cli.values import PathTo


@command
@click.argument("paths", nargs=-1, type=PathTo())
@output.data_options
@lang_option
def runs(paths: tuple[Path, ...], form: str | None) -> None:
    """List runs: finished, under way, failed, damaged."""
    with busy("reading"):
        from gradflow.cli.runs_table import print_runs  # brings pandas, which --help and errors of usage need not

    print_runs(paths or (REPORTS,), form)
