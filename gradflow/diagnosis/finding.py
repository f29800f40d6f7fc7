"""Finding: one statement about recorded runs, as a key and the numbers it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gradflow.diagnosis.seed_groups import Subject
from gradflow.diagnosis.wording import Value, change, sentence
from gradflow.reference import diagnosis_study
from gradflow.text import text
from gradflow.text.controls import printable
from gradflow.text.words import named

Severity = Literal["problem", "notice", "healthy", "unmeasured"]
MIN_PROGRAMS = 5  # fewer say nothing of how often a finding is right
SEVERITIES: tuple[Severity, ...] = ("problem", "notice", "healthy", "unmeasured")  # in the order of reading
# What papers do otherwise, though networks train so: no cause of anything else that is found, and nothing to repair
# (`benchmarks/doctor_remedies.py`), so that what to change is the usual layout.
LAYOUT = (
    "no_activation_after_addition", "norm_after_activation", "norm_twice", "projection_without_norm",
    "bias_before_norm",
)  # fmt: skip
SHOWN: tuple[Severity, ...] = ("problem", "notice")  # what is named as wrong


@dataclass(frozen=True)
class Finding:
    """One statement about one subject; `str()` gives its English sentence.

    Parameters
    ----------
    key : str
        Which statement: its sentence is the text `finding.<key>`.
    severity : str
        "problem", "notice" (worth knowing, or too little evidence for a problem), "healthy" or "unmeasured".
    subject : Subject
        The runs it is about.
    values : mapping
        The numbers of the sentence: measured values as `Interval` (mean, bounds, n), thresholds and steps as
        numbers.
    figure : str
        Anchor of the report's section that shows it.
    cause : str
        Key of the text that says where it comes from; empty if the numbers do not tell.
    remedies : tuple of str
        Keys of the texts that say what to try.
    follows : str
        Key of the problem of the same runs that explains this one; empty where it stands by itself.
    """

    key: str
    severity: Severity
    subject: Subject
    values: Mapping[str, Value] = field(default_factory=dict)
    figure: str = ""
    cause: str = ""
    remedies: tuple[str, ...] = ()
    follows: str = ""

    def __str__(self) -> str:
        """Return the sentence, in English."""
        return printable(sentence(self.key, self.subject.label, self.values))

    @property
    def measured(self) -> tuple[int, int] | None:
        """How often such a problem, found first, named the planted fault: (right, of); None where too few are known.

        Of programs that no rule was tuned on (`gradflow.reference.diagnosis_study`).
        """
        right, of = diagnosis_study()["first"].get(self.key, (0, 0))
        return (right, of) if self.severity == "problem" and of >= MIN_PROGRAMS else None

    @property
    def change(self) -> str:
        """What to change, where it follows from the numbers; remedies are what repaired other networks."""
        return printable(change(self.key, self.values))

    @property
    def fixes(self) -> list[str]:
        """What to change, the first thing first, as sentences."""
        return [*filter(None, [self.change]), *map(text, self.remedies)]

    @property
    def said(self) -> str:
        """The sentence without the name of what it is about, for where that stands above it."""
        whole, label = str(self), named(self.subject.label)
        for mark in (": ", "："):
            if whole.startswith(label + mark):
                rest = whole[len(label + mark) :]
                return rest[:1].upper() + rest[1:] if rest.split(" ", 1)[0].isalpha() else rest  # not a layer's name
        return whole
