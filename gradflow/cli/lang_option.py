"""--lang: the language of a command's help, tables, report, figures and errors of usage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from gradflow.cli.help import option
from gradflow.text import LANGUAGES, language

Command = TypeVar("Command", bound=Callable[..., Any])


def lang_option(command: Command) -> Command:
    """Give a command --lang, which holds until the command ends; the command itself does not see it."""
    return option(
        "--lang", type=click.Choice(list(LANGUAGES)), expose_value=False, is_eager=True, callback=_set_language
    )(command)


def _set_language(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        context.with_resource(language(value))
    return value
