"""report(): recordings to a folder with one self-contained page, figures for print, and tables."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gradflow.analysis.runs import as_list
from gradflow.recording import Recording
from gradflow.reporting.second_process import second_process


def report(
    recordings: Recording | Iterable[Recording],
    out: str | os.PathLike[str],
    *,
    title: str | None = None,
    command: str | None = None,
    lang: str | None = None,
    formats: Iterable[str] = ("png",),
) -> Path:
    """Write a report of recordings into a folder and return the page's path.

    Needs neither torch nor a network connection. The page loads nothing: it contains its images and scripts.

    Parameters
    ----------
    recordings : Recording or iterable of Recording
        Of one comparison, of the vanishing-gradient demonstration, of a model of your own, or of several of them.
        Not changed.
    out : path
        A folder, made if it does not exist: report.html, `figures/*.png` (300 dpi), `tables/*.csv` and `*.parquet`.
        Files of these names are replaced; figures and tables that an older report wrote there are removed.
    title : str, optional
        The page's heading; by default the question that the recordings answer.
    command : str, optional
        What made the recordings, to be shown under method; by default what their meta says.
    lang : str, optional
        "en" or "zh", of page and figures; by default that of the innermost `gradflow.text.language`, else English.
        Without an installed font for it, the figures are in English, with a warning. In the data files, only the
        sentences of findings are in this language.
    formats : iterable of str
        Of the figures, besides the PNG: "pdf" and "svg" are written as wide as both columns of a page and as one,
        figures/<name>.pdf and <name>-single.pdf.

    Raises
    ------
    ValueError
        There is no recording, or the language or a format does not exist.
    StorageError
        In `out`, a file or folder that would be written is a link, which could lead out of it.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> steps = pd.DataFrame({"step": [0, 1], "loss": [2.3, 2.1]})
    >>> report(Recording(steps=steps, meta={"run": "mine"}), tempfile.mkdtemp()).name
    'report.html'
    """
    found = as_list(recordings)
    if not found:
        raise ValueError("recordings must hold at least one gradflow.Recording; got none.")
    with second_process():
        from gradflow.reporting.page import write_page  # both take a while, in which the second process starts
        from gradflow.reporting.report_data import ReportData

        return write_page(ReportData(found, Path(out), command), title=title, lang=lang, formats=formats)
