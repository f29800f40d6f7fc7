"""What comparisons and demonstrations print: small frames as tables, strips, JSON or CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import click
import pandas as pd

from gradflow import analysis
from gradflow.cli.profile_strip import Line, strips
from gradflow.cli.terminal import print_table, show
from gradflow.recording import Recording
from gradflow.tables import Column, Table, column, words
from gradflow.text import text
from gradflow.text.numbers import factor, multiple, number
from gradflow.text.words import named, not_shown, word

TOY_EVERY = 5
HEADS = "cli.column"


def print_summary(recordings: Sequence[Recording], form: str | None = None) -> None:
    """Print what a comparison found: its table and a strip per network, or the table's rows as JSON or CSV."""
    print_table(_summary_table(recordings), form)
    lines = [] if form is not None else _start_lines(recordings)
    if lines:
        note = [text("terminal.strip.seeds"), not_shown(analysis.beside_main_path(recordings))]
        click.echo()
        show(strips(text("terminal.strip.title"), lines, text("list.sentences").join(filter(None, note))))


def print_vanishing(recordings: Sequence[Recording], form: str | None = None) -> None:
    """Print what real networks measure, a row per setting, as a table or as data."""
    print_table(_vanishing_table(recordings), form)


def print_toy(shares: Sequence[float]) -> None:
    """Print the arithmetic of a constant factor: `shares[k]` is what k layers leave, shown every five layers."""
    rows = [{"layers": layers, "share": shares[layers]} for layers in range(TOY_EVERY, len(shares), TOY_EVERY)]
    columns = (words("layers"), column("share", "{:.6f}".format))
    show(Table(text("cli.toy.title"), columns, rows, head_words=HEADS))
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


def _summary_table(recordings: Sequence[Recording]) -> Table:
    """Return what a comparison found: a row per family and depth."""
    columns = (
        Column("family", lambda row: f"{named(str(row['family']))}{_diverged(row['n_diverged'])}", is_number=False),
        Column("depth", lambda row: _depth(row["depth"])),
        column("seeds", of="n"),
        Column("train_error", lambda row: _percent_interval(row["train_error"], row["train_error_high"])),
        Column("test_error", lambda row: _percent_interval(row["test_error"], row["test_error_high"])),
        Column("ratio", lambda row: number(row["grad_ratio"])),
        Column("seconds", lambda row: number(row["seconds"])),
    )
    rows = analysis.summary(recordings).to_dict("records")
    return Table(text("cli.summary.title"), columns, rows, text("cli.summary.caption"), HEADS)


def _vanishing_table(recordings: Iterable[Recording]) -> Table:
    """Return what real networks measure: a row per setting."""
    columns = (
        words("setting", named, of="label"),
        column("seeds", of="n"),
        Column("factor", lambda row: _factor_interval(row["factor"], row["low"], row["high"])),
        Column("closed_form", lambda row: factor(row["predicted"])),
        column("decades", multiple),
        column("weight_decades", multiple),
        words("verdict", word),
    )
    rows = analysis.vanishing_table(recordings).to_dict("records")
    return Table(text("cli.vanishing.title"), columns, rows, text("cli.vanishing.caption"), HEADS)


def _depth(depth: Any) -> str:
    return "" if pd.isna(depth) else str(depth)


def _diverged(n: int) -> str:
    return f" ({text('cli.summary.diverged', n=n)})" if n else ""


def _percent_interval(mean: float, high: float) -> str:
    """Return percent, with half the interval's width if there is an interval."""
    half = "" if math.isnan(high) else f" ± {100 * (high - mean):.1f}"
    return f"{100 * mean:.1f}{half}"


def _factor_interval(mean: float, low: float, high: float) -> str:
    """Return a factor, with half the interval's width if there is an interval."""
    half = "" if math.isnan(high) else f" ± {(high - low) / 2:.3f}"
    return f"{factor(mean)}{half}"
