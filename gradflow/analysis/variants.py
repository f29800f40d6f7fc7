"""Runs of one family and depth that were not made alike: variants, each under a name of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from gradflow.analysis.variant_names import SOURCE, Described, Names, canonical
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
_NAMED = ("run", "family", "setting", "label")
_NO_SETTING = ("run", "family", "depth", "seed")
# What is measured of a run and how often: told where two runs of one seed differ in nothing else.
_MEASURED = ("record_every", "eval_every", "probes")
# Other experiments look at a network's norm as at its depth.
_LOOKED_AT = {"shattering": ("norm",)}
_MEANINGLESS = {"plain": ("shortcut", "skip")}


def labelled(recordings: Sequence[Recording]) -> list[Recording]:
    """Return the recordings, those that differ by more than their seed under names that tell them apart.

    First by their settings, as `named_by_settings` does. Runs of one name are then numbered, "mine" and "mine (2)";
    those without a family are one family of that name where they are seeds of one network, see `are_seeds`.

    Notes
    -----
    Recordings that were labelled before keep their names, so that parts of a comparison are named as the whole is.

    Examples
    --------
    >>> runs = [Recording(meta={"family": "plain", "depth": 20, "seed": 0, "lr": lr}) for lr in (0.1, 0.01)]
    >>> [run.meta["family"] for run in labelled(runs)]
    ['plain, lr 0.1', 'plain, lr 0.01']
    >>> [run.name for run in labelled([Recording(meta={"run": "mine"})] * 2)]
    ['mine', 'mine (2)']
    """
    found = list(recordings)
    if found and all(_MARK in one.meta for one in found) and len({one.name for one in found}) == len(found):
        return found
    return _numbered(named_by_settings(found))


def named_by_settings(recordings: Iterable[Recording]) -> list[Recording]:
    """Return the recordings, those of other settings under families of their own.

    A setting that takes several values within one family and depth becomes part of the family's name, "plain,
    lr 0.1", in all depths of that family; one that is tied to the depth does not. Where several settings
    change together, the first of `ORDER` that tells the runs apart stands for all. Settings are meta["settings"], and
    of recordings without it the keys of meta named in `ORDER`. Of runs without a family only the source counts; of
    the demonstration's, all that changes within one setting.
    """
    found = [_restored(one) for one in recordings]
    runs = [_described(one) for one in found]
    telling = {group: _telling([run for run in runs if run.group == group]) for group in {run.group for run in runs}}
    if not any(telling.values()):
        return found
    union = _ordered({key for keys in telling.values() for key in keys})
    names = Names(runs, set(union))
    return [
        _named(one, names.text(run, telling[run.group]), names.text(run, union))
        for one, run in zip(found, runs, strict=True)
    ]


def are_seeds(recordings: Sequence[Recording]) -> bool:
    """Whether recordings of one name, without a family, are of one network: each has a seed of its own.

    Examples
    --------
    >>> are_seeds([Recording(meta={"run": "mine", "seed": seed}) for seed in (0, 1)])
    True
    >>> are_seeds([Recording(meta={"run": "mine"})] * 2)
    False
    """
    if any(map(has_label, recordings)):
        return False
    metas = [one.meta for one in recordings]
    seeds = {meta.get("seed") for meta in metas}
    networks = {(meta.get("model"), meta.get("parameters")) for meta in metas}
    return None not in seeds and len(seeds) == len(metas) and len(networks) == 1


def has_label(recording: Recording) -> bool:
    """Whether the run's meta says of which family or setting it is."""
    return bool(recording.meta.get("family") or recording.meta.get("setting"))


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


def _described(recording: Recording) -> Described:
    meta = recording.meta
    experiment = str(meta.get("experiment") or "")
    own = f"{experiment if experiment in _LOOKED_AT else ''}"
    known = (*ORDER[1:], *_MEASURED)  # the model there is the class
    settings = {name: meta[name] for name in known if name in meta}
    given = meta.get("settings")
    if isinstance(given, Mapping):
        settings |= {str(name): value for name, value in given.items()}
    group = ("setting", str(meta["setting"])) if meta.get("setting") else (f"family {own}", str(meta.get("family")))
    if not meta.get("family") and not meta.get("setting"):
        group, settings = ("run", recording.name), {name: settings[name] for name in (SOURCE,) if name in settings}
    left_out = {*_NO_SETTING, *_LOOKED_AT.get(experiment, ()), *_MEANINGLESS.get(str(meta.get("family")), ())}
    values = {
        name: canonical(value)
        for name, value in settings.items()
        if name not in left_out and not name.endswith("_seed")
    }
    return Described(group, meta.get("depth"), meta.get("seed"), values)


def _telling(runs: list[Described]) -> list[str]:
    """Return the settings that tell runs of one group and depth apart, none that adds nothing to those before it."""
    cells: list[tuple[object, ...]] = [(run.depth,) for run in runs]
    chosen = []
    every = {name for run in runs for name in run.values}
    for name in _ordered(name for name in every if len({run.values.get(name, "") for run in runs}) > 1):
        seeded = [(*cell, run.seed) for cell, run in zip(cells, runs, strict=True)]
        if name in _MEASURED and len(set(seeded)) == len(runs):
            continue
        finer = [(*cell, run.values.get(name, "")) for cell, run in zip(cells, runs, strict=True)]
        if len(set(finer)) > len(set(cells)):
            chosen.append(name)
            cells = finer
    return chosen


def _ordered(names: Iterable[str]) -> list[str]:
    places = {name: place for place, name in enumerate(ORDER)}
    return sorted(names, key=lambda name: (name in _MEASURED, name == SOURCE, places.get(name, len(ORDER)), name))


def _named(recording: Recording, text: str, by: str) -> Recording:
    meta = recording.meta
    called = ("setting", "label") if meta.get("setting") else ("family",) if meta.get("family") else ("family", "run")
    names = {name: f"{meta.get(name) or recording.name}, {text}" for name in called if text}
    return _renamed(recording, names, by=by)


def _renamed(recording: Recording, names: Mapping[str, str], **mark: str) -> Recording:
    """Return the recording under other names, those before the first change kept."""
    meta = recording.meta
    before = meta.get(_MARK) or {name: meta[name] for name in _NAMED if name in meta}
    return recording.having(meta={**meta, **names, _MARK: {**before, **mark}})


def _numbered(recordings: list[Recording]) -> list[Recording]:
    """Return the recordings, each under a run's name of its own, and seeds of one nameless family as a family."""
    by_name: dict[str, list[Recording]] = {}
    for one in recordings:
        by_name.setdefault(one.name, []).append(one)
    if len(by_name) == len(recordings):
        return recordings
    families = {name: name for name, group in by_name.items() if len(group) > 1 and are_seeds(group)}
    taken = set(by_name)
    seen: set[str] = set()
    found = []
    for one in recordings:
        family = {"family": families[one.name]} if one.name in families else {}
        names = {**family, "run": _free(one.name, taken)} if one.name in seen else family
        seen.add(one.name)
        taken.update(names.values())
        found.append(_renamed(one, names))
    return found


def _free(name: str, taken: set[str]) -> str:
    """Return the name with the first number, from 2 on, that makes it new."""
    return next(numbered for number in count(2) if (numbered := f"{name} ({number})") not in taken)


def _restored(recording: Recording) -> Recording:
    """Return a labelled recording as it was before."""
    mark = recording.meta.get(_MARK)
    if mark is None:
        return recording
    meta = {name: value for name, value in recording.meta.items() if name not in (_MARK, *_NAMED)}
    before = {name: value for name, value in mark.items() if name in _NAMED}
    return recording.having(meta={**meta, **before})
