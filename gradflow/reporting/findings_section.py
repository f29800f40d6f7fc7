"""The section with all findings, the gravest first."""

from __future__ import annotations

import pandas as pd

from gradflow.diagnosis import SEVERITIES
from gradflow.reporting.page_blocks import Statements, statements
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section

_FOLDED = ("healthy", "unmeasured")  # beneath what needs a reader


def _statements(data: ReportData) -> list[Statements] | None:
    found = [statements(data.findings, severity) for severity in SEVERITIES]
    spoken = [one for one in found if one.items]
    return [one._replace(is_folded=one.severity in _FOLDED and one is not spoken[0]) for one in spoken] or None


def _files(data: ReportData) -> dict[str, pd.DataFrame]:
    """Return one row per finding: key, severity, subject, runs, figure, sentence."""
    rows = [
        (one.key, one.severity, one.subject.label, " ".join(one.subject.runs), one.figure, str(one))
        for one in data.findings
    ]
    return {"findings": pd.DataFrame(rows, columns=["key", "severity", "subject", "runs", "figure", "sentence"])}


FINDINGS = Section("findings", 5, _statements, words=("findings.lead",), parts=(lambda _, found: found,), files=_files)
