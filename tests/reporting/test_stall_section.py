"""The sections on the degree of vanishing and on why networks stall: told by numbers, and only where they hold."""

import re

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording
from gradflow.analysis import stall_over_seeds
from gradflow.reporting.degree_section import DEGREE
from gradflow.reporting.page_blocks import Statements
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.stall_section import WHY
from gradflow.tables import Table
from gradflow.text.words import heading

LAYERS = 14


def net(family, depth, seed, *, error, growth, first=2.5, start=1.3, end=0.9, steps=(0, 1, 100), **meta):
    """Return a run of exponential profiles, with factor `start` before and `end` after training."""
    place = np.arange(1, LAYERS + 1)
    tables = []
    for step, factor, grown in zip(steps, (start, start, end), (1.0, first, growth), strict=True):
        wiggle = np.exp(0.01 * np.random.default_rng(seed + step).standard_normal(LAYERS))
        weights = np.where(place == 1, 2.0 * grown, 2.0)
        tables.append(
            pd.DataFrame(
                {
                    "step": step,
                    "layer": [f"conv{one}" for one in place],
                    "order": place,
                    "layer_depth": place,
                    "stage": 0,
                    "kind": "Conv2d",
                    "weighted": True,
                    "grad_norm": np.sqrt(first**2 - 1) * 2.0 / 0.1,
                    "out_grad_norm": factor ** (LAYERS - place) * wiggle,
                    "weight_norm": weights,
                }
            )
        )
        tables.append(tables[-1].head(1).assign(layer="norm", kind="BatchNorm2d", weighted=False))
    rate = pd.DataFrame({"step": range(101), "lr": 0.1, "batch_error": 0.5}).assign(train_error=np.nan)
    rate.loc[100, "train_error"] = error + 0.001 * seed
    who = {"run": f"{family}-{depth}-{seed}", "family": family, "depth": depth, "seed": seed, "momentum": 0.9}
    return Recording(layers=pd.concat(tables), steps=rate, meta=who | {"experiment": "compare"} | meta)


def comparison(**deep):
    chosen = {"error": 0.8, "growth": 30.0, **deep}
    return [
        run
        for seed in (0, 1, 2)
        for run in (
            net("plain", 20, seed, error=0.0, growth=1.5 + 0.1 * seed, first=1.01, end=1.1),
            net("plain", 56, seed, **chosen | {"growth": chosen["growth"] * (1 + 0.05 * seed)}),
            net("residual", 56, seed, error=0.01, growth=1.2 + 0.1 * seed, first=1.01, start=1.05, end=1.02),
        )
    ]


def words_of(found):
    """Return a section's paragraphs, statements and cells as one text."""
    words = [found.title, *found.paragraphs]
    for block in found.blocks:
        if isinstance(block, Statements):
            words += [line for item in block.items for line in (item.sentence, *item.lines)]
        elif isinstance(block, Table):
            words += [column.head or heading(column.key, block.head_words) for column in block.columns]
            words += [part for row in block.cells for cell in row for part in (cell.main, cell.sub) if part]
    return " ".join(words)


def sections(recordings, folder):
    """Return the words of the two sections that these recordings have."""
    (folder / "figures").mkdir()
    data = ReportData([recordings] if isinstance(recordings, Recording) else recordings, folder)
    found = {"why": WHY.shown(data), "degree": DEGREE.shown(data)}
    return {key: words_of(one) for key, one in found.items() if one}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return sections(comparison(), tmp_path_factory.mktemp("told"))


def test_the_chain_is_told_with_the_runs_numbers(told):
    words = told["why"]
    frame = stall_over_seeds(ReportData(comparison(), None).stall).set_index(["family", "depth"])
    assert "plain-56 trains worse than a network it is compared with" in words
    assert "times larger at the first layer than at the last (95 % interval" in words
    assert "The first update multiplies the norm of the first layer's weights by 2.50" in words
    assert re.search(r"computed from the gradient before it, is 2\.50\.", words)
    growth = frame.growth["plain", 56]
    assert f"By step 100 the norm has grown by a factor of {growth:.1f}" in words
    assert f"a step then changes their direction {growth**2:.0f} times less" in words
    assert re.search(
        r"The activation gradient is then [34]\.\d+ times smaller at the first layer than at the last", words
    )
    assert "it has vanished" not in words
    assert re.search(r"residual-56: gradient [12]\.\d+ times larger at the first layer before training and", words)
    assert "plain-20: " not in words


def test_links_that_do_not_hold_are_not_told(tmp_path):
    words = sections(comparison(first=1.5, start=0.98, end=0.5), tmp_path)["why"]
    assert "Before training the activation gradient" not in words
    assert "The first update multiplies" not in words
    assert "it has vanished" in words
    assert "By step 100 the norm has grown" in words


def test_a_first_update_that_the_gradient_does_not_explain_is_not_told(tmp_path):
    runs = comparison()
    other = [
        Recording(layers=one.layers.assign(grad_norm=one.layers.grad_norm * 3), steps=one.steps, meta=one.meta)
        for one in runs
    ]
    words = sections(other, tmp_path)["why"]
    assert "By step 100 the norm has grown" in words
    assert "The first update multiplies" not in words


@pytest.mark.parametrize("deep", [{"growth": 2.0}, {"error": 0.0}])
def test_networks_that_did_not_stall_get_no_sentence(tmp_path, deep):
    words = sections(comparison(**deep), tmp_path)["why"]
    assert "No network here both trained worse than one it is compared with and outgrew its learning rate" in words
    assert "outgrew the learning rate:" not in words
    assert "do not show that smaller weights" not in words


def test_without_batch_norm_there_is_no_such_section(tmp_path):
    bare = [
        Recording(layers=one.layers[one.layers.kind == "Conv2d"], steps=one.steps, meta=one.meta)
        for one in comparison()
    ]
    assert "why" not in sections(bare, tmp_path)


def test_one_seed_is_told_without_interval(tmp_path):
    words = sections(comparison()[:3], tmp_path)["why"]
    assert "plain-56 trains worse" in words
    assert "(1 seed, no interval)" in words


def test_a_profile_that_turns_is_named_with_its_steps(told):
    words = told["degree"]
    assert re.search(r"In plain-56 the slope reverses: .* times larger .* at step 0, and .* times smaller", words)
    assert "at step 100." in words
    assert "In plain-20 the slope reverses" not in words
    assert "Step 0 Step 1 Step 100" in words
    assert re.search(r"plain-56 13 1\.[23]\d\d [\d.]+ to [\d.]+ exponential ΔAICc −", words)


def test_profiles_that_do_not_turn_are_said_not_to(tmp_path):
    words = sections(comparison(end=1.2), tmp_path)["degree"]
    assert "The slope of the activation gradient over depth does not reverse" in words


def test_one_moment_is_no_section(tmp_path):
    at_start = [
        Recording(layers=one.layers[one.layers.step == 0], steps=one.steps, meta=one.meta) for one in comparison()
    ]
    found = sections(at_start, tmp_path)
    assert not {"degree", "why"} & found.keys()


def test_a_recording_of_ones_own_has_its_degree(tmp_path):
    own = net("plain", 20, 0, error=0.5, growth=3.0)
    words = sections(Recording(layers=own.layers, steps=own.steps, meta={"run": "mine"}), tmp_path)
    assert "In mine the slope reverses" in words["degree"]
    assert "why" not in words
