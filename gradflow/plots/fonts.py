"""Which installed font draws the current language; where none does, figures are in English."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager

from gradflow.text import DEFAULT_LANGUAGE, current_language, language, text

# Fonts with simplified Chinese, the best to read in small print first. The last ones have all its characters, some in
# the shapes of Japan; older versions of matplotlib see of a collection its first face alone.
CHINESE = (
    "Noto Sans SC",
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Source Han Sans",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Heiti SC",
    "STHeiti",
    "SimHei",
    "SimSun",
    "Droid Sans Fallback",
    "Noto Serif CJK SC",
    "Source Han Serif SC",
    "Arial Unicode MS",
    "Noto Sans CJK JP",
)
# Parts of their files' names, for fonts that were installed after matplotlib made its list.
_FILES = ("cjk", "notosanssc", "sourcehan", "wqy", "msyh", "simhei", "simsun", "pingfang", "droidsansfallback")


# Whether it was said already; Python's own count begins anew where matplotlib changes filters of warnings.
_WARNED: ContextVar[bool] = ContextVar("gradflow_font_warned", default=False)


class FontWarning(UserWarning):
    """No installed font draws the language that figures were asked in."""


@contextmanager
def drawable() -> Iterator[dict[Any, Any]]:
    """Yield the rc settings that draw the current language inside the block; without a font for it, English is current.

    Warns
    -----
    FontWarning
        There is no such font; inside `warned_once` that was said before.
    """
    if current_language() == DEFAULT_LANGUAGE:
        yield {}
        return
    font = chinese_font()
    if font is not None:
        families = [family for family in mpl.rcParams["font.family"] if family != font]
        yield {"font.family": [*families, font]}
        return
    if not _WARNED.get():
        _warn()
    with language(DEFAULT_LANGUAGE):
        yield {}


@contextmanager
def warned_once() -> Iterator[None]:
    """Say at the beginning of the block, and not for each figure in it, that figures are in English, if they will be.

    Warns
    -----
    FontWarning
        No font draws the current language.
    """
    if current_language() == DEFAULT_LANGUAGE or chinese_font() is not None:
        yield
        return
    _warn()
    token = _WARNED.set(True)
    try:
        yield
    finally:
        _WARNED.reset(token)


def _warn() -> None:
    warnings.warn(text("figure.no_font", names=", ".join(CHINESE[1:8:3])), FontWarning, stacklevel=1)


def chinese_font() -> str | None:
    """Return the name of an installed font that draws Chinese, or None."""
    found = _known()
    if found is None:
        _list_new_fonts()
        found = _known()
    return found


def _known() -> str | None:
    names = {entry.name for entry in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE if name in names), None)


def _list_new_fonts() -> None:
    """Add Chinese fonts that matplotlib's list of fonts, which it keeps between programs, does not hold yet."""
    listed = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in font_manager.findSystemFonts():
        name = Path(path).name.lower().replace("-", "")
        if path not in listed and any(part in name for part in _FILES):
            font_manager.fontManager.addfont(path)
