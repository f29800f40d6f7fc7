"""The scripts of a page, the same in every report, and the policy that lets no other run."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from markupsafe import Markup

VEGA, PAGE = "vega-embed.js", "page.js"


@cache
def scripts() -> tuple[Markup, ...]:
    """Return the texts of a page's scripts: Vega-Lite and what goes with it, and our own."""
    return tuple(Markup(files(__package__).joinpath(name).read_text(encoding="utf-8")) for name in (VEGA, PAGE))


def policy(allowed: tuple[Markup, ...]) -> str:
    """Return the page's Content Security Policy: nothing is fetched, and no script runs but these, word for word.

    A name that reached the page as markup could therefore neither run nor load anything.
    """
    hashes = [base64.b64encode(hashlib.sha256(one.encode("utf-8")).digest()).decode("ascii") for one in allowed]
    run = " ".join(f"'sha256-{one}'" for one in hashes) or "'none'"
    rest = "img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {run}; {rest}"
