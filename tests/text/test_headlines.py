"""Headlines are short: at most 14 words, where their length does not depend on names that users chose."""

import pytest

from gradflow.text import catalogue, placeholders, text

MAX_WORDS = 14
TABLES = ("verdict.of.", "published.answer.")
HEADLINES = [key for key in catalogue("en") if key.startswith(TABLES)]
HEADLINES += ["verdict.none", *(f"headline.{name}" for name in ("probes", "contrast", "alone", "none", "empty"))]
# The longest that a number, a share and a family are where no setting is varied.
LONGEST = {
    **dict.fromkeys(("depth", "shallow", "deep", "shortest", "longest"), 110),
    **dict.fromkeys(("plain", "residual"), "0.021"),
    **dict.fromkeys(("plain_error", "residual_error", "error", "first", "last", "share"), "88.8 %"),
    "family": "Preactivation",
    "change": text("headline.change", first="88.8 %", last="88.8 %"),
}


@pytest.mark.parametrize("key", HEADLINES)
def test_headlines_have_at_most_14_words(key):
    said = text(key, **{name: LONGEST[name] for name in placeholders(key)})
    assert len(said.split()) <= MAX_WORDS, said
