"""What a word on the command line becomes: a number in its setting's range, or a path."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from gradflow.errors import GradflowError
from gradflow.ranges import RANGES, Range, is_whole, shown
from gradflow.text import text

MAX_PATH, MAX_NAME = 4095, 255  # bytes of a path and of one name in it, on Linux
MAX_LEVELS = 200  # of folders; Python makes and removes them by recursion


class Number(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """A number that a setting may be, as `gradflow.ranges` has it; `allowed` where the command's range is another."""

    def __init__(self, setting: str, allowed: Range | None = None) -> None:
        self.setting = setting
        self.allowed = allowed or RANGES[setting]
        self.name = "integer" if self.allowed.is_whole else "float"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """Return the number, or fail with the one line that the setting has everywhere."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # a default
        try:
            return self.allowed.read(self.setting, value)
        except ValueError as error:
            refuse(str(error))


class Several(click.ParamType):  # type: ignore[type-arg]  # as above
    """Values with commas between them: words, or whole numbers that a setting may be."""

    name = "text"

    def __init__(self, number: Number | None = None, example: str = "20,56,110") -> None:
        self.number = number
        self.example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int | str, ...]:
        """Return the values, or fail with what was given."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # a default
        parts = value.split(",")
        if self.number is not None:
            if not all(map(is_whole, parts)):
                self.fail(text("usage.form_numbers", value=repr(value), example=self.example), param, ctx)
            return tuple(int(self.number.convert(part, param, ctx)) for part in parts)
        if not any(map(str.strip, parts)):
            self.fail(text("usage.empty", value=repr(value)), param, ctx)
        return tuple(part.strip() for part in parts if part.strip())


class PathTo(click.ParamType):  # type: ignore[type-arg]  # as above
    """A path, `~` written out; what none can be is said before any file is looked for."""

    name = "path"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Let the shell complete paths."""
        return [click.shell_completion.CompletionItem(incomplete, type="file")]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, or fail with a line that shows it."""
        if isinstance(value, Path):
            return value
        name = "path" if param is None else str(param.name)
        if not value.strip() or value == "-":
            refuse(f"{name} must be a path; got {shown(value)}{' (for a file of that name, ./-)' if value else ''}.")
        names = [len(part.encode()) for part in value.split("/")]
        if len(value.encode()) > MAX_PATH or max(names) > MAX_NAME or len(names) > MAX_LEVELS:
            refuse(
                f"{name} must have at most {MAX_PATH} bytes, {MAX_NAME} a name, and {MAX_LEVELS} levels; got "
                f"{shown(value)}."
            )
        try:
            path = Path(value).expanduser()
        except RuntimeError:
            refuse(f"{name} must be a path; got {shown(value)}, and there is no such user.")
        try:
            path.resolve()
        except RuntimeError:
            refuse(f"{name} must be a path; got {shown(value)}, a link that leads to itself.")
        return path


def preset_names() -> list[str]:
    """Return the names of the presets, whose files are looked for where importing brings no torch."""
    folder = files("gradflow") / "experiments" / "presets"
    return sorted(one.name.removesuffix(".toml") for one in folder.iterdir() if one.name.endswith(".toml"))


def given() -> list[str]:
    """Return the names of the parameters that the command line itself gives."""
    context = click.get_current_context()
    names = [str(parameter.name) for parameter in context.command.params]
    return [name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def refuse(line: str) -> NoReturn:
    """Fail with a line that says what was wrong, the value, and what is allowed."""
    raise GradflowError(line)
