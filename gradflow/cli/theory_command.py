"""`gradflow theory`: its options."""

from __future__ import annotations

from typing import Any

import click

from gradflow.cli import output
from gradflow.cli.lang_option import lang_option
from gradflow.cli.values import Number
from gradflow.ranges import RANGES

BOUND = 1e-3  # the default: a thousandth of the gradient


@click.command()
@click.option("--activation", default="relu", show_default=True, help="A name, several with commas, or all.")
@click.option("--init", default="default", show_default=True, help="default, xavier, kaiming, critical, ... or all.")
@click.option("--norm", default="none", show_default=True, help="none, batch, layer, or all.")
@click.option("--skip/--no-skip", default=False, show_default=True, help="x + phi(norm(Wx)) in place of phi(norm(Wx)).")
@click.option("--slope", type=Number("slope"), help="Of leaky-relu below 0.  [default: 0.01]")
@click.option(
    "--depth",
    type=Number("depth", RANGES["layers"]),
    default=50,
    show_default=True,
    help="Layers that the gradient passes.",
)
@click.option(
    "--bound", type=Number("bound"), default=BOUND, show_default=True, help="Below it (above its inverse) is too far."
)
@output.data_options("Print all numbers as JSON, a list of settings.", "Print all numbers as CSV, a row per setting.")
@lang_option
def theory(**options: Any) -> None:
    """Predict how gradients change with depth: fixed point, factor per layer, depth at which they are lost.

    Several settings make a table.
    """
    from gradflow.cli.theory_card import print_theory  # brings numpy, which --help and errors of usage need not

    print_theory(**options)
