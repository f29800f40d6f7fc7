"""Recordings in, a folder out: one self-contained page, figures for print, tables."""

from gradflow.reporting.page import report

__all__ = ["report"]
