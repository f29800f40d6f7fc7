"""What the zoo showed, as Markdown."""

from __future__ import annotations

import pandas as pd

from .check import STATUSES

RAN = ("checked", "failed under record")


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
    """Return one line per model that was left out, failed, or showed a difference, with its cause."""
    lines = []
    for row in rows.to_dict("records"):
        causes = [str(row["note"])] if row["outcome"] != "checked" else []
        causes += [
            f"{name.replace('_', ' ')}: {row[name]}"
            for name in ("difference", "wrong_parameters", "wrong_outputs", "missed_outputs", "with_other_uses")
            if isinstance(row[name], str) and row[name]
        ]
        if causes:
            lines.append(f"- {row['library']} {row['model']}, {row['outcome']}: {'; '.join(causes)}")
    return "\n".join(lines)


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
