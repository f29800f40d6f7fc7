"""What comparisons and demonstrations print: small frames as tables, strips, JSON or CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import click
import pandas as pd
from rich.console import Group

from gradflow import analysis
from gradflow.cli import output
from gradflow.cli.rich_tables import show, table
from gradflow.cli.strip import Line, strips
from gradflow.recording import Recording
from gradflow.text import numbers as form
from gradflow.text import text
from gradflow.text.words import head, named, not_shown, word

TOY_EVERY = 5


def print_summary(recordings: Sequence[Recording], as_data: str | None = None) -> None:
    """Print what a comparison found: its table and a strip per network, or the table's rows as JSON or CSV."""
    if as_data is not None:
        output.print_rows(as_data, output.records(analysis.summary(recordings)))
        return
    show(_summary_table(recordings))
    lines = _start_lines(recordings)
    if lines:
        click.echo()
        note = text("list.sentences").join(
            filter(None, [text("terminal.strip.seeds"), not_shown(analysis.beside_main_path(recordings))])
        )
        show(strips(text("terminal.strip.title"), lines, note))


def print_vanishing(recordings: Sequence[Recording], as_data: str | None = None) -> None:
    """Print what real networks measure, a row per setting, as a table or as data."""
    if as_data is not None:
        output.print_rows(as_data, output.records(analysis.vanishing_table(recordings)))
        return
    show(_vanishing_table(recordings))


def print_toy(shares: Sequence[float]) -> None:
    """Print the arithmetic of a constant factor: `shares[k]` is what k layers leave, shown every five layers."""
    rows = [(str(layers), f"{shares[layers]:.6f}") for layers in range(TOY_EVERY, len(shares), TOY_EVERY)]
    show(_table("cli.toy.title", ("layers", "share"), rows))
    click.echo()


def _start_lines(recordings: Sequence[Recording]) -> list[Line]:
    """Return the profile of each network's output gradients at step 0, over seeds; none where step 0 is not there."""
    started = [one for one in recordings if (one.layers["step"] == 0).any()]
    if not started:
        return []
    frame = analysis.profile_over_seeds(analysis.profile(started, steps=[0]), "out_grad_norm")
    return [
        Line(f"{named(str(family))} {_depth(depth)}".strip(), _norms(rows))
        for (family, depth), rows in frame.groupby(["family", "depth"], dropna=False)
    ]


def _norms(rows: pd.DataFrame) -> list[float]:
    """Return the means of a profile over seeds, inf where a seed's gradient was not finite."""
    return [
        math.inf if n_nonfinite else mean for mean, n_nonfinite in zip(rows["mean"], rows["n_nonfinite"], strict=True)
    ]


def _summary_table(recordings: Sequence[Recording]) -> Group:
    """Return what a comparison found: a row per family and depth."""
    rows = [
        (
            f"{named(str(row['family']))}{_diverged(row['n_diverged'])}",
            _depth(row["depth"]),
            str(row["n"]),
            _percent_interval(row["train_error"], row["train_error_high"]),
            _percent_interval(row["test_error"], row["test_error_high"]),
            form.number(row["grad_ratio"]),
            form.number(row["seconds"]),
        )
        for row in analysis.summary(recordings).to_dict("records")
    ]
    columns = ("family", "depth", "seeds", "train_error", "test_error", "ratio", "seconds")
    return _table("cli.summary.title", columns, rows, text("cli.summary.caption"))


def _vanishing_table(recordings: Iterable[Recording]) -> Group:
    """Return what real networks measure: a row per setting."""
    rows = [
        (
            named(str(row["label"])),
            str(row["n"]),
            _factor_interval(row["factor"], row["low"], row["high"]),
            form.factor(row["predicted"]),
            f"{row['decades']:.1f}",
            f"{row['weight_decades']:.1f}",
            word(str(row["verdict"])),
        )
        for row in analysis.vanishing_table(recordings).to_dict("records")
    ]
    columns = ("setting", "seeds", "factor", "closed_form", "decades", "weight_decades", "verdict")
    return _table("cli.vanishing.title", columns, rows, text("cli.vanishing.caption"))


def _table(title: str, columns: Iterable[str], rows: Iterable[Sequence[str]], caption: str = "") -> Group:
    """Return a table whose title and heads come from the catalogue; all but the first column are numbers."""
    return table(text(title), [head(column, "cli.column") for column in columns], rows, caption=caption)


def _depth(depth: Any) -> str:
    return "" if pd.isna(depth) else str(depth)


def _diverged(n: int) -> str:
    return f" ({text('cli.summary.diverged', n=n)})" if n else ""


def _percent_interval(mean: float, high: float) -> str:
    """Return percent, with half the interval's width if there is an interval."""
    half = "" if math.isnan(high) else f" ± {100 * (high - mean):.1f}"
    return f"{100 * mean:.1f}{half}"


def _factor_interval(factor: float, low: float, high: float) -> str:
    """Return a factor, with half the interval's width if there is an interval."""
    half = "" if math.isnan(high) else f" ± {(high - low) / 2:.3f}"
    return f"{form.factor(factor)}{half}"
