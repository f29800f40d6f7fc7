"""A folder of recordings from a stranger: reported, with nothing in it run, and nothing outside read or written."""

import builtins
import csv
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from gradflow import Recording, diagnose, load, report, save
from gradflow.cli import main
from gradflow.plots import measure
from gradflow.reporting.page_tables import write
from gradflow.storage import StorageError

MARKUP = "</script><img src=x onerror=alert(1)>"
COLOURS = "\x1b[31m\x1b]0;owned\x07"
SECRET = "a-secret-that-lies-outside"


class Elements(HTMLParser):
    """The tags that a browser makes of a page, with their attributes."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, sign):
        self.sign = sign

    def __reduce__(self):
        return Path.touch, (self.sign,)


def hostile_recording(name, seed):
    places = np.arange(1, 7)
    rows = [
        pd.DataFrame(
            {
                "step": step,
                "layer": [f"conv{place}{MARKUP}{COLOURS}" for place in places],
                "order": places,
                "layer_depth": places,
                "kind": MARKUP,
                "weighted": True,
                "n_params": 10,
                "grad_norm": 1.1**places,
                "out_grad_norm": 1.3**places,
                "weight_norm": 1.0,
            }
        )
        for step in (0, 5)
    ]
    steps = pd.DataFrame({"step": [0, 5], "loss": [2.0, 1.0], "batch_error": [0.9, 0.5], "lr": 0.1})
    meta = {"run": f"{name}{MARKUP}{COLOURS}", "family": f"{MARKUP}{COLOURS}", "depth": 6, "seed": seed}
    loud = {"command": f"gradflow {MARKUP}{COLOURS}", "data": MARKUP, "device_name": COLOURS + MARKUP}
    return Recording(layers=pd.concat(rows), steps=steps, meta={**meta, **loud, "experiment": "compare"})


@pytest.fixture
def strangers(tmp_path):
    """Return a folder with two hostile recordings, and code and pickles beside and inside them."""
    folder, sign = tmp_path / "strangers", tmp_path / "executed"
    for seed, name in enumerate("ab"):
        run = save(hostile_recording(name, seed), folder / "runs" / name)
        for bait in ("steps.pkl", "model.pt", "checkpoint.pth", "layers-99999.pickle"):
            (run / bait).write_bytes(pickle.dumps(Trap(sign)))
    for code in ("sitecustomize.py", "conftest.py", "pandas.py", "gradflow.py", "nets.py", "runs/torch.py"):
        (folder / code).write_text(f"from pathlib import Path\nPath({str(sign)!r}).touch()\n")
    notes = {"title": f"{MARKUP}{COLOURS}", "question": MARKUP, "scaled": COLOURS + MARKUP}
    (folder / "sweep.json").write_text(json.dumps(notes))
    return folder


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    save(Recording(steps=pd.DataFrame({"step": [0], "loss": [1.0]}), meta={"run": SECRET}), folder / "run")
    (folder / "notes.json").write_text(json.dumps({"title": SECRET}))
    return folder


@pytest.fixture
def opened(monkeypatch):
    """Make unpickling fail, and return the paths that this process opens."""

    def refuse(*_, **__):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(pd, "read_pickle", refuse)
    monkeypatch.setattr("torch.load", refuse)
    paths, real = [], io.open

    def noted(file, *arguments, **named):
        paths.append(os.path.realpath(file) if not isinstance(file, int) else "")
        return real(file, *arguments, **named)

    monkeypatch.setattr(builtins, "open", noted)
    monkeypatch.setattr(io, "open", noted)
    return paths


def exit_code(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code or 0


def listing(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def edit_manifest(run, change):
    file = run / "recording.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


def test_names_are_text_in_the_page_and_in_the_terminal(strangers, tmp_path, opened, capfd):
    before = listing(strangers)
    opened.clear()
    assert exit_code(["report", str(strangers), "--out", str(tmp_path / "out")]) == 0
    read = {Path(path).name for path in opened if path.startswith(str(strangers))}
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    tags = Elements(html).tags
    assert "conv1&lt;/script&gt;" in html
    assert not [tag for tag in tags if any(name.startswith("on") for name in tag[1])]
    assert all(attributes.get("src", "data:").startswith("data:") for _, attributes in tags)
    assert "\x1b" not in html
    assert "\x1b" not in "".join(capfd.readouterr())
    assert not (tmp_path / "executed").exists()
    assert listing(strangers) == before
    assert "recording.json" in read
    assert not {name for name in read if not name.endswith((".json", ".parquet"))}


def test_nothing_in_the_folder_is_imported_when_the_command_runs_inside_it(strangers, tmp_path):
    script = Path(sys.executable).parent / "gradflow"
    place = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    place.pop("PYTHONPATH", None)
    done = subprocess.run(
        [script, "report", ".", "--out", str(tmp_path / "out")],
        cwd=strangers,
        env=place,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").is_file()
    assert "\x1b" not in done.stdout + done.stderr
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "name", ["../../../outside/run/steps-00000.parquet", "{outside}/run/steps-00000.parquet", "x.pt"]
)
def test_a_part_outside_is_not_read(strangers, outside, tmp_path, opened, capfd, name):
    path = name.format(outside=outside)
    edit_manifest(strangers / "runs" / "a", lambda manifest: manifest["parts"][0].update(file=path))
    opened.clear()
    assert exit_code(["report", str(strangers), "--out", str(tmp_path / "out")]) == 2
    assert "recording.json is damaged: a part is named" in capfd.readouterr().err
    assert not [one for one in opened if one.startswith(str(outside))]


def test_links_out_of_the_folder_are_not_followed(strangers, outside, tmp_path, opened, capfd):
    run = strangers / "runs" / "a"
    part = json.loads((run / "recording.json").read_text())["parts"][0]["file"]
    (run / part).rename(outside / part)
    (run / part).symlink_to(outside / part)  # same bytes, same checksum: only the link is wrong
    opened.clear()
    assert exit_code(["report", str(strangers), "--out", str(tmp_path / "out")]) == 2
    assert part in capfd.readouterr().err
    assert not [one for one in opened if one.startswith(str(outside))]


@pytest.mark.parametrize("linked", ["runs/c", "runs/a/recording.json", "sweep.json"])
def test_linked_folders_manifests_and_notes_are_not_read(strangers, outside, tmp_path, opened, capfd, linked):
    goal = {"runs/c": "run", "runs/a/recording.json": "run/recording.json", "sweep.json": "notes.json"}[linked]
    (strangers / linked).unlink(missing_ok=True)
    (strangers / linked).symlink_to(outside / goal)
    opened.clear()
    code = exit_code(["report", str(strangers), "--out", str(tmp_path / "out")])
    assert code == (0 if linked == "runs/c" else 2)
    page = tmp_path / "out" / "report.html"
    assert SECRET not in "".join(capfd.readouterr()) + (page.read_text(encoding="utf-8") if page.exists() else "")
    assert not [one for one in opened if one.startswith(str(outside))]


@pytest.mark.parametrize("linked", ["report.html", "figures", "tables", "tables/layers.parquet"])
def test_a_report_is_not_written_through_links(strangers, outside, capfd, linked):
    before = listing(outside)
    (strangers / linked).parent.mkdir(exist_ok=True)
    (strangers / linked).symlink_to(outside if "." not in linked else outside / "notes.json")
    assert exit_code(["report", str(strangers)]) == 2
    assert "is a link" in capfd.readouterr().err
    assert listing(outside) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_place_of_a_manifest_does_not_hang(strangers):
    (strangers / "runs" / "a" / "recording.json").unlink()
    os.mkfifo(strangers / "runs" / "a" / "recording.json")
    with pytest.raises(StorageError, match="is no file"):
        load(strangers / "runs" / "a")


@pytest.mark.parametrize("name", ["report.html", "tables/summary.csv", "figures/training.png"])
def test_a_file_that_has_another_name_outside_is_not_overwritten(strangers, outside, name):
    victim = outside / "victim"
    victim.write_text(SECRET)
    place = strangers / name
    place.parent.mkdir(exist_ok=True)
    os.link(victim, place)
    assert exit_code(["report", str(strangers), "--out", str(strangers)]) == 2
    assert victim.read_text() == SECRET


@pytest.mark.parametrize("name", ["report.html", "sweep.json"])
def test_a_pipe_is_not_waited_for(strangers, name, capfd):
    (strangers / name).unlink(missing_ok=True)
    os.mkfifo(strangers / name)
    assert exit_code(["report", str(strangers), "--out", str(strangers)]) == 2
    assert name in capfd.readouterr().err


@pytest.mark.parametrize("command", ["runs", "watch"])
def test_runs_under_way_are_not_followed_out_of_the_folder(strangers, outside, capfd, command):
    own = strangers / "unfinished" / "a"
    own.mkdir(parents=True)
    (outside / "status.json").write_text(json.dumps({"status": "failed", "reason": SECRET}))
    (own / "status.json").symlink_to(outside / "status.json")
    (strangers / "unfinished" / "b").symlink_to(outside)
    piped = strangers / "unfinished" / "c"
    piped.mkdir()
    os.mkfifo(piped / "status.json")
    assert exit_code([command, str(strangers), *(["--once"] if command == "watch" else [])]) == 0
    assert SECRET not in "".join(capfd.readouterr())


def swap_part(run, table, change):
    """Replace a table's part by another file, with the checksum that fits it."""
    manifest = json.loads((run / "recording.json").read_text())
    part = next(one for one in manifest["parts"] if one["table"] == table)
    path = run / part["file"]
    parquet.write_table(change(parquet.read_table(path)), path)
    content = path.read_bytes()
    part.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    (run / "recording.json").write_text(json.dumps(manifest))


