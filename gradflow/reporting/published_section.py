"""The section that sets published figures beside measured ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import pandas as pd

from gradflow import plots
from gradflow.analysis.degradation import paired_difference
from gradflow.analysis.intervals import Interval, interval_of, mean_interval
from gradflow.analysis.paths import PublishedLengths, path_lengths, share_within
from gradflow.analysis.published import ILLUSTRATIVE, published
from gradflow.analysis.training import errors_over_seeds
from gradflow.figures.learning_figure import learning
from gradflow.figures.names import run_name
from gradflow.notes import DEPTH_STEP, PROBES, is_figure, nearest_depth
from gradflow.recording import SHATTERING, Recording
from gradflow.reporting.live.screen import live
from gradflow.reporting.page_blocks import Block
from gradflow.reporting.page_figures import draw
from gradflow.reporting.page_tables import NETWORK, page_table
from gradflow.reporting.report_data import ReportData, holding
from gradflow.reporting.section import Section
from gradflow.tables import DASH, Cell, Column, Table, bounded, column, interval, words
from gradflow.text import text
from gradflow.text.numbers import number, percent, with_interval
from gradflow.text.words import named, sentence_case, word

ErrorMeasure = Literal["train_error", "test_error"]

TEST: Final = "test_error"
TRAIN: Final = "train_error"
_LAWS: Mapping[str, Callable[[int], float]] = {"2^-L": lambda depth: 2.0**-depth, "L^-1/2": lambda depth: depth**-0.5}


def asked(data: ReportData) -> tuple[str, ...]:
    """Return the keys of the sections that the published figures, where they are no errors, are about."""
    others = _others(data.probed)
    found = {"paths": published_lengths(data) is not None, "shattering": any("law" in one for one in others)}
    return tuple(key for key, is_asked in found.items() if is_asked)


def asked_error(data: ReportData) -> ErrorMeasure:
    """Return the error that the runs are about.

    It is the test error where they set networks of one family, none of which degrades with depth, beside published
    test errors alone. Otherwise it is the training error.
    """
    if not data.is_comparison or data.errors["family"].nunique() > 1 or data.errors[TEST].isna().all():
        return TRAIN
    if any(finding.key == "degraded" for finding in data.findings):
        return TRAIN
    errors = published(data.runs)
    return TEST if len(errors) and (errors["measure"] == TEST).all() else TRAIN


class Answer(NamedTuple):
    """What was measured of that which published figures are about, shortly, and with what it is known to."""

    said: str
    detail: str


def answer(data: ReportData) -> Answer | None:
    """Return what was measured of that which the published figures are about; None without any."""
    lengths = published_lengths(data)
    if lengths is not None and not data.paths.empty:
        shares = _shares_within(data.paths, lengths)
        if shares:
            share = mean_interval(shares.values())
            return _worded("paths", percent, {"share": share}, shortest=lengths.shortest, longest=lengths.longest)
    if any("law" in one for one in _others(data.probed)) and holding(data.probed, SHATTERING):
        return _answer_of_shattering(data.shattering)
    return _answer_of_test_errors(data.errors_over_seeds) if asked_error(data) == TEST else None


def _worded(key: str, form: Callable[[float], str], measured: Mapping[str, Interval], **values: Any) -> Answer:
    """Return an answer: the means alone, and with their intervals."""
    means = {name: form(found.mean) for name, found in measured.items()}
    whole = {name: with_interval(found, form) for name, found in measured.items()}
    short = sentence_case(text(f"published.answer.{key}", **values, **means))
    return Answer(short, text(f"published.detail.{key}", **values, **whole))


def published_lengths(data: ReportData) -> PublishedLengths | None:
    """Return the path lengths that the runs are set beside, or None if they name no such figure."""
    for one in _others(data.probed):
        if {"shortest", "longest", "modules", "source"} <= one.keys():
            return PublishedLengths(int(one["shortest"]), int(one["longest"]), int(one["modules"]), one["source"])
    return None


def _answer_of_shattering(frame: pd.DataFrame) -> Answer | None:
    """Return the correlations behind the deepest networks of a plain and a residual kind, both with batch norm."""
    deepest = frame[(frame["norm"] == "batch") & (frame["depth"] == frame["depth"].max())].set_index("family")
    if not {"plain", "residual"} <= set(deepest.index):
        return None
    rows = {family: deepest.loc[family] for family in ("plain", "residual")}
    measured = {family: Interval(row["mean"], row["low"], row["high"], int(row["n"])) for family, row in rows.items()}
    return _worded("shattering", partial(number, digits=2), measured, depth=int(frame["depth"].max()))


def _shares_within(frame: pd.DataFrame, lengths: PublishedLengths) -> dict[str, float]:
    """Return the share of the gradient through paths of the published lengths, by run."""
    return {
        str(run): share_within(rows, lengths.shortest, lengths.longest)
        for run, rows in frame.groupby("run", sort=False)
        if not rows["share"].isna().any()
    }


def _others(recordings: list[Recording]) -> list[dict[str, Any]]:
    """Return the published figures that are no errors, each once."""
    found: list[dict[str, Any]] = []
    for recording in recordings:
        found += [one for one in recording.meta.get(PROBES) or [] if is_figure(one) and one not in found]
    return found


def _test_errors(data: ReportData, errors: pd.DataFrame) -> Block:
    """Return the figure of test errors against depth, with the published ones up to the deepest network measured."""
    errors = errors[errors["depth"] < data.errors["depth"].max() + DEPTH_STEP]
    frame, differences = data.errors, paired_difference(data.errors, measure=TEST)
    frames = (frame, data.errors_over_seeds, differences)
    make = partial(plots.degradation_figure, *frames, measure=TEST, published=errors)
    return draw("published", make, data.folder, alt=text("published.alt"))


def _curves(data: ReportData) -> list[Block]:
    """Return the figure of training and test error along training, where they were measured more than once."""
    curves = errors_over_seeds(data.training)
    if curves.empty or curves["step"].nunique() < 2:
        return []
    kinds = (text("figure.learning.train"), text("figure.learning.test"))
    shown = live(learning(curves, by_family=False), notes=[text("list.separator").join(kinds)])
    make = partial(plots.learning_curves, curves)
    return [draw("learning", make, data.folder, alt=text("published.alt_curves"), live=shown)]


def _errors_table(data: ReportData, errors: pd.DataFrame) -> Table:
    """Return one row per published error, and what the nearest depth that was run measured."""
    is_drawn = errors["kind"] == ILLUSTRATIVE
    rows = [
        {**row, **_measured(data.errors_over_seeds, row), "is_odd_one": is_odd_one}
        for row, is_odd_one in zip(errors.to_dict("records"), is_drawn & (not is_drawn.all()), strict=True)
    ]
    columns = (
        NETWORK,
        words("published_measure", lambda measure: text(f"published.measure.{measure or TRAIN}"), of="measure"),
        Column("published_drawn" if is_drawn.all() else "published_value", _published),
        Column("measured", lambda row: row["measured"]),
        Column("published_depth", _depth),
        words("source"),
    )
    return page_table("published", columns, rows, title=text("errors.title"))


def _published(row: Mapping[Any, Any]) -> str:
    value = percent(row["error"], 2)
    return text("published.illustrative", value=value) if row["is_odd_one"] else value


def _depth(row: Mapping[Any, Any]) -> str:
    depth = row["published_depth"]
    return DASH if depth is None else str(depth) if depth == row["depth"] else f"({depth})"


def _answer_of_test_errors(over_seeds: pd.DataFrame) -> Answer:
    """Return the test errors of the shallowest and the deepest network of the one family that was run."""
    rows = over_seeds.dropna(subset=["depth", TEST]).sort_values("depth").to_dict("records")
    shallow, deep = rows[0], rows[-1]
    family = named(str(shallow["family"]))
    if len(rows) == 1:
        return _worded(
            "test_error", percent, {"error": interval_of(deep, TEST, "n_test")}, family=family, depth=int(deep["depth"])
        )
    errors, depths = (
        (interval_of(shallow, TEST, "n_test"), interval_of(deep, TEST, "n_test")),
        (int(shallow["depth"]), int(deep["depth"])),
    )
    measured = dict(zip(("first", "last"), errors, strict=True))
    return _worded("test_errors", percent, measured, family=family, shallow=depths[0], deep=depths[1])


def _measured(over_seeds: pd.DataFrame, row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the depth that a published error stands beside, and the error measured there."""
    measure = row["measure"] or TRAIN
    family = over_seeds[over_seeds["family"] == row["family"]]
    depth = nearest_depth(int(row["depth"]), [int(one) for one in family["depth"].dropna()])
    if depth is None:
        return {"published_depth": None, "measured": Cell(DASH, text("published.not_run"))}
    found = family[family["depth"] == depth].iloc[0]
    n = int(found["n_test" if measure == TEST else "n"])
    bounds = (found[f"{measure}_low"], found[f"{measure}_high"])
    cell = bounded(found[measure], *bounds, n, partial(percent, digits=2))
    return {"published_depth": depth, "measured": cell}


