"""What commands print: rows as JSON or CSV, and lines beside them; rich_tables.py has tables.

With --json or --csv standard output holds the data alone; all else goes to standard error. Nothing that is printed
holds a control character from a name, whoever chose the name, and colour codes appear on a terminal alone.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gradflow.text import text
from gradflow.text.controls import is_shown, printable, spreadsheet_text
from gradflow.text.widths import padded

if TYPE_CHECKING:
    import pandas as pd

Command = TypeVar("Command", bound=Callable[..., Any])
Row = Mapping[str, Any]

WHERE = 11  # columns of the word before a path

# What a stream that knows no Unicode gets; anything else becomes an escape.
_ASCII = str.maketrans(
    {
        "±": "+/-",
        "×": "x",
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


def data_options(
    as_json: str = "Print the table as JSON.", as_csv: str = "Print the table as CSV."
) -> Callable[[Command], Command]:
    """Return a decorator that gives a command --json and --csv; the choice arrives as `form`, None for a table."""

    def add(command: Command) -> Command:
        for form, told in (("csv", as_csv), ("json", as_json)):
            flag = click.option(f"--{form}", is_flag=True, expose_value=False, callback=_choose(form), help=told)
            command = flag(command)
        return command

    return add


def _choose(form: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    """Return the callback of one form's flag: what was chosen is the command's argument `form`."""

    def chosen(context: click.Context, option: click.Parameter, given: bool) -> None:
        earlier = context.params.setdefault("form", None)
        if given and earlier is not None:
            raise click.UsageError(f"--{earlier} and --{form} exclude one another; give one of them.")
        if given:
            context.params["form"] = form

    return chosen


def print_rows(form: str, rows: Sequence[Row]) -> None:
    """Print rows as a JSON list or as CSV: NaN and missing values are null or empty, infinities words."""
    if form == "json":
        print_json(list(rows))
        return
    written = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(written, columns, lineterminator="\n")
    writer.writerow({name: spreadsheet_text(printable(name)) for name in columns})
    for row in rows:
        plain = {name: json_value(value) for name, value in row.items()}
        writer.writerow(
            {
                name: json.dumps(value) if isinstance(value, list | dict) else spreadsheet_text(_word(value))
                for name, value in plain.items()
            }
        )
    emit(written.getvalue().removesuffix("\n"))


def _word(value: Any) -> Any:
    """Return text without control characters, nothing for None, and any other value as it is."""
    return printable(value) if isinstance(value, str) else "" if value is None else value


def print_json(document: Any) -> None:
    """Print a document as JSON that any language reads: NaN and missing values are null, infinities words."""
    written = json.dumps(json_value(document), indent=1, ensure_ascii=False, allow_nan=False)
    emit("".join(one if one == "\n" or is_shown(one) else json.dumps(one)[1:-1] for one in written))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as dictionaries of JSON values."""
    return [{str(name): json_value(value) for name, value in row.items()} for row in frame.to_dict("records")]


def json_value(value: Any) -> Any:
    """Return a value that JSON holds: NaN and <NA> become None, infinities words."""
    if isinstance(value, Mapping):
        return {str(name): json_value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(inner) for inner in value]
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def say(line: object, form: str | None = None, *, err: bool = False) -> None:
    """Print a line beside the data: to standard error where standard output holds JSON or CSV."""
    emit(printable(line), err=err or form is not None)


def say_where(what: str, where: object, form: str | None = None, *, err: bool = False) -> None:
    """Print where something is, or what became of it: a word of the catalogue, `cli.where.<what>`, and the rest."""
    say(f"{padded(text(f'cli.where.{what}'), WHERE)} {where}", form, err=err)


def shortened(name: object, length: int) -> str:
    """Return a name as text, cut in the middle where it is long: its ends tell most."""
    shown = printable(name)
    ahead = (length - 1) // 2
    return shown if len(shown) <= length else f"{shown[:ahead]}…{shown[ahead + 1 - length :]}"


def emit(line: str, *, err: bool = False) -> None:
    """Print text whose control characters are meant, in what the stream can encode."""
    stream = sys.stderr if err else sys.stdout  # None where the shell closed it
    click.echo(encodable(line, getattr(stream, "encoding", None)), err=err)


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
