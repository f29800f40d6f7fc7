"""vega-embed.js, the library that draws live figures: made by setup.py in every build, ignored by git.

Imports the standard library alone: setup.py runs this file where nothing of gradflow can be imported yet.
"""

from hashlib import sha256
from pathlib import Path

BUNDLE = Path(__file__).with_name("vega-embed.js")
SHA256 = "373b1f84072b31010f15ceb787be6b415c53936411aae267c8c2b2b6ccde46e7"  # of the version that pyproject.toml pins


def is_made() -> bool:
    """Whether the file is there, in the version that the figures were made for."""
    return BUNDLE.is_file() and sha256(BUNDLE.read_bytes()).hexdigest() == SHA256
