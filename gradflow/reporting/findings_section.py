"""The section with all findings, the gravest first."""

from __future__ import annotations

import pandas as pd

from gradflow.diagnosis import SEVERITIES
from gradflow.reporting.blocks import Statements, statements
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section


def _statements(data: ReportData) -> list[Statements] | None:
    found = [statements(data.findings, severity) for severity in SEVERITIES]
    return [one for one in found if one.items] or None


def _files(data: ReportData) -> dict[str, pd.DataFrame]:
    """Return one row per finding: key, severity, subject, runs, figure, sentence."""
    rows = [
        (one.key, one.severity, one.subject.label, " ".join(one.subject.runs), one.figure, str(one))
        for one in data.findings
    ]
    return {"findings": pd.DataFrame(rows, columns=["key", "severity", "subject", "runs", "figure", "sentence"])}


FINDINGS = Section("findings", 5, _statements, words=("findings.lead",), parts=(lambda _, found: found,), files=_files)
