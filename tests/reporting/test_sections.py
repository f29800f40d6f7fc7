"""Sections are found by the names of their modules, and each is whole."""

import re
import sys
from types import ModuleType

import pandas as pd

import gradflow.reporting
from gradflow import Recording, report
from gradflow.reporting import sections
from gradflow.reporting.section import Section, Tabled
from gradflow.tables import words
from gradflow.text import LANGUAGES, catalogue

STEPS = pd.DataFrame({"step": [0, 1], "loss": [2.0, 1.0]})


def test_each_section_has_a_title_a_place_of_its_own_and_files_that_no_other_writes():
    known = sections.known()
    assert len(known) == 24
    for lang in LANGUAGES:
        assert {f"{one.key}.title" for one in known} <= catalogue(lang).keys()
    places = [one.place for one in known if one.key != "errors"]  # in place of degradation
    assert len(set(places)) == len(places)
    assert [one.key for one in known][:5] == ["difference", "findings", "degradation", "errors", "published"]
    assert [one.key for one in known][-3:] == ["layers", "coverage", "method"]


def test_a_section_is_one_file(tmp_path, monkeypatch):
    module = ModuleType("gradflow.reporting.own_section")
    columns = (words("network", of="run"),)
    rows = pd.DataFrame({"run": ["<b>mine"]})
    module.OWN = Section(
        "presets", 6, lambda data: rows, words=("training.lead_loss",), parts=(Tabled("layers", columns),),
        files=lambda data: {"own": rows},
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "own_section.py").touch()
    monkeypatch.setattr(gradflow.reporting, "__path__", [*gradflow.reporting.__path__, str(tmp_path)])
    sections.known.cache_clear()
    try:
        page = report(Recording(steps=STEPS, meta={"run": "mine"}), tmp_path / "out").read_text(encoding="utf-8")
    finally:
        sections.known.cache_clear()
    assert "&lt;b&gt;mine" in page
    assert re.search(r'<section id="presets".*<table id="rows-layers"', page, re.DOTALL)
    assert (tmp_path / "out" / "tables" / "own.csv").is_file()


def test_an_empty_frame_leaves_a_section_out():
    def shown(about):
        return Section("training", 1, lambda data: about).shown(None)

    assert shown(pd.DataFrame()) is shown(None) is shown(False) is None
    assert shown(True).anchor == shown(pd.DataFrame({"a": [1]})).anchor == "training"
