"""The page in Chinese: no English word but names, commands and symbols; and no trace of it afterwards."""

import json
import re
import warnings
from html import unescape

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording
from gradflow.plots.fonts import FontWarning
from gradflow.reporting import report
from gradflow.text import current_language

WORD = re.compile(r"[A-Za-z][A-Za-z_]+")
FILE = re.compile(r"tables/[a-z_]+\.(?:csv|parquet)")
# Names: of people and programs, of layers and their classes, of data; symbols and units.
NAMES = frozenset(
    WORD.findall(
        """
    PyTorch ReLU Xavier Kaiming Student Yang Schoenholz van Laarhoven He et al arXiv AICc gradflow torch numpy python
    conv Linear Conv stage digits cpu float compare depths lr warmup PNG PDF SVG dpi UTC min parquet tables layers
    sigmoid tanh exp ln fan_in NaN inf plain residual seed grad step Mlp CifarNet cosine
        """
    )
)


def net(family, depth, seed, error):
    layer = np.arange(1, 9)
    rows = [
        pd.DataFrame(
            {
                "step": step,
                "layer": [f"conv{one}" for one in layer],
                "order": layer,
                "layer_depth": layer,
                "stage": 0,
                "kind": ["Conv2d"] * 7 + ["Linear"],
                "weighted": True,
                "n_params": 10,
                "grad_norm": 1.3 ** (8.0 - layer) * (1 + seed) * 10.0**step,
                "out_grad_norm": 4.0 ** (8.0 - layer) * (1 + seed),
                "weight_norm": 1.0 + step,
                "status": ["measured"] * 7 + ["output is the input"],
            }
        )
        for step in (0, 2)
    ]
    steps = pd.DataFrame({"step": [0, 1, 2], "loss": [2.0, 1.0, 0.5], "batch_error": [0.9, 0.5, 0.2], "lr": 0.1})
    steps = steps.assign(train_error=[np.nan, np.nan, error], test_error=[np.nan, np.nan, 0.3])
    meta = {"family": family, "depth": depth, "seed": seed, "experiment": "compare", "steps": 2, "data": "digits"}
    return Recording(layers=pd.concat(rows), steps=steps, meta={"run": f"{family}-{depth}-seed{seed}", **meta})


def setting(name, label, activation, seed):
    layer = np.arange(1, 9)
    table = {"step": 0, "layer": [f"layer{one}" for one in layer], "order": layer, "layer_depth": layer}
    norms = 0.5 ** (8.0 - layer) * (1 + seed / 10)
    rows = pd.DataFrame(table).assign(
        stage=layer // 8, weighted=True, kind="Linear", grad_norm=norms, out_grad_norm=norms
    )
    meta = {"experiment": "vanishing", "setting": name, "label": label, "activation": activation, "init": "default"}
    return Recording(layers=rows, meta={"run": f"{name}-{seed}", "depth": 8, "width": 16, "seed": seed, **meta})


@pytest.fixture(scope="module")
def runs():
    nets = (("plain", 8, 0.0), ("plain", 14, 0.5), ("residual", 8, 0.0), ("residual", 14, 0.01))
    trained = [net(*one[:2], seed, one[2] + seed / 100) for one in nets for seed in (0, 1)]
    return [*trained, *(setting("sigmoid-default", "sigmoid, PyTorch's default", "sigmoid", seed) for seed in (0, 1))]


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chinese")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FontWarning)  # what a machine without such a font says
        return report(runs, folder, lang="zh", command="gradflow compare --depths 8,14").read_text(encoding="utf-8")


def shown(html):
    """Yield the texts that a reader sees or hears: between tags, and of the attributes that are read out."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    yield from (unescape(one) for one in re.findall(r">([^<]+)<", bare))
    yield from (unescape(one) for one in re.findall(r'(?:alt|aria-label|title|placeholder)="([^"]*)"', bare))


def test_nothing_but_names_is_english(page):
    read = [FILE.sub("", text) for text in shown(page)]
    english = {word: text for text in read for word in WORD.findall(text) if word not in NAMES}
    assert not english


def test_live_figures_are_chinese_too(page):
    payloads = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, flags=re.DOTALL)
    assert payloads
    titles = [title for one in payloads for title in re.findall(r'"title":"([^"]+)"', one)]
    assert titles
    read = [json.loads(f'"{title}"') for title in titles]
    assert not [title for title in read if not set(WORD.findall(title)) <= NAMES]


def test_the_page_says_its_language_and_leaves_none_behind(page, runs, tmp_path):
    assert '<html lang="zh-CN">' in page
    assert "普通网络-14" in page
    assert "95% 置信区间" in page
    assert current_language() == "en"


def test_tables_for_programs_do_not_change(runs, page, tmp_path):
    steps = pd.DataFrame({"step": [0, 1], "loss": [2.3, 2.1]})
    mine = Recording(steps=steps, meta={"run": "mine", "family": "plain", "depth": 8, "seed": 0})
    tables = []
    for lang in ("en", "zh"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FontWarning)
            report(mine, tmp_path / lang, lang=lang)
        files = sorted((tmp_path / lang / "tables").glob("*.csv"))
        tables.append({file.name: pd.read_csv(file).drop(columns="sentence", errors="ignore") for file in files})
    english, chinese = tables
    assert english.keys() == chinese.keys() >= {"summary.csv", "training.csv"}
    for name, table in english.items():
        pd.testing.assert_frame_equal(table, chinese[name])


def test_an_unknown_language_is_named(runs, tmp_path):
    with pytest.raises(ValueError, match="lang must be one of en, zh; got 'tlh'"):
        report(runs, tmp_path, lang="tlh")
