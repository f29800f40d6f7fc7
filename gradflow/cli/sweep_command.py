"""`gradflow sweep`: the runs of a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradflow.cli import output
from gradflow.cli.commands import write_report
from gradflow.cli.lang_option import lang_option
from gradflow.cli.run_options import execution_options
from gradflow.cli.sweeping import carry_out, orders_of
from gradflow.cli.values import PathTo


@click.command()
@click.argument("file", type=PathTo())
@execution_options
@output.data_options()
@lang_option
def sweep(file: Path, device: str | None, scaled: bool, form: str | None, **settings: Any) -> None:
    """Make every run of a sweep file, as README shows one, and report errors and gradients.

    The plan is printed and checked as a whole before the first run starts. Runs that are already in the folder are not
    made again: after an interruption, give the same command.
    """
    from gradflow.experiments.sweepfile import read_sweep

    orders = orders_of(settings, form)
    carry_out(read_sweep(file, scaled=scaled), {"device": device}, orders, write=write_report, extra=None)
