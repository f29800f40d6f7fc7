"""The page in a browser: silent, self-contained, answering, sorted, readable, printed, and deaf to hostile names."""

from importlib.resources import files
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest

from gradflow.reporting import interactive_profile

HOSTILE = "</script><img src=x onerror=alert(1)>"
LIVE = ("degradation", "training", "flow", "heatmaps", "weights")
PROFILE, MAP, TABLE = "[data-live=live-flow]", "[data-live=live-heatmaps]", "#rows-layers"
FIGURE = f"figure:has({PROFILE})"  # with its caption


def lines(page, figure=PROFILE):
    """Return the drawn lines' paths."""
    return page.eval_on_selector_all(f"{figure} .mark-line path", "paths => paths.map(path => path.getAttribute('d'))")


def column(page, place):
    script = "(cells) => cells.filter(cell => !cell.parentElement.hidden).map(cell => cell.innerText)"
    return page.eval_on_selector_all(f"{TABLE} tbody tr > :nth-child({place})", script)


def test_it_says_nothing_and_asks_for_nothing(opened, path):
    assert opened.said == []
    assert {url.split(":")[0] for url in opened.asked} <= {"file", "data"}
    assert [url for url in opened.asked if url.startswith("file")] == [path.as_uri()]


def test_every_figure_is_drawn(opened):
    for name in LIVE:
        figure = opened.page.locator(f"figure:has([data-live=live-{name}])")
        assert figure.locator("svg").count() == 1, name
        assert figure.locator("svg path").count() > 5, name
        assert not figure.locator("picture").is_visible(), name


def test_hostile_names_are_text(opened, watch):
    page = opened.page
    assert opened.asked_user == []
    assert page.eval_on_selector_all("[onerror]", "found => found.length") == 0
    assert page.locator("img[src=x]").count() == 0
    assert HOSTILE in page.inner_text(".question")
    assert HOSTILE in page.inner_text(f"{TABLE} tbody tr:first-child")
    option = page.locator(f"{MAP} select[data-control=run] option").first
    assert HOSTILE in option.get_attribute("value")
    assert option.inner_text() == "plain-8, seed 0"


def test_a_pointer_is_told_a_hostile_layer_as_text(watch):
    one = watch()
    dot = one.page.locator(f"{PROFILE} .mark-symbol path").first
    dot.scroll_into_view_if_needed()
    dot.hover(force=True)
    one.page.wait_for_selector(".hint:not([hidden])")
    assert f"conv1{HOSTILE}" in one.page.inner_text(".hint")
    assert one.asked_user == []


@pytest.mark.parametrize(
    ("control", "choice"), [("measure", "grad_norm"), ("step", "20"), ("seed", "1"), ("family", "residual")]
)
def test_each_control_changes_the_profile(opened, control, choice):
    chosen = opened.page.locator(f"{PROFILE} select[data-control={control}]")
    before, first = lines(opened.page), chosen.input_value()
    chosen.select_option(choice)
    assert opened.eventually(lambda: lines(opened.page) != before)
    n_lines = len(lines(opened.page))
    chosen.select_option(first)
    assert n_lines == (2 if control == "family" else 4)
    assert opened.eventually(lambda: sorted(lines(opened.page)) == sorted(before))


def test_what_is_said_of_the_profile_follows_the_choice(opened):
    page = opened.page
    note, link = page.locator(f"{FIGURE} .note"), page.locator(f"{FIGURE} figcaption a")
    measure, seed = (page.locator(f"{PROFILE} select[data-control={name}]") for name in ("measure", "seed"))
    assert "each layer's output" in note.inner_text()
    assert "Bands are 95\u00a0% intervals" in note.inner_text()
    measure.select_option("grad_norm")
    seed.select_option("1")
    assert opened.eventually(lambda: link.get_attribute("href") == "figures/profile-grad-norm.png")
    assert opened.eventually(lambda: "Bands" not in note.inner_text())
    assert "each layer's output" not in note.inner_text()
    measure.select_option("out_grad_norm")
    seed.select_option("mean")
    assert opened.eventually(lambda: link.get_attribute("href") == "figures/profile-out-grad-norm.png")


