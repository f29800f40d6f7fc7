import io

from gradflow.cli.terminal import show, width
from gradflow.tables import Table, words

LONG = Table("t", (words("a", head="a"), words("b", head="b")), [{"a": "x" * 100, "b": "y" * 50}])


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


def test_a_pipe_has_80_columns_or_what_columns_says(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width() == 80
    show(Table("t", (words("a", head="a"),), [{"a": "b"}], "word " * 60))
    assert 70 < max(map(len, capsys.readouterr().out.splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "120")
    assert width() == 120


def test_a_table_that_cannot_be_narrower_is_not_cut_in_a_pipe(capsys):
    show(LONG)
    assert capsys.readouterr().out.splitlines()[-1].split() == ["x" * 100, "y" * 50]


def test_a_terminal_has_styles_and_no_line_that_breaks(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    show(LONG, Table("[red]", (), [("a", "word " * 30)]))
    shown = stream.getvalue()
    assert "\x1b[3mt\x1b[0m" in shown
    assert "\x1b[3m[red]\x1b[0m" in shown
    lines = [line for line in shown.splitlines() if "\x1b" not in line]
    assert max(map(len, lines)) <= 60
    assert sum("…" in line for line in lines) == 1
