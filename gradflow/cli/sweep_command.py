"""`gradflow sweep`: the runs of a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.help import command
from gradflow.cli.lang_option import lang_option
from gradflow.cli.run_options import execution_options
from gradflow.cli.values import PathTo


@command
@click.argument("file", type=PathTo())
@execution_options
@output.data_options
@lang_option
def sweep(file: Path, scaled: bool, form: str | None, **options: Any) -> None:
    """Make every run of a sweep file, as README shows one, and report errors and gradients."""
    with busy("loading"):
        from gradflow.cli.sweeping import sweep_of  # brings torch and more, which --help and errors of usage need not

    sweep_of(file, scaled=scaled, form=form, options=options)