def test_a_finding_s_link_shows_the_step_that_it_speaks_of(watch):
    one = watch()
    page = one.page
    step = page.locator(f"{PROFILE} select[data-control=step]")
    step.select_option("20")
    page.locator("#findings a[data-choose*='step=0']").first.click()
    assert one.eventually(lambda: step.input_value() == "0")
    assert one.eventually(lambda: page.evaluate("location.hash").startswith("#figure-"))


def test_zeros_have_their_place_and_lines_their_gap(opened):
    step = opened.page.locator(f"{PROFILE} select[data-control=step]")
    for choice, n_pieces in (("20", 2), ("0", 1)):
        step.select_option(choice)
        assert opened.eventually(lambda n=n_pieces: lines(opened.page)[0].count("M") == n)
    assert "Triangles at the bottom" in opened.page.inner_text(f"{FIGURE} .note")


def test_pointing_at_the_map_moves_the_curves_and_the_sliders(opened):
    page = opened.page
    before = lines(page, MAP)
    cell = page.locator(f"{MAP} .mark-rect path").nth(4 * 1 + 2)  # rows are layers, four steps each
    cell.scroll_into_view_if_needed()
    cell.hover(force=True)
    assert opened.eventually(lambda: lines(page, MAP) != before)
    script = "found => found.map(one => one.textContent)"
    assert opened.eventually(lambda: page.eval_on_selector_all(f"{MAP} output", script) == ["2", "10"])


def test_the_map_has_a_scale_of_its_network_or_of_all(watch):
    one = watch()
    colours = f"{MAP} .role-legend-gradient ~ * text, {MAP} .role-legend text"
    ends = {}
    for scale in ("own", "all"):
        one.page.select_option(f"{MAP} select[data-control=scale]", scale)
        for run in ("plain-14", "residual-14"):
            one.page.select_option(f"{MAP} select[data-control=run]", f"{run}-seed0-{HOSTILE}")
            one.page.wait_for_timeout(300)
            ends[scale, run] = one.page.eval_on_selector_all(colours, "found => found.map(each => each.textContent)")
    assert ends["own", "plain-14"] != ends["own", "residual-14"]
    assert ends["all", "plain-14"] == ends["all", "residual-14"]
    assert one.said == []


def test_sliders_move_by_keyboard(opened):
    slider = opened.page.locator(f"{MAP} input[data-control=layer_depth]")
    slider.focus()
    drawn = []
    for key, value in (("Home", "1"), ("ArrowRight", "2")):
        opened.page.keyboard.press(key)
        assert opened.eventually(lambda value=value: slider.get_attribute("aria-valuetext") == value)
        assert opened.eventually(lambda: lines(opened.page, MAP) not in drawn)
        drawn.append(lines(opened.page, MAP))


def test_the_table_sorts_by_number_and_finds(opened):
    page = opened.page
    head = page.locator(f"{TABLE} thead th").nth(5).locator("button")
    head.click()
    keys = page.eval_on_selector_all(f"{TABLE} tbody td:nth-child(6)", "cells => cells.map(one => +one.dataset.key)")
    assert keys == sorted(keys)
    assert len(set(keys)) > 10
    head.click()
    again = page.eval_on_selector_all(f"{TABLE} tbody td:nth-child(6)", "cells => cells.map(one => +one.dataset.key)")
    assert again == sorted(keys, reverse=True)
    search = page.locator(".search input")
    search.fill("residual-14 conv13")
    assert column(page, 1) == ["residual-14"]
    assert page.inner_text(".search output") == "1 of 44 rows"
    search.fill("")
    assert len(column(page, 1)) == 44


