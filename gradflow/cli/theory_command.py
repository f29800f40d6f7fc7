"""`gradflow theory`: its options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradflow.cli import output
from gradflow.cli.help import command, option
from gradflow.cli.lang_option import lang_option
from gradflow.cli.values import Number
from gradflow.ranges import RANGES

BOUND = 1e-3  # the default: a thousandth of the gradient


def _names(table: str) -> Callable[[], list[str]]:
    """Return what gives the names of a table of `gradflow.theory`, which is imported where a shell completes them."""

    def names() -> list[str]:
        from gradflow import theory

        return [*(one or "none" for one in getattr(theory, table)), "all"]

    return names


@command
@option("--activation", known=_names("ACTIVATIONS"), default="relu", show_default=True, group="option")
@option("--init", known=_names("INITS"), default="default", show_default=True, group="option")
@option("--norm", known=_names("NORMS"), default="none", show_default=True, group="option")
@option("--skip/--no-skip", default=False, show_default=True, group="option")
@option("--slope", type=Number("slope"), group="option")
@option("--depth", type=Number("depth", RANGES["layers"]), default=50, show_default=True, group="option")
@option("--bound", type=Number("bound"), default=BOUND, show_default=True, group="option")
@output.data_options
@lang_option
def theory(**options: Any) -> None:
    """Predict how gradients change with depth: fixed point, factor per layer, depth at which they are lost."""
    from gradflow.cli.theory_card import print_theory  # brings numpy, which --help and errors of usage need not

    print_theory(**options)
