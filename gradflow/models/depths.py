"""Which depths a kind of network has."""

from __future__ import annotations

from dataclasses import dataclass

from gradflow.ranges import RANGES, shown


@dataclass(frozen=True)
class Depths:
    """The depths from a smallest one on in equal steps, or a few; `words` say which, in an error.

    Where `few` is given, `smallest` and `step` do not count.

    Examples
    --------
    >>> Depths("6n + 2", smallest=8, step=6).nearest(55)
    (50, 56)
    """

    words: str
    smallest: int = 1
    step: int = 1
    few: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.words

    def nearest(self, depth: int) -> tuple[int, ...]:
        """Return the depth alone if there is one, else the one or two that are nearest."""
        if self.few:
            below = [one for one in self.few if one <= depth][-1:]
            above = [one for one in self.few if one >= depth][:1]
            return tuple(dict.fromkeys(below + above))
        under = max(self.smallest, depth - (depth - self.smallest) % self.step)
        return (under,) if under == depth or self.step == 1 else (under, under + self.step)

    def check(self, depth: int) -> None:
        """Raise ValueError, with the nearest depths, unless there is such a depth."""
        is_int = isinstance(depth, int) and not isinstance(depth, bool)
        if is_int and depth > RANGES["depth"].most:
            raise ValueError(RANGES["depth"].complaint("depth", depth))
        if not is_int or self.nearest(depth) != (depth,):
            near = f" Nearest: {', '.join(map(str, self.nearest(depth)))}." if is_int else ""
            raise ValueError(f"depth must be {self.words}; got {shown(depth)}.{near}")
