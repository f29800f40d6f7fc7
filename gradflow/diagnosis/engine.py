"""diagnose(): apply every rule to recorded runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import replace
from importlib import import_module

from gradflow.analysis.remembered import remembering
from gradflow.diagnosis import rules
from gradflow.diagnosis.checks import checks
from gradflow.diagnosis.finding import SHOWN, Finding
from gradflow.diagnosis.findings import Findings
from gradflow.diagnosis.places import placed
from gradflow.diagnosis.ranking import OUTSIDE, is_cause, ranked
from gradflow.diagnosis.remedies import fitting
from gradflow.diagnosis.rules import healthy
from gradflow.diagnosis.seed_groups import Case, Subject, cases
from gradflow.recording import Recording

Rule = Callable[[list[Case]], list[Finding]]
# Each rule is the function `find` of its module, and reads the recordings alone; none reads another's findings.
_NAMES = (
    "skip_shape", "after_addition", "norm_place", "init_gain", "first_update", "diverged", "probabilities",
    "loss_level", "degraded", "over_time", "exploding", "vanishing", "stalled", "dead", "absent", "parameters",
    "unregistered", "unmoved", "shattered", "inputs", "identical_units", "output_range", "outputs", "modes", "frozen",
    "dropout", "gradients_kept", "elsewhere", "learning_rate", "weight_decay", "units",
)  # fmt: skip
RULES: tuple[Rule, ...] = tuple(import_module(f"{rules.__name__}.{name}").find for name in _NAMES)


def diagnose(recordings: Recording | Iterable[Recording]) -> Findings:
    """Return what the numbers say about each network: problems first, then notices, then healthy ones.

    Causes come before their consequences, and a loss that does not fall comes last.

    Vanishing, exploding, shattered and degraded are four findings, each from its own measurement. Runs that
    differ in their seed alone are one subject.

    Returns
    -------
    Findings
        A list of Finding. `print` shows each with its cause and remedies, and what was checked; `str(finding)` is its
        sentence alone, with the measured values, their intervals and n.

    Examples
    --------
    >>> import pandas as pd
    >>> steps = pd.DataFrame({"step": [0, 1], "loss": [2.3, float("inf")]})
    >>> print(diagnose(Recording(steps=steps, meta={"run": "mine"}))[0])
    mine: the loss became NaN or infinite, first at step 1.
    """
    with remembering():
        grouped = cases(recordings)
        found = _problems_and_notices(grouped)
        named = {finding.subject for finding in found if finding.severity in SHOWN}
        found += healthy.find([case for case in grouped if case.subject not in named])
        return Findings(ranked(found), checks(grouped, found))


def look(recording: Recording, told: Set[tuple[str, str]]) -> list[Finding]:
    """Return problems and notices of a recording under way, those that are healthy left out, causes first.

    Of those told before, by key and severity, only these two need be right: what explains them is left out.
    """
    with remembering():
        return ranked(_problems_and_notices([replace(case, told=told) for case in cases(recording)]))


def _problems_and_notices(grouped: list[Case]) -> list[Finding]:
    by_subject = {case.subject: case for case in grouped}
    found = [finding for rule in RULES for finding in rule(grouped)]
    explained = {finding.subject for finding in found if is_cause(finding)}
    found = [replace(finding, remedies=_remedies(finding, by_subject, explained)) for finding in found]
    return [placed(one, by_subject[one.subject].recordings) if one.subject in by_subject else one for one in found]


def _remedies(finding: Finding, by_subject: Mapping[Subject, Case], explained: Set[Subject]) -> tuple[str, ...]:
    """Return a finding's remedies; none of a symptom in a network where a cause was found, which has its own."""
    if not finding.remedies or (finding.key in OUTSIDE and finding.subject in explained):
        return ()
    return fitting(finding, by_subject[finding.subject])
