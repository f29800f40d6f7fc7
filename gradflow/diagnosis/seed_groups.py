"""Which runs belong together: repetitions of one network, told apart by their seed alone."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from gradflow.analysis.path_ends import has_shortcut
from gradflow.analysis.runs import as_list
from gradflow.analysis.stall import has_batch_norm
from gradflow.analysis.variants import base_family, network_name, told_apart_by
from gradflow.diagnosis.first_last_ratio import Ends, ends
from gradflow.diagnosis.learning import HARMLESS, Learning, learning
from gradflow.recording import Recording

RESIDUAL = "residual"  # the family whose networks have residual connections


class Subject(NamedTuple):
    """What a finding is about: a label to read, and family and depth where the runs have them.

    Of a variant, family is "plain, lr 0.1", base_family is "plain" and settings are "lr 0.1".
    """

    label: str
    family: str = ""
    depth: int | None = None
    runs: tuple[str, ...] = ()
    base_family: str = ""
    settings: str = ""


@dataclass(frozen=True, eq=False)
class Case:
    """The runs of one network, one a seed; `told` are keys and severities of findings that need no explanation."""

    subject: Subject
    recordings: tuple[Recording, ...]
    told: Set[tuple[str, str]] = frozenset()

    @cached_property
    def is_recurrent(self) -> bool:
        """Whether a gradient over time steps was recorded in any run, and so a recurrent layer."""
        return any(len(recording.times) for recording in self.recordings)

    @cached_property
    def has_batch_norm(self) -> bool:
        """Whether a batch norm was recorded in any run."""
        return any(map(has_batch_norm, self.recordings))

    @cached_property
    def has_norm(self) -> bool:
        """Whether a norm of any kind was recorded in any run."""
        return any("Norm" in kind for one in self.recordings for kind in one.layers["kind"].unique())

    @cached_property
    def has_shortcut(self) -> bool:
        """Whether the network has residual connections, by its family or by what was recorded."""
        return self.subject.base_family == RESIDUAL or any(map(has_shortcut, self.recordings))

    @cached_property
    def learning(self) -> tuple[Learning, ...]:
        """What became of each run's loss."""
        return tuple(map(learning, self.recordings))

    @property
    def is_learnt(self) -> bool:
        """Whether each run learns, or has learnt."""
        return all(one in HARMLESS for one in self.learning)

    @cached_property
    def start(self) -> Ends | None:
        """How far apart the gradient's ends are at step 0."""
        return ends(self.recordings, "start")

    @cached_property
    def end(self) -> Ends | None:
        """How far apart they are at each run's last recorded step."""
        return ends(self.recordings, "end")


def cases(recordings: Recording | Iterable[Recording]) -> list[Case]:
    """Group recordings as figures do: by setting, else by family and depth, else by run, in order of appearance.

    Examples
    --------
    >>> seeds = [Recording(meta={"family": "plain", "depth": 20, "seed": seed}) for seed in (0, 1)]
    >>> [(case.subject.label, len(case.recordings)) for case in cases(seeds)]
    [('plain-20', 2)]
    """
    groups: dict[tuple[Any, ...], list[Recording]] = {}
    for recording in as_list(recordings):
        groups.setdefault(_identity(recording), []).append(recording)
    return [Case(_subject(group), tuple(group)) for group in groups.values()]


def _identity(recording: Recording) -> tuple[Any, ...]:
    meta = recording.meta
    if meta.get("setting"):
        return ("setting", meta["setting"])
    if meta.get("family"):
        return ("net", meta["family"], meta.get("depth"))
    return ("run", recording.name)


def _subject(group: list[Recording]) -> Subject:
    meta = group[0].meta
    runs = tuple(recording.name for recording in group)
    kind, *_ = _identity(group[0])
    if kind == "setting":
        return Subject(str(meta.get("label") or meta["setting"]), runs=runs)
    if kind == "net":
        family, depth = str(meta["family"]), meta.get("depth")
        told = base_family(group[0]), told_apart_by(group[0])
        label = family if depth is None else network_name(family, depth)
        return Subject(label, family, None if depth is None else int(depth), runs, *told)
    return Subject(group[0].name, runs=runs)
