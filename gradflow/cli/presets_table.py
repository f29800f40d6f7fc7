"""The presets there are, as a table."""

from __future__ import annotations

from gradflow.cli import output
from gradflow.cli.rich_tables import show, table
from gradflow.experiments.presets import presets
from gradflow.text import text
from gradflow.text.words import PRESET, reworded


def print_presets(form: str | None) -> None:
    """Print the presets there are."""
    found = presets()
    if form is not None:
        output.print_rows(form, [vars(one) for one in found])
        return
    columns = ("name", "title", "data", "scaled")
    rows = [
        (
            one.name,
            reworded(one.title, PRESET),
            one.data or text("presets.nothing"),
            text("presets.yes" if one.scaled else "presets.none"),
        )
        for one in found
    ]
    show(table(text("presets.title"), [text(f"presets.column.{name}") for name in columns], rows, words=range(4)))
