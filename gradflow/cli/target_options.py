"""The options that say of which model and on which batch, for every command that looks at a target."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from gradflow.cli.help import option
from gradflow.cli.run_options import Decorator, by_name, literal, options, options_of
from gradflow.cli.values import Number, Several, given
from gradflow.settings import RecipeSettings, RunSettings, settings_of
from gradflow.text import text

SOURCES = ("torchvision:", "timm:", "transformers:")  # of models by name; other targets are files


def _targets(context: click.Context, argument: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what a shell offers for a target."""
    found = [CompletionItem(source) for source in SOURCES if source.startswith(incomplete)]
    return [*found, CompletionItem(incomplete, type="file")]


of_target = click.argument("target", shell_complete=_targets)
SHAPE = Several(Number("input"), "8,3,224,224")
OF_UPDATES = ("optimizer", "lr", "momentum", "weight_decay", "clip")  # settings that make an update of a gradient


def _settings(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Return {name: value} of NAME=VALUE."""
    found = by_name(values, "usage.form_set", may_be_empty=True)
    return {name: literal(value) for name, value in found.items()}


of_factory = option("--set", "settings", callback=_settings, multiple=True, metavar="NAME=VALUE", group="model")
of_shape = option("--input", "shape", type=SHAPE, group="model")
of_data = option("--data", known=lambda: settings_of(RunSettings)["data"].known, group="model")
of_device = options(
    option("--device", group="model"),
    option("--seed", type=Number("seed"), default=0, show_default=True, group="model"),
)
of_mode = option("--eval/--train", "evaluates", default=None, group="model")


def of_updates(*more: str) -> Decorator:
    """Return a decorator that gives a command the settings of an update, and others of a recipe."""
    return options_of(RecipeSettings, without=settings_of(RecipeSettings).keys() - {*OF_UPDATES, *more})


def one_batch() -> None:
    """Fail where the command line asks for two batches."""
    if {"data", "shape"} <= set(given()):
        raise click.UsageError(text("usage.together", option="--input", other="--data"))
