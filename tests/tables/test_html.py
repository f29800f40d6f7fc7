from xml.etree import ElementTree

from gradflow.tables import Cell, Column, Table, column, interval, words
from gradflow.tables.html import for_notebook, for_page

EVIL = '</td><script>"\x1b\u202e'


def parsed(written):
    return ElementTree.fromstring(f"<table>{written}</table>")


def table(**options):
    columns = (
        words("name", head=EVIL),
        column("n", head="n"),
        Column("odd", lambda row: Cell("1", EVIL, '2"'), head="odd"),
    )
    return Table(EVIL, columns, [{"name": EVIL, "n": None}], EVIL, **options)


def test_a_page_s_rows_have_heads_scopes_and_keys_and_names_are_text():
    found = parsed(for_page(table(), lambda words: words.replace("<", "&lt;").translate({0x1B: None})))
    assert [one.get("scope") for one in found.iter("th")] == ["col", "col", "col", "row"]
    name, missing, odd = found.findall("tbody/tr/*")
    assert name.text == EVIL.replace("\x1b", "")
    assert (missing.text, missing.get("class"), name.get("class")) == ("–", "number", None)
    assert (odd.text, odd.get("data-key"), odd.find("small").text) == ("1", '2"', EVIL.replace("\x1b", ""))


def test_a_notebook_gets_tables_whose_words_stand_left():
    found = ElementTree.fromstring(for_notebook([table()]))
    assert [one.get("style") for one in found.iter("td")] == [None, None]
    assert found.find("table/tbody/tr/th").get("style") == "text-align:left"
    assert found.find("p/strong").text == r'</td><script>"\x1b\u202e'
    assert not list(found.iter("script"))


def test_a_list_of_sentences_is_rows():
    found = ElementTree.fromstring(for_notebook([Table("t", (), [("a", "b"), ("c", "d")])]))
    assert ["".join(row.itertext()) for row in found.iter("tr")] == ["ab", "cd"]


def test_bounds_stand_beneath_their_mean():
    row = {"x": 0.5, "x_low": 0.25, "x_high": 0.75, "n": 3, "y": 1.0, "low": 1.0, "high": 1.0}
    table = Table(
        "t",
        (interval("x", "{:.2f}".format, head="x"), interval("y", str, bounds="{1}", head="y")),
        [row, {**row, "n": 1}],
    )
    (x, y), (alone, _) = table.cells
    assert (x.main, x.sub) == ("0.50", "0.25 to 0.75")
    assert (y.main, y.sub) == ("1.0", "same in all 3")
    assert alone.sub
    assert x.sub != alone.sub != y.sub
