"""`gradflow models` as a user sees it."""

import csv
import io
import json
import re
from functools import partial

import pytest
import torch

from gradflow.cli import main
from gradflow.models import CATALOGUE, block_timing, family_table, resnet
from gradflow.models.costs import cost
from gradflow.models.family_table import TASKS
from gradflow.reference import he2015

CIFAR = he2015()["cifar10"]["trainable_parameters_option_a_and_plain"]
PARAMETERS = he2015()["imagenet"]["trainable_parameters_option_b_1000_classes"]


def run(*arguments):
    """Exit code of the command line, in this process."""
    with pytest.raises(SystemExit) as ended:
        main(["models", *arguments])
    return ended.value.code or 0


@pytest.fixture(scope="module")
def rows():
    return family_table.family_rows()


@pytest.fixture
def printed(rows, monkeypatch, capsys):
    """What the command prints of rows that are counted once for all tests."""
    monkeypatch.setattr(family_table, "family_rows", lambda: rows)

    def of(*arguments):
        assert run(*arguments) == 0
        return capsys.readouterr().out

    return of


def test_the_rows_hold_every_network(rows):
    assert set(TASKS) == set(CATALOGUE)
    named = {(row["model"], row["depth"], row["family"]): row for row in rows}
    assert len(named) == len(rows)
    assert {(model, family) for model, _, family in named} == {
        (model, family) for model, entry in CATALOGUE.items() for family in entry.families
    }
    for row in rows:
        if row["model"] != "transformer":
            assert row["weighted_layers"] == row["depth"]
    for depth in (20, 32, 44, 56, 110):
        assert named["cifar", depth, "residual"]["parameters"] == CIFAR[str(depth)]
    # What is counted without norms and activations is what the whole network takes.
    for depth, family in ((18, "preactivation"), (50, "residual")):
        with torch.device("meta"):
            whole = cost(resnet(depth, family=family), (3, 224, 224))
        row = named["resnet", depth, family]
        assert whole == (row["parameters"], row["weighted_layers"], row["multiply_adds"])
    fifty = named["resnet", 50, "residual"]
    assert fifty["published_multiply_adds"] == 3.8e9
    assert fifty["multiply_adds_papers_stride"] < fifty["multiply_adds"]
    assert named["resnet", 50, "plain"]["published_multiply_adds"] is None


def test_the_table_fits_and_holds_every_network(printed):
    shown = printed()
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in shown
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in lines}
    for depth, parameters in PARAMETERS.items():
        found = rows[f"resnet-{depth}", "residual"]
        assert found[0] == ("basic" if depth in ("18", "34") else "bottleneck")
        assert found[1] == depth
        assert int(found[2].replace(",", "")) == parameters
    assert rows["resnet-50", "residual"][3:] == ["4.09", "G", "3.8", "G"]
    assert rows["resnet-50", "plain"][3:] == ["3.73", "G"]
    assert rows["cifar-110", "plain"][1:] == ["110", "1,727,962", "253", "M"]
    assert rows["mini-10", "residual"][1] == "10"
    said = " ".join(shown.split())
    assert "resnet-50 takes 3.86 G, resnet-101 takes 7.57 G and resnet-152 takes 11.3 G against the published" in said
    assert "transformer: images of 3 × 32 × 32, 10 classes." in said


def test_json_and_csv_hold_the_rows(rows, printed):
    assert json.loads(printed("--json")) == rows
    read = list(csv.DictReader(io.StringIO(printed("--csv"))))
    assert len(read) == len(rows)
    for row, other in zip(rows, read, strict=True):
        assert row["parameters"] == int(other["parameters"])
        assert row["input_shape"] == json.loads(other["input_shape"])
        assert (row["published_multiply_adds"] is None) == (other["published_multiply_adds"] == "")


def test_blocks_are_timed_and_explained(capsys):
    assert run("--blocks", "--repeats", "6") == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert re.search(r"basic 256 → 256 +1,180,672 +3.70 G +\S+ \(\S+–\S+\) +\S+ \(\S+–\S+\)", shown)
    assert re.search(r"bottleneck 256 → 256 +70,400 +218 M", shown)
    said = " ".join(shown.split())
    assert "Median (95 % interval), n = 6 each" in said
    assert "16.8 times the parameters of the bottleneck, 16.9 times its multiply-adds" in said
    assert "cost about the same: 73,984 and 75,008 parameters, 231 M and 231 M multiply-adds" in said


def test_too_few_repeats_have_no_interval(capsys, monkeypatch):
    monkeypatch.setattr(block_timing, "block_rows", partial(block_timing.block_rows, size=8))
    assert run("--blocks", "--repeats", "1") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "too few for an interval" in shown
    assert "95 %" not in shown
    assert "nan" not in shown
    assert run("--blocks", "--repeats", "1", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["forward_ms_low"] for row in rows] == [None] * 4
    assert run("--blocks", "--repeats", "0") == 2
