"""The catalogue: every key used exists, every placeholder is filled, numbers are written as a reader expects."""

import ast
import re
from collections import Counter
from pathlib import Path
from string import Formatter

import pytest

import gradflow
from gradflow.analysis import Interval
from gradflow.text import LANGUAGES, catalogue, placeholders, text
from gradflow.text.numbers import multiple, number, percent, points, with_interval
from gradflow.text.words import head

PACKAGE = Path(gradflow.__file__).parent
PYTHON = sorted(PACKAGE.rglob("*.py"))
KEYS = catalogue("en")
TEMPLATE = "\n".join(page.read_text(encoding="utf-8") for page in (PACKAGE / "reporting").glob("*.html"))


NODES = [node for path in PYTHON for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
# Tables of heads: `head(name, table)` looks a name up in its own table, then in those of all.
HEADS = {"column", "fact", "analyze.column", "analyze.fact", "cli.column", "models.head", "models.blocks.head"}
HEADS |= {"presets.column", "terminal.runs.column", "terminal.strip.column", "theory.head", "watch.column"}


def calls(name):
    return [node for node in NODES if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name]


def keys_of(node):
    """Return the keys that an expression may be: constants, and those that fit a computed one."""
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.IfExp):
        return keys_of(node.body) | keys_of(node.orelse)
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return {key for key in KEYS if re.fullmatch(pattern(node), key)} or {ast.unparse(node)}
    return set()


def pattern(node):
    return "".join(re.escape(piece.value) if isinstance(piece, ast.Constant) else "(.+)" for piece in node.values)


def test_every_key_in_the_code_exists_and_gets_its_values():
    found = [(key, call) for call in calls("text") for key in keys_of(call.args[0])]
    assert len(found) > 500
    for key, call in found:
        assert key in KEYS, f"{ast.unparse(call)} uses {key}"
        passed = {keyword.arg for keyword in call.keywords}
        if None not in passed:  # no **values
            assert placeholders(key) <= passed, f"{ast.unparse(call)}: {key}"


def test_every_head_in_the_code_exists():
    for call in (*calls("head"), *calls("heading")):
        for name in keys_of(call.args[0]):
            assert head(name)
        for table in keys_of(call.args[1]) if len(call.args) > 1 else ():
            assert table in HEADS


def test_every_text_is_used():
    """A key stands in the code, or fits a computed one whose other parts stand there, or is the name of a head."""
    computed = [node for node in NODES if isinstance(node, ast.JoinedStr)]
    pieces = {id(piece) for node in computed for piece in node.values}
    literals = {node.value for node in NODES if isinstance(node, ast.Constant) and id(node) not in pieces}
    literals |= set(re.findall(r"[\"']([\w.]+)[\"']", TEMPLATE))
    presets = [path.read_text(encoding="utf-8") for path in (PACKAGE / "experiments" / "presets").glob("*.toml")]
    literals |= {key for preset in presets for key in re.findall(r'"([\w.]+)"', preset)}
    patterns = [re.compile(pattern(node)) for node in computed if re.search("[a-z]{3}", pattern(node))]
    patterns += [
        re.compile(re.escape(start) + "(.+)") for start in map(str, literals) if re.fullmatch(r"[\w.]+\.", start)
    ]

    def is_said(name):
        if {name, name.replace(" ", "_"), name.replace("_", " ")} & literals:
            return True
        return any(parts and all(part in literals for part in parts.groups()) for parts in fits(name))

    def fits(name):
        return (form.fullmatch(name) for form in patterns)

    def is_used(key):
        table, _, name = key.rpartition(".")
        tables = HEADS | {"head"} | ({table} & literals if "." in table else set())
        if key in literals or (table in tables and is_said(name)):
            return True
        return any(parts and all(map(is_said, parts.groups())) for parts in fits(key))

    # The page lists all definitions, and lines of errors are looked for among all.
    listed = {key for key in KEYS if key.startswith(("definition.", "usage."))}
    assert [key for key in KEYS if key not in listed and not is_used(key)] == []


# Said alike by chance, or as different parts of speech.
REPEATED = {
    "analyze.column.bar": "columns without a head",
    "analyze.column.lesion_status": "columns without a head",
    "cli.where.failed": "runs that failed, where a layer's status is another thing",
    "terminal.status.failed": "a run's status, where `word.failed` is a layer's",
    "word.failed": "a layer's status",
}


def test_no_two_keys_say_the_same():
    said = Counter(tuple(catalogue(lang)[key] for lang in LANGUAGES) for key in KEYS)
    repeated = {key for key in KEYS if said[tuple(catalogue(lang)[key] for lang in LANGUAGES)] > 1}
    assert repeated == set(REPEATED)


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
VERB = (
    r"begins|comes|contains|differs|does|ends|explodes|fades|goes|grows|has|holds|is|matches|needs|requires|stands|takes|"
    r"trains|uses|vanishes|was"
)
NO_PLURAL = re.compile(rf"{VERB}|as|class|its|less|loss|this|times")
MEASURED = {"points", "seconds"}  # their numbers have decimals
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


def test_multiples_are_numbers_that_people_read():
    assert multiple(0.0) == "× 1.0"
    assert multiple(4.52) == "× 33,000"
    assert multiple(-8.6) == "÷ 400 million"
    assert multiple(float("nan")) == "not measured"
