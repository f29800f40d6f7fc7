"""The gradient's profile as a figure that a notebook shows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from html import escape
from pathlib import Path

from gradflow.analysis.profile import profile
from gradflow.analysis.runs import as_list
from gradflow.recording import Recording
from gradflow.reporting.live.figure import Live
from gradflow.reporting.page_figures import Picture
from gradflow.reporting.profile_section import flow
from gradflow.storage import write_whole
from gradflow.text import text

HEIGHT = 660  # CSS pixels of the frame in a notebook
_TALLER = "height:clamp(660px,calc(980px - 36vw),840px)"  # on a narrow screen controls and legend stand in more lines


class InteractiveFigure:
    """One live figure: a notebook shows it, `save` writes it as a page."""

    def __init__(self, live: Live, alt: str) -> None:
        self._live, self._alt = live, alt

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page that opens from disk and loads nothing; return its path."""
        target = Path(path)
        write_whole(target, self.html().encode())
        return target

    def html(self) -> str:
        """Return the page."""
        from gradflow.reporting.page import figure_page

        return figure_page(Picture(self._live.name, self._alt, live=self._live))

    def _repr_html_(self) -> str:
        """Show the page in a frame of its own, where its names and styles meet no others."""
        title, page = escape(self._alt), escape(self.html())
        return (
            f'<iframe title="{title}" srcdoc="{page}" height="{HEIGHT}" style="width:100%;{_TALLER};border:0"></iframe>'
        )

    def __repr__(self) -> str:
        """Say what it is, where nothing can be shown."""
        return f"InteractiveFigure({self._live.name!r}, {len(self._live.rows)} rows)"


def interactive_profile(recordings: Recording | Iterable[Recording]) -> InteractiveFigure:
    """Return gradient norms against layer depth, with a choice of gradient, step, seed and family.

    Raises
    ------
    ValueError
        No recording holds a gradient of a weighted layer.

    Examples
    --------
    >>> import pandas as pd
    >>> layers = pd.DataFrame({"step": 0, "layer": ["a", "b"], "out_grad_norm": [0.1, 0.4], "weighted": True,
    ...                        "order": [0, 1], "layer_depth": [1, 2]})
    >>> interactive_profile(Recording(layers=layers, meta={"run": "mine"}))
    InteractiveFigure('flow', 2 rows)
    """
    found = [one for one in as_list(recordings) if len(one.layers)]
    live = flow(profile(found, steps="recorded")) if found else None
    if live is None:
        raise ValueError("recordings must hold gradients of weighted layers; none does.")
    return InteractiveFigure(live, text("live.notebook.alt"))
