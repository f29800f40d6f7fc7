"""`gradflow analyze`: its options."""

from __future__ import annotations

from typing import Any

from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.help import command, option
from gradflow.cli.lang_option import lang_option
from gradflow.cli.target_options import of_data, of_device, of_factory, of_mode, of_shape, of_target, one_batch
from gradflow.cli.values import PathTo


@command
@of_target
@of_factory
@of_shape
@of_data
@option("--with-skips/--without-skips", "skips", default=True, show_default=True, group="measure")
@option("--joins", default="*", show_default=True, group="measure")
@option("--lesions", is_flag=True, group="measure")
@option("--twin", metavar="TARGET", group="measure")
@of_mode
@of_device
@option("--out", type=PathTo())
@output.data_options
@lang_option
def analyze(target: str, **options: Any) -> None:
    """Analyze one batch's gradient in a model."""
    one_batch()
    with busy("loading"):
        from gradflow.cli.analyzing import analyze_target  # brings torch, which --help and errors of usage need not

    analyze_target(target, **options)