def test_links_and_the_back_button_lead_to_sections(watch):
    page = watch().page
    page.click("nav a[href='#weights']")
    assert page.evaluate("location.hash") == "#weights"
    assert page.evaluate("Math.abs(document.getElementById('weights').getBoundingClientRect().top) < 60")
    page.click("h2 a[href='#profile']")
    page.click("nav a[href='#layers']")
    page.go_back()
    assert page.evaluate("location.hash") == "#profile"


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "dark"), (768, "light"), (768, "dark"), (380, "light"), (380, "dark")]
)
def test_no_width_overflows_and_no_theme_fails(watch, width, scheme):
    one = watch(width=width, scheme=scheme)
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    assert one.said == []
    words = one.page.evaluate("getComputedStyle(document.querySelector('.live svg text')).fill")
    assert (words == "rgb(168, 168, 176)") == (scheme == "dark")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (380, "dark")])
def test_an_accessibility_scan_finds_nothing_serious(browser, path, width, scheme):
    pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-live=ready]")
    page.evaluate(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(result => result.violations)")
    context.close()
    grave = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert grave == []


def test_it_prints_with_its_pictures(watch):
    page = watch().page
    page.emulate_media(media="print")
    assert not page.locator(PROFILE).is_visible()
    assert page.locator("#figure-profile-grad-norm picture").is_visible()
    assert page.locator("#figure-degradation picture").is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_it_can_be_read_without_script(watch):
    page = watch(java_script_enabled=False).page
    assert page.locator("#figure-degradation picture").is_visible()
    assert page.locator("#figure-profile-grad-norm picture").is_visible()
    assert not page.locator(PROFILE).is_visible()
    assert page.locator(f"{TABLE} tbody tr").count() == 44


def test_injected_markup_neither_runs_nor_loads(watch):
    one = watch()
    one.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"http://example.org/x\" onerror=alert(1)>')"
    )
    assert one.eventually(lambda: any("Content Security Policy" in line for line in one.said))
    assert one.asked_user == []


def test_the_profile_alone_answers_in_a_notebook_frame(runs, watch, tmp_path):
    shown = interactive_profile(runs)
    assert shown._repr_html_().startswith("<iframe ")
    page = tmp_path / "notebook.html"
    page.write_text(f"<!doctype html><title>notebook</title>{shown._repr_html_()}", encoding="utf-8")
    one = watch(path=shown.save(tmp_path / "figure.html"))
    assert one.said == []
    assert len(lines(one.page)) == 4
    one.page.goto(page.as_uri())
    frame = one.page.frame_locator("iframe")
    frame.locator(".is-live svg").wait_for()
    assert frame.locator(".mark-line path").count() == 4
    assert one.said == []


@pytest.mark.parametrize("width", [1000, 380])
def test_the_frame_in_a_notebook_is_as_high_as_its_figure(runs, watch, tmp_path, width):
    page = tmp_path / "notebook.html"
    page.write_text(f"<!doctype html><title>notebook</title>{interactive_profile(runs)._repr_html_()}", "utf-8")
    one = watch(width=width, path=interactive_profile(runs).save(tmp_path / "figure.html"))
    one.page.goto(page.as_uri())
    frame = one.page.frame_locator("iframe")
    frame.locator(".is-live svg").wait_for()
    assert one.eventually(lambda: frame.locator("html").evaluate("one => one.scrollHeight <= innerHeight"))


