"""The sections of a report, in the order of reading: every `Section` of the modules `<name>_section.py`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import pandas as pd

from gradflow.reporting.own_verdict import evidence
from gradflow.reporting.page_figures import Picture
from gradflow.reporting.published_section import asked
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section, Shown

LAST = 200  # places from here on stay behind what the sweep was made for


@cache
def known() -> tuple[Section, ...]:
    """Return the sections that there are."""
    import gradflow.reporting as room

    names = sorted(name for _, name, _ in iter_modules(room.__path__) if name.endswith("_section"))
    modules = [import_module(f"{room.__name__}.{name}") for name in names]
    found = {one.key: one for module in modules for one in vars(module).values() if isinstance(one, Section)}
    return tuple(sorted(found.values(), key=lambda one: one.place))


def sections(data: ReportData) -> list[Shown]:
    """Return the sections that apply to these recordings, their figures drawn; first what the sweep was made for."""
    first = asked(data)
    ordered = sorted(known(), key=lambda one: (one.place >= LAST, one.key not in first))
    return [shown for one in ordered if (shown := one.shown(data)) is not None]


def files(data: ReportData) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield every frame that is written for programs, with the name of its file."""
    for one in known():
        yield from one.files(data).items()


def lead_picture(every: list[Shown], data: ReportData) -> Picture | None:
    """Return the figure of the first screen: what is wrong with one's own run, else the first one of a section.

    That is taken out of its section.
    """
    if (own := evidence(data)) is not None:
        return own
    for found in every:
        for block in found.blocks:
            if isinstance(block, Picture):
                found.blocks.remove(block)
                return block
    return None