PARTS = {
    "more rows than it says": (lambda table: pyarrow.concat_tables([table, table]), "rows instead of"),
    "what it says of pandas": (lambda table: table.replace_schema_metadata({b"pandas": b"[" * 20_000}), None),
    "dates": (lambda table: table.append_column("day", pyarrow.array([0] * len(table), pyarrow.date32())), "date32"),
    "a name twice": (lambda table: table.append_column("step", table["step"]), "have one name"),
    "no text": (
        lambda table: table.append_column(
            "note", pyarrow.array([b"\xff\xfe"] * len(table)).view(pyarrow.binary()).cast(pyarrow.large_binary())
        ),
        "large_binary",
    ),
}


@pytest.mark.parametrize("case", PARTS)
def test_a_part_is_believed_in_nothing_but_its_numbers_and_words(strangers, tmp_path, capfd, case):
    change, why = PARTS[case]
    swap_part(strangers / "runs" / "a", "layers", change)
    assert exit_code(["report", str(strangers), "--out", str(tmp_path / "out")]) == (2 if why else 0)
    assert (why or "report") in "".join(capfd.readouterr())


def test_no_cell_of_a_table_is_a_formula(tmp_path):
    hostile = hostile_recording("=cmd()", 0)
    layers = hostile.layers.assign(layer="@" + hostile.layers["layer"])
    report(replace(hostile, layers=layers, meta={**hostile.meta, "family": "-x"}), tmp_path)
    cells = [
        cell
        for file in (tmp_path / "tables").glob("*.csv")
        for row in csv.reader(io.StringIO(file.read_text(encoding="utf-8")))
        for cell in row
    ]
    assert "'=cmd()" in {cell.partition(MARKUP)[0] for cell in cells}
    assert "'-x" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+", "\t", "\r"))]
    assert "-x" in set(pd.read_parquet(tmp_path / "tables" / "layers.parquet")["family"])


