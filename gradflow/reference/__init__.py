"""Published figures as data, each with its source, for tests and for drawing beside measured values."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def he2015() -> dict[str, Any]:
    """Return the figures of He et al., Deep Residual Learning for Image Recognition (arXiv 1512.03385).

    Errors are in percent, as printed in the paper; parameter counts are exact.

    Examples
    --------
    >>> he2015()["cifar10"]["test_error_percent_table6"]["110"]
    6.43
    """
    figures: dict[str, Any] = json.loads(files(__name__).joinpath("he2015.json").read_text(encoding="utf-8"))
    return figures
