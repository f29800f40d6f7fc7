"""`gradflow analyze`: its options."""

from __future__ import annotations

from typing import Any

import click

from gradflow.cli import output
from gradflow.cli.lang_option import lang_option
from gradflow.cli.run_options import literal
from gradflow.cli.values import Number, PathTo, Several

SHAPE = Several(Number("input"), "shape such as 8,3,224,224")


def _settings(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Return {name: value} of NAME=VALUE, or fail with what was given."""
    found: dict[str, Any] = {}
    for given in values:
        name, equals, value = given.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{given!r} is not of the form NAME=VALUE, such as depth=5.")
        name = name.strip().replace("-", "_")
        if name in found:
            raise click.BadParameter(f"{name} is given twice.")
        found[name] = literal(value)
    return found


@click.command()
@click.argument("target")
@click.option(
    "--set", "settings", callback=_settings, multiple=True, metavar="NAME=VALUE", help="An argument of the factory."
)
@click.option("--input", "shape", type=SHAPE, help="Shape, batch first: 8,3,224,224.  [default: guessed]")
@click.option("--data", help="A batch of digits, mnist5k, cifar10, cifar10:FOLDER or a factory's, with its labels.")
@click.option("--with-skips/--without-skips", "skips", default=True, show_default=True, help="Residual connections.")
@click.option(
    "--joins", default="*", show_default=True, help="Counterfactuals at joins of these names (shell pattern)."
)
@click.option("--lesions", is_flag=True, help="Change of the loss without each block's branch.")
@click.option("--twin", metavar="TARGET", help="The same network built without skips, to stand beside.")
@click.option("--eval/--train", "evaluates", default=None, help="Mode of the model.  [default: as it was made]")
@click.option("--device", help="Where to run: cpu, cuda, cuda:1, mps.  [default: where the model was made]")
@click.option("--seed", type=Number("seed"), default=0, show_default=True, help="Of weights and inputs.")
@click.option("--out", type=PathTo(), help="Folder for a report, its figures and the recording.")
@output.data_options("Print all numbers as JSON.", "Print the layers as CSV.")
@lang_option
def analyze(target: str, **options: Any) -> None:
    """Analyze one batch's gradient in a model.

    TARGET is torchvision:resnet50, timm:convnext_tiny, package.module:factory or path/to/file.py:factory. Weights are
    fresh; inputs are random unless --data says of what. A factory returns a model, (model, inputs) or (model, inputs,
    targets); --set depth=5 is an argument of it.
    """
    if options["data"] is not None and options["shape"] is not None:
        raise click.UsageError("--input and --data are two batches; give one.")
    from gradflow.cli.analyzing import analyze_target  # brings torch, which --help and errors of usage need not

    analyze_target(target, **options)
