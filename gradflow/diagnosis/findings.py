"""Findings: what was found of some runs and what was checked, as one list that prints itself."""

from __future__ import annotations

from collections.abc import Iterable

from gradflow.diagnosis.cards import cards
from gradflow.diagnosis.checks import Check
from gradflow.diagnosis.finding import Finding
from gradflow.tables.html import for_notebook
from gradflow.tables.lines import as_text


class Findings(list[Finding]):
    """A list of findings, causes first; `print` shows each with its cause and remedies, and what was checked.

    `checks` are the questions asked of each network, and whether the recording could answer them.
    """

    def __init__(self, findings: Iterable[Finding] = (), checks: Iterable[Check] = ()) -> None:
        super().__init__(findings)
        self.checks = tuple(checks)

    def __repr__(self) -> str:
        """Return the findings as text, 80 columns wide."""
        return as_text(cards(self, self.checks))

    def _repr_html_(self) -> str:
        """Return the findings as HTML, for notebooks."""
        return for_notebook(cards(self, self.checks))
