"""A report of networks with hostile names, and a browser to open it in."""

import shutil

import numpy as np
import pandas as pd
import pytest
from waiting import LONGEST, eventually

from gradflow import Recording
from gradflow.reporting import report

HOSTILE = "</script><img src=x onerror=alert(1)>"
DEPTHS, STEPS = {"plain-8": 8, "plain-14": 14, "residual-8": 8, "residual-14": 14}, (0, 1, 10, 20)


def recording(name, seed):
    family, depth = name.split("-")[0], DEPTHS[name]
    places = np.arange(1, depth + 1)
    slope = 1.4 if family == "plain" else 1.05
    rows = [
        pd.DataFrame(
            {
                "step": step,
                "layer": [f"conv{place}{HOSTILE}" for place in places],
                "order": places,
                "layer_depth": places,
                "stage": places // 5,
                "kind": HOSTILE,
                "weighted": True,
                "n_params": 10,
                "grad_norm": 0.1 * slope ** (depth - places) * (1 + 0.1 * seed),
                "out_grad_norm": np.where(
                    (places == 3) & (step == 20), 0.0, slope ** (depth - places) / (1 + step) * (1 + seed)
                ),
                "weight_norm": 1.0 + step,
            }
        )
        for step in STEPS
    ]
    errors = {"loss": [2.0, 1.5, 1.0, 0.5], "batch_error": [0.9, 0.8, 0.3, 0.2], "lr": 0.1}
    ends = {"train_error": [np.nan] * 3 + [depth / 40 * (family == "plain")], "test_error": [np.nan] * 3 + [0.3]}
    steps = pd.DataFrame({"step": STEPS, **errors, **ends})
    meta = {"family": family, "depth": depth, "seed": seed, "experiment": "compare", "steps": 20, "model": HOSTILE}
    run = f"{name}-seed{seed}-{HOSTILE}"
    return Recording(
        layers=pd.concat(rows), steps=steps, meta={**meta, "run": run, "command": HOSTILE, "data": HOSTILE}
    )


@pytest.fixture(scope="session")
def runs():
    return [recording(name, seed) for name in DEPTHS for seed in (0, 1)]


@pytest.fixture(scope="session")
def path(runs, tmp_path_factory):
    return report(runs, tmp_path_factory.mktemp("report"), title=HOSTILE, command=HOSTILE)


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium on this machine; Debian's package chromium has one")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


class Watched:
    """A page with what it said, asked for and raised."""

    def __init__(self, browser, path, *, width=1440, scheme="light", unfolds=True, **context):
        self.context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, **context)
        self.page = self.context.new_page()
        self.said, self.asked, self.asked_user = [], [], []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.asked_user.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.set_default_timeout(1000 * LONGEST)
        if context.get("java_script_enabled", True):
            self.page.wait_for_selector("html[data-live=ready]")
            if unfolds:
                self.page.eval_on_selector_all("details", "found => found.forEach(one => one.open = true)")
                undrawn = "[...document.querySelectorAll('[data-live^=live-]')].every(one => one.querySelector('svg'))"
                self.page.wait_for_function(undrawn)

    def eventually(self, holds):
        """Return what `holds` returns once it is true; the page goes on meanwhile."""
        return eventually(holds, pause=lambda seconds: self.page.wait_for_timeout(1000 * seconds))


@pytest.fixture(scope="session")
def opened(browser, path):
    """The page as a wide light screen shows it; tests leave it as they found it."""
    found = Watched(browser, path)
    yield found
    found.context.close()


@pytest.fixture
def watch(browser, path):
    """Open the page otherwise: watch(width=380, scheme="dark")."""
    opened = []

    def watched(**how):
        opened.append(Watched(browser, how.pop("path", path), **how))
        return opened[-1]

    yield watched
    for one in opened:
        one.context.close()
