"""How the documentation is built: `sphinx-build -W docs docs/_build`.

In Chinese, for which there is the course: `sphinx-build -W -D language=zh_CN docs docs/_build/zh`.
"""

from __future__ import annotations

import os
from importlib.metadata import version as version_of
from pathlib import Path

from gradflow.diagnosis.ranking import TIERS
from gradflow.reference import remedy_studies
from gradflow.text import text

HERE = Path(__file__).parent

project = "gradflow"
author = "the gradflow developers"
copyright = "the gradflow developers, MIT licence"
release = version = version_of("gradflow-torch")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "generated"]  # the second is included by pages
locale_dirs = ["locale"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# Links to the pages of PyTorch and pandas need the network, which building does not.
if os.environ.get("GRADFLOW_DOCS_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "torch": ("https://docs.pytorch.org/docs/stable", None),
        "pandas": ("https://pandas.pydata.org/docs", None),
    }

html_theme = "furo"
html_title = f"gradflow {release}"
copybutton_prompt_text = "$ "
default_role = "code"
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False

SECTIONS = (
    "What the program does",
    "What training begins with",
    "Sizes of the first outputs",
    "Settings of the training",
    "What happens inside the network",
    "How far the weights move",
    "What the loss alone shows",
)


def write_findings(app: object) -> None:
    """Write the table of findings and remedies from what the diagnosis itself is made of."""
    lines = []
    for title, keys in zip(SECTIONS, TIERS, strict=True):
        lines += ["", f"## {title}", "", "| the report says | what repaired it, in how many of the networks tried |"]
        lines.append("|---|---|")
        lines += [f"| {_name(key)} | {_repaired(key)} |" for key in keys]
    (HERE / "generated").mkdir(exist_ok=True)
    (HERE / "generated" / "findings.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _name(key: str) -> str:
    return f"{text(f'verdict.of.{key}')} (`{key}`)"


def _repaired(key: str) -> str:
    """Return the remedies that were tried on a finding, those that repaired most first."""
    counts: dict[str, list[int]] = {}
    for study in remedy_studies():
        for fault in study["faults"].values():
            if key in fault["findings"]:
                for remedy, (repaired, tried) in fault["remedies"].items():
                    known = counts.setdefault(remedy, [0, 0])
                    known[0], known[1] = known[0] + repaired, known[1] + tried
    ordered = sorted(counts.items(), key=lambda item: -item[1][0] / item[1][1])
    told = [f"{_named(remedy)}: {repaired} of {tried}" for remedy, (repaired, tried) in ordered if repaired]
    return "<br>".join(told) or "–"


def _named(remedy: str) -> str:
    """Return what to change; a change by the numbers of a network is in the finding alone."""
    return text(remedy).rstrip(".") if remedy.startswith("remedy.") else "The change that the finding names"


def setup(app: object) -> None:
    """Have the generated pages written before sources are read."""
    app.connect("builder-inited", write_findings)  # type: ignore[attr-defined]  # of sphinx, which is no dependency
