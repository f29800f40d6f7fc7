"""What is under way is said on a terminal before it is imported, and cleared after it; a pipe gets nothing."""

import sys

from gradflow.cli.busy import CLEAR, busy
from gradflow.text import language


def test_a_terminal_is_told_and_cleared(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with busy("loading"):
        assert capsys.readouterr().err == "Loading PyTorch …"
    assert capsys.readouterr().err == CLEAR
    with language("zh"), busy("report"):
        assert capsys.readouterr().err == "正在生成报告……"


def test_a_pipe_is_not(capsys):
    with busy("loading"):
        pass
    assert capsys.readouterr() == ("", "")
