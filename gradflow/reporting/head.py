"""The first screen: the question, the answer in one sentence, what was run, and the figure that shows it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from gradflow.analysis.intervals import Interval
from gradflow.diagnosis import Finding
from gradflow.diagnosis.cards import card
from gradflow.diagnosis.verdict import Verdict, name_of
from gradflow.diagnosis.verdict import verdict as of_findings
from gradflow.recording import Recording
from gradflow.reporting.method import seeds
from gradflow.reporting.own_verdict import leads, verdict
from gradflow.reporting.page_figures import Picture
from gradflow.reporting.published_section import answer
from gradflow.reporting.report_data import ReportData
from gradflow.tables import Table
from gradflow.text import text
from gradflow.text.model_words import described
from gradflow.text.numbers import count, percent, points, with_interval
from gradflow.text.words import loss_words, named, scaled_from, sentence_case, word

MAX_NAMES = 200  # characters of names on the first screen


class Head(NamedTuple):
    """What the page begins and ends with."""

    title: str
    status: str
    question: str
    headline: str
    detail: str
    verdict: Verdict | None
    ran: str
    picture: Picture | None
    footer: str


def head(data: ReportData, title: str | None, picture: Picture | None, status: str = "") -> Head:
    """Return the first screen of a report."""
    question = title or _question(data)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    runs = count(len(data.recordings), "runs")
    own = verdict(data)
    short, detail = (own.headline, "") if own else headline(data)
    return Head(
        title=text("page.title", subject=question),
        status=status,
        question=question,
        headline=short,
        detail=detail,
        verdict=own,
        ran=text("list.sentences").join(_ran(data)),
        picture=picture,
        footer=text("page.footer", version=_version(), runs=runs, when=now),
    )


def closing(data: ReportData) -> list[Table]:
    """Return what a terminal says of a report: the answer to a comparison's question, and the verdict on its runs."""
    found = of_findings(data.findings, data.findings.checks)
    said, _ = headline(data)
    answered = [] if leads(data) or said == found.headline else [(text("verdict.answer"), said)]
    rows = [*answered, *(card(found).rows if data.runs else [])]
    return [Table("", (), rows)] if rows else []


def headline(data: ReportData) -> tuple[str, str]:
    """Return the answer and its numbers: to a preset's question, of the deepest contrast, or of the gravest finding."""
    if asked := answer(data):
        return asked
    findings = data.findings
    if not findings:
        return text("headline.probes"), ""
    contrasts = [finding for finding in findings if finding.key == "skip_helps"]
    if contrasts:
        deepest = max(contrasts, key=lambda finding: finding.subject.depth or 0)
        said, settings = _contrast(deepest), deepest.subject.settings
        short = text("headline.variant", settings=settings, said=said) if settings else said
        return short, _rise(deepest, data) or _difference(deepest)
    spoken = [finding for finding in findings if finding.severity != "unmeasured"]
    has_problem = any(finding.severity == "problem" for finding in spoken)
    if data.runs and not has_problem and (errors := _errors(data)):
        return errors, ""
    if spoken:
        return name_of(spoken[0]) or text("verdict.none"), str(spoken[0])
    is_empty = not any(len(run.steps) or len(run.layers) for run in data.recordings)
    return text("headline.empty" if is_empty else "headline.none"), ""


def _errors(data: ReportData) -> str:
    """Return the training errors of the deepest networks where no finding tells them apart; empty if they vary more."""
    errors = data.errors_over_seeds.dropna(subset=["depth", "train_error"])
    known = {(str(row["family"]), int(row["depth"])): float(row["train_error"]) for row in errors.to_dict("records")}
    families, depths = {family for family, _ in known}, sorted({depth for _, depth in known})
    if families == {"plain", "residual"} and {(family, depths[-1]) for family in families} <= known.keys():
        plain, residual = (percent(known[family, depths[-1]]) for family in ("plain", "residual"))
        return text("headline.contrast", depth=depths[-1], plain_error=plain, residual_error=residual)
    if len(families) == 1 and len(depths) > 1:
        first, last = (percent(error) for _, error in (min(known.items()), max(known.items())))
        return text("headline.alone", shallow=depths[0], deep=depths[-1], change=_change(first, last))
    return ""


