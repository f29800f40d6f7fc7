"""Numbers as a reader sees them: percent, points, multiples, powers of ten, each with its interval and n."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

from gradflow.text import text

# Between these a number reads best written out; beyond them as a power of ten.
PLAIN_FROM = 1e-3
PLAIN_TO = 1e5
THOUSAND = 3.0  # decades; from here on a number of times has commas
UNEQUAL = 0.002  # decades: half a percent, which three digits do not show
MAX_SPOKEN = 15  # decades; larger numbers have no names that people know
MIN_SHARE = 0.0005  # smaller fractions would read as 0.0 %
RARE = 1e-5  # a share below has no percentage that people read
LARGER, SMALLER = "× ", "÷ "  # before a number of times, in columns
MINUTES_FROM = 120  # seconds
HOURS_FROM = 10_800  # seconds
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Bounded(Protocol):
    """A mean, the bounds of its interval and the number of values (`gradflow.analysis.Interval`)."""

    @property
    def mean(self) -> float:
        """Mean of the values."""

    @property
    def low(self) -> float:
        """Lower bound, NaN for one value."""

    @property
    def high(self) -> float:
        """Upper bound, NaN for one value."""

    @property
    def n(self) -> int:
        """How many values."""


def percent(fraction: float, digits: int = 1) -> str:
    """Return a fraction as a percentage.

    Examples
    --------
    >>> percent(0.8893)
    '88.9 %'
    """
    return _or_word(fraction, lambda value: text("unit.percent", value=_minus(f"{100 * value:.{digits}f}")))


def share(fraction: float) -> str:
    """Return a fraction as a percentage that is 0 only where it is nothing, and a very small one as one part in many.

    Examples
    --------
    >>> share(0.123), share(0.000041), share(9.9e-7), share(0.0)
    ('12.3 %', '0.0041 %', '1 part in 1.01 million', '0.0 %')
    """
    if 0 < fraction < RARE:
        return text("unit.part", fold=fold(-math.log10(fraction)))
    if fraction == 0 or not abs(fraction) < MIN_SHARE:
        return percent(fraction)
    return text("unit.percent", value=number(100 * fraction, 2))


def points(fraction: float, digits: int = 1) -> str:
    """Return the difference of two fractions in percentage points, with its sign.

    Examples
    --------
    >>> points(-0.021)
    '−2.1 points'
    """
    return _or_word(fraction, lambda value: text("unit.points", value=_signed(100 * value, digits)))


def multiple(decades: float) -> str:
    """Return how many times as large something is that is so many decades larger, for columns: × larger, ÷ smaller.

    Examples
    --------
    >>> multiple(2.5), multiple(-8.6), multiple(-math.inf)
    ('× 316', '÷ 400 million', '−∞')
    """
    return _or_word(decades, lambda finite: f"{SMALLER if finite < 0 else LARGER}{fold(abs(finite), 2)}")


def multiple_of(ratio: float) -> str:
    """Return a ratio as `multiple` does; what has no logarithm as it is.

    Examples
    --------
    >>> multiple_of(0.001), multiple_of(0.0)
    ('÷ 1,000', '0')
    """
    return multiple(math.log10(ratio)) if ratio > 0 else number(ratio)


def fold(decades: float, digits: int = 3) -> str:
    """Return how many times as large something is that is so many decades larger, with so many significant digits.

    Examples
    --------
    >>> fold(2.5), fold(3.5), fold(5.5), fold(8.6), fold(700.2)
    ('316', '3,160', '316,000', '398 million', '1.58 × 10⁷⁰⁰')
    """
    if decades < THOUSAND:
        return number(10**decades, digits)
    scales = [scale.split() for scale in text("unit.scales").split(",")]
    power, word = max(((int(power), word) for power, word in scales if int(power) <= decades), default=(0, ""))
    if word and decades < MAX_SPOKEN:
        return f"{float(f'{10 ** (decades - power):.{digits}g}'):g} {word}"
    if decades < min(int(power) for power, _ in scales):
        return f"{float(f'{10**decades:.{digits}g}'):,.0f}"
    whole = math.floor(decades)
    return f"{10 ** (decades - whole):.{digits - 1}f} × 10{str(whole).translate(_SUPERSCRIPTS)}"


def ratio(decades: float) -> str:
    """Return how much larger or smaller something is that is so many decades larger.

    Examples
    --------
    >>> ratio(2.5), ratio(-8.6), ratio(0.001)
    ('316 times larger', '398 million times smaller', 'no larger')
    """
    return _or_word(decades, _ratio)


def _ratio(decades: float) -> str:
    if abs(decades) < UNEQUAL:
        return text("unit.same")
    return text("unit.smaller" if decades < 0 else "unit.larger", fold=fold(abs(decades)))


def ratio_interval(value: Bounded) -> str:
    """Return the 95 % interval of a mean of decades, as it follows `ratio` of the mean; empty for one value.

    Examples
    --------
    >>> from gradflow.analysis.intervals import Interval
    >>> ratio_interval(Interval(-2.0, -3.0, -1.0, 5))
    ' (95 % interval 10.0 to 1,000 times, 5 seeds)'
    >>> ratio_interval(Interval(0.5, -1.0, 2.0, 5))
    ' (95 % interval 10.0 times smaller to 100 times larger, 5 seeds)'
    """
    if value.n < 2:
        return ""
    if value.low == value.high:
        return text("interval.ratio_same", n=value.n)
    if value.low * value.high < 0:
        return text("interval.ratios", low=ratio(value.low), high=ratio(value.high), n=value.n)
    low, high = sorted(map(abs, (value.low, value.high)))
    return text("interval.folds", low=fold(low), high=fold(high), n=value.n)


def signed(value: float, digits: int = 1) -> str:
    """Return a number with its sign, for columns whose head names the unit.

    Examples
    --------
    >>> signed(-16.13), signed(-0.01)
    ('−16.1', '0.0')
    """
    return _or_word(value, lambda number: _signed(number, digits))


def signed_points(fraction: float, digits: int = 1) -> str:
    """Return the difference of two fractions in percentage points, for columns whose head names the unit.

    Examples
    --------
    >>> signed_points(0.889)
    '+88.9'
    """
    return signed(100 * fraction, digits)


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, as a power of ten where it is very large or small.

    Examples
    --------
    >>> number(0.20513), number(4.8123e5), number(0.0), number(12345.6)
    ('0.205', '4.81 × 10⁵', '0', '12346')
    """
    return _or_word(value, lambda finite: _finite(finite, digits))


