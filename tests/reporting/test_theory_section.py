"""The section on theory: there where a law applies, with the numbers of its table."""

import math

import pandas as pd
from compared import network

from gradflow import Recording
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.theory_section import BESIDE

BATCH_NORM = math.sqrt(math.pi / (math.pi - 1))


def section(recordings, tmp_path):
    (tmp_path / "figures").mkdir(exist_ok=True)
    return BESIDE.shown(ReportData(recordings, tmp_path))


def test_plain_and_residual_networks(tmp_path):
    runs = [network("plain", 1.2, seed, noise=0.01) for seed in range(3)]
    for depth, factor in ((26, 1.08), (56, 1.04)):
        runs += [network("residual", factor, seed, depth) for seed in range(3)]
    found = section(runs, tmp_path)
    picture, table = found.blocks
    assert (tmp_path / picture.file).is_file()
    assert len(table.cells) == 9
    first, last = table.cells[0], table.cells[-1]
    assert first[0].main == "plain-26, stage 1"
    assert first[2].main == f"{BATCH_NORM:.3f}"
    assert "Yang et al. 2019" in first[4].sub
    assert [cell.main for cell in last[2:4]] == ["–", "–"]
    assert last[4].main == "grows, power law"
    said = " ".join(found.paragraphs)
    assert "Over 3 predictions" in said
    assert "of 3." in said
    assert "1.080, 1.040 at 26, 56 layers" in said


def test_factors_that_do_not_fall_are_not_said_to(tmp_path):
    runs = [network("residual", factor, 0, depth) for depth, factor in ((26, 1.04), (56, 1.08))]
    found = section(runs, tmp_path)
    assert len(found.blocks) == 1
    assert not any("tends to 1" in paragraph for paragraph in found.paragraphs)


def test_one_seed_holds_nothing(tmp_path):
    found = section([network("plain", 1.2)], tmp_path)
    said = " ".join(found.paragraphs)
    assert "Over 3 predictions" in said
    assert "interval holds" not in said


def test_absent_without_a_law(tmp_path):
    assert section([Recording(steps=pd.DataFrame({"step": [0]}), meta={"run": "mine"})], tmp_path) is None
