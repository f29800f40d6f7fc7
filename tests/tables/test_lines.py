import pytest

from gradflow.tables import Table, column, words
from gradflow.tables.lines import as_text, lines
from gradflow.text.widths import columns

EVIL = "\x1b[31mevil\n\u202e"


def texts(table, *arguments, **options):
    return [line.text for line in lines(table, *arguments, **options)]


def wide(label="a name of a setting"):
    """Return a table of one column of words and seven of numbers."""
    numbers = [column(f"n{n}", head=f"a long head number {n}") for n in range(7)]
    values = {f"n{n}": "4.61 × 10⁻⁷" if n < 4 else "1.0" for n in range(7)}
    return Table("t", (words("name", head="name"), *numbers), [{"name": label, **values}])


def test_wide_tables_fold_their_heads_and_not_their_numbers():
    shown = texts(wide("x" * 10))
    assert max(map(len, shown)) <= 80
    assert shown[-1].count("4.61 × 10⁻⁷") == 4
    assert " ".join(" ".join(shown[1:-2]).split()).count("head") == 7


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("label", ["x" * 300, "残差网络" * 40, "name " * 60])
def test_no_line_is_wider_than_there_is_room_and_numbers_stay(width, label):
    numbers = [column(f"n{n}", head=f"measure{n} of something") for n in range(4)]
    row = {"name": label, **dict.fromkeys(["n0", "n1", "n2", "n3"], 123456)}
    shown = texts(Table(label, (words("name", head="name"), *numbers), [row], label), width, cuts=True)
    longest = label if " " not in label and "残" not in label else ""  # one word has a line of its own
    assert max(columns(line) for line in shown if line != longest) <= width
    (cells,) = (line for line in shown if "123456" in line)
    assert cells.count("123456") == 4
    assert "…" in cells


def test_numbers_stand_flush_right_and_words_left():
    table = Table(
        "t", (words("name", head="name"), column("n", head="n")), [{"name": "a", "n": 5}, {"name": "bb", "n": 50}]
    )
    assert texts(table) == ["t", "name   n", "────────", "a      5", "bb    50"]


def test_a_list_of_facts_wraps_its_last_words_beside_the_others():
    shown = texts(Table("t", (), [("one", "word " * 8), ("three", "")]), 20)
    assert shown == ["t", "one    word word", *["       word word"] * 3, "three"]


def test_names_are_text_and_missing_numbers_a_dash():
    table = Table(EVIL, (words("name", head=EVIL), column("n", head="n")), [{"name": EVIL, "n": float("nan")}], EVIL)
    shown = as_text([table])
    assert all(one.isprintable() for line in shown.split("\n") for one in line)
    assert shown.count(r"\x1b[31mevil\n\u202e") == 4
    assert shown.splitlines()[-2].endswith("–")
