"""What a sweep says of itself, in one file beside its runs: title, preset, how it was scaled, published figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gradflow.recording import Recording
from gradflow.settings import FigureSettings, OtherFigureSettings, settings_of
from gradflow.storage import StorageError, read_json, write_json

NOTES = "sweep.json"
MARK, MARK_FORMAT = "gradflow.json", "gradflow-sweep"  # the file that marks a sweep's folder, and what it calls itself
PROBES = "published_probes"  # meta key of published figures that are no errors
DEPTH_STEP = 6  # between the depths of the networks for CIFAR
TEXTS = ("title", "question", "preset", "scaled")

Notes = Mapping[str, Any]


def write_notes(folder: Path, notes: Notes) -> None:
    """Write a sweep's notes into its folder; without any, an earlier file of notes goes."""
    if any(notes.values()):
        write_json(folder / NOTES, dict(notes))
    else:
        (folder / NOTES).unlink(missing_ok=True)


def read_notes(folder: Path) -> dict[str, Any]:
    """Return the notes of a sweep's folder; an empty dictionary if it has none.

    Raises StorageError where the file is damaged, or a link, which could lead out of the folder.
    """
    path = folder / NOTES
    try:
        return checked(read_json(path))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} is damaged: {error}".splitlines()[0]) from None


def mark_problem(folder: Path) -> str | None:
    """Return in a line what is wrong with the file that marks a sweep's folder; None if it is sound or not there."""
    path = folder / MARK
    try:
        mark = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return f"{path} is damaged: {error}".splitlines()[0]
    is_sound = isinstance(mark, dict) and mark.get("format") == MARK_FORMAT
    return None if is_sound else f"{path} is damaged: it must hold the format {MARK_FORMAT}"


def checked(notes: Any) -> dict[str, Any]:
    """Return notes with the types that a report relies on, other keys dropped; ValueError if a value has another."""
    if not isinstance(notes, dict):
        raise ValueError("it must hold an object.")
    for name in TEXTS:
        if not isinstance(notes.get(name, ""), str):
            raise ValueError(f"{name} must be text; got {notes[name]!r}.")
    figures = notes.get("published", [])
    if not isinstance(figures, list):
        raise ValueError("published must be a list.")
    for figure in figures:
        check_figure(figure)
    known = {name: notes[name] for name in TEXTS if notes.get(name)}
    return {**known, **({"published": figures} if figures else {})}


def check_figure(figure: Any) -> None:
    """Raise ValueError unless a published figure is one of `gradflow.reference.published_figures`'s forms."""
    if not isinstance(figure, dict):
        raise ValueError("each published figure must be a table.")
    for name, one in settings_of(FigureSettings, OtherFigureSettings).items():
        if name in figure:
            if one.kind is str and not isinstance(figure[name], str):
                raise ValueError(f"{name} of a published figure must be text; got {figure[name]!r}.")
            one._replace(name=f"{name} of a published figure").checked(figure[name])
    if "error" in figure and not (isinstance(figure.get("depth"), int) and figure.get("family")):
        raise ValueError("a published error must have a family and a whole depth.")


def is_figure(figure: Any) -> bool:
    """Whether something is a published figure as `check_figure` asks."""
    try:
        check_figure(figure)
    except ValueError:
        return False
    return True


def nearest_depth(depth: int, measured: Iterable[int]) -> int | None:
    """Return the measured depth that a published one stands beside: the nearest, if within half a step of 6n + 2.

    Examples
    --------
    >>> nearest_depth(10, [8, 20]), nearest_depth(14, [8, 20])
    (8, None)
    """
    near = [one for one in measured if abs(one - depth) < DEPTH_STEP / 2]
    return min(near, key=lambda one: (abs(one - depth), one), default=None)


def annotated(recordings: Iterable[Recording], notes: Notes) -> list[Recording]:
    """Return the recordings with a sweep's notes in their meta.

    `published` holds errors alone, as `gradflow.analysis.published` reads them; `published_probes` the rest.
    """
    figures = notes.get("published", [])
    errors, others = ([one for one in figures if ("error" in one) is wanted] for wanted in (True, False))
    texts = {name: notes.get(name) for name in ("preset", "scaled")}
    kept = {name: value for name, value in {**texts, "published": errors, PROBES: others}.items() if value}
    return [one.having(meta={**one.meta, **kept}) if kept else one for one in recordings]
