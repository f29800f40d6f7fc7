"""The links of a stall on paper."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures.stall import LINKS, Link, stall
from gradflow.plots import paper, style


def stall_link(frame: pd.DataFrame, ax: Axes | None = None, *, link: Link = LINKS[0]) -> Axes:
    """Draw one link of the chain, one row per network.

    A network whose rows of all links lie on one side of the neutral line stalls by its weights; one whose first
    rows do and whose last do not trains all the same.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.stall_over_seeds`. Intervals are 95 %.
    ax : Axes, optional
        The current axes by default; made smaller where words around them would leave their figure.
    link : Link
        One of `gradflow.figures.stall.LINKS`.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.
    """
    return paper.draw(stall(frame, (link,)), ax)


def stall_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw all links side by side; two in a row if the figure is narrow.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.stall_over_seeds`.
    width : float
        Inches.
    """
    return paper.page(lambda: stall(frame), width)
