"""What the zoo showed, as Markdown."""

from __future__ import annotations

import pandas as pd

from .check import STATUSES

RAN = ("checked", "failed under record")
LONGEST = 90  # characters of a cause


def table(rows: pd.DataFrame) -> str:
    """Return one line per library: models, what held, coverage."""
    lines = [
        "| library | listed | trained here | attached | bit-identical | parameter norms right | output norms right "
        "| layers measured | outputs compared | wrong | missed | with other uses |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for library, group in rows.groupby("library", sort=False):
        lines.append(_line(str(library), group))
    if rows.library.nunique() > 1:
        lines.append(_line("all", rows))
    counts = ", ".join(f"{status} {rows[status].sum():.0f}" for status in STATUSES if rows[status].sum())
    errors = rows.largest_error.dropna()
    return (
        "\n".join(lines)
        + f"\n\nRows by status: {counts}."
        + f"\nOracle: {_counted(rows.oracle.dropna())}. Largest relative error of an output's norm: {errors.max():.1e} "
        + f"(median model {errors.median():.1e}).\n"
    )


def exceptions(rows: pd.DataFrame) -> str:
    """Return every model that was left out, failed, differed, or met a weaker oracle, with the cause."""
    checked = rows[rows.outcome == "checked"]
    weaker = checked[~checked.oracle.isin(("zero leaf, float64", "zero leaf, float32"))]
    parts = {
        "Differences, failures": _findings(rows),
        "Outputs used again by the layer that returns them": _grouped(checked[checked.other_uses > 0], "library"),
        "No zeros could be added, so edges were compared": _grouped(weaker, "oracle_causes"),
        "Left out": _grouped(rows[~rows.outcome.isin(RAN)], "note"),
    }
    return "\n\n".join(f"{title}:\n\n{lines or '- none'}" for title, lines in parts.items())


def _findings(rows: pd.DataFrame) -> str:
    """Return one line per model that did not hold, with what did not."""
    columns = ("difference", "wrong_parameters", "wrong_outputs", "missed_outputs")
    lines = []
    for row in rows.to_dict("records"):
        causes = [str(row["note"])] if row["outcome"] == "failed under record" else []
        causes += [f"{name.replace('_', ' ')}: {row[name]}" for name in columns if isinstance(row[name], str)]
        if causes:
            lines.append(f"- {row['library']} {row['model']}: {'; '.join(causes)}")
    return "\n".join(lines)


def _grouped(rows: pd.DataFrame, by: str) -> str:
    """Return one line per library and cause, with the models; numbers in a cause are left out to group it."""
    causes = rows[by].fillna("").astype(str).str.replace(r"\d+", "N", regex=True).str.slice(0, LONGEST)
    groups = rows.groupby([rows.library, causes], sort=False).model
    return "\n".join(
        f"- {library}{'' if cause == library else f', {cause}'} ({len(names)}): {', '.join(names)}"
        for (library, cause), names in groups
    )


def _line(name: str, rows: pd.DataFrame) -> str:
    checked = rows[rows.outcome == "checked"]
    with_oracle = checked[checked.oracle != "none"]
    right = with_oracle[(with_oracle.outputs_wrong == 0) & (with_oracle.outputs_missed == 0)]
    cells = [
        name,
        len(rows),
        rows.outcome.isin(RAN).sum(),
        len(checked),
        (checked.identical.astype(str) == "True").sum(),
        (checked.parameters_right.astype(str) == "True").sum(),
        f"{len(right)} of {len(with_oracle)}",
        f"{checked.layers_measured.sum():.0f} of {checked.layers.sum():.0f}",
        f"{checked.compared.sum():.0f}",
        f"{checked.outputs_wrong.sum():.0f}",
        f"{checked.outputs_missed.sum():.0f}",
        f"{checked.other_uses.sum():.0f}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def _counted(values: pd.Series) -> str:
    return ", ".join(f"{value} {n} models" for value, n in values.value_counts().items())
