"""A folder of recordings from a stranger: reported, with nothing in it run, and nothing outside read or written."""

import builtins
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording, load, save
from gradflow.cli import main
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
