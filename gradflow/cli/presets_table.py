"""The presets there are, as a table."""

from __future__ import annotations

from gradflow.cli.output import print_data
from gradflow.cli.terminal import show
from gradflow.experiments.presets import presets
from gradflow.tables import Table, words
from gradflow.text import DEFAULT_LANGUAGE, text
from gradflow.text.words import said


def print_presets(form: str | None) -> None:
    """Print the presets there are."""
    rows = [vars(one) for one in presets()]
    if form is not None:
        own = ("title", "scaled")
        print_data(form, [row | {name: said(row[name], DEFAULT_LANGUAGE) for name in own} for row in rows])
        return
    columns = (
        words("name"),
        words("title", said),
        words("data", lambda data: data or text("presets.nothing")),
        words("scaled", lambda scaled: text("presets.yes" if scaled else "presets.none")),
    )
    show(Table(text("presets.title"), columns, rows, head_words="presets.column"))
