"""The options that say of which model and on which batch, for every command that looks at a target."""

from __future__ import annotations

from typing import Any

import click

from gradflow.cli.run_options import literal, options, options_of
from gradflow.cli.values import Number, Several, given
from gradflow.settings import RecipeSettings, settings_of

SHAPE = Several(Number("input"), "shape such as 8,3,224,224")
OF_UPDATES = ("optimizer", "lr", "momentum", "weight_decay", "clip")  # settings that make an update of a gradient


def _settings(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Return {name: value} of NAME=VALUE, or fail with what was given."""
    found: dict[str, Any] = {}
    for given_value in values:
        name, equals, value = given_value.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{given_value!r} is not of the form NAME=VALUE, such as depth=5.")
        name = name.strip().replace("-", "_")
        if name in found:
            raise click.BadParameter(f"{name} is given twice.")
        found[name] = literal(value)
    return found


of_factory = click.option(
    "--set", "settings", callback=_settings, multiple=True, metavar="NAME=VALUE", help="An argument of the factory."
)
of_shape = click.option("--input", "shape", type=SHAPE, help="Shape, batch first: 8,3,224,224.  [default: guessed]")
of_data = click.option(
    "--data", help="A batch of digits, mnist5k, cifar10, cifar10:FOLDER or a factory's, with its labels."
)
of_device = options(
    click.option("--device", help="Where to run: cpu, cuda, cuda:1, mps.  [default: where the model was made]"),
    click.option("--seed", type=Number("seed"), default=0, show_default=True, help="Of weights and inputs."),
)
of_mode = click.option(
    "--eval/--train", "evaluates", default=None, help="Mode of the model.  [default: as it was made]"
)


def of_updates(*more: str) -> Any:
    """Return a decorator that gives a command the settings of an update, and others of a recipe."""
    return options_of(RecipeSettings, without=settings_of(RecipeSettings).keys() - {*OF_UPDATES, *more})


def one_batch() -> None:
    """Fail where the command line asks for two batches."""
    if {"data", "shape"} <= set(given()):
        raise click.UsageError("--input and --data are two batches; give one.")
