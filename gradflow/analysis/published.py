"""Errors from the literature that a comparison is set beside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from gradflow.analysis.degradation import ERRORS
from gradflow.analysis.runs import as_list
from gradflow.errors import GradflowError
from gradflow.recording import Recording

PUBLISHED, ILLUSTRATIVE = "published", "illustrative"
KINDS = (PUBLISHED, ILLUSTRATIVE)
META = "published"  # the key of meta that holds them, a list of mappings
_DTYPES = {"family": "str", "depth": "int64", "error": "float64", "source": "str", "kind": "str", "measure": "str"}


def published(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return what meta["published"] of the runs holds, each entry once.

    Returns
    -------
    DataFrame
        One row per entry: family, depth, error (fraction), source, kind ("published": measured by others, as the
        source prints it; "illustrative": made up to explain, measured by nobody), measure ("train_error",
        "test_error", or "" where the entry does not say).

    Raises
    ------
    GradflowError
        An entry lacks family, depth, error or source, or holds what none of these can be.

    Examples
    --------
    >>> entry = {"family": "plain", "depth": 20, "error": 0.09, "source": "a paper", "kind": "published"}
    >>> published(Recording(meta={"published": [entry]}))[["family", "depth", "error", "kind"]]
      family  depth  error       kind
    0  plain     20   0.09  published
    """
    rows: dict[tuple[Any, ...], None] = {}
    for recording in as_list(recordings):
        entries = recording.meta.get(META) or []
        if not isinstance(entries, list | tuple):
            raise GradflowError(f"meta[{META!r}] must be a list of mappings; got {type(entries).__name__}.")
        rows.update(dict.fromkeys(map(_row, entries)))
    frame = pd.DataFrame(list(rows), columns=list(_DTYPES)).astype(_DTYPES)
    return frame.sort_values(["kind", "source", "family", "depth"], ascending=[False, True, True, True], kind="stable")


def _row(entry: object) -> tuple[Any, ...]:
    """Return one entry as a row, checked."""
    if not isinstance(entry, Mapping):
        raise GradflowError(f"meta[{META!r}] must be a list of mappings; got an entry {entry!r}.")
    try:
        family, source = str(entry["family"]), str(entry["source"])
        depth, error = int(entry["depth"]), float(entry["error"])
    except (KeyError, TypeError, ValueError):
        raise GradflowError(f"meta[{META!r}] needs family, depth, error and source; got {dict(entry)!r}.") from None
    kind, measure = entry.get("kind", PUBLISHED), entry.get("measure") or ""
    if not math.isfinite(error) or not 0 <= error <= 1:
        raise GradflowError(f"meta[{META!r}] needs error as a fraction between 0 and 1; got {error}.")
    if kind not in KINDS or measure not in ("", *ERRORS) or depth < 1:
        raise GradflowError(
            f"meta[{META!r}] needs kind {' or '.join(KINDS)}, measure {' or '.join(ERRORS)}, depth from 1; "
            f"got {kind!r}, {measure!r}, {depth}."
        )
    return family, depth, error, source, str(kind), str(measure)
