"""A report's folder: one self-contained page, figures for print, and tables."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from gradflow.plots.fonts import warned_once
from gradflow.reporting import stale_files
from gradflow.reporting.head import Head, head
from gradflow.reporting.live.assets import policy, scripts
from gradflow.reporting.page_figures import Picture, printed_as
from gradflow.reporting.page_tables import write
from gradflow.reporting.render_pool import render_pool
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Shown
from gradflow.reporting.sections import files, lead_picture, sections
from gradflow.storage import StorageError, write_whole
from gradflow.tables.html import for_page
from gradflow.text import current_language, language, text
from gradflow.text.controls import UNSEEN

PAGE = "report.html"
TEMPLATE, FIGURE, STYLESHEET = "report.html", "figure.html", "report.css"


def write_page(
    data: ReportData,
    *,
    title: str | None = None,
    lang: str | None = None,
    formats: Iterable[str] = ("png",),
    status: str = "",
) -> Path:
    """Write the report of what is known of the recordings: see `gradflow.report`.

    `status` says that there is more to come; while that is computed, a single process draws.
    """
    folder = data.folder
    _check_links(folder)
    page = folder / PAGE
    with (
        language(lang or current_language()),
        warned_once(),
        printed_as(formats),
        render_pool(is_alone=bool(status)) as drawing,
    ):
        for name in ("figures", "tables"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        every = sections(data)
        first = head(data, title, lead_picture(every, data), status)
        tables = write(files(data), folder / "tables")  # while figures are drawn
        drawing.finish()
        written = [f"tables/{name}" for name in tables] + [f"figures/{name}" for name in _figure_files(first, every)]
        older = stale_files.named_in(page)
        write_whole(page, _render(first, every, written).encode())
        stale_files.remove(folder, older.difference(written))
    return page


def _figure_files(first: Head, every: list[Shown]) -> list[str]:
    shown = [first.picture, *(block for one in every for block in one.blocks)]
    return [name for one in shown if isinstance(one, Picture) and one.ticket for name in one.ticket.job.files]


def _check_links(folder: Path) -> None:
    """Raise where writing would follow a link: a folder of recordings may come from a stranger."""
    ours = (folder / PAGE, folder / "figures", folder / "tables")
    for path in (*ours, *(file for one in ours[1:] if not one.is_symlink() for file in one.glob("*"))):
        if path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1):
            raise StorageError(text("error.report.link", path=path))
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise StorageError(text("error.report.special", path=path))


def _render(first: Head, every: list[Shown], files: list[str]) -> str:
    shown = [first.picture, *(block for one in every for block in one.blocks)]
    is_live = any(getattr(block, "live", None) or getattr(block, "is_long", False) for block in shown)
    run = scripts() if is_live else ()
    style = Markup(_read(STYLESHEET))
    anchors = {one.key: one.anchor for one in every}
    return _template(TEMPLATE).render(
        head=first, sections=every, anchors=anchors, files=files, style=style, scripts=run, policy=policy(run)
    )


def figure_page(picture: Picture) -> str:
    """Return a page that holds one figure alone."""
    run = scripts()
    style = Markup(_read(STYLESHEET))
    return _template(FIGURE).render(picture=picture, style=style, scripts=run, policy=policy(run))


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        finalize=_unbroken,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["text"] = text
    environment.globals["rows"] = lambda table: Markup(for_page(table, lambda cell: str(escape(_unbroken(cell)))))
    environment.globals["payload"] = lambda figure: Markup(figure.payload())
    return environment.get_template(name)


def _unbroken(value: object) -> object:
    """Return text whose percent signs stay on the line of their number, and that holds nothing unseen."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return str(value).replace(" %", "\u00a0%").translate(UNSEEN) if is_text else value


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
