"""`gradflow watch`: its options."""

from __future__ import annotations

from pathlib import Path

import click

from gradflow.cli import output
from gradflow.cli.lang_option import lang_option
from gradflow.cli.values import Number, PathTo, given


@click.command()
@click.argument("run", type=PathTo())
@click.option("--once", is_flag=True, help="Print how it stands, and end.")
@click.option("--interval", type=Number("interval"), default=2.0, show_default=True, help="Seconds between two looks.")
@output.data_options("Print how it stands as JSON, and end.", "Print how it stands as CSV, and end.")
@lang_option
def watch(run: Path, once: bool, interval: float, form: str | None) -> int:
    """Watch a run under way: loss, errors, gradients, findings.

    RUN is a run's folder, a sweep's, or one that a recorder streams to. It is only read. Ctrl-C ends.
    """
    if (once or form is not None) and "interval" in given():
        raise click.UsageError(f"--interval is between two looks; --{form or 'once'} takes one look.")
    from gradflow.cli.watch_view import watch_run  # brings pandas, which --help and errors of usage need not

    return watch_run(run, once=once, interval=interval, form=form)
