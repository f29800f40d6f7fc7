"""--help: in groups, at any width, in the language asked for; and what a shell completes."""

import re

import pytest

from gradflow.cli import main
from gradflow.cli.commands import COMMANDS, cli
from gradflow.cli.help import Option
from gradflow.cli.values import preset_names
from gradflow.experiments.presets import presets
from gradflow.models.catalogue import CATALOGUE
from gradflow.models.layer_parts import ACTIVATIONS
from gradflow.text import LANGUAGES, current_language, language
from gradflow.text.widths import columns

MAX_ABOUT = 66  # columns beside the names of commands, in a list 80 columns wide


def shown(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert not ended.value.code
    return capsys.readouterr().out


def chinese(words):
    return any("\u4e00" <= character <= "\u9fff" for character in words)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_its_help_in_every_language(name, lang):
    command = cli.commands[name]
    with language(lang):
        assert chinese(command.get_short_help_str()) == (lang == "zh")
        assert columns(command.get_short_help_str()) <= MAX_ABOUT
        for option in command.params:
            if isinstance(option, Option):
                assert chinese(option.words(name)) == (lang == "zh"), option.name
    assert all(isinstance(option, Option) for option in command.params if option.param_type_name == "option")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits(name, width, lang, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = shown(capsys, *filter(None, [name]), "--lang", lang, "--help").splitlines()
    assert max(map(columns, lines)) <= width
    assert "..." not in "".join(line for line in lines if re.match(r"  [a-z]+ ", line) and not name)


def test_options_are_in_groups_and_those_of_output_come_last(capsys):
    lines = shown(capsys, "compare", "--help").splitlines()
    heads = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert heads[0] == "Networks to compare:"
    assert {"Training:", "Where and how to run:"} < set(heads)
    assert heads[-1] == "Output:"
    assert lines.index("Training:") < lines.index(next(line for line in lines if "--momentum" in line))


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "--help", "--lang", "zh"),
        ("compare", "--lang=zh", "--help"),
        ("--lang", "zh", "compare", "--help"),
        ("--lang", "zh", "--help"),
        ("-h", "--lang", "zh"),
    ],
)
def test_help_is_in_the_language_wherever_that_is_said(arguments, capsys):
    said = shown(capsys, *arguments)
    assert said.startswith("用法：gradflow")
    assert "输出：" in said
    assert "Show this" not in said
    assert current_language() == "en"


def completed(capsys, monkeypatch, *words):
    monkeypatch.setenv("_GRADFLOW_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(["gradflow", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    with pytest.raises(SystemExit):
        main([])
    return [line.partition(",")[2] for line in capsys.readouterr().out.splitlines()]


def test_a_shell_completes_presets_data_models_and_activations(capsys, monkeypatch):
    def offered(*words):
        return completed(capsys, monkeypatch, *words)

    assert offered("compare", "--preset", "he") == ["he2015-fig6", "he2015-table6"]
    assert preset_names() == sorted(one.name for one in presets())
    assert offered("compare", "--data", "m") == offered("analyze", "--data", "m") == ["mnist5k"]
    assert offered("compare", "--model", "m") == [name for name in CATALOGUE if name.startswith("m")]
    assert offered("compare", "--activation", "s") == [name for name in ACTIVATIONS if name.startswith("s")]
    assert offered("theory", "--activation", "relu,al") == ["relu,all"]
    assert offered("compare", "--probes", "skips,sh") == ["skips,shattering"]
    assert offered("analyze", "torchv")[0] == "torchvision:"
    assert offered("comp") == ["compare"]


def test_a_shell_completes_paths(capsys, monkeypatch):
    monkeypatch.setenv("_GRADFLOW_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "gradflow report re")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr().out == "file,re\n"
