"""report(): recordings to a folder with one self-contained page, figures for print, and tables."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from gradflow.analysis.runs import as_list
from gradflow.recording import Recording
from gradflow.reporting.contents import Contents
from gradflow.reporting.head import head
from gradflow.reporting.sections import lead_picture, sections
from gradflow.reporting.tables import write
from gradflow.text import text

PAGE = "report.html"
TEMPLATE, STYLESHEET = "report.html", "report.css"


def report(
    recordings: Recording | Iterable[Recording],
    out: str | os.PathLike[str],
    *,
    title: str | None = None,
    command: str | None = None,
) -> Path:
    """Write what the recordings say into a folder and return the page's path.

    Needs neither torch nor a network. The page loads nothing: its images are in it and it has no script.

    Parameters
    ----------
    recordings : Recording or iterable of Recording
        Of one comparison, of the vanishing-gradient demonstration, of a model of your own, or of several of them.
        Not changed.
    out : path
        A folder, made if it does not exist: report.html, figures/*.png (300 dpi), tables/*.csv and *.parquet.
        Files of these names are replaced.
    title : str, optional
        The page's heading; by default the question that the recordings answer.
    command : str, optional
        What made the recordings, to be shown under method; by default what their meta says.

    Raises
    ------
    ValueError
        There is no recording.

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
    folder = Path(out)
    for name in ("figures", "tables"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    contents = Contents(found, folder, command)
    write(contents.tables(), folder / "tables")
    page = folder / PAGE
    page.write_text(_render(contents, title), encoding="utf-8")
    return page


def _render(contents: Contents, title: str | None) -> str:
    every = sections(contents)
    first = head(contents, title, lead_picture(every))
    return _template().render(head=first, sections=every, style=Markup(_read(STYLESHEET)))


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, finalize=_unbroken, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["text"] = text
    return environment.from_string(_read(TEMPLATE))


def _unbroken(value: object) -> object:
    """Return text whose percent signs stay on the line of their number."""
    return value.replace(" %", "\u00a0%") if isinstance(value, str) else value


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
