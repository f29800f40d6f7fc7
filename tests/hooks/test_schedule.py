import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradflow.hooks import Every, First, LogSpaced


@given(per_decade=st.integers(1, 40))
def test_log_spaced_holds_the_powers_of_ten_and_grows_like_a_logarithm(per_decade):
    due = LogSpaced(per_decade)
    steps = [step for step in range(10_001) if due(step)]
    assert {0, 1, 10, 100, 1000, 10_000} <= set(steps)
    assert steps == sorted({0} | {round(10 ** (i / per_decade)) for i in range(4 * per_decade + 1)})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Every(0), "k at least 1; got 0"),
        (lambda: Every(True), "k at least 1; got True"),
        (lambda: LogSpaced(0), "per_decade must be a whole number of at least 1; got 0"),
        (lambda: First(1.5), "n must be a whole number of at least 1; got 1.5"),
    ],
)
def test_bad_schedules(make, message):
    with pytest.raises(ValueError, match=message):
        make()