def _rise(finding: Finding, data: ReportData) -> str:
    """Return both families' training errors at the shallowest and at the finding's depth; empty if one lacks either."""
    errors = data.errors_over_seeds.dropna(subset=["depth", "train_error"])
    depths, deep = sorted({int(depth) for depth in errors["depth"]}), finding.subject.depth or 0
    families = (finding.subject.family, str(finding.values["residual"]).replace(f"-{deep}", "", 1))
    known = {(str(row["family"]), int(row["depth"])): row["train_error"] for row in errors.to_dict("records")}
    ends = [known.get((family, depth), math.nan) for family in families for depth in (depths[0], deep)]
    difference = finding.values["difference"]
    if depths[0] == deep or any(map(math.isnan, ends)) or not isinstance(difference, Interval):
        return ""
    plain_first, plain_last, residual_first, residual_last = (percent(end) for end in ends)
    return text(
        "headline.rise",
        shallow=depths[0],
        deep=deep,
        plain=_change(plain_first, plain_last),
        residual=_change(residual_first, residual_last),
        difference=with_interval(difference, points),
    )


def _change(first: str, last: str) -> str:
    """Return how an error changes from the shallowest network to the deepest, as written."""
    return text("headline.same", value=last) if first == last else text("headline.change", first=first, last=last)


def _contrast(finding: Finding) -> str:
    """Return both training errors."""
    plain, residual = (_interval(finding, name).mean for name in ("train_error", "residual_error"))
    depth = finding.subject.depth
    return text("headline.contrast", depth=depth, plain_error=percent(plain), residual_error=percent(residual))


def _difference(finding: Finding) -> str:
    """Return the paired difference of both training errors."""
    return text("headline.difference", difference=with_interval(_interval(finding, "difference"), points))


def _interval(finding: Finding, name: str) -> Interval:
    value = finding.values[name]
    return value if isinstance(value, Interval) else Interval(math.nan, math.nan, math.nan, 0)


def _question(data: ReportData) -> str:
    if not data.runs:
        return text("page.question.vanishing" if data.demonstration else "shattering.title")
    return text("page.question.compare" if data.is_comparison else "page.question.own")


def _ran(data: ReportData) -> list[str]:
    """Return what was run, a sentence for each kind of run there is, and what a scaled version is scaled from."""
    sentences = [scaled_from(*one) for one in dict.fromkeys(map(_scaled, data.recordings)) if one[1]]
    if data.is_comparison:
        sentences.append(_ran_comparison(data.runs))
    elif data.is_analysis:
        sentences.extend(_ran_analysis(run) for run in data.runs)
    elif data.runs:
        steps = sum(recording.layers["step"].nunique() for recording in data.runs)
        models = text("list.enumeration").join(dict.fromkeys(described(run.meta) or run.name for run in data.runs))
        models = models if len(models) <= MAX_NAMES else f"{models[: MAX_NAMES - 1]}…"
        sentences.append(text("ran.own", runs=count(len(data.runs), "runs"), model=models, steps=count(steps, "steps")))
    if data.demonstration:
        first = data.demonstration[0].meta
        settings = {run.meta.get("setting") for run in data.demonstration}
        sentences.append(
            text(
                "ran.vanishing",
                settings=len(settings),
                depth=first.get("depth"),
                width=first.get("width"),
                seeds=seeds(data.demonstration),
            )
        )
    return sentences


def _scaled(run: Recording) -> tuple[str, str]:
    """Return the preset and how it was scaled, as the run's sweep says."""
    preset, how = (run.meta.get(name) for name in ("preset", "scaled"))
    return (str(preset or ""), str(how or ""))


def _ran_analysis(run: Recording) -> str:
    """Return what one batch was, and the loss whose gradient was taken."""
    meta = run.meta
    return text(
        "ran.analyze",
        model=described(meta) or run.name,
        parameters=f"{meta.get('parameters') or 0:,}",
        inputs=", ".join(meta.get("inputs") or ()) or text("value.unknown"),
        mode=word(str(meta.get("mode") or "")) or text("value.unknown"),
        loss=loss_words(meta) or text("value.unknown"),
    )


def _ran_comparison(runs: list[Recording]) -> str:
    families = sorted({str(run.meta["family"]) for run in runs})
    depths = sorted({int(run.meta["depth"]) for run in runs})
    values = {key: _only(runs, key) for key in ("data", "n_train", "steps", "batch_size")}
    return text(
        "ran.compare",
        families=sentence_case(_listed([named(family) for family in families])),
        depths=_listed([str(depth) for depth in depths]),
        seeds=seeds(runs),
        runs=count(len(runs), "runs"),
        **values,
    )


def _only(runs: list[Recording], key: str) -> str:
    """Return the values of a meta key, or that it was not noted."""
    values = dict.fromkeys(str(run.meta[key]) for run in runs if run.meta.get(key) is not None)
    return " / ".join(values) or text("value.unknown")


def _listed(words: list[str]) -> str:
    if len(words) == 1:
        return words[0]
    return text("list.and", first=text("list.enumeration").join(words[:-1]), last=words[-1])


def _version() -> str:
    try:
        return version("gradflow-torch")
    except PackageNotFoundError:
        return text("value.unknown")
