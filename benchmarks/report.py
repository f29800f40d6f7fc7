"""How long a report takes, how large it is, and when its page answers. Usage: python benchmarks/report.py [FOLDER ...].

Each folder of recordings, and two made up here, a sweep of 100 runs and a million layer rows, is reported by a process
of its own. The page is then opened in headless Chromium: until every live figure answers.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import gradflow

REPORT = """
import resource, sys, time
began = time.perf_counter()
from gradflow import storage
from gradflow.reporting import report
report([storage.load(folder) for folder in storage.find([sys.argv[1]])], sys.argv[2])
used = resource.getrusage(resource.RUSAGE_SELF)
print(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024**2)
"""
DRAWS_AGAIN = 5  # openings of a page, of which the median is printed


def made_up(folder: Path, *, runs: int, depth: int, steps: int, others: int) -> None:
    """Write runs of a comparison: per step so many weighted layers, and `others` not weighted for each."""
    generator = np.random.default_rng(0)
    for number in range(runs):
        family, own = ("plain", "residual")[number % 2], depth - 2 * (number // 2 % 10)
        place = np.tile(np.repeat(np.arange(1, own + 1), 1 + others), steps)
        step = np.repeat(10 * np.arange(steps), own * (1 + others))
        is_weighted = np.tile(np.arange(own * (1 + others)) % (1 + others) == 0, steps)
        norms = np.exp(generator.normal(size=len(place)) - 0.02 * place)
        layers = pd.DataFrame({"step": step, "order": np.tile(np.arange(own * (1 + others)), steps)})
        layers["layer"] = "layer" + layers["order"].astype("str")
        layers = layers.assign(layer_depth=place, stage=3 * place // (own + 1), kind="Conv2d", weighted=is_weighted)
        layers = layers.assign(n_params=100, grad_norm=norms, out_grad_norm=norms, weight_norm=1 + norms)
        table = pd.DataFrame({"step": np.arange(10 * steps), "loss": 1.0, "batch_error": 0.5, "lr": 0.1})
        table["train_error"] = np.where(table["step"] == table["step"].max(), generator.random(), np.nan)
        meta = {"family": family, "depth": own, "seed": number // 20, "experiment": "compare", "steps": 10 * steps}
        run = gradflow.Recording(layers=layers, steps=table, meta={**meta, "run": f"{family}-{own}-seed{number // 20}"})
        gradflow.save(run, folder / f"run{number}")


def measured(recordings: Path) -> tuple[float, ...]:
    """Return seconds of wall and processor, peak memory in GiB, the page's size in MB, seconds of `answers`."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-c", REPORT, str(recordings), out]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        wall, processor, memory = map(float, printed.split())
        page = Path(out) / "report.html"
        return wall, processor, memory, page.stat().st_size / 1e6, *answers(page)


def answers(page: Path) -> tuple[float, float]:
    """Return the median seconds until a page's first live figure answers, and until all do; NaN without a browser."""
    program = shutil.which("chromium")
    if program is None:
        return float("nan"), float("nan")
    from playwright.sync_api import sync_playwright

    times = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(DRAWS_AGAIN):
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            began = time.perf_counter()
            tab.goto(page.as_uri())
            tab.wait_for_selector("html[data-first]", timeout=120_000)
            first = time.perf_counter() - began
            tab.wait_for_selector("html[data-live=ready]", timeout=120_000)
            times.append((first, time.perf_counter() - began))
            tab.close()
        browser.close()
    first, every = np.median(np.array(times), axis=0)
    return float(first), float(every)


def main() -> None:
    print("| recordings | wall, s | processor, s | peak, GiB | page, MB | first figure answers, s | all answer, s |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        cases = {path.name: path for path in map(Path, sys.argv[1:])}
        for name, shape in (
            ("sweep of 100 runs", {"runs": 100, "depth": 80, "steps": 31, "others": 2}),
            ("a million layer rows", {"runs": 8, "depth": 500, "steps": 85, "others": 2}),
        ):
            cases[name] = Path(scratch) / name.replace(" ", "-")
            made_up(cases[name], **shape)
        for name, path in cases.items():
            wall, processor, memory, size, first, every = measured(path)
            print(
                f"| {name} | {wall:.1f} | {processor:.1f} | {memory:.2f} | {size:.1f} | {first:.2f} | {every:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
