"""Runs of one family and depth that were not made alike: variants, each under a name of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any, NamedTuple

from gradflow.recording import Recording

# What shapes a run, in the order in which it is looked at: the network, its training, its data, where it came from.
ORDER = (
    "model",
    "block",
    "activation",
    "norm",
    "init",
    "skip",
    "shortcut",
    "width",
    "widths",
    "optimizer",
    "lr",
    "batch_size",
    "schedule",
    "steps",
    "warmup",
    "warmup_until",
    "milestones",
    "momentum",
    "weight_decay",
    "clip",
    "accumulate",
    "precision",
    "augment",
    "data",
    "n_train",
    "source",
)
_MARK = "told_apart"  # meta key of a labelled recording: its names before, and what tells it apart
SOURCE = "source"  # meta key: the folder that a run came from, where two folders hold the same run
_NO_SETTING = ("run", "family", "depth", "seed")
# Other experiments look at a network's norm as at its depth.
_LOOKED_AT = {"shattering": ("norm",)}
_MEANINGLESS = {"plain": ("shortcut", "skip")}
_BY_VALUE = ("model", "block", "activation", "optimizer", "schedule", "precision", "data", SOURCE)
_AFTER_VALUE = ("norm", "init")
_SHORT = {"batch_size": "batch", "n_train": "images", "precision": "", "warmup_until": "warm-up until"}
_OFF = ("null", "false", "[]", "{}")
_WORD = "="  # marks a word, which is no JSON
_LONGEST = 24  # characters of a value


class _Run(NamedTuple):
    """One recording as its variants are told: its group, its depth, and its settings as JSON."""

    group: tuple[str, str]
    depth: object
    values: Mapping[str, str]


def labelled(recordings: Sequence[Recording]) -> list[Recording]:
    """Return the recordings, those that differ by more than their seed under names that tell them apart.

    A setting that takes several values within one family and depth becomes part of the family's name, "plain,
    lr 0.1", in all depths of that family; one that is tied to the depth does not. Where several settings
    change together, the first of `ORDER` that tells the runs apart stands for all. Settings are meta["settings"], and
    of recordings without it the keys of meta named in `ORDER`. Of runs without a family only the source counts; of
    the demonstration's, all that changes within one setting.

    Notes
    -----
    Recordings that were labelled before keep their names, so that parts of a comparison are named as the whole is.

    Examples
    --------
    >>> runs = [Recording(meta={"family": "plain", "depth": 20, "seed": 0, "lr": lr}) for lr in (0.1, 0.01)]
    >>> [run.meta["family"] for run in labelled(runs)]
    ['plain, lr 0.1', 'plain, lr 0.01']
    """
    found = list(recordings)
    if found and all(_MARK in one.meta for one in found):
        return found
    found = [_restored(one) for one in found]
    runs = [_described(one) for one in found]
    telling = {group: _telling([run for run in runs if run.group == group]) for group in {run.group for run in runs}}
    if not any(telling.values()):
        return found
    union = _ordered({key for keys in telling.values() for key in keys})
    names = _Names(runs)
    return [
        _named(one, names.text(run, telling[run.group]), names.text(run, union))
        for one, run in zip(found, runs, strict=True)
    ]


def base_family(recording: Recording) -> str:
    """Return the family as the run's meta named it, without what tells variants apart."""
    named = recording.meta.get(_MARK) or recording.meta
    return str(named.get("family") or "")


def told_apart_by(recording: Recording) -> str:
    """Return what tells this run from others of the comparison, "sgd, lr 0.1", or an empty string."""
    return str((recording.meta.get(_MARK) or {}).get("by", ""))


def network_name(family: str, depth: object) -> str:
    """Return a network's name: its family and depth, then what tells it apart.

    Examples
    --------
    >>> network_name("plain", 20), network_name("plain, lr 0.1", 20)
    ('plain-20', 'plain-20, lr 0.1')
    """
    base, comma, rest = family.partition(", ")
    return f"{base}-{depth}{comma}{rest}"


def agree(first: str, second: str) -> bool:
    """Whether two runs, each by what tells it apart, differ in nothing that both of them have.

    Examples
    --------
    >>> agree("lr 0.1", "shortcut A, lr 0.1"), agree("lr 0.1", "lr 0.01")
    (True, False)
    """
    parts = set(first.split(", ")) - {""}, set(second.split(", ")) - {""}
    return parts[0] <= parts[1] or parts[1] <= parts[0]


def from_sources(groups: Mapping[str, Iterable[Recording]]) -> list[Recording]:
    """Return recordings of several folders; where two folders hold the same run, all are told apart by folder.

    Parameters
    ----------
    groups : mapping of str to iterable of Recording
        A folder, and what it holds. Names are its last parts, as many as tell the folders apart.

    Examples
    --------
    >>> run = Recording(meta={"family": "plain", "depth": 20, "seed": 0})
    >>> [one.meta["family"] for one in labelled(from_sources({"ann/runs": [run], "bob/runs": [run]}))]
    ['plain, ann/runs', 'plain, bob/runs']
    """
    by_folder = {folder: list(found) for folder, found in groups.items()}
    every = [one for found in by_folder.values() for one in found]
    same = [_who(one) for one in labelled(every)]
    if len(by_folder) < 2 or len(set(same)) == len(same):
        return every
    short = _short_folders(list(by_folder))
    return [
        replace(one, meta={**one.meta, SOURCE: short[folder]}) for folder, found in by_folder.items() for one in found
    ]


def _who(recording: Recording) -> tuple[str, ...]:
    meta = recording.meta
    if meta.get("family") and meta.get("seed") is None:
        return (recording.name, str(meta["family"]), str(meta.get("depth")))
    name = meta.get("setting") or meta.get("family") or recording.name
    return (str(meta.get("experiment")), str(name), str(meta.get("depth")), str(meta.get("seed")))


