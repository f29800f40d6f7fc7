"""--lang: the language of a command's tables, report and figures. Help and errors of usage stay English."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from gradflow.text import DEFAULT_LANGUAGE, LANGUAGES, language

Command = TypeVar("Command", bound=Callable[..., Any])


def lang_option(command: Command) -> Command:
    """Give a command --lang, which holds until the command ends; the command itself does not see it."""
    return click.option(
        "--lang",
        type=click.Choice(list(LANGUAGES)),
        default=DEFAULT_LANGUAGE,
        show_default=True,
        expose_value=False,
        is_eager=True,
        callback=_set_language,
        help="Language of tables, report and figures.",
    )(command)


def _set_language(context: click.Context, option: click.Parameter, value: str) -> str:
    context.with_resource(language(value))
    return value
