"""All frames of a stream as pictures of one size, whatever they change to on the way."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple, Self

import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidstyle.image import fit_size, framed
from vidstyle.video.conversion import Orientation, UprightPicture


class _Form(NamedTuple):
    """What the conversion of a frame depends on.

    Attributes:
        aspect: width of a pixel, of its height, as it is coded.
        rotation: in degrees.
    """

    size: tuple[int, int]
    aspect: Fraction
    pix_fmt: str
    rotation: int
    color: tuple[int, int, int, int]

    @classmethod
    def of(cls, frame: VideoFrame, aspect: Fraction) -> Self:
        color = frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc
        # Looking at all side data would keep the frame in memory until garbage is collected.
        return cls((frame.width, frame.height), aspect, frame.format.name, frame.rotation, color)

    def shape(self, orientation: Orientation) -> tuple[int, int, Fraction]:
        """Width, height and pixel aspect of the upright picture."""
        width, height = self.size
        if orientation.transpose:
            return height, width, 1 / self.aspect
        return width, height, self.aspect


class StreamPictures:
    """Converts all frames of a stream to upright pictures of one size, that of the first.

    A frame of another shape, as broadcasts have them after a break, is fitted into it amid bars.

    Args:
        size, deep: as for ``UprightPicture``.
    """

    stream: VideoStream
    """The frames' own; another one when the file is opened again."""

    def __init__(
        self, first: VideoFrame, stream: VideoStream, size: tuple[int, int], deep: bool = False
    ) -> None:
        self.first = self._picture = UprightPicture(first, stream, size, deep)
        self.stream, self._deep = stream, deep
        self._aspect = _pixel_aspect(stream)
        self._form = _Form.of(first, self._aspect)
        self._first_format, self._shape = (
            first.format.name,
            self._form.shape(self.first.orientation),
        )
        self._shapes: dict[str, None] = {}
        self._formats: dict[str, None] = {}

    @property
    def notices(self) -> list[str]:
        """How frames were unlike the first, and what became of them."""
        own, (width, height) = self._first_format, self.first.size
        return [
            f"frames change to {shape}: fitted into {width}×{height}" for shape in self._shapes
        ] + [f"frames change to {name}: treated like the first, {own}" for name in self._formats]

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """The picture: H×W×3, uint8 or float32 from 0 to 255."""
        self._adapt(frame)
        return framed(self._picture(frame), *self.first.size)

    def alpha(self, frame: VideoFrame) -> np.ndarray | None:
        """As ``UprightPicture.alpha``; bars are clear."""
        self._adapt(frame)
        alpha = self._picture.alpha(frame)
        return None if alpha is None else framed(alpha, *self.first.size)

    def _adapt(self, frame: VideoFrame) -> None:
        """Convert as this frame wants it from here on."""
        if frame.key_frame:  # elsewhere the decoder may be ahead of the frames
            self._aspect = _pixel_aspect(self.stream)
        form = _Form.of(frame, self._aspect)
        if form == self._form:
            return
        self._form = form
        orientation = Orientation.of(frame)
        shape = form.shape(orientation)
        size = self._fitted_size(*shape)
        if orientation.transpose:
            size = size[::-1]
        self._picture = UprightPicture(frame, self.stream, size, self._deep)
        self._note(shape, form.pix_fmt)

    def _fitted_size(self, width: int, height: int, aspect: Fraction) -> tuple[int, int]:
        """Width and height of a picture amid the bars."""
        return fit_size((width * float(aspect / self._shape[2]), height), self.first.size)

    def _note(self, shape: tuple[int, int, Fraction], pix_fmt: str) -> None:
        width, height, aspect = shape
        if shape != self._shape:
            pixels = f" of pixels {aspect}:1" if aspect != self._shape[2] else ""
            self._shapes[f"{width}×{height}{pixels}"] = None
        if pix_fmt != self._first_format:
            self._formats[pix_fmt] = None


def _pixel_aspect(stream: VideoStream) -> Fraction:
    """What the decoder has read last."""
    return stream.codec_context.sample_aspect_ratio or Fraction(1)