def power_of_ten(value: float) -> str:
    """Return a power of ten in plain characters, which are laid out ten times as fast as mathematics.

    Ticks below what a float can hold are zero, and have no name.

    Examples
    --------
    >>> power_of_ten(1e-12)
    '10⁻¹²'
    """
    return "" if value <= 0 else f"10{str(round(math.log10(value))).translate(_SUPERSCRIPTS)}"


def factor(value: float) -> str:
    """Return a factor near 1 with three decimals, otherwise as `number` does.

    Examples
    --------
    >>> factor(1.2114), factor(0.0115)
    ('1.211', '0.0115')
    """
    return f"{value:.3f}" if 0.1 <= value < 10 else number(value)


def times(value: float) -> str:
    """Return how many times larger something became.

    Examples
    --------
    >>> times(98.3), times(34990.0)
    ('98.3', '35,000')
    """
    return fold(math.log10(value)) if value > 0 else number(value)


def seconds(value: float) -> str:
    """Return a duration.

    Examples
    --------
    >>> seconds(42.34), seconds(754), seconds(40000)
    ('42.3 s', '12.6 min', '11.1 h')
    """
    return _or_word(value, _duration)


def count(n: int, noun: str) -> str:
    """Return a number of things whose noun the catalogue holds as `count.noun`.

    Examples
    --------
    >>> count(1, "seeds"), count(3, "seeds")
    ('1 seed', '3 seeds')
    """
    return text(f"count.{noun}", n=n)


def with_interval(value: Bounded, form: Callable[[float], str]) -> str:
    """Return a mean with its 95 % interval and n, or the words that say why there is no interval.

    `form` is `percent`, `points`, `number` or `factor`.
    """
    if value.n == 0 or math.isnan(value.mean):
        return text("value.missing")
    mean = form(value.mean)
    if value.n == 1:
        return text("interval.none", mean=mean)
    if value.low == value.high:
        return text("interval.same", mean=mean, n=value.n)
    bound = _WITHOUT_UNIT.get(form, form)
    return text("interval.bounds", mean=mean, low=bound(value.low), high=bound(value.high), n=value.n)


# How the bounds of an interval are written beside a mean that carries the unit.
_WITHOUT_UNIT: Mapping[Callable[[float], str], Callable[[float], str]] = {points: signed_points}


def _duration(value: float) -> str:
    if value < MINUTES_FROM:
        return text("unit.seconds", value=f"{value:.1f}")
    if value < HOURS_FROM:
        return text("unit.minutes", value=f"{value / 60:.1f}")
    return text("unit.hours", value=f"{value / 3600:.1f}")


def _finite(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    if PLAIN_FROM <= abs(value) < PLAIN_TO:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return _minus(f"{value:.{decimals}f}")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return _minus(f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}")


def _or_word(value: float, form: Callable[[float], str]) -> str:
    """Return what `form` makes of a finite value; NaN and inf have words of their own."""
    if math.isnan(value):
        return text("value.missing")
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return form(value)


def _signed(value: float, digits: int) -> str:
    """Return a number with its sign; one that rounds to zero has none."""
    written = f"{value:+.{digits}f}"
    return _minus(written) if float(written) else written[1:]


def _minus(digits: str) -> str:
    return digits.replace("-", "−")