def _paths_table(frame: pd.DataFrame, lengths: PublishedLengths) -> Table:
    """Return one row per run: the lengths that hold 99 % of the gradient, and the share in the published range."""
    said = text("published.modules", shortest=lengths.shortest, longest=lengths.longest, modules=lengths.n_blocks)
    shares = _shares_within(frame, lengths)
    rows: list[dict[str, Any]] = []
    for run, share in shares.items():
        of_run = frame[frame["run"] == run]
        found = path_lengths(of_run)
        measured = text("published.modules", shortest=found.shortest, longest=found.longest, modules=found.n_blocks)
        own = {"run": run_name(of_run.iloc[0]), "measured": measured, "share": percent(share)}
        rows.append({**own, "published": said, "source": lengths.source})
    if len(shares) > 1:
        mean = mean_interval(shares.values())
        share_of_all = bounded(mean.mean, mean.low, mean.high, mean.n, percent)
        rows.append(
            dict.fromkeys(("published", "measured", "source"), "")
            | {"run": text("published.mean"), "share": share_of_all}
        )
    columns = (
        words("network", of="run"),
        column("published_value", of="published"),
        column("measured"),
        Column("published_share", lambda row: row["share"]),
        words("source"),
    )
    return page_table("published_paths", columns, rows, "tables/paths.csv")


