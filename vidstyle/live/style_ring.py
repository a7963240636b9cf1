"""The styles that a stream can change to, arranged in a ring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import floor
from pathlib import Path

from vidstyle.models.transformer import TransformerNet
from vidstyle.styles.file import backbone_hash
from vidstyle.styles.header import StyleInfo
from vidstyle.styles.registry import Style, available_styles, load_style


class StyleRing:
    """A position in a ring of styles; between two neighbours lie their blends.

    Args:
        first: where to start; joins the ring if it is not in it.
        names: the ring, each as for ``load_style``; all available styles if empty.

    Attributes:
        style: at the current position.

    Raises:
        StyleError, OptionError: ``first`` cannot be loaded.
    """

    def __init__(self, first: str | Path | Style, names: Sequence[str] = ()) -> None:
        self._ring: list[str | Path | Style] = list(names or available_styles())
        self._position = 0.0
        self.style = self.choose(first)

    def choose(self, style: int | str | Path | Style) -> Style:
        """Go to a style by its number in the ring, from 1, or to any other, which joins the ring.

        Raises:
            StyleError, OptionError: it cannot be loaded; the position stays the same.
        """
        if isinstance(style, int):
            place = min(max(style, 1), len(self._ring)) - 1
        else:
            place = self._place(style)
        return self._go(float(place))

    def step(self, by: float) -> Style:
        """Go on by whole styles, to one that is no blend, or part of the way.

        Raises:
            StyleError: one of them cannot be loaded; the position stays the same.
        """
        position = self._position + by
        if float(by).is_integer():
            # From a blend, the first step completes the way to the neighbour.
            position = float(floor(position) if by > 0 else -floor(-position))
        return self._go(round(position, 6) % len(self._ring))

    def _place(self, style: str | Path | Style) -> int:
        """The place of a style in the ring, which it joins if it is not in it."""
        for place, other in enumerate(self._ring):
            # Two styles are not compared with ==, as they hold tensors.
            if other is style or (not isinstance(style, Style) and other == style):
                return place
        if not isinstance(style, Style):
            load_style(style)  # or fail before the ring has changed
        self._ring.append(style)
        return len(self._ring) - 1

    def _go(self, position: float) -> Style:
        place, share = floor(position), position - floor(position)
        style = self._load(place)
        if share:
            style = blend(style, self._load((place + 1) % len(self._ring)), share)
        self.style, self._position = style, position
        return style

    def _load(self, place: int) -> Style:
        style = self._ring[place]
        return style if isinstance(style, Style) else load_style(style)


def blend(first: Style, second: Style, share: float) -> Style:
    """A blend of two styles, or the nearer one if their backbones differ.

    Args:
        share: of the second style, from 0 to 1.
    """
    if not same_backbone(first.network, second.network):
        return first if share < 0.5 else second
    label = f"{first.label} {1 - share:.2g} + {second.label} {share:.2g}"
    info = StyleInfo(f"{first.label}+{second.label}", f"{first.info.title} + {second.info.title}")
    vector = first.vector + share * (second.vector - first.vector)
    return replace(first, label=label, info=info, vector=vector)


def same_backbone(network: TransformerNet, other: TransformerNet) -> bool:
    """Whether the style vectors of one network work with the other, too."""
    return network is other or (
        backbone_hash(network.state_dict()) == backbone_hash(other.state_dict())
    )
