"""Recordings in, findings out: what the numbers say, each statement with the measurement it rests on."""

from gradflow.diagnosis.engine import diagnose
from gradflow.diagnosis.finding import SEVERITIES, Finding
from gradflow.diagnosis.findings import Findings
from gradflow.diagnosis.seed_groups import Subject
from gradflow.diagnosis.wording import sentence

__all__ = ["SEVERITIES", "Finding", "Findings", "Subject", "diagnose", "sentence"]
