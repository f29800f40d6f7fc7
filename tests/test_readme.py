"""The README is true: its code runs, and what it promises of the loop holds."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import gradflow

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
    for path in (*sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("learn/*.md")))
}
PAGES["README"] = (ROOT / "README.md").read_text(encoding="utf-8")
README, EVERY = PAGES["README"], "\n".join(PAGES.values())
OURS = re.compile("recorder|gradflow|print")
CODE = {name: re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) for name, page in PAGES.items()}


def surroundings():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    inputs, targets = torch.randn(4, 6), torch.randint(0, 3, (4,))
    return {
        "model": model,
        "loader": [(inputs, targets)] * 3,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "loss_function": nn.functional.cross_entropy,
        "inputs": inputs,
        "targets": targets,
    }


def test_the_example_on_the_readers_own_loop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = surroundings()
    exec(CODE["README"][0], names)
    recording = names["recorder"].recording
    assert recording.steps.loss.notna().tolist() == [True] * 3
    assert sorted(recording.layers.layer.unique()) == ["0", "1", "2"]
    assert (tmp_path / "out" / "report.html").exists()
    assert list((tmp_path / "out" / "figures").glob("*.png"))
    assert list((tmp_path / "out" / "tables").glob("*.csv"))
    assert gradflow.storage.load_one(tmp_path / "run").steps.equals(recording.steps)
    bare = surroundings()
    exec("\n".join(line for line in CODE["README"][0].splitlines() if not OURS.search(line)), bare)
    for a, b in zip(names["model"].parameters(), bare["model"].parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_example_with_a_callback(capsys):
    exec(CODE["recording"][0], surroundings())
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["2", "1", "0"]


def test_the_example_of_numbers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = surroundings()
    exec(CODE["README"][0], names)
    names["optimizer"].zero_grad()
    before = {name: value.clone() for name, value in names["model"].state_dict().items()}
    exec(CODE["README"][1], {"gradflow": gradflow, **names})
    said = capsys.readouterr().out
    assert "skip_share" in said
    assert "out_grad_norm" in said
    assert all(parameter.grad is None for parameter in names["model"].parameters())
    assert all(torch.equal(value, before[name]) for name, value in names["model"].state_dict().items())


def test_the_example_of_an_own_network(tmp_path, monkeypatch):
    from gradflow.experiments import compare

    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(CODE["sweeps"][0], encoding="utf-8")
    arguments = {"model": "nets.py:make", "data": "nets.py:wine", "vary": {"depth": [5, 10]}, "batch_size": 32}
    found = compare(out=tmp_path / "out", seeds=1, steps=3, workers=1, device="cpu", **arguments)
    assert sorted(one.meta["depth"] for one in found) == [5, 10]


def test_the_example_of_an_own_network_on_one_batch(tmp_path, monkeypatch, capsys):
    from gradflow.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(CODE["sweeps"][0], encoding="utf-8")
    (line,) = re.findall(r"^\$ gradflow (analyze nets\.py:make [^#\n]*)", EVERY, flags=re.MULTILINE)
    with pytest.raises(SystemExit) as ended:
        main([*line.split(), "--json"])
    assert not ended.value.code
    document = json.loads(capsys.readouterr().out)
    assert document["meta"]["inputs"] == ["float32 (64, 13)"]
    assert document["meta"]["loss"] == "cross-entropy"
    assert [row["layer"] for row in document["layers"] if row["weighted"]] == ["0", "1.0", "2.0", "3.0", "4"]


@pytest.mark.parametrize("name", ["start", "study"])
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = surroundings()
    for code in CODE[name]:
        exec(code, names)
    assert capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("program", CODE["parallel"])
def test_programs_for_several_processes_run_in_two(program, tmp_path):
    if "fully_shard" in program and not hasattr(torch.cpu.Stream, "record_event"):
        pytest.skip("this PyTorch's fully_shard does not run on the CPU")
    (tmp_path / "train.py").write_text(program, encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "train.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    subprocess.run(launch, cwd=tmp_path, env=environment, check=True, capture_output=True)
    recording = gradflow.load(tmp_path / "run")
    assert len(recording.steps) == 20
    assert recording.layers[recording.layers.n_params > 0].grad_norm.notna().all()


def test_no_page_has_code_that_is_not_run():
    run = {
        "README": 2,
        "recording": 1,
        "sweeps": 1,
        "start": len(CODE["start"]),
        "study": len(CODE["study"]),
        "parallel": 2,
    }
    run |= {"trainers": 7, "trackers": 2}  # in tests/trainers/test_docs.py
    # tests/test_learn.py runs those of the course, whose pages are one session
    assert {name: len(code) for name, code in CODE.items() if code and not name.startswith("learn/")} == run


def test_the_terminal_shown_is_what_the_terminal_prints(tmp_path, monkeypatch, capsys):
    from gradflow.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    torch.manual_seed(0)
    hidden = [module for _ in range(10) for module in (nn.Linear(64, 64), nn.Sigmoid())]
    model = nn.Sequential(*hidden, nn.Linear(64, 10))
    inputs, targets = torch.randn(64, 64), torch.randint(0, 10, (64,))
    names = surroundings() | {"model": model, "loader": [(inputs, targets)] * 30}
    names["optimizer"] = torch.optim.SGD(model.parameters(), lr=0.1)
    exec(CODE["README"][0].partition("gradflow.report(")[0], names)
    with pytest.raises(SystemExit):
        main(["diagnose", "run"])

    def compared(printed):
        return re.sub(r"[\d.]+( million| billion)?", "#", " ".join(printed.split()))

    (shown,) = re.findall(r"compares this -->\n```text\n(.*?)```", README, flags=re.DOTALL)
    assert compared(capsys.readouterr().out).startswith(compared(shown))


def test_the_example_is_short():
    assert len([line for line in CODE["README"][0].splitlines() if line.strip()]) <= 13


def test_every_command_and_option_exists():
    from gradflow.cli.commands import cli

    for line in re.findall(r"^\$ gradflow (\w+)(.*)$", EVERY, flags=re.MULTILINE):
        options = {name for parameter in cli.commands[line[0]].params for name in parameter.opts}
        for option in re.findall(r"(--[\w-]+)", line[1]):
            assert option in options
    assert gradflow.report is not None


def test_links_lead_somewhere():
    gallery = ROOT / "reports" / "gallery"
    apart = {"README": ROOT, "gallery": gallery, "examples": ROOT / "examples"}
    pages = PAGES | {name: (folder / "README.md").read_text(encoding="utf-8") for name, folder in apart.items()}
    for name, page in pages.items():
        folder = apart.get(name, (DOCS / name).parent)
        for link in re.findall(r"\]\(([^)#\s]+)\)", page):
            assert link.startswith("https://") or (folder / link).exists(), (name, link)


def test_the_gallery_holds_no_pages_and_is_small():
    files = [path for path in (ROOT / "reports" / "gallery").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".md", ".png", ".csv"}
    assert sum(path.stat().st_size for path in files) < 3e6
