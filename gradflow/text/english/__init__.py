"""The catalogue in English: every sentence by key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gradflow.text.english.analyze import ANALYZE
from gradflow.text.english.cli import CLI
from gradflow.text.english.clipping import CLIPPING
from gradflow.text.english.comparisons import COMPARISONS
from gradflow.text.english.degree import DEGREE
from gradflow.text.english.figures import FIGURES
from gradflow.text.english.findings import FINDINGS
from gradflow.text.english.forecast import FORECAST
from gradflow.text.english.live import LIVE
from gradflow.text.english.models import MODELS
from gradflow.text.english.numbers import NUMBERS
from gradflow.text.english.presets import PRESETS
from gradflow.text.english.probes import PROBES
from gradflow.text.english.report import COLUMNS, DEFINITIONS, FACTS, HEAD, SECTIONS, STATUSES, TABLES
from gradflow.text.english.sweeps import SWEEPS
from gradflow.text.english.terminal import TERMINAL
from gradflow.text.english.theory import THEORY
from gradflow.text.english.times import TIMES
from gradflow.text.english.watch import WATCH
from gradflow.text.english.words import WORDS

ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        **ANALYZE,
        **CLI,
        **CLIPPING,
        **COMPARISONS,
        **LIVE,
        **MODELS,
        **NUMBERS,
        **FIGURES,
        **FINDINGS,
        **PRESETS,
        **PROBES,
        **HEAD,
        **SECTIONS,
        **STATUSES,
        **TABLES,
        **COLUMNS,
        **FACTS,
        **FORECAST,
        **DEFINITIONS,
        **SWEEPS,
        **TERMINAL,
        **THEORY,
        **TIMES,
        **DEGREE,
        **WATCH,
        **WORDS,
    }
)
