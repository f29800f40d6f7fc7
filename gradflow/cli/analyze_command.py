"""`gradflow analyze`: its options."""

from __future__ import annotations

from typing import Any

import click

from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.lang_option import lang_option
from gradflow.cli.target_options import of_data, of_device, of_factory, of_mode, of_shape, one_batch
from gradflow.cli.values import PathTo


@click.command()
@click.argument("target")
@of_factory
@of_shape
@of_data
@click.option("--with-skips/--without-skips", "skips", default=True, show_default=True, help="Residual connections.")
@click.option(
    "--joins", default="*", show_default=True, help="Counterfactuals at joins of these names (shell pattern)."
)
@click.option("--lesions", is_flag=True, help="Change of the loss without each block's branch.")
@click.option("--twin", metavar="TARGET", help="The same network built without skips, to stand beside.")
@of_mode
@of_device
@click.option("--out", type=PathTo(), help="Folder for a report, its figures and the recording.")
@output.data_options("Print all numbers as JSON.", "Print the layers as CSV.")
@lang_option
def analyze(target: str, **options: Any) -> None:
    """Analyze one batch's gradient in a model.

    TARGET is torchvision:resnet50, timm:convnext_tiny, package.module:factory or path/to/file.py:factory. Weights are
    fresh; inputs are random unless --data says of what. A factory returns a model, (model, inputs) or (model, inputs,
    targets); --set depth=5 is an argument of it.
    """
    one_batch()
    with busy("loading"):
        from gradflow.cli.analyzing import analyze_target  # brings torch, which --help and errors of usage need not

    analyze_target(target, **options)
