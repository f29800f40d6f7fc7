import csv
import io
import json
import math

import numpy as np
import pandas as pd
import pytest

from gradflow.cli import main, output
from gradflow.cli.terminal import show
from gradflow.tables import Table, column, words
from gradflow.text.controls import printable

EVIL = "\x1b[31mevil\r\n\u202e\u2066[red]</script>\x9b1m\x07\U000e0041\ud800\x7f"


def test_no_control_character_is_left_and_letters_of_all_scripts_are():
    assert printable(EVIL) == r"\x1b[31mevil\r\n\u202e\u2066[red]</script>\x9b1m\x07\U000e0041\ud800\x7f"
    for kept in ("conv1.weight", "größe", "残差 网络", "ReLU × 2", "a\u3000b", "👍"):
        assert printable(kept) == kept
    assert printable(printable(EVIL)) == printable(EVIL)
    for character in map(chr, range(0x110000)):
        assert all(one.isprintable() or one.isspace() for one in printable(character))
    assert printable("\u2028\u2029\x85\x0b\x0c\x1c") == r"\u2028\u2029\x85\x0b\x0c\x1c"


def test_cells_and_lines_are_text_and_not_markup(capsys):
    columns = (words("name", head="[bold]name"), column("n"))
    show(Table(EVIL, columns, [{"name": EVIL, "n": 1}, {"name": "[/red]", "n": 2}], EVIL))
    output.say(EVIL)
    output.say(EVIL, err=True)
    shown = capsys.readouterr()
    for stream in (shown.out, shown.err):
        assert all(one.isprintable() for line in stream.split("\n") for one in line)
    assert shown.out.count(r"\x1b[31mevil\r\n") == 4
    for kept in ("[bold]name", "[/red]", "[red]</script>"):
        assert kept in shown.out


def test_data_goes_to_stdout_and_lines_beside_it_to_stderr(capsys):
    output.print_data("csv", [{"a": 1}])
    output.say("beside", "csv")
    assert capsys.readouterr() == ("a\n1\n", "beside\n")


ROW = {"name": EVIL, "nan": math.nan, "inf": -math.inf, "int": np.int64(2**60), "flag": np.True_, "list": [1, math.nan]}


def test_json_is_json_and_gives_every_value_back(capsys):
    output.print_data("json", [ROW])
    written = capsys.readouterr().out
    assert all(one == "\n" or one.isprintable() for one in written)
    found = json.loads(written, parse_constant=pytest.fail)
    assert found == [{"name": EVIL, "nan": None, "inf": "-inf", "int": 2**60, "flag": True, "list": [1, None]}]


def test_csv_is_csv_with_names_as_text(capsys):
    output.print_data("csv", [ROW, {"more": 'a "quoted", one'}])
    written = capsys.readouterr().out
    assert all(one == "\n" or one.isprintable() for one in written)
    first, second = csv.DictReader(io.StringIO(written))
    assert (first["name"], first["nan"], first["inf"], first["int"]) == (printable(EVIL), "", "-inf", str(2**60))
    assert (first["flag"], first["list"], first["more"]) == ("True", "[1, null]", "")
    assert second["more"] == 'a "quoted", one'


def test_rows_of_a_frame(capsys):
    frame = pd.DataFrame({"depth": pd.array([20, None], dtype="Int64"), "x": [0.5, math.inf], "s": ["a", None]})
    output.print_data("json", frame.to_dict("records"))
    rows = [{"depth": 20, "x": 0.5, "s": "a"}, {"depth": None, "x": "inf", "s": None}]
    assert json.loads(capsys.readouterr().out) == rows


@pytest.mark.parametrize("name", ["=1+1", "+a", "-a", "@a", "\ta"])
def test_a_csv_cell_is_no_formula_and_a_number_stays(capsys, name):
    output.print_data("csv", [{name: name, "low": -1.5, "inf": -math.inf, "list": [name]}])
    heads, cells = csv.reader(io.StringIO(capsys.readouterr().out))
    assert heads[0] == cells[0] == (f"'{name}" if name.isprintable() else printable(name))
    assert cells[1:3] == ["-1.5", "-inf"]
    output.print_data("json", [{name: name}])
    assert json.loads(capsys.readouterr().out) == [{name: name}]


@pytest.mark.parametrize(
    "command", ["analyze x", "compare --depths 8", "models", "runs", "sweep x", "theory", "vanishing", "watch x"]
)
@pytest.mark.parametrize("forms", [("--json", "--csv"), ("--csv", "--json")])
def test_json_and_csv_exclude_one_another(capsys, command, forms):
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), *forms])
    assert ended.value.code == 2
    assert f"{forms[0]} cannot be combined with {forms[1]}." in capsys.readouterr().err
