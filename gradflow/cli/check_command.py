"""`gradflow check`: its options."""

from __future__ import annotations

from pathlib import Path

import click

from gradflow.cli.busy import busy
from gradflow.cli.help import command, option
from gradflow.cli.lang_option import lang_option
from gradflow.cli.values import PathTo
from gradflow.text import text


@command
@click.argument("runs", nargs=-1, required=True, type=PathTo())
@option("--baseline", required=True, type=PathTo(), group="baseline")
@option("--write", "--update", "is_written", is_flag=True, group="baseline")
@option("--tolerance", "tolerances", multiple=True, metavar="MEASURE=NUMBER", group="baseline")
@option("--json", "as_json", is_flag=True)
@lang_option
def check(runs: tuple[Path, ...], baseline: Path, is_written: bool, tolerances: tuple[str, ...], as_json: bool) -> int:
    """Check recorded runs against a baseline; the exit code is 1 where they differ."""
    if is_written and (tolerances or as_json):
        raise click.UsageError(
            text("usage.together", option="--write", other=text("list.or", first="--tolerance", last="--json"))
        )
    with busy("reading"):
        from gradflow.cli.checking import check_runs, write  # brings pandas, which --help and errors of usage need not

    return write(runs, baseline) if is_written else check_runs(runs, baseline, tolerances, as_json=as_json)
