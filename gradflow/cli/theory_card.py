"""What closed forms say of a setting, before any network is built: a card for one, a table for several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradflow import theory
from gradflow.cli.output import print_data
from gradflow.cli.terminal import show
from gradflow.cli.values import refuse
from gradflow.tables import Column, Table, column
from gradflow.text import text
from gradflow.text.numbers import count, factor, number
from gradflow.text.words import law_words, word
from gradflow.theory import Curve, Law

EVERY = "all"
EXACT = 10_000  # layers up to which all digits are shown
CRITICAL = ("critical_weight_variance", "critical_bias_variance")


def print_theory(
    *,
    activation: str,
    init: str,
    norm: str,
    skip: bool,
    slope: float | None,
    depth: int,
    bound: float,
    form: str | None,
) -> None:
    """Print what becomes of the gradient in one setting, or in several."""
    try:
        laws = _laws(activation, init, norm, skip=skip, slope=slope)
        rows = [_row(law, depth, bound) for law in laws]
    except ValueError as error:
        refuse(str(error))
    if form is not None:
        print_data(form, rows)
    else:
        show(_card(laws[0], rows[0]) if len(rows) == 1 else _table(rows, depth, bound))


def _laws(activation: str, init: str, norm: str, *, skip: bool, slope: float | None) -> list[Law]:
    """Return the law of each combination of the names; those that do not exist are left out of `all`."""
    norms = ["none" if one is None else one for one in theory.NORMS]
    laws = []
    for name in _names(activation, theory.ACTIVATIONS):
        for start in _names(init, theory.INITS):
            for one in _names(norm, norms):
                if one not in norms:
                    raise ValueError(f"norm must be one of {', '.join(norms)}; got {one!r}.")
                if EVERY in (activation, init) and start == "critical" and _critical(theory.CURVES.get(name)) is None:
                    continue
                normed = None if one == "none" else one
                laws.append(theory.law(activation=_curve(name, slope), init=start, norm=normed, skip=skip))
    return laws


def _names(given: str, known: Sequence[str]) -> list[str]:
    return list(known) if given == EVERY else [part.strip() for part in given.split(",")]


def _curve(name: str, slope: float | None) -> str | Curve:
    if slope is None:
        return name
    if name != "leaky-relu":
        raise ValueError(f"slope is for activation leaky-relu; got {name!r}.")
    return theory.leaky_relu(slope)


def _critical(curve: Curve | None) -> tuple[float, float] | None:
    """Return the critical variances of weights and biases, None if there are none."""
    try:
        return None if curve is None else theory.critical(curve)[:2]
    except ValueError:
        return None


def _row(law: Law, depth: int, bound: float) -> dict[str, Any]:
    """Return all that is said of one setting, by name."""
    beyond = 1 / bound if law.trend == "explodes" else bound
    point = _critical(law.activation) if law.norm is None and not law.skip else None
    return {
        "activation": law.activation.name,
        "init": law.init,
        "norm": law.norm or "none",
        "skip": law.skip,
        "weight_variance": law.weight_variance,
        "bias_variance": law.bias_variance,
        "q": law.q,
        "rate": _rate(law),
        "chi": law.chi,
        "factor": law.factor,
        "is_constant": law.is_constant,
        "depth": depth,
        "left": law.left(depth),
        "bound": beyond,
        "depth_beyond": law.depth_beyond(beyond),
        **dict(zip(CRITICAL, point or (math.nan, math.nan), strict=True)),
        "shape": law.shape,
        "trend": law.trend,
        "source": text(f"theory.source.{law.source}"),
    }


def _card(law: Law, row: dict[str, Any]) -> Table:
    """Return one setting as names and values."""
    title = text(
        "theory.setting",
        activation=row["activation"],
        init=text(f"theory.init.{law.init}"),
        norm=word("no norm" if row["norm"] == "none" else f"{row['norm']} norm"),
        skip=text("theory.skip.yes" if law.skip else "theory.skip.no"),
    )
    chi, factor = (_limit(row[name], law) for name in ("chi", "factor"))
    side = "above" if row["bound"] > 1 else "below"
    weights, biases = (_rounded(row[f"{name}_variance"]) for name in ("weight", "bias"))
    lines = [
        (text("theory.row.variances"), text("theory.variances", weights=weights, biases=biases)),
        (text("theory.row.q"), number(row["q"])),
        (text("theory.row.chi"), chi),
        (text("head.factor"), factor),
        (text("theory.row.left", layers=count(row["depth"], "layers")), number(row["left"])),
        (text(f"theory.bound.{side}", bound=f"{row['bound']:g}"), _layers(row["depth_beyond"])),
        (text("theory.row.critical"), _critical_words(law, row)),
        (text("head.verdict"), _verdict(law)),
        (text("head.source"), row["source"]),
        (text("theory.row.holds"), _holds(law, row["rate"])),
    ]
    return Table(title, (), lines)


def _table(rows: list[dict[str, Any]], depth: int, bound: float) -> Table:
    """Return several settings, a line each."""
    columns = (
        Column("setting", _setting, is_number=False),
        Column("factor", lambda row: f"{'' if row['is_constant'] else '→ '}{factor(row['factor'])}"),
        column("left", lambda left: number(left, 2)),
        Column("layers", lambda row: _beyond(row["depth_beyond"])),
        Column("verdict", lambda row: law_words(row["shape"], row["trend"]), is_number=False),
    )
    caption = text("theory.caption", layers=count(depth, "layers"), bound=f"{bound:g}", inverse=f"{1 / bound:g}")
    return Table("", columns, rows, caption, "theory.head")


def _setting(row: dict[str, Any]) -> str:
    return " ".join([row["activation"], row["init"], *([row["norm"]] if row["norm"] != "none" else [])])


def _beyond(layers: float) -> str:
    return text("theory.never") if math.isinf(layers) else _whole(layers)


def _limit(value: float, law: Law) -> str:
    written = factor(value)
    return written if law.is_constant else text("theory.limit", value=written)


def _layers(layers: float) -> str:
    if math.isinf(layers):
        return text("theory.never")
    return text("theory.after", layers=text("count.layers", n=_whole(layers)))


def _whole(layers: float) -> str:
    return str(int(layers)) if layers < EXACT else number(layers, 2)


def _rate(law: Law) -> float:
    """Return what deviations from the fixed point are multiplied by per layer, NaN where there is none to settle at."""
    settles = law.norm is None and not law.skip and 0 < law.q < math.inf and not law.activation.is_linear_by_halves
    return theory.variance_rate(law.activation, law.weight_variance, law.q) if settles else math.nan


def _holds(law: Law, rate: float) -> str:
    if math.isnan(rate):
        return text("theory.holds")
    return text("theory.holds_settled", rate=factor(rate))


def _critical_words(law: Law, row: dict[str, Any]) -> str:
    if law.norm is not None:
        return text("theory.any_scale")
    if law.skip:
        return text("theory.no_scale")
    weights, biases = (row[name] for name in CRITICAL)
    if math.isnan(weights):
        return text("theory.no_critical")
    return text("theory.gain", weights=_rounded(weights), biases=_rounded(biases), gain=_rounded(math.sqrt(weights)))


def _verdict(law: Law) -> str:
    return text(f"theory.verdict.{law.shape.replace(' ', '_')}.{law.trend}", factor=factor(law.factor))


def _rounded(value: float) -> str:
    """Return a variance to four digits, without zeros at its end; what rounding left of 0 is 0."""
    return f"{value:.4g}" if abs(value) > 1e-9 else "0"
