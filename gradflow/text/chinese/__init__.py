"""The catalogue in Chinese: every sentence by key, files and keys as in `gradflow.text.english`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gradflow.text.chinese.analyze import ANALYZE
from gradflow.text.chinese.cli import CLI
from gradflow.text.chinese.clipping import CLIPPING
from gradflow.text.chinese.comparisons import COMPARISONS
from gradflow.text.chinese.degree import DEGREE
from gradflow.text.chinese.figures import FIGURES
from gradflow.text.chinese.findings import FINDINGS
from gradflow.text.chinese.forecast import FORECAST
from gradflow.text.chinese.live import LIVE
from gradflow.text.chinese.models import MODELS
from gradflow.text.chinese.numbers import NUMBERS
from gradflow.text.chinese.presets import PRESETS
from gradflow.text.chinese.probes import PROBES
from gradflow.text.chinese.report import COLUMNS, DEFINITIONS, FACTS, HEAD, SECTIONS, STATUSES, TABLES
from gradflow.text.chinese.sweeps import SWEEPS
from gradflow.text.chinese.terminal import TERMINAL
from gradflow.text.chinese.theory import THEORY
from gradflow.text.chinese.times import TIMES
from gradflow.text.chinese.watch import WATCH
from gradflow.text.chinese.words import WORDS

CHINESE: Mapping[str, str] = MappingProxyType(
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
