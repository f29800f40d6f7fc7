"""Which remedies a finding carries: those seen to repair its fault that its network can still take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gradflow.diagnosis.at_ends import ACTIVATIONS
from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.finding import Finding
from gradflow.reference import remedy_study
from gradflow.text import has

REPAIRED = 0.5  # of the networks on which a remedy was tried
OF_SOME_LAYERS = ("remedy.pool_over_time", "remedy.gate_bias")  # only where the rule itself names them
SATURATING = ("Hardsigmoid", "LogSigmoid", "Sigmoid", "Softplus", "Softsign", "Tanh")


def fitting(finding: Finding, case: Case) -> tuple[str, ...]:
    """Return the remedies of a finding that its network has not taken already and that can help it, best first.

    A network that learns needs none for an odd number. Behind a norm the scale of an initialisation changes nothing,
    nor does any initialisation once training is over. What depth needs is not what time steps need.
    """
    if not finding.remedies or (case.is_learnt and finding.severity != "problem"):
        return ()
    is_over = finding.values.get("when") == "end"
    vain = {
        "remedy.skip": case.has_shortcut or case.is_recurrent,
        "remedy.init": case.has_batch_norm or case.is_recurrent or is_over,
        "remedy.norm": case.has_norm or not case.has_shortcut,
        "remedy.add_norm": case.has_norm or case.has_shortcut or case.is_recurrent,
        **{remedy: remedy not in finding.remedies for remedy in OF_SOME_LAYERS},
        "remedy.relu": finding.values.get("activation") not in SATURATING or is_over,
    }
    return tuple(remedy for remedy in proven(finding, case) if not vain.get(remedy))


def proven(finding: Finding, case: Case) -> tuple[str, ...]:
    """Return the remedies that repaired at least half of the networks with one kind of a finding's fault, best first.

    Of faults that were not studied, what the rule itself names.
    """
    studied = list(_studied(finding, case))
    if not studied:
        return finding.remedies
    counts = [(remedy, *pair) for fault in studied for remedy, pair in fault["remedies"].items()]
    # In the study's order, which equals keep: a set's would change from one process to the next.
    good = dict.fromkeys(remedy for remedy, repaired, n in counts if repaired >= REPAIRED * n and has(remedy))
    share = {
        remedy: sum(repaired for one, repaired, _ in counts if one == remedy)
        / sum(n for one, _, n in counts if one == remedy)
        for remedy, _, _ in counts  # in the study's order, which decides between equals
        if remedy in good
    }
    return tuple(sorted(share, key=lambda remedy: -share[remedy]))


def _studied(finding: Finding, case: Case) -> Iterator[Mapping[str, Any]]:
    """Yield the studied faults that a finding may be: those of its kind, else all of its key."""
    faults = remedy_study()["faults"]
    own = {name: fault for name, fault in faults.items() if fault["finding"] == finding.key}
    kind = f"{finding.key}/{_kind(finding, case)}"
    yield from [own[kind]] if kind in own else own.values()


def _kind(finding: Finding, case: Case) -> str:
    if finding.key == "exploding":
        return "residual" if case.has_shortcut else "batch_norm" if case.has_batch_norm else "scale"
    return ACTIVATIONS.get(str(finding.values.get("activation")), "")
