"""The course is true: its pages, read in order, are one session, and print what they say they print."""

import contextlib
import io
import math
import re
import warnings
from pathlib import Path

import pytest

LEARN = Path(__file__).parent.parent / "docs" / "learn"
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
VARIES = "<!-- the numbers of trained networks differ between machines -->\n"


def pages():
    contents = (LEARN / "index.md").read_text(encoding="utf-8")
    names = contents.partition(":maxdepth: 1\n")[2].partition("```")[0].split()
    assert {f"{name}.md" for name in names} == {path.name for path in LEARN.glob("*.md")} - {"index.md"}
    return {name: (LEARN / f"{name}.md").read_text(encoding="utf-8") for name in names}


def blocks(page):
    """Code, what it prints (None where the page does not say), and whether numbers may vary, in order."""
    found = re.finditer(rf"```python\n(.*?)```(?:\n+({VARIES})?```text\n(.*?)```)?", page, flags=re.DOTALL)
    return [(one[1], one[3], bool(one[2])) for one in found]


def words(printed):
    return NUMBER.sub("#", " ".join(printed.split()))


def numbers(printed):
    return [float(one.replace(",", "")) for one in NUMBER.findall(printed)]


@pytest.mark.slow
def test_the_course_is_one_session_and_prints_what_its_pages_show():
    session = {"__name__": "learn"}
    for name, page in pages().items():
        for code, shown, varies in blocks(page):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), warnings.catch_warnings():
                exec(compile(code, f"{name}.md", "exec"), session)
            if shown is None:
                assert not printed.getvalue(), name
                continue
            assert words(printed.getvalue()) == words(shown), name
            for one, other in zip(numbers(printed.getvalue()), numbers(shown), strict=True):
                assert varies or math.isclose(one, other, rel_tol=0.05, abs_tol=0.02), (name, one, other)


def test_each_text_belongs_to_code():
    for name, page in pages().items():
        assert page.count("```text") == sum(shown is not None for _, shown, _ in blocks(page)), name


NAMES = re.compile(r"(?:[\d\W]|G$|ResNet-|CIFAR-|ImageNet)*")  # what both languages write alike


def messages(page):
    """What sphinx has translated: paragraphs, headings, items, cells and what pictures show."""
    for part in re.split(r"\n{2,}", re.sub(r"^(`{3,}).*?^\1$", "", page, flags=re.MULTILINE | re.DOTALL).strip()):
        rows = part.strip().splitlines()
        if rows[0].startswith("|"):
            yield from (cell.strip() for row in (rows[0], *rows[2:]) for cell in row.strip("|").split("|"))
        elif picture := re.match(r"!\[(.*?)\]", part):
            yield picture[1]
        elif not rows[0].startswith("<!--"):
            items = re.split(r"^(?:#+|-|\d+\.) ", part, flags=re.MULTILINE)
            if rows[0].startswith("#"):  # a heading may begin with a number of its own
                items = [rows[0].lstrip("# ")]
            yield from (" ".join(item.split()) for item in items if item.strip())


def test_every_sentence_of_the_course_is_there_in_chinese_and_no_other():
    catalogue = (LEARN.parent / "locale" / "zh_CN" / "LC_MESSAGES" / "learn.po").read_text(encoding="utf-8")
    pairs = re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', catalogue, flags=re.MULTILINE)
    translated = {english.replace('\\"', '"') for english, _ in pairs}
    index = (LEARN / "index.md").read_text(encoding="utf-8")
    said = {message for page in (index, *pages().values()) for message in messages(page)}
    assert translated == {message for message in said if not NAMES.fullmatch(message)}
    for english, chinese in pairs:
        assert {*re.findall(r"`[^`]*`", english)} == {*re.findall(r"`[^`]*`", chinese)}, english
