"""Colour tags: what a picture's YUV samples mean, and how to say so to swscale.

The numbers are those of ITU-T H.273, which FFmpeg's ``AVCOL_*`` enumerations share.
"""

from __future__ import annotations

from dataclasses import replace

from av.video.format import VideoFormat
from av.video.reformatter import Colorspace

from vidstyle.frame import ColorTags

LIMITED, FULL = 1, 2
RGB, BT709, UNSPECIFIED, BT2020 = 0, 1, 2, 9

SWSCALE_WHITE = 255 << 8
"""White in RGB of 16 bits that swscale is to turn into YUV of more than 8."""

_SWSCALE = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
_CONSTANT_LUMINANCE_2020 = 10


def is_rgb(pix_fmt: str) -> bool:
    """Whether a pixel format stores RGB, so that no YUV matrix applies to it."""
    return VideoFormat(pix_fmt).is_rgb


def swscale_matrix(tags: ColorTags) -> Colorspace:
    """The matrix between YUV and RGB in swscale's numbering; BT.601 where unspecified."""
    return _SWSCALE.get(tags.colorspace, Colorspace.ITU601)


def white_level(pix_fmt: str, full: bool) -> int:
    """What white is in swscale's RGB of 16 bits, from or to a format of more than 8 bits.

    For RGB, all of the range. From YUV of the limited range it is 255 · 256, from the full range
    the samples' largest value shifted up. These are measured; swscale does not tell.
    """
    if is_rgb(pix_fmt):
        return 65535
    bits = max(component.bits for component in VideoFormat(pix_fmt).components)
    return (2**bits - 1) << (16 - bits) if full else SWSCALE_WHITE


def complete_tags(tags: ColorTags, pix_fmt: str, width: int, height: int) -> ColorTags:
    """Settle what a file leaves open, so that reading and writing agree.

    Untagged video of 720 lines or 1280 columns and more is taken for BT.709, as players do.
    RGB sources and matrices that swscale lacks are written as BT.709 and BT.2020.
    """
    if pix_fmt.startswith("yuvj"):
        tags = replace(tags, color_range=FULL)
    if is_rgb(pix_fmt) or tags.colorspace == RGB:
        return replace(tags, color_range=LIMITED, colorspace=BT709)
    if tags.colorspace == _CONSTANT_LUMINANCE_2020:
        return replace(tags, colorspace=BT2020)
    if tags.colorspace in _SWSCALE:
        return tags
    if width >= 1280 or height >= 720:
        return _as_bt709(tags)
    return replace(tags, colorspace=UNSPECIFIED)


def _as_bt709(tags: ColorTags) -> ColorTags:
    return replace(
        tags,
        colorspace=BT709,
        color_primaries=BT709 if tags.color_primaries == UNSPECIFIED else tags.color_primaries,
        color_trc=BT709 if tags.color_trc == UNSPECIFIED else tags.color_trc,
    )