def _short_folders(folders: list[str]) -> dict[str, str]:
    """Return the last parts of each folder's path, as many as make them differ."""
    parts = {folder: PurePath(folder).parts or (folder,) for folder in folders}
    most = max(map(len, parts.values()))
    for count in range(1, most + 1):
        short = {folder: "/".join(found[-count:]) for folder, found in parts.items()}
        if len(set(short.values())) == len(folders):
            return short
    return {folder: folder for folder in folders}


def _described(recording: Recording) -> _Run:
    meta = recording.meta
    experiment = str(meta.get("experiment") or "")
    own = f"{experiment if experiment in _LOOKED_AT else ''}"
    settings = {name: meta[name] for name in ORDER if name in meta and name != "model"}  # there it is the class
    given = meta.get("settings")
    if isinstance(given, Mapping):
        settings |= {str(name): value for name, value in given.items()}
    group = ("setting", str(meta["setting"])) if meta.get("setting") else (f"family {own}", str(meta.get("family")))
    if not meta.get("family") and not meta.get("setting"):
        group, settings = ("run", recording.name), {name: settings[name] for name in (SOURCE,) if name in settings}
    left_out = {*_NO_SETTING, *_LOOKED_AT.get(experiment, ()), *_MEANINGLESS.get(str(meta.get("family")), ())}
    values = {
        name: _canonical(value)
        for name, value in settings.items()
        if name not in left_out and not name.endswith("_seed")
    }
    return _Run(group, meta.get("depth"), values)


def _canonical(value: object) -> str:
    """Return a value as JSON, 1 and 1.0 alike, words as they are, and an empty string for whatever says "none"."""
    if isinstance(value, str):
        return "" if value == "none" else f"{_WORD}{value}" if value else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(float(value))
    text = json.dumps(value, sort_keys=True, default=str)
    return "" if text in _OFF else text


def _telling(runs: list[_Run]) -> list[str]:
    """Return the settings that tell runs of one group and depth apart, none that adds nothing to those before it."""
    cells: list[tuple[object, ...]] = [(run.depth,) for run in runs]
    chosen = []
    for name in _ordered({name for run in runs for name in run.values}):
        finer = [(*cell, run.values.get(name, "")) for cell, run in zip(cells, runs, strict=True)]
        if len(set(finer)) > len(set(cells)):
            chosen.append(name)
            cells = finer
    return chosen


def _ordered(names: Iterable[str]) -> list[str]:
    places = {name: place for place, name in enumerate(ORDER)}
    return sorted(names, key=lambda name: (name == SOURCE, places.get(name, len(ORDER)), name))


class _Names:
    """How values read: short, and never two alike."""

    def __init__(self, runs: list[_Run]) -> None:
        self._texts: dict[tuple[str, str], str] = {}
        absent = {
            name for name in {key for run in runs for key in run.values} if any(name not in r.values for r in runs)
        }
        taken: dict[str, int] = {}
        for name, value in sorted({(name, value) for run in runs for name, value in run.values.items()}):
            text = "" if not value and name in absent else _read(name, value)
            taken[text] = taken.get(text, 0) + 1
            self._texts[name, value] = f"{text} ({taken[text]})" if text and taken[text] > 1 else text

    def text(self, run: _Run, names: Iterable[str]) -> str:
        """Return the run's values of some settings, "sgd, lr 0.1"; what it does not have is left out."""
        return ", ".join(filter(None, (self._texts.get((name, run.values.get(name, "")), "") for name in names)))


def _read(name: str, value: str) -> str:
    """Return a setting as a reader would write it: "lr 0.1", "batch norm", "no clip", "sgd".

    Examples
    --------
    >>> _read("lr", "0.1"), _read("norm", ""), _read("widths", "[16, 32]"), _read("optimizer", "=sgd")
    ('lr 0.1', 'no norm', 'widths 16-32', 'sgd')
    """
    called = _SHORT.get(name, name).replace("_", " ")
    if not value:
        return f"no {called}" if name not in _BY_VALUE else ""
    if value == "true":
        return called
    shown = _shown(value.removeprefix(_WORD) if value.startswith(_WORD) else json.loads(value))
    if name in _BY_VALUE:
        return shown
    return f"{shown} {called}" if name in _AFTER_VALUE else f"{called} {shown}"


def _shown(value: object) -> str:
    """Return a value in few characters, without the comma that separates settings."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "-".join(_shown(float(one) if isinstance(one, int) else one) for one in value)
    text = " ".join(str(value).replace(",", ";").split())
    head, _, tail = text.rpartition("/")
    text = tail if head.count("/") > 1 or head.startswith(("/", "data:")) else text
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 8]}…{text[-7:]}"


def _named(recording: Recording, text: str, by: str) -> Recording:
    meta: dict[str, Any] = dict(recording.meta)
    kept = {name: meta[name] for name in ("family", "setting", "label") if name in meta}
    meta[_MARK] = {**kept, "by": by}
    if text:
        called = ("setting", "label") if meta.get("setting") else ("family",)
        for name in called:
            meta[name] = f"{meta.get(name) or recording.name}, {text}"
    return replace(recording, meta=meta)


def _restored(recording: Recording) -> Recording:
    """Return a labelled recording as it was before."""
    meta = dict(recording.meta)
    if _MARK not in meta:
        return recording
    kept = {name: value for name, value in meta.pop(_MARK).items() if name != "by"}
    if "family" not in kept:
        meta.pop("family", None)
    return replace(recording, meta={**meta, **kept})
