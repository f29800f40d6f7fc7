import io
import math
import sys

import pytest

from gradflow.cli.profile_strip import BLOCKS, DIGITS, Line, Scale, grouped, strips
from gradflow.cli.terminal import show

EVIL = "\x1b[31mevil\n\u202e[red]</script>\x9b1m\x07"


def shown(capsys, *lines):
    show(strips("Gradient", [Line(*line) for line in lines]))
    return capsys.readouterr().out.splitlines()


def row(lines, label):
    return next(line for line in lines if line.startswith(label))


def test_eight_decades_are_eight_marks(capsys):
    lines = shown(capsys, ("mine", [10.0**-power for power in range(8)]))
    assert row(lines, "mine").split() == ["mine", "1.0", BLOCKS[::-1], "1.0", "×", "10⁻⁷"]
    assert "Log scale over weighted layers: ▁ from 1.0 × 10⁻⁷, █ up to 1.0." in " ".join(lines)


def test_a_mark_is_the_eighth_of_the_scale_that_a_norm_lies_in():
    scale = Scale(1.0, 2.0**8, DIGITS)
    norms = [1.0, 1.99, 2.01, 2**3.5, 2**7.01, 2**8]
    assert "".join(map(scale.mark, norms)) == "112488"
    assert Scale.of([3.0, 3.0], DIGITS).mark(3.0) == "8"
    assert Scale.of([1e-320, 1e300], DIGITS).mark(1e-320) == "1"


def test_profiles_share_one_scale(capsys):
    lines = shown(capsys, ("small", [1e-8, 1e-8]), ("large", [1.0, 1.0]))
    assert "▁▁" in row(lines, "small")
    assert "██" in row(lines, "large")


def test_zeros_and_what_is_not_finite_are_marked_and_explained(capsys):
    lines = shown(capsys, ("mine", [0.0, 1.0, math.inf, math.nan, 100.0]))
    assert "0▁!?█" in row(lines, "mine")
    for words in ("0 exactly zero.", "! not finite.", "? not measured."):
        assert words in " ".join(lines)
    assert "exactly zero" not in " ".join(shown(capsys, ("mine", [1.0, 2.0])))


@pytest.mark.parametrize("norms", [[math.nan], [0.0, 0.0], [math.inf], [5.0]])
def test_a_profile_without_a_scale(capsys, norms):
    assert row(shown(capsys, ("mine", norms)), "mine")


def test_many_layers_share_marks_and_it_says_so(capsys):
    norms = [2.0**-place for place in range(1000)]
    lines = shown(capsys, ("deep", norms), ("flat", [1.0] * 20))
    size = int(row(lines, "deep").split()[-1])
    strip = next(word for word in row(lines, "deep").split() if set(word) <= set(BLOCKS))
    assert len(strip) == math.ceil(1000 / size)
    assert size > 1
    assert row(lines, "flat").split()[-1] == "1"
    assert "A mark that stands for several layers (last column) shows their geometric mean." in " ".join(lines)
    assert max(map(len, lines)) <= 80


def test_a_strip_is_as_long_as_the_terminal_allows(capsys, monkeypatch):
    for width in (60, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = shown(capsys, ("deep", [2.0**-place for place in range(1000)]))
        assert width - 20 < max(map(len, lines)) <= width


def test_groups_are_geometric_means_and_hide_nothing():
    assert grouped([1.0, 4.0, 10.0, 1000.0, 7.0], 2) == pytest.approx([2.0, 100.0, 7.0])
    assert grouped([1.0, 0.0, 5.0, math.inf, 0.0, math.inf], 2) == [0.0, math.inf, math.inf]
    assert grouped([math.nan, 9.0], 2) == pytest.approx([9.0])
    assert math.isnan(grouped([math.nan, math.nan], 2)[0])


def test_a_stream_without_blocks_gets_digits(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    show(strips("Gradient", [Line("nét", [10.0**-power for power in range(8)])]))
    stream.flush()
    lines = stream.buffer.getvalue().decode("ascii").splitlines()
    assert row(lines, "n\\xe9t").split() == ["n\\xe9t", "1.0", "87654321", "1.0", "x", "10^-7"]
    assert "1 from 1.0 x 10^-7, 8 up to 1.0" in " ".join(lines)


def test_hostile_and_long_names_are_text_and_fit(capsys):
    lines = shown(capsys, (EVIL, [1e-300] * 300), ("x" * 500, [1e300] * 3), ("残差网络" * 20, [1.0]))
    assert all(character.isprintable() for line in lines for character in line)
    assert row(lines, r"\x1b[31m")
    assert max(map(len, lines)) <= 80