def test_numbers_in_csv_stay_as_they_are(tmp_path):
    plain = pd.DataFrame({"x": [-1.25e-300, np.nan, -np.inf], "n": pd.array([-1, None, 2], dtype="Int64"), "b": True})
    write([("plain", plain)], tmp_path)
    assert (tmp_path / "plain.csv").read_text() == plain.to_csv(index=False)


def test_a_table_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "b.csv").mkdir()
    rows = pd.DataFrame({"x": [1.0]})
    with pytest.raises(OSError, match=r"b\.csv"):
        write([("a", rows), ("b", rows), ("none", rows[:0])], tmp_path)
    assert (tmp_path / "a.parquet").exists()


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63)])
@pytest.mark.parametrize("column", ["layer_depth", "step", "stage"])
def test_integers_that_no_network_has_are_one_line(strangers, tmp_path, capfd, column, value):
    swap_part(strangers / "runs" / "a", "layers", near(column, value))
    assert exit_code(["report", str(strangers), "--out", str(tmp_path / "out")]) == 2
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1
    low = 0 if column == "step" else -1
    assert f": layers.{column} must lie between {low} and 10^15; got {value} in 12 of 12 rows" in said[0]
    assert exit_code(["watch", str(strangers / "runs" / "a"), "--once"]) == 0


