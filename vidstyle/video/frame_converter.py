"""From a frame in RGB to a picture in the format that an encoder takes."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from vidstyle.frame import Frame
from vidstyle.video.color import FULL, LIMITED, RGB, SWSCALE_WHITE, swscale_matrix
from vidstyle.video.encoders import Encoding
from vidstyle.video.hdr import SdrView

_LAYOUTS = {(3, 1): "rgb24", (4, 1): "rgba", (3, 2): "rgb48le", (4, 2): "rgba64le"}
"""FFmpeg's names, by channels and bytes a channel."""


class FrameConverter:
    """Makes the pictures of an encoding, tagged with what their colours mean."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._deep = encoding.deep
        self._view = SdrView(encoding.hdr) if encoding.hdr else None
        self._to_yuv = encoding.color.colorspace != RGB
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Frame) -> VideoFrame:
        """The picture of a frame, without its time.

        Raises:
            ValueError: the frame is not of the encoding's size.
        """
        height, width = frame.image.shape[:2]
        if (width, height) != self._encoding.size:
            wanted = "×".join(map(str, self._encoding.size))
            raise ValueError(f"frame is {width}×{height}, not {wanted}")
        encoding, color = self._encoding, self._encoding.color
        picture = self._reformatter.reformat(
            self._source_picture(frame),
            *encoding.coded_size,
            format=encoding.pix_fmt,
            interpolation=Interpolation.BICUBIC,
            # With more, swscale's threads overwrite one another's edges in deep pictures.
            threads=1 if self._deep else None,
            **self._target_color(),
        )
        if encoding.alpha and encoding.coded_size == encoding.padded_size:
            _put_alpha(picture, self._padded(_opacity(frame, np.uint16)[..., None])[..., 0])
        picture.color_range, picture.colorspace = color.color_range, color.colorspace
        picture.color_primaries, picture.color_trc = color.color_primaries, color.color_trc
        return picture

    def _source_picture(self, frame: Frame) -> VideoFrame:
        """The frame in RGB, with as many bits and as much alpha as are wanted."""
        colors = self._view.invert(frame.image) if self._view else frame.image
        alpha = self._encoding.alpha
        fine = self._deep and (alpha or colors.dtype != np.uint8)
        depth = np.uint16 if fine else np.uint8
        white = SWSCALE_WHITE if fine and self._to_yuv else None
        image = _levels(colors, 255, depth, white)
        if alpha:
            image = np.dstack([image, _opacity(frame, depth)])
        layout = _LAYOUTS[image.shape[2], image.itemsize]
        return VideoFrame.from_ndarray(self._padded(image), format=layout)

    def _padded(self, image: np.ndarray) -> np.ndarray:
        (width, height), padded = self._encoding.size, self._encoding.padded_size
        right, below = padded[0] - width, padded[1] - height
        if not (below or right):
            return np.ascontiguousarray(image)
        return np.pad(image, ((0, below), (0, right), (0, 0)), mode="edge")

    def _target_color(self) -> dict[str, int]:
        if not self._to_yuv:
            return {}
        color = self._encoding.color
        return {
            "dst_colorspace": swscale_matrix(color),
            "dst_color_range": FULL if color.color_range == FULL else LIMITED,
        }


def _opacity(frame: Frame, depth: type) -> np.ndarray:
    """The frame's alpha in 8 or 16 bits, H×W; opaque where it has none."""
    if frame.alpha is None:
        return np.full(frame.image.shape[:2], np.iinfo(depth).max, depth)
    whole = frame.alpha.dtype.kind == "u"
    return _levels(frame.alpha, np.iinfo(frame.alpha.dtype).max if whole else 1, depth)


def _put_alpha(picture: VideoFrame, opacity: np.ndarray) -> None:
    """Round alpha into its own plane, if it has one; swscale cuts bits off.

    Args:
        opacity: H×W uint16.
    """
    component = next(part for part in picture.format.components if part.is_alpha)
    if component.plane != 3 or picture.format.name.endswith("be"):
        return
    plane, most = picture.planes[3], 2**component.bits - 1
    size = 1 if component.bits <= 8 else 2
    rows = np.zeros((plane.height, plane.line_size // size), f"<u{size}")
    rows[:, : plane.width] = np.rint(opacity * (most / 65535))
    plane.update(rows.tobytes())


def _levels(values: np.ndarray, most: float, depth: type, largest: int | None = None) -> np.ndarray:
    """Values from 0 to ``most`` as whole numbers of a type, all of its range; NaN is 0.

    Args:
        largest: what ``most`` becomes, if not the type's largest.
    """
    if values.dtype == depth:
        return values
    largest = largest or int(np.iinfo(depth).max)
    scaled = np.nan_to_num(values.astype(np.float32)) * np.float32(largest / most)
    return np.rint(scaled).clip(0, largest).astype(depth)
