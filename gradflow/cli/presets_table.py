"""The presets there are, as a table."""

from __future__ import annotations

from gradflow.cli import output
from gradflow.cli.rich_tables import show, table
from gradflow.experiments.presets import presets
from gradflow.text import DEFAULT_LANGUAGE, text
from gradflow.text.words import head, said


def print_presets(form: str | None) -> None:
    """Print the presets there are."""
    found = presets()
    if form is not None:
        told = [
            {"title": said(one.title, DEFAULT_LANGUAGE), "scaled": said(one.scaled, DEFAULT_LANGUAGE)} for one in found
        ]
        output.print_rows(form, [vars(one) | words for one, words in zip(found, told, strict=True)])
        return
    columns = ("name", "title", "data", "scaled")
    rows = [
        (
            one.name,
            said(one.title),
            one.data or text("presets.nothing"),
            text("presets.yes" if one.scaled else "presets.none"),
        )
        for one in found
    ]
    show(table(text("presets.title"), [head(name, "presets.column") for name in columns], rows, words=range(4)))
