"""The catalogue: every key used exists, every placeholder is filled, numbers are written as a reader expects."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

import gradflow
from gradflow.analysis import Interval
from gradflow.text import LANGUAGES, catalogue, placeholders, text
from gradflow.text.numbers import decades, number, percent, points, with_interval

PACKAGE = Path(gradflow.__file__).parent
PYTHON = sorted(PACKAGE.rglob("*.py"))
KEYS = catalogue("en")
TEMPLATE = "\n".join(page.read_text(encoding="utf-8") for page in (PACKAGE / "reporting").glob("*.html"))


def calls_of_text():
    """Yield (file, key or the prefix of a computed key, names of the values passed, whether ** is used)."""
    for path in PYTHON:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "text"):
                continue
            key = node.args[0]
            passed = {keyword.arg for keyword in node.keywords if keyword.arg}
            is_open = any(keyword.arg is None for keyword in node.keywords)
            if isinstance(key, ast.Constant):
                yield path.name, str(key.value), passed, is_open
            elif isinstance(key, ast.JoinedStr) and isinstance(key.values[0], ast.Constant):
                yield path.name, f"{key.values[0].value}*", passed, is_open


def test_every_key_in_the_code_exists_and_gets_its_values():
    found = list(calls_of_text())
    assert len(found) > 30
    for file, key, passed, is_open in found:
        matching = [known for known in KEYS if known.startswith(key[:-1])] if key.endswith("*") else [key]
        assert matching, f"{file} uses {key}, which no text begins with"
        for one in matching:
            assert one in KEYS, f"{file} uses {one}"
            if not is_open:
                assert placeholders(one) - {"subject"} <= passed | {"subject"}, f"{file}: {one}"


def test_no_text_lies_unused():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in PYTHON)
    literal = set(re.findall(r"[\"']([a-z_]+\.[a-z_.]*)[\"']", sources + TEMPLATE))
    prefixes = {*re.findall(r'f"([a-z_.]+\.)\{', sources), *(key for key in literal if key.endswith("."))}
    nouns = {f"{noun}.{number}" for noun in re.findall(r'"([a-z_.]+)"', sources) for number in ("one", "many")}
    # section() asks for its title by its key, table() for its columns by theirs.
    titles = {key for key in KEYS if key.endswith(".title") or key.startswith("column.")}
    unused = set(KEYS) - literal - nouns - titles
    assert not {key for key in unused if not key.startswith((*prefixes, "cli."))}


def test_every_key_in_the_template_exists():
    used = re.findall(r'text\("([a-z_.]+)"', TEMPLATE)
    assert len(used) >= 5
    prefixes = [key for key in used if key.endswith(".")]
    assert set(used) - set(prefixes) <= set(KEYS)
    assert all(any(known.startswith(prefix) for known in KEYS) for prefix in prefixes)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_languages_have_the_same_keys_in_the_same_order_and_the_same_placeholders(lang):
    assert list(catalogue(lang)) == list(KEYS)
    assert all(isinstance(words, str) for words in catalogue(lang).values())
    assert {key: placeholders(key, lang) for key in KEYS} == {key: placeholders(key) for key in KEYS}


# "1 steps", but for ranges and sums: "0 to 1 blocks", "1 and 1 parameters".
AFTER_ONE = re.compile(
    r"(?<! to )(?<! and )(?<![\w.,×−])1 (?:more |recorded |training |residual |fully connected )?([a-z]+s)\b"
)
VERB = r"differs|does|ends|explodes|fades|goes|grows|holds|is|requires|stands|takes|trains|uses|vanishes|was"
NO_PLURAL = re.compile(rf"{VERB}|as|class|its|less|loss|this|times")
MEASURED = {"points", "decades"}  # their numbers have decimals
# Names, and a count that the page's script fills in, of tables that are long.
NOT_COUNTS = {"family": "plain", "families": "plain", "all": "40"}


def test_plural_forms_follow_their_count():
    for key in KEYS:
        said = text(key, **dict.fromkeys(placeholders(key), 1) | NOT_COUNTS)
        found = {word for word in AFTER_ONE.findall(said) if not NO_PLURAL.fullmatch(word)}
        assert not found - MEASURED, f"{key}: {said}"


def test_english_has_two_forms_and_chinese_one():
    forms = {
        lang: [spec for words in catalogue(lang).values() for _, _, spec, _ in Formatter().parse(words) if spec]
        for lang in LANGUAGES
    }
    assert forms["en"]
    assert all(spec.count("|") == 1 for spec in forms["en"])
    assert not forms["zh"]


@pytest.mark.parametrize(
    ("n", "written"),
    [
        (1, "1 seed"),
        ("1", "1 seed"),
        (0, "0 seeds"),
        (3, "3 seeds"),
        ("1 to 3", "1 to 3 seeds"),
        ("1 and 20", "1 and 20 seeds"),
        ("1.0", "1.0 seeds"),
        ("1,000", "1,000 seeds"),
        ("all", "all seeds"),
    ],
)
def test_only_a_count_of_one_is_singular(n, written):
    assert text("count.seeds", n=n) == written
    assert text("count.seeds", "zh", n=n).startswith(str(n))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: text("no.such.key"), "no.such.key"),
        (lambda: text("count.seeds"), "a value for n"),
    ],
)
def test_a_missing_text_language_or_value_is_named(call, named):
    with pytest.raises(KeyError, match=named):
        call()


def test_an_interval_says_its_n_or_why_there_is_none():
    error, gap = Interval(0.889, 0.885, 0.893, 3), Interval(0.81, 0.8, 0.82, 3)
    assert with_interval(error, percent) == "88.9 % (95 % interval 88.5 % to 89.3 %, 3 seeds)"
    assert with_interval(gap, points) == "+81.0 points (95 % interval +80.0 to +82.0, 3 seeds)"
    nan = float("nan")
    assert with_interval(Interval(0.889, nan, nan, 1), percent) == "88.9 % (1 seed, no interval)"
    assert with_interval(Interval(0.0, 0.0, 0.0, 3), percent) == "0.0 % (the same in all 3 seeds)"
    assert with_interval(Interval(nan, nan, nan, 0), percent) == "not measured"


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0"), (0.00123, "0.00123"), (-3.5e-9, "−3.50 × 10⁻⁹"), (4.4e6, "4.40 × 10⁶"), (float("inf"), "∞")],
)
def test_numbers_are_written_out_or_as_powers_of_ten(value, written):
    assert number(value) == written


def test_decades_carry_their_sign():
    assert decades(4.52) == "+4.5 decades"
    assert decades(-16.13) == "−16.1 decades"
