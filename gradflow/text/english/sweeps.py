"""Plans, presets and published figures beside measured ones, in English."""

from __future__ import annotations

from collections.abc import Mapping

SWEEPS: Mapping[str, str] = {
    "plan.title.one": "Plan: 1 run",
    "plan.title.many": "Plan: {n} runs",
    "plan.column.network": "network",
    "plan.column.seeds": "seeds",
    "plan.column.steps": "steps",
    "plan.column.data": "data",
    "plan.column.seconds": "each about",
    "plan.more": "and {n} more rows; --dry-run shows all.",
    "plan.count": "{runs} planned.",
    "plan.made.one": "1 of them is in {folder} already.",
    "plan.made.many": "{n} of them are in {folder} already.",
    "plan.nearest": "{source}: {pairs}.",
    "plan.nearest.pair": "depth {published} stands beside {measured}",
    "plan.estimate": "About {total} with {workers} ({sum} one after the other), estimated.",
    "plan.estimate.how": (
        "How: a few updates and an evaluation of {measured} timed just now, on random pixels{scaled}. Recording, "
        "probes, the start of processes and the report are not in it."
    ),
    "plan.estimate.scaled": "; {networks} scaled from the largest of these by multiply-adds",
    "plan.workers.one": "1 worker",
    "plan.workers.many": "{n} workers",
    "plan.networks.one": "1 network",
    "plan.networks.many": "{n} networks",
    "plan.shattering": "{networks}: {blocks} blocks of {width} units, 4 settings, {seeds}; nothing is trained.",
    "plan.dry": "Nothing was run (--dry-run).",
    "plan.hours": "{value} h",
    "plan.days": "{value} days",
    "presets.title": "Presets: gradflow compare --preset NAME",
    "presets.column.name": "name",
    "presets.column.title": "what it is",
    "presets.column.data": "data",
    "presets.column.scaled": "--scaled",
    "presets.yes": "yes",
    "presets.none": "no",
    "presets.nothing": "–",
    "sweep.title.scaled": "{title}, scaled",
    "sweep.heading": "{title}: {question}",
    "sweep.scaled": (
        "A scaled version of {what}: {how}. The published figures are of the full one, so orders and trends compare, "
        "values do not."
    ),
    "sweep.scaled_file": (
        "A scaled version: {how}. Published figures are of the full one, so orders and trends compare, values do not."
    ),
    "fact.preset": "Preset",
    "fact.scaled": "Scaled",
    "published.alt": "Test error against depth, measured and published.",
    "published.alt_curves": "Training and test error after each update, a panel a family.",
    "published.answer.paths": (
        "{share} of the gradient comes through paths of {shortest} to {longest} modules, the published range."
    ),
    "published.answer.test_error": "At {depth} layers, {family} networks misclassify {error} of the test set.",
    "published.answer.test_errors": (
        "From {shallow} to {deep} layers, the test error of {family} networks goes from {first} to {last}."
    ),
    "published.answer.shattering": (
        "Behind {depth} blocks with batch norm, the gradients of two unrelated inputs correlate by {plain} in plain "
        "networks and by {residual} in residual ones."
    ),
    "published.norm.none": "no norm",
    "published.norm.batch": "batch norm",
    "published.mean": "mean over runs",
    "published.title": "Published beside measured",
    "published.lead": "What others published, as their source prints it, and what these runs measured.",
    "published.lead_illustrative": "The curve marked illustrative was drawn to explain; nobody measured it.",
    "published.same_depth": "A measured depth in parentheses is the nearest that was run.",
    "table.published": "Errors after training",
    "table.published_paths": "Paths that nearly all of the gradient comes through, in modules (measured: 99 % of it)",
    "table.published_shattering": "Correlation of the gradients of two unrelated inputs at L blocks",
    "column.published_measure": "Error of",
    "column.published_value": "Published",
    "column.published_drawn": "Illustration, not measured",
    "column.published_measured": "Measured",
    "column.published_depth": "Depth measured",
    "column.published_source": "Source",
    "column.published_share": "Share in the published range",
    "column.published_law": "Published law",
    "column.published_of": "At the law",
    "published.measure.train_error": "training",
    "published.measure.test_error": "test",
    "published.not_run": "not run",
    "published.illustrative": "{value}, illustrative",
    "published.modules": "{shortest} to {longest} of {modules}",
}
