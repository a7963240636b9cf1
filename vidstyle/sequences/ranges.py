"""Which numbers of a sequence ``--frames`` names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from vidstyle.errors import OptionError

_SPAN = re.compile(
    r"\s*(?P<only>\d{1,18})\s*"
    r"|\s*(?P<first>\d{1,18})\s*-\s*((?P<last>\d{1,18})\s*)?(x(?P<step>[1-9]\d{0,8})\s*)?"
    r"|\s*-\s*(?P<end>\d{1,18})\s*",
    re.ASCII,
)


@dataclass(frozen=True)
class Span:
    """Every ``step``-th number from ``first`` to ``last``, itself one; None is an open end."""

    first: int | None = None
    last: int | None = None
    step: int = 1

    def __contains__(self, number: int) -> bool:
        first = number if self.first is None else self.first
        within = first <= number and (self.last is None or number <= self.last)
        return within and (number - first) % self.step == 0

    def after(self, number: int) -> int | None:
        """The first of it above ``number``; None when there is none."""
        first = number + 1 if self.first is None else self.first
        following = first + max(-((first - number - 1) // self.step), 0) * self.step
        return following if self.last is None or following <= self.last else None

    def absent(self, numbers: list[int]) -> list[range]:
        """What of it is not among ``numbers``, which are sorted and close the open ends."""
        first = numbers[0] if self.first is None else self.first
        last = numbers[-1] if self.last is None else self.last
        named = range(first, last + 1, self.step)
        present = [number for number in numbers if number in named]
        edges = [first - self.step, *present, first + len(named) * self.step]
        gaps = (range(a + self.step, b, self.step) for a, b in pairwise(edges))
        return [gap for gap in gaps if gap]


@dataclass(frozen=True)
class FrameRanges:
    """The numbers that ``--frames`` names."""

    spans: tuple[Span, ...] = (Span(),)

    def __contains__(self, number: int) -> bool:
        return any(number in span for span in self.spans)

    @property
    def last(self) -> int | None:
        """The highest number named; None when an end is open."""
        ends = [span.last for span in self.spans if span.last is not None]
        return max(ends) if len(ends) == len(self.spans) else None

    def absent(self, numbers: list[int]) -> tuple[range, ...]:
        """The numbers named that are not among ``numbers``, which are sorted.

        Open ends stop at the first and the last of ``numbers``.
        """
        return tuple(gap for span in self.spans for gap in span.absent(numbers))


def parse_frames(text: str | None) -> FrameRanges:
    """Read ``1001-1100,1150`` or ``1001-1100x10``; None is everything.

    ``1001-`` and ``-1100`` are open at one end.

    Raises:
        OptionError: it cannot be read, or a range runs backwards.
    """
    return FrameRanges() if text is None else FrameRanges(tuple(map(_span, text.split(","))))


def _span(text: str) -> Span:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise OptionError(f"--frames: '{text}' is not a range of frames; write 1001-1100,1150")
    numbers = {name: int(digits) for name, digits in match.groupdict().items() if digits}
    if "only" in numbers:
        return Span(numbers["only"], numbers["only"])
    first, last, step = numbers.get("first"), numbers.get("last"), numbers.get("step", 1)
    if first is None:
        return Span(None, numbers["end"])
    if last is None:
        return Span(first, None, step)
    if last < first:
        raise OptionError(f"--frames: {text.strip()} runs backwards; write {last}-{first}")
    return Span(first, last - (last - first) % step, step)
