"""What commands print: rows as JSON or CSV, and lines beside them; terminal.py has tables.

With --json or --csv standard output holds the data alone; all else goes to standard error. Nothing that is printed
holds a control character from a name, whoever chose the name, and colour codes appear on a terminal alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from gradflow.cli.help import option
from gradflow.tables.exports import as_csv, as_json
from gradflow.text import text
from gradflow.text.controls import printable
from gradflow.text.widths import padded

Command = TypeVar("Command", bound=Callable[..., Any])

WHERE = 11  # columns of the word before a path

# What a stream that knows no Unicode gets; anything else becomes an escape.
_ASCII = str.maketrans(
    {
        "±": "+/-",
        "×": "x",
        "÷": "/",
        "−": "-",
        "–": "-",
        "—": "-",
        "─": "-",
        "…": "...",
        "⋮": ":",
        "→": "->",
        "∞": "inf",
        "°": " deg",
    }
)
_POWER = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def data_options(command: Command) -> Command:
    """Give a command --json and --csv; the choice arrives as `form`, None for a table."""
    for form in ("csv", "json"):
        command = option(f"--{form}", is_flag=True, expose_value=False, callback=_choose(form))(command)
    return command


def _choose(form: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    """Return the callback of one form's flag: what was chosen is the command's argument `form`."""

    def chosen(context: click.Context, option: click.Parameter, given: bool) -> None:
        earlier = context.params.setdefault("form", None)
        if given and earlier is not None:
            raise click.UsageError(text("usage.together", option=f"--{earlier}", other=f"--{form}"))
        if given:
            context.params["form"] = form

    return chosen


def print_data(form: str, rows: Sequence[Mapping[Any, Any]]) -> None:
    """Print rows as a JSON list or as CSV."""
    emit(as_json(rows) if form == "json" else as_csv(rows))


def say(line: object, form: str | None = None, *, err: bool = False) -> None:
    """Print a line beside the data: to standard error where standard output holds JSON or CSV."""
    emit(printable(line), err=err or form is not None)


def say_where(what: str, where: object, form: str | None = None, *, err: bool = False) -> None:
    """Print where something is, or what became of it: a word of the catalogue, `cli.where.<what>`, and the rest."""
    say(f"{padded(text(f'cli.where.{what}'), WHERE)} {where}", form, err=err)


def emit(line: str, *, err: bool = False, ends: str = "\n") -> None:
    """Print text whose control characters are meant, in what the stream can encode."""
    stream = sys.stderr if err else sys.stdout  # None where the shell closed it
    click.echo(encodable(line, getattr(stream, "encoding", None)) + ends, err=err, nl=False)


def encodes(line: str, encoding: str | None = None) -> bool:
    """Whether a stream of the encoding, by default standard output, can hold the text."""
    try:
        line.encode(encoding or getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def encodable(line: str, encoding: str | None = None) -> str:
    """Return the text, in ASCII where a stream of the encoding cannot hold it."""
    if encodes(line, encoding):
        return line
    powers = _POWER.sub(lambda found: "^" + found.group().translate(_DIGITS), line)
    return powers.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
