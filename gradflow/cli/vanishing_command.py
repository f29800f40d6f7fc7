"""`gradflow vanishing`: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradflow.cli import output
from gradflow.cli.commands import REPORTS
from gradflow.cli.lang_option import lang_option
from gradflow.cli.run_options import words
from gradflow.cli.values import Number, PathTo


@click.command()
@click.option("--depth", type=Number("depth"), default=20, show_default=True, help="Weighted layers.")
@click.option("--width", type=Number("size"), default=256, show_default=True, help="Units of a hidden layer.")
@click.option("--seeds", type=Number("seeds"), default=10, show_default=True, help="Networks of each setting.")
@click.option("--settings", callback=words, help="Which settings.  [default: all]")
@click.option("--data", default="digits", show_default=True, help="digits, mnist5k, cifar10 or cifar10:FOLDER.")
@click.option("--batch-size", type=Number("batch_size"), default=128, show_default=True)
@click.option("--out", type=PathTo(), help="Folder to write to.  [default: reports/vanishing]")
@output.data_options("Print the measured table as JSON.", "Print the measured table as CSV.")
@lang_option
def vanishing(out: Path | None, form: str | None, **settings: Any) -> None:
    """Show the vanishing gradient: the arithmetic, then what real networks measure at initialisation."""
    from gradflow.cli.demonstration import show_vanishing  # brings torch, which --help and errors of usage need not

    show_vanishing(out or REPORTS / "vanishing", form, **settings)
