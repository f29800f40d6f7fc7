"""--lang: tables in Chinese that stand in columns, data that does not change, errors of usage in its language."""

import json
import re
import warnings

import pytest
from rich.cells import cell_len

from gradflow import Recording, save
from gradflow.cli import main, theory_command
from gradflow.plots.fonts import FontWarning
from gradflow.text import catalogue, current_language


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


@pytest.mark.parametrize(
    "arguments",
    [
        ("diagnose", "missing"),
        ("report", "/nowhere"),
        ("report", "."),
        ("runs", "."),
        ("watch", "note.txt"),
        ("check", "runs", "--baseline", "missing.json"),
        ("analyze", "nets.py:make"),
        ("analyze", "nonsense"),
        ("doctor", "torchvision:resnet19", "--input", "1,3,32,32"),
        ("compare", "--depths", "8", "--model", "resnet5"),
        ("compare", "--depths", "8", "--data", "cifar10:missing"),
        ("compare", "--depths", "8", "--batch-size", "100000", "--dry-run"),
        ("compare", "--preset", "he2015"),
        ("compare", "--depths", "8", "--out", "note.txt", "--dry-run"),
        ("sweep", "bad.toml"),
        ("sweep", "unknown.toml"),
    ],
    ids=" ".join,
)
def test_an_error_that_ends_a_command_is_in_its_language(arguments, runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.txt").write_text("a note", encoding="utf-8")
    (tmp_path / "bad.toml").write_text("depths = [", encoding="utf-8")
    (tmp_path / "unknown.toml").write_text("depths = [8]\nsedes = 1", encoding="utf-8")
    if arguments[-1] == ".":
        (tmp_path / "empty").mkdir()
        arguments = (arguments[0], "empty")
    assert run(*arguments) == 2
    english = capsys.readouterr().err
    assert english
    assert not chinese(english)
    assert run(*arguments, "--lang", "zh") == 2
    line = capsys.readouterr().err
    assert chinese(line)
    assert len(line.splitlines()) == len(english.splitlines())


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


def test_help_and_errors_of_usage_are_english_by_default(capsys):
    assert run("theory", "--help") == 0
    assert "--lang [en|zh]" in capsys.readouterr().out
    assert run("theory", "--lang", "tlh") == 2
    assert "'tlh' is not one of 'en', 'zh'" in capsys.readouterr().err


# What Chinese lines quote: the program, options, their values and names.
QUOTED = {
    "gradflow", "compare", "preset", "list", "depths", "vary", "lang", "TARGET", "local", "ray", "data", "digits",
    "mnist", "cifar", "FOLDER", "package", "module", "FACTORY", "path", "file", "once", "blocks", "csv", "relu",
    "leaky", "identity", "tanh", "sigmoid", "gelu", "silu", "elu", "selu", "softplus", "Curve", "families",
}  # fmt: skip
ERRORS = {
    "compere": "no_command",
    "theory --xyz": "no_option",
    "compare --depths": "requires",
    "theory --json=3": "no_value",
    "theory --activation xx": "must_be",
    "theory spare": "extra_argument",
    "analyze one two three": "extra_arguments",
    "analyze": "missing_argument",
    "compare": "missing_depths",
    "compare --depths deep": "form_numbers",
    "compare --depths 8 --vary lr": "form_vary",
    "compare --depths 8 --vary lr=1 --vary lr=2": "twice",
    "compare --depths 8 --families ,": "empty",
    "compare --depths 8 --engine x": "choice",
    "compare --depths 8 --data svhn": "allowed.one_of",
    "compare --depths 8 --seeds x": "allowed.whole",
    "compare --depths 8 --seeds 0": "allowed.least",
    "compare --depths 8 --workers 5000": "allowed.most",
    "compare --depths 8 --momentum 1": "allowed.unit_fraction",
    "compare --depths 8 --lr -1": "allowed.positive",
    "watch --interval 0": "allowed.seconds_least",
    "watch --interval 100000": "allowed.seconds_most",
    "watch --once --interval 1 x": "one_look",
    "theory --slope 2e6": "allowed.range",
    "runs --json --csv": "together",
    "models --repeats 3": "only_with",
}


@pytest.mark.parametrize("line", ERRORS)
def test_errors_of_usage_are_in_the_language_asked_for(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command, *others = line.split()
    assert run(command, "--lang", "zh", *others) == 2
    *_, said = capsys.readouterr().err.splitlines()
    assert chinese(said)
    known = re.escape(catalogue("zh")[f"usage.{ERRORS[line]}"])
    assert re.search(re.sub(r"\\\{\w+\\\}", ".+", known), said)
    words = set(re.findall(r"[A-Za-z]{3,}", said)) - set(re.findall(r"\w+", line))
    assert words <= QUOTED


def test_hints_and_suggestions_are_in_the_language_asked_for(capsys):
    assert run("compere", "--lang", "zh") == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "用法：gradflow [OPTIONS] COMMAND [ARGS]...",
        "运行“gradflow --help”查看帮助。",
        "",
        "错误：没有命令 'compere'。是否想用 'compare'？",
    ]


def test_a_warning_is_one_line(monkeypatch, capsys):
    def warn(*_arguments):
        warnings.warn("no font", FontWarning, stacklevel=1)

    monkeypatch.setattr(theory_command.theory, "callback", lambda **_options: warn())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run("theory") == 0
    assert capsys.readouterr().err == "gradflow: no font\n"
