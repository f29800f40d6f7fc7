"""`gradflow vanishing`: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.commands import REPORTS
from gradflow.cli.help import command, option
from gradflow.cli.lang_option import lang_option
from gradflow.cli.run_options import options_of
from gradflow.cli.values import PathTo, Several
from gradflow.settings import VanishingSettings


@command
@options_of(VanishingSettings)
@option("--settings", type=Several(), group="vanishing")
@option("--out", type=PathTo())
@output.data_options
@lang_option
def vanishing(out: Path | None, form: str | None, **settings: Any) -> None:
    """Show the vanishing gradient: the arithmetic, then what real networks measure at initialisation."""
    with busy("loading"):
        from gradflow.cli.demonstration import show_vanishing  # brings torch, which --help and errors of usage need not

    given = {name: value for name, value in settings.items() if value is not None}
    show_vanishing(out or REPORTS / "vanishing", form, **given)
