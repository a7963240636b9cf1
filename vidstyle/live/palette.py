"""The styles that a stream can go over to, in a ring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import floor
from pathlib import Path

from vidstyle.styles.file import backbone_hash
from vidstyle.styles.header import StyleInfo
from vidstyle.styles.registry import Style, available_styles, load_style


class Palette:
    """Where in a ring of styles one is; between each two lie their blends.

    Args:
        begin: the first style to draw; it joins the ring if it is not in it.
        names: the ring, each what ``load_style`` takes; all styles there are unless given.

    Attributes:
        style: where one is.

    Raises:
        StyleError, OptionError: as ``load_style``, of ``begin``.
    """

    def __init__(self, begin: str | Path | Style, names: Sequence[str] = ()) -> None:
        self._ring: list[str | Path | Style] = list(names or available_styles())
        self._position = 0.0
        self.style = self.choose(begin)

    def choose(self, style: int | str | Path | Style) -> Style:
        """Go to a style by its number, counted from 1, or to any.

        Raises:
            StyleError, OptionError: there is none; one stays where one is.
        """
        if isinstance(style, int):
            return self._go(float(min(max(style, 1), len(self._ring)) - 1))
        place = next((n for n, other in enumerate(self._ring) if other is style), None)
        if place is None and not isinstance(style, Style) and style in self._names():
            place = self._names().index(style)
        if place is None:
            loaded = style if isinstance(style, Style) else load_style(style)
            self._ring.append(loaded if isinstance(style, Style) else style)
            place = len(self._ring) - 1
        return self._go(float(place))

    def step(self, by: float) -> Style:
        """Go on by whole styles, to one that is no blend, or by parts of the way.

        Raises:
            StyleError: one of them cannot be loaded; one stays where one is.
        """
        position = self._position + by
        if float(by).is_integer():
            # From a blend, the next is the one that it leads to.
            nearest = floor(position) if by > 0 else -floor(-position)
            position = float(nearest)
        return self._go(round(position, 6) % len(self._ring))

    def _go(self, position: float) -> Style:
        place, share = floor(position), position - floor(position)
        style = self._loaded(place)
        if share:
            style = blended(style, self._loaded((place + 1) % len(self._ring)), share)
        self.style, self._position = style, position
        return style

    def _loaded(self, place: int) -> Style:
        style = self._ring[place]
        return style if isinstance(style, Style) else load_style(style)

    def _names(self) -> list[str | Path | None]:
        return [None if isinstance(style, Style) else style for style in self._ring]


def blended(first: Style, second: Style, share: float) -> Style:
    """A blend with so much of the second; of different backbones, the one with more of it."""
    if backbone_hash(first.network.state_dict()) != backbone_hash(second.network.state_dict()):
        return first if share < 0.5 else second
    label = f"{first.label} {1 - share:.2g} + {second.label} {share:.2g}"
    info = StyleInfo(f"{first.label}+{second.label}", f"{first.info.title} + {second.info.title}")
    vector = first.vector + share * (second.vector - first.vector)
    return replace(first, label=label, info=info, vector=vector)
