"""`gradflow diff`: its options."""

from __future__ import annotations

from pathlib import Path

import click

from gradflow.cli.busy import busy
from gradflow.cli.help import command, option
from gradflow.cli.lang_option import lang_option
from gradflow.cli.values import PathTo


@command
@click.argument("before", type=PathTo())
@click.argument("after", type=PathTo())
@option("--out", type=PathTo())
@option("--json", "as_json", is_flag=True)
@lang_option
def diff(before: Path, after: Path, out: Path | None, as_json: bool) -> None:
    """Compare two runs, or two groups of runs, layer by layer: what differs, and what changed first."""
    with busy("reading"):
        from gradflow.cli.differing import print_difference  # brings pandas, which --help and errors of usage need not

    print_difference(before, after, out, as_json=as_json)
