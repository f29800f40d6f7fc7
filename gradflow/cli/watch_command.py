"""`gradflow watch`: its options."""

from __future__ import annotations

from pathlib import Path

import click

from gradflow.cli import output
from gradflow.cli.help import command, option
from gradflow.cli.lang_option import lang_option
from gradflow.cli.values import Number, PathTo, given
from gradflow.text import text


@command
@click.argument("run", type=PathTo())
@option("--once", is_flag=True)
@option("--interval", type=Number("interval"), default=2.0, show_default=True)
@output.data_options
@lang_option
def watch(run: Path, once: bool, interval: float, form: str | None) -> int:
    """Watch a run under way: loss, errors, gradients, findings."""
    if (once or form is not None) and "interval" in given():
        raise click.UsageError(text("usage.one_look", option=f"--{form or 'once'}"))
    from gradflow.cli.watch_view import watch_run  # brings pandas, which --help and errors of usage need not

    return watch_run(run, once=once, interval=interval, form=form)
