"""The two records that travel through the pipeline: a frame, and what a video is."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Frame:
    """One picture and its place in time.

    Attributes:
        image: RGB, ``H×W×3``, upright (rotation already applied); uint8, or float32 from 0 to
            255 where the source has more bits.
        pts: presentation time stamp in units of ``time_base``.
        time_base: seconds per unit of ``pts``.
        duration: how long the picture stands, in units of ``time_base``; 0 when unknown.
        alpha: how opaque it is, ``H×W``: unsigned integers up to their type's largest, or floats
            from 0 to 1; None where it is opaque. The image is not multiplied by it.
    """

    image: np.ndarray
    pts: int
    time_base: Fraction
    duration: int = 0
    alpha: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape, dtype = self.image.shape, self.image.dtype
        if len(shape) != 3 or shape[2] != 3 or dtype not in (np.uint8, np.float32):
            raise ValueError(f"a frame is H×W×3 uint8 or float32, not {shape} {dtype}")

    @property
    def time(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)


def coverage(alpha: np.ndarray) -> np.ndarray:
    """Alpha of any type as H×W float32 from 0 to 1; what is no number counts as 0."""
    if np.issubdtype(alpha.dtype, np.integer):
        return alpha.astype(np.float32) / np.float32(np.iinfo(alpha.dtype).max)
    return np.nan_to_num(alpha.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1)


@dataclass(frozen=True)
class ColorTags:
    """How YUV samples map to light, as FFmpeg's integer codes (ITU-T H.273; 2 is unspecified)."""

    color_range: int = 0
    colorspace: int = 2
    color_primaries: int = 2
    color_trc: int = 2


@dataclass(frozen=True)
class Mastering:
    """The display that a video was mastered on (SMPTE ST 2086).

    Attributes:
        chromaticities: x and y of red, green, blue and white.
        darkest, brightest: in nits.
    """

    chromaticities: tuple[float, ...]
    darkest: float
    brightest: float


@dataclass(frozen=True)
class HdrInfo:
    """What a video of high dynamic range, PQ or HLG, says of itself.

    Attributes:
        light: largest light and largest mean light of its frames, in nits (CTA-861.3).
    """

    color: ColorTags
    mastering: Mastering | None = None
    light: tuple[int, int] | None = None


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before its frames are decoded.

    ``width`` and ``height`` are those of the upright picture that the reader yields.
    """

    width: int
    height: int
    time_base: Fraction
    average_rate: Fraction | None
    frames: int | None
    """Number of frames the reader will yield, estimated; None when nothing is known."""
    duration: float | None
    """Seconds that the reader will yield, from the container; None when unknown."""
    codec: str
    pix_fmt: str
    """The file's pixel format, by FFmpeg's name."""
    bit_depth: int = 8
    """Bits a channel of the frames that the reader yields; with more than 8 they are float32."""
    rotation: int = 0
    """Degrees that the reader turned the coded picture by, for the record."""
    sample_aspect_ratio: Fraction | None = None
    """Pixel aspect of the upright picture."""
    color: ColorTags = ColorTags()
    """Colour tags of the frames that the reader yields."""
    alpha: bool = False
    """Whether the frames have it."""
    hdr: HdrInfo | None = None
    """What a high dynamic range file says of itself; its frames are a view of it
    (``video/hdr.py``)."""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Its length as far as anything tells; 0 where nothing does."""
        if self.duration is not None:
            return self.duration
        return float(self.frames / self.average_rate) if self.average_rate and self.frames else 0.0
