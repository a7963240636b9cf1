"""From a decoded frame to an upright RGB picture, in the colours that its tags mean."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.format import VideoFormatComponent
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from vidstyle.frame import ColorTags
from vidstyle.video.color import (
    FULL,
    LIMITED,
    UNSPECIFIED,
    complete_tags,
    is_rgb,
    swscale_matrix,
    white_level,
)
from vidstyle.video.hdr import VIEW_TAGS, SdrView, hdr_info
from vidstyle.video.layout import Layout
from vidstyle.video.side_data import side_data


@dataclass(frozen=True)
class Orientation:
    """How a coded picture becomes upright: first transposed, then flipped."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Self:
        """Read it from a decoded frame's display matrix, to the nearest right angle."""
        matrix = side_data(frame, SideDataType.DISPLAYMATRIX)
        if matrix is None:
            return cls()
        a, b, _, c, d = struct.unpack_from("=5i", matrix)
        if abs(a) >= abs(b):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    @classmethod
    def of_exif(cls, number: int) -> Self:
        """What Exif's ``Orientation`` from 1 to 8 means; any other number means nothing."""
        flips = {2: (True, False), 3: (True, True), 4: (False, True)}
        turns = {5: (False, False), 6: (True, False), 7: (True, True), 8: (False, True)}
        if number in turns:
            return cls(True, *turns[number])
        return cls(False, *flips.get(number, (False, False)))

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise, leaving a mirroring aside."""
        corner = {(0, 0): 0, (1, 1): 180} if not self.transpose else {(0, 1): 90, (1, 0): -90}
        return corner.get((int(self.flip_x), int(self.flip_y)), 0)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Turn an ``H×W×3`` or ``H×W`` picture upright; the result is contiguous."""
        if self.transpose:
            image = image.swapaxes(0, 1)
        if self.flip_x:
            image = image[:, ::-1]
        if self.flip_y:
            image = image[::-1]
        return np.ascontiguousarray(image)


class UprightPicture:
    """Converts frames that are all like the first one: a frame to H×W×3.

    What is of high dynamic range becomes its view (``SdrView``); ``tags`` are those of the result.

    Args:
        coded_size: width and height of the result before it is turned upright.
        deep: float32 from 0 to 255 with 16 bits' steps, instead of uint8.
    """

    def __init__(
        self,
        first: VideoFrame,
        stream: VideoStream,
        coded_size: tuple[int, int],
        deep: bool = False,
    ) -> None:
        self.orientation = Orientation.of(first)
        self._coded = complete_tags(
            _tags(first, stream), first.format.name, first.width, first.height
        )
        self.hdr = hdr_info(first, self._coded)
        self.tags = VIEW_TAGS if self.hdr else self._coded
        self._view = SdrView(self.hdr) if self.hdr else None
        self._coded_size = coded_size
        self._deep = deep
        self._bits = Layout.of(first.format.name).bits
        grey = len(first.format.components) == 1 and not first.format.has_palette
        self._stretched = grey and self._coded.color_range == LIMITED
        self._full = self._coded.color_range == FULL or (grey and not self._stretched)
        self._reformatter = VideoReformatter()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        width, height = self._coded_size
        return (height, width) if self.orientation.transpose else (width, height)

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        rgb = self._reformatter.reformat(
            frame,
            *self._coded_size,
            # swscale takes no more care of 8 bits on their way to 16.
            "rgb48le" if (self._deep or self._view) and self._bits > 8 else "rgb24",
            interpolation=self._interpolation(),
            **self._source_color(frame),
        )
        image = self.orientation.apply(rgb.to_ndarray())
        if self._stretched and image.dtype == np.uint8:
            image = cv2.LUT(image, _STRETCHED)
        if self._view:
            view = self._view(self._levels(image, frame.format.name))
            return view if self._deep else np.rint(view).astype(np.uint8)
        return self._levels(image, frame.format.name) if self._deep else image

    def alpha(self, frame: VideoFrame) -> np.ndarray | None:
        """How opaque a frame is: H×W, uint8 or, of more bits, uint16; None where none is said."""
        part = next((part for part in frame.format.components if part.is_alpha), None)
        if part is None:
            return None
        values = (
            _plane(frame, part)
            if part.plane == 3 and part.bits <= 16
            else self._packed_alpha(frame)
        )
        if values.shape[1::-1] != self._coded_size:
            values = cv2.resize(values, self._coded_size, interpolation=cv2.INTER_AREA)
        return self.orientation.apply(values)

    def _packed_alpha(self, frame: VideoFrame) -> np.ndarray:
        name = "rgba64le" if self._bits > 8 else "rgba"
        pixels = self._reformatter.reformat(frame, format=name).to_ndarray()
        return np.ascontiguousarray(pixels[:, :, 3])

    def _levels(self, image: np.ndarray, pix_fmt: str) -> np.ndarray:
        """Float32 from 0 to 255 of what swscale returned."""
        if image.dtype == np.uint8:
            return image.astype(np.float32)
        white = white_level(pix_fmt, self._full)
        levels = np.multiply(image, np.float32(255 / white), dtype=np.float32)
        if self._stretched:
            levels = _stretch(levels)
        return np.minimum(levels, 255, out=levels)

    def _interpolation(self) -> Interpolation:
        # swscale's fast path tints full-range greys by two levels; the accurate one is slower.
        full = self._coded.color_range == FULL
        return Interpolation.BICUBIC | (Interpolation.ACCURATE_RND if full else Interpolation(0))

    def _source_color(self, frame: VideoFrame) -> dict[str, int]:
        if is_rgb(frame.format.name):
            return {}
        return {
            "src_colorspace": swscale_matrix(self._coded),
            "src_color_range": FULL if self._coded.color_range == FULL else LIMITED,
            "dst_color_range": FULL,
        }


def _stretch(levels: np.ndarray) -> np.ndarray:
    """Grey of the limited range as grey of the full one; swscale takes all grey for full."""
    return ((levels - np.float32(16)) * np.float32(255 / 219)).clip(0, 255)


_STRETCHED = np.rint(_stretch(np.arange(256))).astype(np.uint8)


def _plane(frame: VideoFrame, part: VideoFormatComponent) -> np.ndarray:
    """One component that has a plane of its own: H×W, uint8, or uint16 in all of its range."""
    plane, size = frame.planes[part.plane], 1 if part.bits <= 8 else 2
    order = ">" if frame.format.is_big_endian else "<"
    rows = np.frombuffer(memoryview(plane), f"{order}u{size}").reshape(plane.height, -1)[
        :, : plane.width
    ]
    if size == 1:
        return rows
    return np.rint(rows * np.float32(65535 / (2**part.bits - 1))).astype(np.uint16)


def _tags(frame: VideoFrame, stream: VideoStream) -> ColorTags:
    """The picture's colour tags where it has any, else the container's."""
    context = stream.codec_context

    def known(name: str, unknown: int) -> int:
        value = int(getattr(frame, name))
        return value if value != unknown else int(getattr(context, name))

    return ColorTags(
        color_range=known("color_range", 0),
        colorspace=known("colorspace", UNSPECIFIED),
        color_primaries=known("color_primaries", UNSPECIFIED),
        color_trc=known("color_trc", UNSPECIFIED),
    )
