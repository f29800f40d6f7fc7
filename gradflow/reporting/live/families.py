"""The choice of a family; of a network where networks have no depth, and so a family each."""

from __future__ import annotations

import pandas as pd

from gradflow.reporting.live.figure import ALL, Control, Option, select
from gradflow.text import text
from gradflow.text.words import heading, named


def families(frame: pd.DataFrame) -> list[Option]:
    """Return the families to choose from, all of them first; nothing where there is one."""
    names = [str(name) for name in frame["family"].unique()]
    return [Option(ALL, text("live.all")), *(Option(name, named(name)) for name in names)] if len(names) > 1 else []


def family_choice(frame: pd.DataFrame, series: str = "") -> tuple[Control, ...]:
    """Return the control, or nothing where there is nothing to choose; `series` is what has a line, if no network."""
    label = series or (heading("family") if frame["depth"].notna().any() else heading("network"))
    return select("family", label, families(frame))
