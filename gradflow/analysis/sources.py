"""Runs of several folders: which of them only their folder tells apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath

from gradflow.analysis.variant_names import SOURCE
from gradflow.analysis.variants import are_seeds, has_label, named_by_settings
from gradflow.recording import Recording


def by_folder(found: Mapping[str, Recording]) -> list[Recording]:
    """Return recordings, each given under its own folder; those that share a name and no more are told apart by it.

    Runs with a family, and seeds of one network, keep their names.

    Examples
    --------
    >>> run = Recording(meta={"run": "Sequential"})
    >>> [one.name for one in named_by_settings(by_folder({"runs/wide": run, "runs/deep": run}))]
    ['Sequential, wide', 'Sequential, deep']
    """
    by_name: dict[str, list[str]] = {}
    for folder, one in found.items():
        if not has_label(one):
            by_name.setdefault(one.name, []).append(folder)
    alike = [folders for folders in by_name.values() if not are_seeds([found[folder] for folder in folders])]
    short = {folder: name for folders in alike if len(folders) > 1 for folder, name in _short_folders(folders).items()}
    return [_from(one, short[folder]) if folder in short else one for folder, one in found.items()]


def from_sources(groups: Mapping[str, Iterable[Recording]]) -> list[Recording]:
    """Return recordings by folder; where two folders hold the same run, all are told apart by folder.

    Names are the folders' last parts, as many as tell them apart.

    Examples
    --------
    >>> run = Recording(meta={"family": "plain", "depth": 20, "seed": 0})
    >>> [one.meta["family"] for one in named_by_settings(from_sources({"ann/runs": [run], "bob/runs": [run]}))]
    ['plain, ann/runs', 'plain, bob/runs']
    """
    held = {folder: list(found) for folder, found in groups.items()}
    every = [one for found in held.values() for one in found]
    same = [_who(one) for one in named_by_settings(every)]
    if len(held) < 2 or len(set(same)) == len(same):
        return every
    short = _short_folders(list(held))
    return [_from(one, short[folder]) for folder, found in held.items() for one in found]


def _from(recording: Recording, folder: str) -> Recording:
    """Return the recording with its source, under that of its own folder if it has one."""
    inner = recording.meta.get(SOURCE)
    return recording.having(meta={**recording.meta, SOURCE: f"{folder}/{inner}" if inner else folder})


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
