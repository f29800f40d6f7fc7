"""Words that recordings hold as data, in the reader's language; a user's own names stay as they are."""

import pytest

from gradflow.analysis.variants import labelled
from gradflow.experiments.presets import PRESETS, read_preset
from gradflow.experiments.vanishing_settings import SETTINGS
from gradflow.recording import Recording
from gradflow.text import catalogue, language, placeholders, text
from gradflow.text.words import loss_words, named, said, word


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


@pytest.mark.parametrize(
    ("meta", "english", "chinese"),
    [
        ({"loss": "mean squared error"}, "mean squared error", "均方误差"),
        (
            {"loss": "random projection", "loss_seed": 7},
            "because no targets were given: mean over the batch of <r, output>, r standard normal of seed 7",
            "种子为 7：未给定目标",
        ),
        ({"loss": "loss_fn", "loss_fn": "focal"}, "focal, passed by the caller", "focal，由调用者给定"),
        ({"loss": "a loss of mine"}, "a loss of mine", "a loss of mine"),
        ({"loss": ["odd"]}, "['odd']", "['odd']"),
        ({"loss": None}, "", ""),
    ],
)
def test_a_recorded_loss_is_written_in_the_readers_language(meta, english, chinese):
    assert loss_words(meta).endswith(english)
    with language("zh"):
        assert loss_words(meta).endswith(chinese)


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_preset_says_of_itself_is_in_the_catalogue(name):
    notes = [read_preset(name).notes]
    if notes[0]["preset"] != "smoke":
        notes.append(read_preset(name, scaled=True).notes)
    keys = {told for one in notes for told in (one["title"], one["question"], one["scaled"]) if told}
    for key in keys:
        assert key in catalogue("en")
        assert not placeholders(key)
        assert said(key) == text(key)
        with language("zh"):
            assert said(key) == text(key, "zh") != text(key, "en")


@pytest.mark.parametrize("own", ["A title of mine", "preset.of mine", "page.title", ""])
def test_a_users_own_words_stay(own):
    with language("zh"):
        assert said(own) == own
