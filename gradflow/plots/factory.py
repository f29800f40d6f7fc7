"""Public plots, each made from its description: on axes that are given, or as a figure of panels."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawn

from gradflow.figures.model import Figure
from gradflow.plots import paper, style

_DATA = ("Data", "Frame", "Several")  # annotations of the arguments that hold what was measured; they stand first
_LOOKS: dict[str, tuple[str, ...]] = {
    "palette": (
        "palette : str or sequence of str, optional",
        "A seaborn palette, or colours, instead of gradflow's: for depths, or for lines without one.",
    ),
    "title": ("title : str, optional", "Instead of gradflow's."),
}
_OF_AXES: dict[str, tuple[str, ...]] = {
    "ax": (
        "ax : Axes, optional",
        "The current axes by default, which then get a legend. On given axes, the lines are labelled for",
        "`ax.legend()`.",
    ),
    **_LOOKS,
    "looks": (
        "looks : mapping, optional",
        "From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.",
    ),
}
_OF_PAGES: dict[str, tuple[str, ...]] = {
    "width": ("width : float", "Inches: `gradflow.plots.DOUBLE` or `SINGLE`, the columns of a journal's page."),
    **_LOOKS,
    "sharey": ("sharey : bool, optional", "Whether panels share their vertical axis; by default where they can."),
}
_RAISES = "    ------\n    ValueError\n        A frame lacks a column or has no rows.\n    "


def on_axes(
    describe: Callable[..., Figure],
    name: str,
    *,
    by: Callable[..., Axes] = paper.draw,
    defaults: Mapping[str, Any] | None = None,
    **fixed: Any,
) -> Callable[..., Axes]:
    """Return the plot of a description on one pair of axes, under a name, drawn by a function of `paper`.

    Options that are `fixed` are not asked for; `defaults` are those that differ from the description's.
    """

    def draw(figure: Callable[[], Figure], ax: Axes | None = None, **look: Any) -> Axes:
        return by(figure(), ax, **look)

    return _plot(describe, name, draw, _OF_AXES, ("ax", None), fixed, "Axes", defaults)


def as_page(
    describe: Callable[..., Figure], name: str, *, defaults: Mapping[str, Any] | None = None, **fixed: Any
) -> Callable[..., Drawn]:
    """Return the plot of a description as a figure of panels, under a name."""
    return _plot(describe, name, paper.page, _OF_PAGES, ("width", style.DOUBLE), fixed, "Figure", defaults)


def _plot(
    describe: Callable[..., Figure],
    name: str,
    draw: Callable[..., Any],
    own: dict[str, tuple[str, ...]],
    where: tuple[str, Any],
    fixed: dict[str, Any],
    returns: str,
    defaults: Mapping[str, Any] | None = None,
) -> Callable[..., Any]:
    asked = [one for one in inspect.signature(describe).parameters.values() if one.name not in fixed]
    data = [one for one in asked if one.annotation in _DATA]
    known = {one.name: one.default for one in asked} | dict.fromkeys(own) | {**(defaults or {})}
    names = [one.name for one in asked if one not in data] + [key for key in own if key != where[0]]
    place = inspect.Parameter(where[0], inspect.Parameter.POSITIONAL_OR_KEYWORD, default=where[1])
    options = [inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=known[key]) for key in names]
    signature = inspect.Signature([*data, place, *options], return_annotation=returns)

    def plot(*args: Any, **kwargs: Any) -> Any:
        given = {**(defaults or {}), **signature.bind(*args, **kwargs).arguments}
        mine = {key: given.pop(key) for key in own if key in given}
        return draw(lambda: describe(**given, **fixed), **mine)

    plot.__name__ = plot.__qualname__ = name
    plot.__module__ = "gradflow.plots"
    plot.__doc__ = _documented(describe.__doc__ or "", own, fixed)
    plot.__signature__ = signature  # type: ignore[attr-defined]  # what inspect and help() look for
    return plot


def _documented(said: str, own: dict[str, tuple[str, ...]], fixed: dict[str, Any]) -> str:
    """Return what a description says of itself, as the words of a plot with arguments of its own."""
    head, found, rest = said.replace("Return ", "Draw ", 1).partition("\n    Raises\n")
    for name in fixed:
        before, _, after = head.partition(f"    {name} : ")
        head = before + after[after.find("\n    ", after.find("\n") + 1) :] if after else head
    lines = [f"    {first}\n" + "".join(f"        {line}\n" for line in more) for first, *more in own.values()]
    return head.rstrip() + "\n" + "".join(lines) + f"\n    Raises\n{rest if found else _RAISES}"
