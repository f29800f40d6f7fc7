"""What commands print: tables that fit 80 columns, the same rows as JSON or CSV, and lines beside them.

With --json or --csv standard output holds the data alone; all else goes to standard error. Nothing that is printed
holds a control character from a name, whoever chose the name, and colour codes appear on a terminal alone.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from gradflow.text.controls import is_shown, printable, spreadsheet_text

if TYPE_CHECKING:
    import pandas as pd
    from rich.box import Box
    from rich.console import Console, ConsoleOptions, Group
    from rich.measure import Measurement
    from rich.text import Text

# pandas and rich are imported inside, so that --help answers at once.

Command = TypeVar("Command", bound=Callable[..., Any])
Row = Mapping[str, Any]

GAP = 2  # between columns, one where they would not fit otherwise
WIDEST = 1000
WHERE = 11  # columns of the word before a path
WIDTH = 80  # columns of a table in a pipe, where there is no terminal to measure

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
    from gradflow.text import text
    from gradflow.text.widths import padded

    say(f"{padded(text(f'cli.where.{what}'), WHERE)} {where}", form, err=err)


def table(
    title: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    words: Collection[int] = (0,),
    caption: str = "",
) -> Group:
    """Return title, table and caption for `show`: columns of words, by number, flush left, all others flush right.

    Without heads the rows are a list of facts. Names in cells may be anything: none is read as markup.
    """
    from rich.cells import cell_len
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    cells = [[cell(one) for one in row] for row in rows]
    shown = [cell(head) for head in heads]
    folded = [
        max(cell_len(one) for one in (*shown[number].split(), *(row[number] for row in cells), ""))
        for number in range(len(shown))
    ]
    gap = GAP if sum(folded) + GAP * (len(shown) - 1) <= WIDTH else 1
    fits = sum(max(width, cell_len(head)) + gap for width, head in zip(folded, shown, strict=True)) - gap <= WIDTH
    made = Table(
        box=_ruled_head() if heads else None,
        padding=(0, gap - 1),  # the box has a column of its own between two
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
        show_header=bool(heads),
    )
    for number, head in enumerate(shown):
        made.add_column(
            Text(head),
            justify="left" if number in words else "right",
            width=None if fits else folded[number],  # heads are folded, numbers not
            no_wrap=number in words,
        )
    for row in cells:
        made.add_row(*map(Text, row[:-1]), Text(row[-1]) if heads else _Lines(row[-1]))
    above = Text(cell(title), "italic")
    return Group(*([above] if title else []), made, *([_Lines(cell(caption), "dim")] if caption else []))


class _Lines(NamedTuple):
    """Sentences under a table or in a list, in lines that break where their language breaks them."""

    text: str
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines at the width there is."""
        from rich.text import Text

        from gradflow.text.widths import wrapped

        yield Text("\n".join(wrapped(self.text, options.max_width)), self.style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return that any width will do."""
        from rich.measure import Measurement

        return Measurement(1, options.max_width)


def cell(text: object) -> str:
    """Return text as a cell of a table: without control characters, in what standard output can encode."""
    shown = printable(text)
    return shown if encodes(shown) else _in_ascii(shown)


def shortened(name: object, length: int) -> str:
    """Return a name as text, cut in the middle where it is long: its ends tell most."""
    shown = printable(name)
    ahead = (length - 1) // 2
    return shown if len(shown) <= length else f"{shown[:ahead]}…{shown[ahead + 1 - length :]}"


def _ruled_head() -> Box:
    """Return the lines of a table: one under its heads."""
    from rich.box import SIMPLE_HEAD, Box

    return SIMPLE_HEAD if encodes(str(SIMPLE_HEAD)) else Box(str(SIMPLE_HEAD).replace("─", "-"), ascii=True)


def show(made: Group) -> None:
    """Print a table to standard output, as wide as the terminal, or 80 columns (or COLUMNS) in a pipe."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        needed = Console(width=WIDEST).measure(made).minimum
        console = Console(highlight=False, width=max(_piped_width(), needed))
    with console.capture() as captured:
        console.print(made)
    emit("\n".join(line.rstrip() for line in captured.get().removesuffix("\n").split("\n")))


def width() -> int:
    """Return how wide output may be: as the terminal, or COLUMNS or 80 columns in a pipe."""
    from rich.console import Console

    console = Console()
    return console.width if console.is_terminal else _piped_width()


def _piped_width() -> int:
    asked = os.environ.get("COLUMNS", "")
    return int(asked) if asked.isdecimal() and int(asked) else WIDTH


def emit(text: str, *, err: bool = False) -> None:
    """Print text whose control characters are meant, in what the stream can encode."""
    stream = sys.stderr if err else sys.stdout  # None where the shell closed it
    click.echo(text if encodes(text, getattr(stream, "encoding", None)) else _in_ascii(text), err=err)


def encodes(text: str, encoding: str | None = None) -> bool:
    """Whether a stream of the encoding, by default standard output, can hold the text."""
    try:
        text.encode(encoding or getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _in_ascii(text: str) -> str:
    powers = _POWER.sub(lambda found: "^" + found.group().translate(_DIGITS), text)
    return powers.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
