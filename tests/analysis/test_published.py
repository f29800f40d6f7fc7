import pytest

from gradflow.analysis import published
from gradflow.errors import GradflowError
from gradflow.recording import Recording

POINT = {"family": "plain", "depth": 20, "error": 0.09, "source": "a paper"}


def test_entries_of_many_runs_are_kept_once():
    frame = published([Recording(meta={"run": name, "published": [POINT]}) for name in "ab"])
    assert frame.to_dict("records") == [{**POINT, "kind": "published", "measure": ""}]


def test_runs_without_any_have_no_rows():
    assert published(Recording(meta={"run": "a"})).empty


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("text", "a list of mappings; got str"),
        (["text"], "a list of mappings; got an entry 'text'"),
        ([{"family": "plain"}], "needs family, depth, error and source"),
        ([{**POINT, "error": 9}], "a fraction between 0 and 1; got 9.0"),
        ([{**POINT, "error": float("nan")}], "a fraction between 0 and 1; got nan"),
        ([{**POINT, "kind": "made up"}], "kind published or illustrative"),
        ([{**POINT, "measure": "loss"}], "measure train_error or test_error"),
    ],
)
def test_what_is_no_entry_is_named(value, words):
    with pytest.raises(GradflowError, match=words):
        published(Recording(meta={"published": value}))
