"""The page: complete, self-contained, readable without torch, and safe with names it did not choose."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gradflow import Recording, save
from gradflow.plots import DOUBLE
from gradflow.reporting import report

HOSTILE = "</script><img src=x onerror=alert(1)>"
NETS = (("plain", 20, 0.0), ("plain", 56, 0.5), ("residual", 20, 0.0), ("residual", 56, 0.01))
LIVE = ("degradation", "training", "flow", "heatmaps", "weights", "degree")
VOID = {"meta", "img", "source", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, the text, and whether every element is closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def net(family, depth, seed, *, train_error=0.0, layer="conv", **meta):
    depths = np.arange(1, 9)
    rows = [
        pd.DataFrame(
            {
                "step": step,
                "layer": [f"{layer}{one}" for one in depths],
                "order": depths,
                "layer_depth": depths,
                "stage": depths // 5,
                "kind": "Conv2d",
                "weighted": True,
                "n_params": 10,
                "grad_norm": 1.1**depths * (1 + seed),
                "out_grad_norm": 1.2 ** (8.0 - depths) * (1 + seed),
                "weight_norm": 1.0 + step,
            }
        )
        for step in (0, 10)
    ]
    steps = pd.DataFrame(
        {"step": [0, 5, 10], "loss": [2.0, 1.0, 0.5], "batch_error": [0.9, 0.5, 0.2], "lr": 0.1}
    ).assign(train_error=[np.nan, np.nan, train_error], test_error=[np.nan, np.nan, 0.3])
    known = {"family": family, "depth": depth, "seed": seed, "experiment": "compare", "steps": 10, "batch_size": 64}
    times = {"recorder_seconds": 1.0, "recorded_seconds": 50.0, "wall_seconds": 60.0, "data": "digits", "n_train": 1437}
    run = f"{family}-{depth}-seed{seed}"
    return Recording(layers=pd.concat(rows), steps=steps, meta={"run": run, **known, **times, **meta})


@pytest.fixture(scope="module")
def runs():
    return [
        net(family, depth, seed, train_error=error + 0.01 * seed)
        for family, depth, error in (
            ("plain", 20, 0.0),
            ("plain", 56, 0.5),
            ("residual", 20, 0.0),
            ("residual", 56, 0.01),
        )
        for seed in (0, 1)
    ]


@pytest.fixture(scope="module")
def folder(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    assert report(runs, out, command="gradflow compare --depths 20,56") == out / "report.html"
    return out


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_the_page_asks_for_nothing_outside(folder, page):
    html = (folder / "report.html").read_text(encoding="utf-8")
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert all("src" not in one for one in page.all("script"))
    assert not page.all("link")
    assert not page.open
    sources = [attributes["src"] for attributes in page.all("img")]
    sources += [attributes["srcset"] for attributes in page.all("source")]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "@import" not in html
    assert not re.search(r"url\(|https?://", re.sub(r"(?s)base64,[A-Za-z0-9+/=]+|<script.*?</script>", "", html))


def test_links_lead_somewhere(folder, page):
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for attributes in page.all("a"):
        target = attributes["href"]
        assert target[1:] in anchors if target.startswith("#") else (folder / target).is_file(), target


def test_every_picture_has_both_widths_and_says_what_it_shows(page):
    pictures, images = page.all("picture"), page.all("img")
    assert len(pictures) == len(images) >= 5
    # A live figure has a narrow form of its own; the profile's second picture has the first's.
    assert len(page.all("source")) == len(pictures) - len(LIVE) - 1
    assert all(len(image["alt"]) > 40 for image in images)
    assert all(source["media"] == "(max-width: 600px)" for source in page.all("source"))


def test_the_first_screen_holds_the_finding_with_its_numbers(page):
    words = " ".join("".join(page.words).split())
    short, numbers = (
        words.index("Training error at 56 layers is 50.5 % plain, 1.5 % residual."),
        words.index("From 20 to 56 layers, training error goes from 0.5 % to 50.5 % in plain networks and goes from"),
    )
    assert short < numbers < 400
    assert "At 56 layers, the difference paired by seed is +49.0 points (the same in all 2 seeds)" in words[:600]
    assert "2 seeds: 8 runs" in words


def test_what_was_run_and_what_recording_cost_is_said(page):
    words = " ".join("".join(page.words).split())
    assert "gradflow compare --depths 20,56" in words
    assert "Recording took 8.0 s of 6.7 min of training: 2.0 %." in words
    assert "every network was trained for the same 10 steps." in words


def test_files_for_print_and_programs_lie_beside_the_page(folder, runs):
    for image in (folder / "figures").iterdir():
        with Image.open(image) as opened:
            assert opened.size[0] == int(DOUBLE * 300)
            assert opened.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    table = pd.read_parquet(folder / "tables" / "degradation.parquet")
    assert sorted(table.train_error) == sorted(run.steps.train_error.iloc[-1] for run in runs)
    assert len(pd.read_csv(folder / "tables" / "degradation.csv")) == len(runs)
    findings = pd.read_csv(folder / "tables" / "findings.csv")
    assert {"degraded", "skip_helps"} <= set(findings.key)


def test_hostile_names_show_as_text(tmp_path):
    hostile = net("plain", 20, 0, layer=HOSTILE, run=HOSTILE, model=HOSTILE, data=HOSTILE)
    layers = hostile.layers.assign(status=HOSTILE, out_grad_norm=np.nan, kind=HOSTILE)
    meta = {key: value for key, value in hostile.meta.items() if key not in ("family", "depth")}
    own = Recording(layers=layers, steps=hostile.steps, meta=meta)
    html = report(own, tmp_path, title=HOSTILE, command=HOSTILE).read_text(encoding="utf-8")
    found = Page(html)
    assert HOSTILE in "".join(found.words)
    assert {one.get("type") for one in found.all("script")} == {"module", "application/json"}
    assert all(one["src"].startswith("data:") for one in found.all("img"))
    for payload in re.findall(r'(?s)<script type="application/json"[^>]*>(.*?)</script>', html):
        assert not set("<>&") & set(payload)
        json.loads(payload)
    assert all(image["src"].startswith("data:") for image in found.all("img"))
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)


def test_one_seed_has_no_interval(tmp_path):
    words = Page(report([net("plain", 20, 0), net("plain", 56, 0)], tmp_path).read_text(encoding="utf-8")).words
    assert "1 seed each, no interval" in "".join(words)


def test_sections_that_do_not_apply_are_absent(tmp_path):
    bare = Recording(steps=pd.DataFrame({"step": [0, 1]}), meta={"run": "mine"})
    found = Page(report(bare, tmp_path).read_text(encoding="utf-8"))
    shown = {attributes["id"] for attributes in found.all("section")}
    assert shown == {"findings", "method"}


def test_a_loss_without_an_error_rate_has_its_curve(tmp_path):
    steps = pd.DataFrame({"step": range(5), "loss": [2.0, 1.0, 0.5, 0.4, 0.3]})
    found = Page(report(Recording(steps=steps, meta={"run": "mine"}), tmp_path).read_text(encoding="utf-8"))
    assert {attributes["id"] for attributes in found.all("section")} == {"training", "findings", "method"}
    assert found.all("img")[0]["alt"].startswith("Loss against training step")
    assert "no error rate was recorded" in "".join(found.words)


@pytest.mark.slow
def test_layers_that_return_their_input_are_listed_with_what_their_value_is(tmp_path):
    run = net("plain", 20, 0)
    is_shortcut = run.layers.layer.isin(["conv2", "conv3"])
    status = run.layers.status.mask(is_shortcut, "output is the input").mask(run.layers.layer == "conv4", "frozen")
    layers = run.layers.assign(status=status)
    layers.loc[layers.layer == "conv4", "out_grad_norm"] = np.nan
    found = Page(report(Recording(layers=layers, steps=run.steps, meta=run.meta), tmp_path).read_text("utf-8"))
    words = " ".join("".join(found.words).split())
    assert "A gradient was measured at the output of 5 of 8 layers, counted in every run." in words
    assert "the gradient of that tensor, including all its other uses" in words
    table = pd.read_csv(tmp_path / "tables" / "coverage.csv")
    assert table.layer.tolist() == ["conv2", "conv3", "conv4"]
    assert table.has_output_gradient.tolist() == [True, True, False]


def test_command_lines_that_differ_are_each_listed(tmp_path):
    commands = ("gradflow compare --depths 20", "gradflow compare --depths 56")
    pairs = zip((20, 56), commands, strict=True)
    found = Page(report([net("plain", depth, 0, command=one) for depth, one in pairs], tmp_path).read_text("utf-8"))
    assert "\n".join(commands) in found.words


def test_networks_without_fault_share_one_statement(page):
    words = " ".join("".join(page.words).split())
    assert words.count("No fault was found in these networks.") == 1
    assert re.search(r"plain-20: [^;]* times (smaller|larger)[^;]*; final training error", words)


@pytest.mark.slow
def test_what_is_healthy_is_folded_beneath_what_is_not(folder, tmp_path):
    fold = re.compile(r"<details><summary><h3>Healthy \(\d+\)</h3></summary>")
    assert len(fold.findall((folder / "report.html").read_text(encoding="utf-8"))) == 1
    alone = report(net("plain", 20, 0), tmp_path).read_text(encoding="utf-8")
    assert "<h3>Healthy</h3>" in alone
    assert not fold.search(alone)


@pytest.mark.slow
def test_many_networks_without_fault_are_folded(tmp_path):
    runs = [net("plain", depth, 0) for depth in range(8, 21)]
    html = report(runs, tmp_path / "many").read_text(encoding="utf-8")
    assert '<details class="also"><summary>13 networks</summary>' in html
    html = report(runs[:2], tmp_path / "few").read_text(encoding="utf-8")
    assert '<details class="also"><summary>2 networks</summary>' not in html


def test_captions_stand_outside_what_scrolls(page):
    captions = [attributes["id"] for name, attributes in page.tags if attributes.get("id", "").startswith("table-")]
    assert captions == [attributes["aria-labelledby"] for attributes in page.all("table")]


@pytest.mark.slow
def test_a_report_of_one_network_speaks_of_errors_and_not_of_degradation(tmp_path):
    words = Page(report(net("plain", 20, 0), tmp_path).read_text("utf-8")).words
    assert "Errors after training" in words
    assert not any("Degradation" in word for word in words)


def test_nothing_recorded_is_said_to_be_nothing(tmp_path):
    words = Page(report(Recording(meta={"run": "empty"}), tmp_path).read_text("utf-8")).words
    assert "These runs contain no recorded step." in words
    assert not any("No fault was found" in word for word in words)


def test_no_recording_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        report([], tmp_path)


def test_a_report_needs_no_torch(tmp_path):
    save(net("plain", 20, 0), tmp_path / "run")
    code = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
import gradflow
gradflow.report(gradflow.load({str(tmp_path / "run")!r}), {str(tmp_path / "out")!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").is_file()


def test_embedded_copies_are_the_figures(folder, page):
    import base64

    first = page.all("img")[0]
    embedded = Image.open(BytesIO(base64.b64decode(first["src"].split(",")[1])))
    assert embedded.size[0] == -(-int(DOUBLE * 300) // 2)
    assert embedded.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    with Image.open(folder / "figures" / "degradation.png") as printed:
        distance = np.abs(np.asarray(printed.reduce(2), dtype=int) - np.asarray(embedded.convert("RGB"), dtype=int))
    assert distance.max() < 24
    ratio = embedded.size[0] / embedded.size[1]
    assert ratio == pytest.approx(int(first["width"]) / int(first["height"]), rel=0.02)


def test_other_formats_come_on_request_in_both_widths(tmp_path):
    steps = pd.DataFrame({"step": range(5), "loss": [2.0, 1.0, 0.5, 0.4, 0.3]})
    report(Recording(steps=steps, meta={"run": "mine"}), tmp_path, formats=("png", "pdf", "svg"))
    found = {file.name: file.read_bytes()[:5] for file in (tmp_path / "figures").iterdir()}
    assert sorted(found) == [f"training{size}.{form}" for size in ("-single",) for form in ("pdf", "svg")] + [
        f"training.{form}" for form in ("pdf", "png", "svg")
    ]
    assert (found["training-single.pdf"], found["training.svg"]) == (b"%PDF-", b"<?xml")


def test_a_format_that_there_is_not_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="formats may be png, pdf, svg; got 'jpg'"):
        report(Recording(steps=pd.DataFrame({"step": [0]})), tmp_path, formats=("jpg",))


@pytest.mark.slow
def test_the_command_that_made_the_runs_stays_whichever_wrote_the_page(tmp_path):
    made, wrote = "gradflow compare --depths 20", "gradflow report elsewhere"
    run = net("plain", 20, 0, command=made)
    both = Page(report([run], tmp_path / "both", command=wrote).read_text("utf-8")).words
    assert both[both.index("Command") + 1] == made
    assert both[both.index("Page written by") + 1] == wrote
    assert "Page written by" not in Page(report([run], tmp_path / "one", command=made).read_text("utf-8")).words
