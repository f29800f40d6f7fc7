from gradflow.cli.rich_tables import show, table, width


def test_wide_tables_fold_their_heads_and_not_their_numbers(capsys):
    heads = ["a name of a setting", *(f"a long head number {n}" for n in range(7))]
    show(table("t", heads, [["x" * 10, *["4.61 × 10⁻⁷"] * 4, *["1.0"] * 3]]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].count("4.61 × 10⁻⁷") == 4


def test_a_pipe_has_80_columns_or_what_columns_says(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width() == 80
    show(table("t", ["a"], [["b"]], caption="word " * 60))
    assert 70 < max(map(len, capsys.readouterr().out.splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "120")
    assert width() == 120


def test_a_table_that_cannot_be_narrower_is_not_cut_in_a_pipe(capsys):
    show(table("t", ["a", "b"], [["x" * 100, "y" * 50]]))
    assert capsys.readouterr().out.splitlines()[-1].split() == ["x" * 100, "y" * 50]