def _laws_table(frame: pd.DataFrame, laws: list[dict[str, Any]]) -> Table:
    """Return one row per depth of each law: its value, and the correlation measured."""
    short = partial(number, digits=2)
    rows = []
    for law in laws:
        wanted = frame[(frame["family"] == law["family"]) & (frame["norm"] == law["norm"])].dropna(subset=["depth"])
        rows += [{**row, **law} for row in wanted.sort_values("depth").to_dict("records")]
    columns = (
        NETWORK,
        words("norm", lambda norm: word(f"{norm or 'no'} norm")),
        words("published_law", of="law"),
        Column("published_of", lambda row: short(_LAWS[row["law"]](int(row["depth"])))),
        interval("measured", short, of="mean", bounds="{1}"),
        words("source"),
    )
    title = text("table.published_shattering")
    return page_table("published_laws", columns, rows, "tables/shattering.csv", title=title)


def _compared(data: ReportData) -> list[Block] | None:
    """Return what is beside published figures, None if the runs name no such figure that was measured."""
    errors = published(data.runs) if data.runs else pd.DataFrame()
    blocks: list[Block] = []
    if len(errors):
        if (errors["measure"] == TEST).any() and data.errors[TEST].notna().any():
            blocks += [_test_errors(data, errors), *_curves(data)]
        blocks.append(_errors_table(data, errors))
    lengths = published_lengths(data)
    laws = [one for one in _others(data.probed) if one.get("law") in _LAWS]
    if lengths and not data.paths.empty:
        blocks.append(_paths_table(data.paths, lengths))
    if laws and holding(data.probed, SHATTERING):
        blocks.append(_laws_table(data.shattering, laws))
    return blocks or None


def _on_errors(data: ReportData, _: Any) -> list[str]:
    """Return how to read published errors, where there are any."""
    errors = published(data.runs) if data.runs else pd.DataFrame()
    said = [text("published.same_depth")] if len(errors) else []
    return [*said, *([text("published.lead_illustrative")] if said and (errors["kind"] == ILLUSTRATIVE).any() else [])]


PUBLISHED = Section("published", 20, _compared, words=("published.lead", _on_errors), parts=(lambda _, blocks: blocks,))
