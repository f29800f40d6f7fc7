"""Figures in Chinese: with a font that is installed, and in English with one warning where there is none."""

import warnings

import matplotlib as mpl
import pytest
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg

from gradflow.analysis import profile, profile_over_seeds
from gradflow.plots import context, fonts, profiles
from gradflow.text import current_language, language

CHINESE, ENGLISH = "梯度朝输入方向消失还是爆炸？", "Do gradients vanish or explode towards the input?"


@pytest.fixture
def frame(runs):
    return profile_over_seeds(profile(runs), "out_grad_norm")


def title(figure):
    return figure.get_suptitle().partition("\n")[0]


def listed(monkeypatch, *names):
    """Let matplotlib know fonts of these names alone, beside its own, and the machine hold no others."""
    own = [entry for entry in font_manager.fontManager.ttflist if entry.name.startswith("DejaVu")]
    found = [entry for name in names for entry in [font_manager.FontEntry(fname=own[0].fname, name=name)]]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*own, *found])
    monkeypatch.setattr(font_manager, "findSystemFonts", list)


def test_without_a_font_figures_are_english_with_one_warning(frame, monkeypatch):
    listed(monkeypatch)
    with warnings.catch_warnings(record=True) as said, language("zh"):
        warnings.simplefilter("always")
        with fonts.warned_once():
            first, second = profiles(frame), profiles(frame)
        assert current_language() == "zh"
    assert title(first) == title(second) == ENGLISH
    assert [one.category for one in said] == [fonts.FontWarning]
    assert "\n" not in str(said[0].message)


def test_a_figure_alone_warns_too(frame, monkeypatch):
    listed(monkeypatch)
    with language("zh"), pytest.warns(fonts.FontWarning) as said:
        profiles(frame)
    assert len(said) == 1


def test_the_first_font_of_the_list_is_taken(monkeypatch):
    listed(monkeypatch, "SimHei", "Noto Sans CJK SC", "Comic Neue")
    assert fonts.chinese_font() == "Noto Sans CJK SC"
    listed(monkeypatch, "Comic Neue")
    assert fonts.chinese_font() is None


@pytest.mark.filterwarnings("ignore:Glyph")  # the font listed here has none
def test_settings_are_those_of_one_figure(frame, monkeypatch):
    listed(monkeypatch, "SimHei")
    before = dict(mpl.rcParams)
    with language("zh"):
        figure = profiles(frame)
        with context(), context():
            assert mpl.rcParams["font.family"] == [*before["font.family"], "SimHei"]
    assert title(figure) == CHINESE
    assert dict(mpl.rcParams) == before
    with context():
        assert mpl.rcParams["font.family"] == before["font.family"]


def test_english_asks_for_no_font(frame, monkeypatch):
    listed(monkeypatch)
    assert title(profiles(frame)) == ENGLISH


@pytest.mark.skipif(fonts.chinese_font() is None, reason="no Chinese font is installed")
def test_every_character_is_drawn(frame):
    with language("zh"):
        figure = profiles(frame)
        assert title(figure) == CHINESE
        FigureCanvasAgg(figure).draw()  # a missing glyph is a warning, and so an error
