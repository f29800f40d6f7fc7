"""--lang: tables in Chinese that stand in columns, data that does not change, help that stays English."""

import json
import warnings

import pytest
from rich.cells import cell_len

from gradflow import Recording, save
from gradflow.cli import main, theory_command
from gradflow.plots.fonts import FontWarning
from gradflow.text import current_language


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code or 0


def chinese(text):
    return any("\u4e00" <= character <= "\u9fff" for character in text)


@pytest.fixture
def runs(tmp_path):
    for seed in (0, 1):
        meta = {"run": f"plain-8-seed{seed}", "family": "plain", "depth": 8, "seed": seed, "status": "done"}
        save(Recording(meta=meta), tmp_path / "runs" / f"seed{seed}")
    return tmp_path / "runs"


def test_lists_of_runs(runs, capsys):
    assert run("runs", str(runs), "--lang", "zh") == 0
    shown = capsys.readouterr().out
    assert chinese(shown)
    assert "done" not in shown
    lines = [line for line in shown.splitlines() if line.startswith("seed")]
    assert len(lines) == 2
    assert len({cell_len(line) for line in lines}) == 1
    assert current_language() == "en"


def test_data_is_the_same_in_every_language(runs, capsys):
    printed = []
    for lang in ("en", "zh"):
        assert run("runs", str(runs), "--json", "--lang", lang) == 0
        printed.append(json.loads(capsys.readouterr().out))
    assert printed[0]
    assert printed[0] == printed[1]


@pytest.mark.parametrize("arguments", [("--activation", "tanh"), ("--activation", "all", "--init", "kaiming")])
def test_theory_fits_and_stands_in_columns(arguments, capsys):
    assert run("theory", *arguments, "--lang", "zh") == 0
    lines = capsys.readouterr().out.splitlines()
    assert chinese(lines[0])
    assert max(map(cell_len, lines)) <= 80
    ruled = [line for line in lines if set(line) == {"─", " "}]
    if ruled:
        starts = [place for place, mark in enumerate(ruled[0]) if mark == "─" and ruled[0][place - 1 : place] != "─"]
        assert all(cell_len(line.split()[0]) < starts[1] for line in lines[2:8])


def test_help_and_errors_of_usage_stay_english(capsys):
    assert run("theory", "--help") == 0
    assert "--lang [en|zh]" in capsys.readouterr().out
    assert run("theory", "--lang", "tlh") == 2
    assert "'tlh' is not one of 'en', 'zh'" in capsys.readouterr().err


def test_a_warning_is_one_line(monkeypatch, capsys):
    def warn(*_arguments):
        warnings.warn("no font", FontWarning, stacklevel=1)

    monkeypatch.setattr(theory_command.theory, "callback", lambda **_options: warn())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run("theory") == 0
    assert capsys.readouterr().err == "gradflow: no font\n"
