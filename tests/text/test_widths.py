"""Lines and columns of mixed text: as wide as a terminal shows them, nothing lost at their ends."""

import textwrap

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from gradflow.text.widths import columns, padded, wrapped

CHINESE = "每层因子：沿最长阶段反向传播，每经过一层范数乘以的因子；小于 1 为消失，大于 1 为爆炸。"
LETTERS = st.text(st.sampled_from("ab xy1.5 梯度消失，。（层）|∂L/∂y|−×⁻¹² "), max_size=80)


@pytest.mark.parametrize("text", ["depth", "深度", "每层因子 0.8", "−2.1 × 10⁻⁹", "（95% 置信区间）", ""])
def test_columns_are_those_of_a_terminal(text):
    assert columns(text) == cell_len(text)


@settings(max_examples=200, deadline=None)
@given(LETTERS, st.integers(8, 40))
@example(CHINESE, 20)
def test_lines_fit_and_lose_nothing(text, width):
    lines = wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        assert line == line.rstrip()
        assert cell_len(line) <= width or " " not in line.strip()
        assert line[0] not in "，。）" or line[0] == text.strip()[:1] or cell_len(line) >= 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("abcdefg", min_size=1, max_size=9), max_size=30), st.integers(12, 40))
def test_words_break_as_textwrap_breaks_them(words, width):
    text = " ".join(words)
    assert wrapped(text, width, first="- ", indent="  ") == textwrap.wrap(
        text, width, initial_indent="- ", subsequent_indent="  "
    )


def test_no_line_begins_with_a_closing_mark():
    for width in range(8, 60):
        assert all(line[0] not in "，。；：）" for line in wrapped(CHINESE, width))


def test_cells_are_filled_to_columns():
    assert padded("深度", 6) == "深度  "
    assert padded("深度", 6, right=True) == "  深度"
    assert padded("depth", 3) == "depth"
