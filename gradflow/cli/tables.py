"""Tables for the terminal: small frames in, rich tables out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gradflow import analysis
from gradflow.text import numbers as form
from gradflow.text import text

if TYPE_CHECKING:
    from rich.table import Table

    from gradflow.recording import Recording

TOY_EVERY = 5
NARROWEST = 80  # columns of a table in a pipe, where there is no terminal to measure


def show(table: Table) -> None:
    """Print a table to standard output, in colour only on a terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(NARROWEST, console.measure(table).minimum))
    console.print(table)


def summary_table(recordings: Sequence[Recording]) -> Table:
    """Return what a comparison found: a row per family and depth."""
    frame = analysis.summary(recordings)
    table = _table("cli.summary.title", ("family", "depth", "seeds", "train_error", "test_error", "ratio", "seconds"))
    for row in frame.to_dict("records"):
        ratio = form.number(row["grad_ratio"])
        diverged = f" ({text('cli.summary.diverged', n=row['n_diverged'])})" if row["n_diverged"] else ""
        table.add_row(
            f"{row['family']}{diverged}",
            str(row["depth"]),
            str(row["n"]),
            _percent_interval(row["train_error"], row["train_error_high"]),
            _percent_interval(row["test_error"], row["test_error_high"]),
            ratio,
            form.number(row["seconds"]),
        )
    table.caption = text("cli.summary.caption")
    return table


def toy_table(shares: Sequence[float]) -> Table:
    """Return the arithmetic of a constant factor: `shares[k]` is what k layers leave, shown every five layers."""
    table = _table("cli.toy.title", ("layers", "share"))
    for layers in range(TOY_EVERY, len(shares), TOY_EVERY):
        table.add_row(str(layers), f"{shares[layers]:.6f}")
    return table


def vanishing_table(recordings: Iterable[Recording]) -> Table:
    """Return what real networks measure: a row per setting."""
    frame = analysis.vanishing_table(recordings)
    columns = ("setting", "seeds", "factor", "predicted", "decades", "weight_decades", "verdict")
    table = _table("cli.vanishing.title", columns)
    for row in frame.to_dict("records"):
        table.add_row(
            row["label"],
            str(row["n"]),
            _factor_interval(row["factor"], row["low"], row["high"]),
            form.factor(row["predicted"]),
            f"{row['decades']:.1f}",
            f"{row['weight_decades']:.1f}",
            row["verdict"],
        )
    table.caption = text("cli.vanishing.caption")
    return table


def _table(title: str, columns: Iterable[str]) -> Table:
    """Return an empty table whose headers come from the catalogue; all but the first column are numbers."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=text(title),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        pad_edge=False,
        collapse_padding=True,
    )
    for number, column in enumerate(columns):
        table.add_column(text(f"cli.column.{column}"), justify="right" if number else "left", no_wrap=number == 0)
    return table


def _percent_interval(mean: float, high: float) -> str:
    """Return percent, with half the interval's width if there is an interval."""
    half = "" if math.isnan(high) else f" ± {100 * (high - mean):.1f}"
    return f"{100 * mean:.1f}{half}"


def _factor_interval(factor: float, low: float, high: float) -> str:
    """Return a factor, with half the interval's width if there is an interval."""
    half = "" if math.isnan(high) else f" ± {(high - low) / 2:.3f}"
    return f"{form.factor(factor)}{half}"
