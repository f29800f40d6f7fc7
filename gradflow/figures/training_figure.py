"""Does training get anywhere? Errors, or losses where there are none, against the step."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from gradflow.analysis.runs import majority_error
from gradflow.analysis.training import training as analysed
from gradflow.analysis.training import window_means
from gradflow.figures.columns import Data, Frame, counted, frame_of, require, require_columns
from gradflow.figures.looks import NEUTRAL, Look
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.text import text
from gradflow.text.numbers import percent
from gradflow.text.words import heading

_COLUMNS = ("run", "family", "depth", "step", "train_error")
_SOURCE = "gradflow.analysis.training"
_WINDOW_COLUMNS = ("run", "step", "mean", "window")
_WINDOW_SOURCE = "gradflow.analysis.window_means"
_LOSS_COLUMNS = ("run", "family", "depth", "step", "mean", "window")
_LOSS_SOURCE = 'gradflow.analysis.window_means(frame, window=..., measure="loss")'
_OF_TRAINING = ("batch_error", "train_error")  # of the images that a network is trained with
_MEASURES = ("batch_error", "train_error", "test_error", "loss")
_THIN = 0.7
WINDOW = 10  # steps of a mean, unless asked otherwise
_LAYOUT = Layout(height=1.55)
_EVER = Look(NEUTRAL, (0, (1, 3)), "", "")


def errors(frame: Data, windows: Frame = None, *, by_depth: bool = True) -> Figure:
    """Return each run's minibatch error as a thin line, and its measured training error as dots.

    Dots that fall show a network that learns; a flat line from the start, one that never did.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.training`. The training error of always answering the most frequent class is a dotted
        line, where all runs have the same.
    windows : DataFrame, optional
        From `gradflow.analysis.window_means`, by default over 10 steps; the legend names the window. A window of 1 is
        the raw error.
    by_depth : bool
        Whether each depth, and each network without one, has a panel.

    Raises
    ------
    ValueError
        A frame lacks a column, or holds no error at all.
    """
    frame = frame_of(frame, analysed)
    require(frame, _COLUMNS, _SOURCE)
    windows = window_means(frame, window=WINDOW) if windows is None else windows
    require_columns(windows, _WINDOW_COLUMNS, _WINDOW_SOURCE, "windows")
    if windows.empty and frame["train_error"].isna().all():
        raise ValueError("frame and windows hold no error, so there is nothing to draw: no error was recorded.")
    networks = frame.drop_duplicates("run")[["run", "family", "depth"]]
    thin = windows[["run", "step", "mean"]].merge(networks, on="run").assign(measure="batch_error")
    measured = frame[frame["train_error"].notna()].assign(measure="train_error", mean=lambda rows: rows["train_error"])
    window = int(windows["window"].iloc[0]) if len(windows) else 1
    said = text("figure.training.windows.batch_error", window=window) if window > 1 else text("figure.training.batch")
    marks = (
        *_majority(frame, _OF_TRAINING),
        Mark("line", of={"measure": ("batch_error",)}, width=_THIN, opacity=_THIN, label=said),
        Mark("dots", of={"measure": ("train_error",)}, label=text("figure.training.whole")),
    )
    rows = pd.concat([thin, measured[thin.columns]], ignore_index=True)
    return _figure(rows, _fraction(text("figure.error")), marks, "", by_depth=by_depth)


def losses(windows: Data, *, by_depth: bool = True) -> Figure:
    """Return each run's loss, on a logarithmic axis where every loss is positive.

    A falling loss shows that the network learns; one that becomes NaN or infinite shows that training diverged.

    Parameters
    ----------
    windows : DataFrame or recordings
        From `gradflow.analysis.window_means(..., measure="loss")`; of recordings, each step's loss.
    by_depth : bool
        Whether each depth, and each network without one, has a panel.

    Raises
    ------
    ValueError
        The frame lacks a column, or holds no loss.
    """
    windows = frame_of(windows, lambda runs: window_means(analysed(runs), window=1, measure="loss"))
    require(windows, _LOSS_COLUMNS, _LOSS_SOURCE, "windows")
    window = int(windows["window"].iloc[0])
    said = text("figure.training.windows.loss", window=window) if window > 1 else text("figure.training.loss")
    return _figure(
        counted(windows, windows["mean"]), _loss(windows), (Mark("line", width=_THIN),), said, by_depth=by_depth
    )


def training(frame: pd.DataFrame, *, window: int, loss_window: int) -> Figure | None:
    """Return errors and losses of `analysis.training`, each a choice, one line a run; None if none was measured.

    `window` and `loss_window` are the steps over which the error and the loss of minibatches are averaged.
    """
    parts, windows = {}, {"batch_error": window, "loss": loss_window}
    for measure in _MEASURES:
        rows = window_means(frame, window=windows.get(measure, 1), measure=measure)
        if rows["mean"].notna().any():
            parts[measure] = counted(rows, rows["mean"]).assign(measure=measure)
    if not parts:
        return None
    majority = majority_error(frame)
    names = {
        measure: text(f"figure.training.windows.{measure}", window=windows[measure])
        if windows.get(measure, 1) > 1
        else text(f"measure.{measure}")
        for measure in parts
    }
    axes = {measure: _loss(rows) if measure == "loss" else _fraction(names[measure]) for measure, rows in parts.items()}
    said = "" if majority is None else text("live.majority", error=percent(majority))
    notes = {measure: said for measure in parts if measure in _OF_TRAINING}
    marks = (*_majority(frame, _OF_TRAINING), Mark("line", opacity=0.8))
    either = Axis("mean", text("live.error_or_loss")) if len(axes) > 1 else next(iter(axes.values()))
    figure = _figure(pd.concat(parts.values(), ignore_index=True), either, marks, "", by_depth=False)
    return replace(figure, facets=(Facet("measure", heading("measure"), names, notes=notes, y=axes),))


def _figure(rows: pd.DataFrame, y: Axis, marks: tuple[Mark, ...], subtitle: str, *, by_depth: bool) -> Figure:
    n = rows.groupby(["family", "depth"], dropna=False)["run"].nunique().max()
    return Figure(
        "training",
        title=text("figure.training.title"),
        subtitle=subtitle,
        rows=rows.assign(group=rows["depth"].astype("string").fillna(rows["family"].astype("string"))),
        x=Axis("step", text("figure.step")),
        y=y,
        marks=marks,
        note=text("figure.training.one_run") if n == 1 else text("figure.training.seeds", n=n),
        layout=_LAYOUT,
        facets=(_depths(rows),) if by_depth else (),
        told={"run": heading("run"), "step__number": text("live.step")},
        each="run",
    )


def _depths(rows: pd.DataFrame) -> Facet:
    """Return a panel for each depth, then one for each network without a depth."""
    depths = sorted(rows["depth"].dropna().unique())
    names = {str(depth): text("figure.of_depth", depth=depth) for depth in depths}
    names |= {str(family): str(family) for family in rows["family"][rows["depth"].isna()].unique()}
    return Facet("group", heading("depth"), names, tells="depth")


def _majority(frame: pd.DataFrame, measures: tuple[str, ...]) -> tuple[Mark, ...]:
    """Return the level of always answering the most frequent class, where all runs have the same."""
    found = majority_error(frame)
    if found is None:
        return ()
    ever = text("figure.majority")
    return (Mark("level", value=found, of={"measure": measures}, look=_EVER, label=ever, width=0.8),)


def _fraction(title: str) -> Axis:
    return Axis("mean", title, "fraction", title, ends=(0.0, 1.0))


def _loss(rows: pd.DataFrame) -> Axis:
    is_log = bool((rows["mean"].dropna() > 0).all())
    title = text("figure.loss_log" if is_log else "head.loss")
    return Axis("mean", title, "log" if is_log else "linear", title)
