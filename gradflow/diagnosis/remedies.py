"""Which remedies a finding carries: those seen to repair its fault that its network can still take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.ratio_findings import ACTIVATIONS
from gradflow.diagnosis.seed_groups import Case
from gradflow.reference import remedy_studies

ALIKE = "identical_units"  # of which no norm makes different ones
REPAIRED = 0.5  # of the networks on which a remedy was tried
SATURATING = ("Hardsigmoid", "LogSigmoid", "Sigmoid", "Softplus", "Softsign", "Tanh")


def fitting(finding: Finding, case: Case) -> tuple[str, ...]:
    """Return the remedies of a finding that repaired its fault and that its network can still take, best first.

    A network that learns needs none for an odd number. Behind a norm the scale of an initialisation changes nothing,
    nor does any initialisation once training is over. What depth needs is not what time steps need.
    """
    if not finding.remedies or (case.is_learnt and finding.severity != "problem"):
        return ()
    is_over = finding.values.get("when") == "end"
    vain = {
        "remedy.skip": case.has_shortcut or case.is_recurrent,
        "remedy.init": finding.key != ALIKE and (case.has_batch_norm or case.is_recurrent or is_over),
        "remedy.norm": case.has_norm or not case.has_shortcut,
        "remedy.add_norm": case.has_norm or case.has_shortcut or case.is_recurrent,
        "remedy.relu": finding.values.get("activation") not in SATURATING or is_over,
    }
    return tuple(remedy for remedy in proven(finding, case) if not vain.get(remedy))


def proven(finding: Finding, case: Case) -> tuple[str, ...]:
    """Return those of a finding's remedies that repaired at least half of the networks with one kind of its fault.

    Best first. Of a fault that was not studied there is none.
    """
    counts = [
        (remedy, *fault["remedies"][remedy])
        for fault in _studied(finding, case)
        for remedy in finding.remedies
        if remedy in fault["remedies"]
    ]
    good = {remedy for remedy, repaired, tried in counts if repaired >= REPAIRED * tried}
    return tuple(sorted((one for one in finding.remedies if one in good), key=lambda one: -_share(one, counts)))


def _share(remedy: str, counts: Sequence[tuple[str, int, int]]) -> float:
    """Return the share of the networks with any kind of the fault that a remedy repaired."""
    own = [(repaired, tried) for one, repaired, tried in counts if one == remedy]
    return sum(repaired for repaired, _ in own) / sum(tried for _, tried in own)


def _studied(finding: Finding, case: Case) -> list[Mapping[str, Any]]:
    """Return the studied faults that a finding may be: the one of its kind, else all of its key."""
    faults = {name: fault for study in remedy_studies() for name, fault in study["faults"].items()}
    own = {name: fault for name, fault in faults.items() if finding.key in fault["findings"]}
    kind = f"{finding.key}/{_kind(finding, case)}"
    return [own[kind]] if kind in own else list(own.values())


def _kind(finding: Finding, case: Case) -> str:
    if finding.key == "exploding":
        return "residual" if case.has_shortcut else "batch_norm" if case.has_batch_norm else "scale"
    return ACTIVATIONS.get(str(finding.values.get("activation")), "")
