"""The scripts of a page, the same in every report, and the policy that lets no other run."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from markupsafe import Markup

from gradflow.errors import GradflowError
from gradflow.reporting.live import bundle

PAGE = "page.js"


class BundleError(GradflowError):
    """The library that draws live figures was not made; the message says how to make it."""


@cache
def scripts() -> tuple[Markup, ...]:
    """Return the texts of a page's scripts: Vega-Lite and what goes with it, and our own.

    Raises BundleError where the library is missing or of another version, as in a checkout that was never built.
    """
    if not bundle.is_made():
        what = "of another version" if bundle.BUNDLE.exists() else "missing"
        raise BundleError(
            f"{bundle.BUNDLE} is {what}; make it by pip install -e . in its directory or, without installing, by "
            "pip wheel --no-deps -w build ."
        )
    page = files(__package__).joinpath(PAGE).read_text(encoding="utf-8")
    return Markup(bundle.BUNDLE.read_text(encoding="utf-8")), Markup(page)


def policy(allowed: tuple[Markup, ...]) -> str:
    """Return the page's Content Security Policy: nothing is fetched, and no script runs but these, word for word.

    A name that reached the page as markup could therefore neither run nor load anything.
    """
    hashes = [base64.b64encode(hashlib.sha256(one.encode("utf-8")).digest()).decode("ascii") for one in allowed]
    run = " ".join(f"'sha256-{one}'" for one in hashes) or "'none'"
    rest = "img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {run}; {rest}"
