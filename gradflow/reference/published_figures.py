"""Published figures by name, in the form in which a report sets them beside measured ones."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from gradflow.reference import figures, he2015

PUBLISHED, ILLUSTRATIVE = "published", "illustrative"
HE2015 = "He et al. 2015, table 6"

Figure = dict[str, Any]


def published(name: str) -> list[Figure]:
    """Return published figures by name.

    Parameters
    ----------
    name : str
        One of `NAMES`.

    Returns
    -------
    list of dict
        Each with source and kind, "published" or "illustrative". Errors after training: family, depth, error (a
        fraction) and measure, "train_error" or "test_error". Lengths of effective paths: depth, modules, shortest,
        longest. Laws of the correlation of gradients: family, norm, law.

    Raises
    ------
    ValueError
        There is no such name; the line says which is nearest.

    Examples
    --------
    >>> published("he2015-table6")[0]["error"]
    0.0875
    """
    if name not in _MAKERS:
        near = difflib.get_close_matches(str(name), _MAKERS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"published must be one of {', '.join(_MAKERS)}; got {name!r}.{hint}")
    return _MAKERS[name]()


def _table6() -> list[Figure]:
    """Return the test errors of the residual networks, 1202 layers among them."""
    errors = he2015()["cifar10"]["test_error_percent_table6"]
    return [
        _error("residual", int(depth), percent, "test_error", HE2015, PUBLISHED) for depth, percent in errors.items()
    ]


def _tutorial() -> list[Figure]:
    shown = figures("tutorial")
    return [
        _error(family, depth, percent, "train_error", shown["source"], ILLUSTRATIVE)
        for family, errors in shown["error_percent"].items()
        for depth, percent in zip(shown["depths"], errors, strict=True)
    ]


def _error(family: str, depth: int, percent: float, measure: str, source: str, kind: str) -> Figure:
    error = round(percent / 100, 6)
    return {"family": family, "depth": depth, "error": error, "measure": measure, "source": source, "kind": kind}


def _paths() -> list[Figure]:
    found = figures("veit2016")["effective_paths"]
    lengths = {name: found[name] for name in ("depth", "modules", "shortest", "longest")}
    return [{**lengths, "source": "Veit et al. 2016, section 5", "kind": PUBLISHED}]


def _shattering() -> list[Figure]:
    return [
        {"family": law["family"], "norm": law["norm"], "law": law["law"]}
        | {"source": f"Balduzzi et al. 2017, {law['where']}", "kind": PUBLISHED}
        for law in figures("balduzzi2017")["laws"]
    ]


_MAKERS: Mapping[str, Callable[[], list[Figure]]] = MappingProxyType(
    {
        "he2015-table6": _table6,
        "veit2016-paths": _paths,
        "balduzzi2017-shattering": _shattering,
        "tutorial": _tutorial,
    }
)
NAMES = tuple(_MAKERS)
