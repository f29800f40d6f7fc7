"""Words that recordings hold as data, in the reader's language; a user's own names stay as they are."""

import tomllib
from pathlib import Path

import pytest

import gradflow
from gradflow.analysis.variants import labelled
from gradflow.experiments.vanishing import SETTINGS
from gradflow.recording import Recording
from gradflow.text import language, text
from gradflow.text.words import PRESET, named, reworded, word


@pytest.mark.parametrize(
    ("label", "chinese"),
    [
        ("plain", "普通网络"),
        ("residual-110", "残差网络-110"),
        ("plain-56, lr 0.1", "普通网络-56，学习率 0.1"),
        ("plain, no norm, clip 1", "普通网络，无归一化，梯度裁剪 1"),
        ("residual, batch norm, adamw", "残差网络，批归一化，adamw"),
        ("ReLU, batch norm", "ReLU，批归一化"),
        ("ReLU, batch norm, width 64", "ReLU，批归一化，宽度 64"),
    ],
)
def test_our_own_names_are_translated(label, chinese):
    assert named(label) == label
    with language("zh"):
        assert named(label) == chinese


@pytest.mark.parametrize(
    "label", ["", "mine", "plain-wood", "plain-56-seed0", "my plain net", "plain\n", "{plain}", "%s"]
)
def test_names_of_a_user_stay(label):
    with language("zh"):
        assert named(label) == label == word(label)


def test_variants_keep_no_english_setting():
    settings = {"lr": (0.1, 0.01), "norm": ("batch", None), "clip": (1.0, None), "warmup": (0, 100)}
    for name, values in settings.items():
        runs = [Recording(meta={"family": "plain", "depth": 20, "seed": 0, name: value}) for value in values]
        with language("zh"):
            shown = {named(run.meta["family"]) for run in labelled(runs)}
        assert len(shown) == 2
        assert not any(character.isascii() and character.isalpha() for one in shown for character in one), shown


def test_settings_of_the_demonstration_have_chinese_names():
    with language("zh"):
        assert all(named(setting.label) != setting.label for setting in SETTINGS)


def test_a_recorded_sentence_is_read_back():
    given = text("analyze.loss.projection", seed=7)
    assert reworded(given, "analyze.loss.") == given
    with language("zh"):
        assert reworded(given, "analyze.loss.") == text("analyze.loss.projection", seed=7)
        assert reworded("a loss of mine", "analyze.loss.") == "a loss of mine"


PRESETS = sorted((Path(gradflow.__file__).parent / "experiments" / "presets").glob("*.toml"))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_what_a_preset_says_of_itself_is_in_the_catalogue(path):
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    sentences = [told["title"], told["question"], *filter(None, [told.get("scaled", {}).get("how")])]
    assert [reworded(one, PRESET) for one in sentences] == sentences
    with language("zh"):
        said = [reworded(one, PRESET) for one in sentences]
        assert not set(said) & set(sentences)
        assert reworded("A title of mine", PRESET) == "A title of mine"
