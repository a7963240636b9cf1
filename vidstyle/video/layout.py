"""What a pixel format has room for, and which of an encoder's formats suits a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from av.codec import Codec
from av.video.format import VideoFormat

_CHROMA = {
    (0, 0): "4:4:4",
    (0, 1): "4:4:0",
    (1, 0): "4:2:2",
    (1, 1): "4:2:0",
    (2, 0): "4:1:1",
    (2, 2): "4:1:0",
}
_USUAL = "yuv420p"
_LISTED_IN_VAIN = {
    "libx265": {"yuva420p", "yuva420p10le"},
    "libvpx-vp9": {"yuva422p", "yuva444p", "gbrap"},
}
"""Formats that an encoder lists and then refuses, in PyAV's builds at least."""


@dataclass(frozen=True)
class Layout:
    """Room for colour, light and alpha.

    Attributes:
        chroma: how often width and height are halved for chroma; (1, 1) also where there is none.
        bits: of the finest component.
    """

    chroma: tuple[int, int] = (1, 1)
    bits: int = 8
    alpha: bool = False

    @classmethod
    def of(cls, pix_fmt: str) -> Self:
        """The layout of a pixel format, by FFmpeg's name. Raises ValueError when there is none."""
        form = VideoFormat(pix_fmt, 16, 16)
        parts = form.components
        chroma = (1, 1)
        if sum(not part.is_alpha for part in parts) >= 3:
            width, height = form.chroma_width(16), form.chroma_height(16)
            chroma = ((16 // width).bit_length() - 1, (16 // height).bit_length() - 1)
        return cls(chroma, max(part.bits for part in parts), any(part.is_alpha for part in parts))

    @property
    def chroma_name(self) -> str:
        """As editors call it: ``4:2:0``."""
        return _CHROMA.get(self.chroma, "subsampled")

    def losses(self, written: Layout) -> list[tuple[str, str]]:
        """What has no room in another layout: pairs of what it is and what becomes of it."""
        lost = []
        if any(own < other for own, other in zip(self.chroma, written.chroma, strict=True)):
            lost.append((f"{self.chroma_name} chroma", written.chroma_name))
        if self.bits > written.bits:
            lost.append((f"{self.bits} bits", f"{written.bits} bits"))
        return lost


def encodable(codec: Codec) -> list[str]:
    """Names of the pixel formats that an encoder takes; empty when it does not tell."""
    names = [video_format.name for video_format in codec.video_formats or []]
    return [name for name in names if name not in _LISTED_IN_VAIN.get(codec.name, ())]


def best_format(codec: Codec, wanted: Layout) -> str:
    """The format of an encoder that loses least of a layout, and of those the smallest."""
    known = [name for name in encodable(codec) if len(VideoFormat(name).components) >= 3]

    def fitness(name: str) -> tuple[int, ...]:
        has = Layout.of(name)
        width, height = (own - other for own, other in zip(has.chroma, wanted.chroma, strict=True))
        return (
            wanted.alpha and not has.alpha,
            max(0, wanted.bits - has.bits),
            VideoFormat(name).is_rgb or name.startswith("yuvj"),
            max(0, width) + max(0, height),
            has.alpha and not wanted.alpha,
            max(0, has.bits - wanted.bits),
            max(0, -width) + max(0, -height),
        )

    return min(known, key=fitness, default=_USUAL)