@pytest.mark.parametrize("column", ["layer_depth", "step", "stage", "order", "n_params"])
def test_integers_as_large_as_may_be_are_reported(strangers, tmp_path, column):
    for run in "ab":
        swap_part(strangers / "runs" / run, "layers", near(column, 10**15))
    assert exit_code(["report", str(strangers), "--out", str(tmp_path / "out")]) == 0


def near(column, value):
    """Return a change of a table that puts integers close to one another up to a value in a column."""

    def change(table):
        places = [place // 6 if column == "step" else place % 6 for place in range(len(table))]
        numbers = np.array([value + place * (-1 if value > 0 else 1) for place in places])
        return table.set_column(table.column_names.index(column), column, pyarrow.array(numbers))

    return change


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("depth", "x"),
        ("depth", [1]),
        ("seed", 1e400),
        ("family", {"a": 1}),
        ("setting", [2]),
        ("settings", "no"),
        ("published_probes", ["a"]),
        ("published_probes", 3),
        ("wall_seconds", "long"),
        ("run", "\ud800"),
        ("set_aside", 5),
    ],
)
def test_a_description_of_other_types_is_as_none(strangers, tmp_path, key, value):
    for run in (path.parent for path in strangers.rglob("recording.json")):
        edit_manifest(run, lambda manifest: manifest["meta"].update({key: value}))
    assert exit_code(["report", str(strangers / "runs" / "a"), "--out", str(tmp_path / "out")]) == 0
    assert exit_code(["runs", str(strangers)]) == 0
    assert exit_code(["watch", str(strangers / "runs" / "a"), "--once"]) == 0


def test_a_description_nested_without_end_is_refused_in_a_line(strangers, tmp_path, capfd):
    (strangers / "sweep.json").write_text("[" * 100_000)
    assert exit_code(["report", str(strangers), "--out", str(tmp_path / "out")]) == 2
    assert "nested too deeply" in capfd.readouterr().err


def test_no_name_turns_the_page_round(tmp_path):
    steps = pd.DataFrame({"step": [0, 1], "loss": [2.0, 1.0]})
    layers = pd.DataFrame({"step": 0, "layer": ["a\u202e", "b"], "order": [0, 1], "layer_depth": [1, 2]})
    layers = layers.assign(weighted=True, out_grad_norm=1.0, grad_norm=1.0)
    run = Recording(steps=steps, layers=layers, meta={"run": "evil\u202e\u200b\x9b"})
    page = report(run, tmp_path).read_text(encoding="utf-8")
    assert not set("\u202e\u200b\x9b") & set(page)
    assert not set("\u202e\u200b\x9b") & set(run._repr_html_())
    assert not set("\u202e\u200b\x9b") & set("".join(map(str, diagnose(run))))


@pytest.mark.slow
def test_a_name_of_thousands_of_characters_is_cut_before_it_is_measured(monkeypatch):
    measured = []

    def width(text, size):
        measured.append(len(text))
        return len(text) * size / 100

    monkeypatch.setattr(measure, "text_width", width)
    assert len(measure.fitted("x" * 100_000, 1.0, 8)) <= 13
    assert max(measured) <= 200
