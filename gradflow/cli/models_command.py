"""`gradflow models`: its options."""

from __future__ import annotations

import click

from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.help import command, option
from gradflow.cli.lang_option import lang_option
from gradflow.cli.values import Number, given
from gradflow.text import text

REPEATS = 21


@command
@option("--blocks", is_flag=True, group="measure")
@option("--repeats", type=Number("repeats"), default=REPEATS, show_default=True, group="measure")
@output.data_options
@lang_option
def models(blocks: bool, repeats: int, form: str | None) -> None:
    """Print the networks there are: layers by the paper's rule, block, parameters, multiply-adds."""
    if not blocks and "repeats" in given():
        raise click.UsageError(text("usage.only_with", option="--repeats", other="--blocks"))
    with busy("loading"):
        from gradflow.cli.models_table import print_models  # brings torch, which --help and errors of usage need not

    print_models(blocks=blocks, repeats=repeats, form=form)