def test_an_entry_of_a_legend_hides_its_lines_and_shows_them_again(watch):
    one = watch()
    before = lines(one.page)
    label = one.page.locator(f"{PROFILE} .role-legend-label text", has_text="plain")
    label.click(force=True)
    assert one.eventually(lambda: len(lines(one.page)) == len(before) // 2)
    assert label.evaluate("node => getComputedStyle(node).opacity") == "0.3"
    label.click(force=True)
    assert one.eventually(lambda: sorted(lines(one.page)) == sorted(before))


def test_a_pointer_anywhere_on_a_panel_is_told_of_the_nearest_dot(watch):
    one = watch()
    plot = one.page.locator(f"{PROFILE} .plot svg")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 3
    one.page.mouse.move(*middle)
    one.page.wait_for_selector(".hint:not([hidden])")
    assert "conv" in one.page.inner_text(".hint")
    ring = one.page.locator(f"{PROFILE} svg > circle").bounding_box()
    found = ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2
    dots = one.page.evaluate(
        "figure => [...document.querySelectorAll(`${figure} .mark-symbol path`)].filter(dot => dot.__data__.tooltip)"
        ".map(dot => dot.getBoundingClientRect()).map(dot => [dot.x + dot.width / 2, dot.y + dot.height / 2])",
        PROFILE,
    )
    away = sorted((x - middle[0]) ** 2 + (y - middle[1]) ** 2 for x, y in dots)
    assert (found[0] - middle[0]) ** 2 + (found[1] - middle[1]) ** 2 == pytest.approx(away[0], rel=0.02)
    one.page.mouse.move(box["x"] - 5, box["y"] - 5)
    assert one.eventually(lambda: one.page.locator(".hint").is_hidden())
    assert one.page.locator(f"{PROFILE} svg > circle").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_figure_is_saved_as_it_is_shown(watch, tmp_path, scheme):
    one = watch(scheme=scheme)
    saved = {}
    for form in ("svg", "png"):
        with one.page.expect_download() as download:
            one.page.click(f"{FIGURE} [data-save={form}]")
        assert download.value.suggested_filename == f"flow.{form}"
        saved[form] = tmp_path / f"flow.{form}"
        download.value.save_as(saved[form])
    drawing = saved["svg"].read_text(encoding="utf-8")
    paths = [node for node in ElementTree.fromstring(drawing).iter() if node.tag.endswith("path")]
    assert {path.get("d") for path in paths} >= set(lines(one.page))
    assert "light-dark" not in drawing
    shape = plt.imread(saved["png"]).shape
    box = one.page.locator(f"{PROFILE} .plot svg").bounding_box()
    assert shape[:2] == (pytest.approx(3 * box["height"], abs=3), pytest.approx(3 * box["width"], abs=3))
    assert one.said == []


def test_a_folded_section_is_drawn_once_it_is_opened_by_a_reader_or_a_link(watch):
    one = watch(unfolds=False)
    section = one.page.locator("#heatmaps")
    assert section.locator("svg").count() == 0
    assert not section.locator("figure").is_visible()
    section.locator("summary").first.click()
    assert one.eventually(lambda: section.locator("svg").count() == 1)
    one.page.locator("nav a[href='#weights']").click()
    assert one.eventually(lambda: one.page.locator("#weights svg").count() == 1)
    assert one.page.locator("#weights figure").is_visible()
    assert one.said == []


def test_what_is_folded_is_printed(watch):
    one = watch(unfolds=False)
    one.page.emulate_media(media="print")
    assert one.page.locator("#weights figure").first.bounding_box()["height"] > 100


def test_of_a_folded_table_print_names_the_file(watch):
    one = watch(unfolds=False)
    one.page.emulate_media(media="print")
    table = one.page.locator("#degree details.table").first
    assert not table.locator("table").is_visible()
    assert "tables/degree_over_seeds.csv" in table.locator("summary").inner_text()


def test_the_contents_stay_in_sight_and_mark_what_is_read(watch):
    one = watch(unfolds=False)
    one.page.locator("#profile").scroll_into_view_if_needed()
    one.page.evaluate("document.getElementById('profile').scrollIntoView()")
    assert one.eventually(lambda: one.page.locator("nav a[aria-current]").get_attribute("href") == "#profile")
    box = one.page.locator("nav").bounding_box()
    assert 0 <= box["y"] < 900
    assert box["x"] + box["width"] <= one.page.locator("main").bounding_box()["x"]
