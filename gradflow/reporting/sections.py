"""The sections of a report, in the order of reading; one that has nothing to show is absent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from gradflow import plots
from gradflow.analysis.profile import profile_over_seeds
from gradflow.analysis.published import published
from gradflow.diagnosis import SEVERITIES
from gradflow.plots import style
from gradflow.reporting import (
    clipping_section,
    degree_section,
    layers_section,
    probes_section,
    published_section,
    skips_section,
    stall_section,
    theory_section,
    times_section,
    vanishing_section,
)
from gradflow.reporting.blocks import Block, Facts, Section, section, statements
from gradflow.reporting.figures import Picture, draw
from gradflow.reporting.live.degradation import degradation as live_degradation
from gradflow.reporting.live.flow import flow
from gradflow.reporting.live.heatmap import heatmap as live_heatmap
from gradflow.reporting.live.training import training as live_training
from gradflow.reporting.live.weights import weights as live_weights
from gradflow.reporting.method import facts, n_layers, overhead
from gradflow.reporting.page_tables import coverage_table, differences_table, factors_table, summary_table
from gradflow.reporting.report_data import WINDOW, ReportData
from gradflow.text import DEFAULT_LANGUAGE, catalogue, has, text
from gradflow.text.numbers import count, factor
from gradflow.text.words import word
from gradflow.theory import factor_per_layer

PROFILES = ("out_grad_norm", "grad_norm")
HEATMAP_MEASURE = "out_grad_norm"
STATUS = "status."  # keys of the sentences on why a layer's output gradient was not measured as such


def sections(data: ReportData) -> list[Section]:
    """Return the sections that apply to these recordings, their figures drawn."""
    makers: tuple[Callable[[ReportData], Section | None], ...] = (
        _degradation,
        published_section.beside_published,
        _training,
        _profile,
        _factor,
        degree_section.degree,
        times_section.times,
        skips_section.skips,
        probes_section.shattering,
        probes_section.paths,
        _heatmaps,
        _weights,
        clipping_section.clipping,
        stall_section.why,
        vanishing_section.vanishing,
        theory_section.theory,
    )
    shown = [found for make in makers if (found := make(data)) is not None]
    asked = published_section.asked(data)
    shown.sort(key=lambda found: found.key not in asked)  # first what the sweep was made for
    anchors = {found.key: _anchor(found) for found in shown} | {"coverage": "coverage", "method": "method"}
    words = [_findings(data, anchors), layers_section.layers(data), _coverage(data), _method(data)]
    return [*shown, *(found for found in words if found is not None)]


def lead_picture(every: list[Section]) -> Picture | None:
    """Return the first figure and take it out of its section: it is shown on the first screen."""
    for found in every:
        for block in found.blocks:
            if isinstance(block, Picture):
                found.blocks.remove(block)
                return block
    return None


def _anchor(found: Section) -> str:
    names = [block.name for block in found.blocks if isinstance(block, Picture)]
    return f"figure-{names[0]}" if names else found.key


def _degradation(data: ReportData) -> Section | None:
    if not data.runs or data.errors["train_error"].isna().all():
        return None
    budget = _same(data, "steps")
    finding = data.finding_for("degradation")
    blocks: list[Block] = []
    if data.is_comparison:
        frames = (data.errors, data.errors_over_seeds, data.differences)
        known, asked = published(data.runs), published_section.asked_error(data)
        make = partial(plots.degradation_figure, *frames, measure=asked, published=known)
        alt = text("degradation.alt", finding=finding).strip()
        if asked == published_section.TEST:
            alt = text("degradation.alt_test", finding=published_section.answer(data))
        live = live_degradation(data.errors, data.errors_over_seeds, known, first=asked)
        blocks.append(draw("degradation", make, data.folder, alt=alt, live=live))
    blocks.append(summary_table(data.summary))
    if len(data.differences):
        blocks.append(differences_table(data.differences))
    lead = text("degradation.lead") if data.is_comparison else ""
    caveat = text("degradation.caveat", steps=budget) if data.is_comparison and budget else ""
    return section("degradation" if data.is_comparison else "errors", lead, caveat, blocks=blocks)


def _training(data: ReportData) -> Section | None:
    if not data.runs:
        return None
    curves = data.training
    is_curve = curves["step"].nunique() > 1
    if not is_curve or curves[["batch_error", "train_error", "loss"]].isna().all(axis=None):
        return None
    if curves[["batch_error", "train_error"]].isna().all(axis=None):
        return _losses(data)
    alt = text("training.alt", finding=data.finding_for("training")).strip()
    make = partial(plots.training_curves, curves, data.windows)
    picture = draw("training", make, data.folder, alt=alt, live=live_training(curves))
    return section("training", text("training.lead", window=WINDOW), blocks=[picture])


def _losses(data: ReportData) -> Section:
    """Return the training curves of runs that recorded no error, which are their losses."""
    alt = text("training.alt_loss", finding=data.finding_for("training")).strip()
    make, live = partial(plots.loss_curves, data.losses), live_training(data.training)
    picture = draw("training", make, data.folder, alt=alt, live=live)
    window = int(data.losses["window"].iloc[0])
    lead = text("training.lead_loss_windows", window=window) if window > 1 else text("training.lead_loss")
    return section("training", lead, blocks=[picture])


def _profile(data: ReportData) -> Section | None:
    blocks: list[Block] = []
    live = flow(data.heatmap) if data.with_layers else None
    moment = style.words("when.batch") if data.is_analysis else None
    for measure in PROFILES:
        if not data.with_layers or not (data.profile[measure] > 0).any():
            continue
        frame = profile_over_seeds(data.profile, measure)
        alt = text(f"profile.alt.{measure}", finding=data.finding_for("profile")).strip()
        blocks.append(
            draw(
                f"profile-{measure.replace('_', '-')}",
                partial(plots.profiles, frame, measure=measure, moment=moment),
                data.folder,
                alt=alt,
                caption=text(f"profile.caption.{measure}"),
                live=None if blocks else live,
                is_covered=bool(blocks and live),
            )
        )
    if not blocks:
        return None
    steps = text("list.enumeration").join(str(step) for step in sorted(data.profile["step"].unique()))
    lead = text("profile.lead_batch") if data.is_analysis else text("profile.lead", steps=steps)
    return section("profile", lead, blocks=blocks)


def _factor(data: ReportData) -> Section | None:
    if not data.with_layers or data.factors["factor"].isna().all():
        return None
    is_compare = any(run.meta.get("experiment") == "compare" for run in data.runs)
    is_batch_norm_relu = is_compare and data.has_batch_norm
    closed = factor_per_layer(activation="relu", init="kaiming", norm="batch") if is_batch_norm_relu else None
    law = text("factor.closed_form", factor=factor(closed)) if closed else ""
    return section("factor", text("factor.lead"), law, blocks=[factors_table(data, closed)])


def _heatmaps(data: ReportData) -> Section | None:
    several = [run for run in data.with_layers if run.layers["step"].nunique() > 1]
    if not several or data.heatmap.empty:
        return None
    alt = text("heatmaps.alt", finding=data.finding_for("heatmaps")).strip()
    diverged = data.errors.loc[data.errors["diverged"], "run"]
    make = partial(plots.heatmaps, data.heatmap, measure=HEATMAP_MEASURE, diverged=diverged)
    picture = draw("heatmaps", make, data.folder, alt=alt, live=live_heatmap(data.heatmap))
    return section("heatmaps", text("heatmaps.lead"), blocks=[picture])


def _weights(data: ReportData) -> Section | None:
    if not data.with_layers or not (data.growth["first_growth"] > 0).any():
        return None
    if data.growth["step"].nunique() < 2:
        return None
    alt = text("weights.alt", finding=data.finding_for("weights")).strip()
    make = partial(plots.weight_figure, data.growth_over_seeds)
    picture = draw("weights", make, data.folder, alt=alt, live=live_weights(data.growth_over_seeds))
    norm = text("weights.batch_norm") if data.has_batch_norm else ""
    return section("weights", text("weights.lead"), norm, blocks=[picture])


def _findings(data: ReportData, anchors: dict[str, str]) -> Section | None:
    found = [statements(data.findings, severity, anchors) for severity in SEVERITIES]
    blocks: list[Block] = [one for one in found if one.items]
    return section("findings", text("findings.lead"), blocks=blocks) if blocks else None


def _coverage(data: ReportData) -> Section | None:
    total = n_layers(data.recordings)
    if not total:
        return None
    listed = data.coverage
    layers = count(total, "layers")
    unprobed = _unprobed(data)
    if listed.empty:
        return section("coverage", text("coverage.full", layers=layers), *unprobed, blocks=[])
    said = text("coverage.lead", measured=total - len(listed), layers=layers)
    known = [status for status in dict.fromkeys(listed["status"]) if has(f"{STATUS}{status}")]
    meanings: list[Block] = [Facts([(word(status), text(f"status.{status}")) for status in known])] if known else []
    return section("coverage", said, *unprobed, blocks=[coverage_table(listed), *meanings])


def _unprobed(data: ReportData) -> list[str]:
    """Return a sentence for each probe that found nothing, and why, with the number of runs."""
    failed = Counter(
        (str(probe), str(why)) for run in data.runs for probe, why in dict(run.meta.get("not_probed") or {}).items()
    )
    return [
        text("coverage.unprobed", probe=word(probe), runs=count(n, "runs"), why=why)
        for (probe, why), n in failed.items()
    ]


def _method(data: ReportData) -> Section:
    blocks: list[Block] = []
    if data.probed:
        blocks.append(Facts(facts(data.probed, data.command), commands=True))
    if data.demonstration:
        blocks.append(Facts(facts(data.demonstration, data.command if not data.probed else None), commands=True))
    known = [key for key in catalogue(DEFAULT_LANGUAGE) if key.startswith("definition.")]
    terms = [text(key).partition(text("list.colon")) for key in known]
    blocks.append(Facts([(name, meaning) for name, _, meaning in terms]))
    return section("method", text("method.lead"), overhead(data.recordings), blocks=blocks)


def _same(data: ReportData, key: str) -> str:
    """Return a meta value that all runs share, or an empty string."""
    values = {str(run.meta.get(key)) for run in data.runs}
    return values.pop() if len(values) == 1 and values != {"None"} else ""
