"""Recordings in, a folder out: one self-contained page, figures for print, tables."""

from gradflow.reporting.live.notebook import InteractiveFigure, interactive_profile
from gradflow.reporting.page import report

__all__ = ["InteractiveFigure", "interactive_profile", "report"]
