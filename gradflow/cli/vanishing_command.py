"""`gradflow vanishing`: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.commands import REPORTS
from gradflow.cli.lang_option import lang_option
from gradflow.cli.run_options import options_of
from gradflow.cli.values import PathTo, Several
from gradflow.settings import VanishingSettings


@click.command()
@options_of(VanishingSettings)
@click.option("--settings", type=Several(), help="Which settings.  [default: all]")
@click.option("--out", type=PathTo(), help="Folder to write to.  [default: reports/vanishing]")
@output.data_options("Print the measured table as JSON.", "Print the measured table as CSV.")
@lang_option
def vanishing(out: Path | None, form: str | None, **settings: Any) -> None:
    """Show the vanishing gradient: the arithmetic, then what real networks measure at initialisation."""
    with busy("loading"):
        from gradflow.cli.demonstration import show_vanishing  # brings torch, which --help and errors of usage need not

    given = {name: value for name, value in settings.items() if value is not None}
    show_vanishing(out or REPORTS / "vanishing", form, **given)
