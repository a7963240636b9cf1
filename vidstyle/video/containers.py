"""What containers and codecs hold and demand: tables, and the clock that follows from them."""

from __future__ import annotations

from fractions import Fraction

from av.codec import Codec

from vidstyle.frame import VideoInfo

FASTSTART = {"mp4", "mov", "ipod"}
MATROSKA = {"matroska", "webm"}
WITH_HEVC = {"mp4", "mov", "matroska", "mpegts"}
KNOWN_SUFFIXES = ".mp4, .mov, .mkv, .webm"
CODECS = {
    **dict.fromkeys(("mpeg", "vob", "svcd", "dvd", "vcd", "mpeg2video", "gxf"), "mpeg2video"),
    **dict.fromkeys(("ogg", "ogv"), "libvpx"),
    "mpeg1video": "mpeg1video",
    "asf": "wmv2",
    "swf": "flv",
    "ivf": "libvpx-vp9",
    "hevc": "libx265",
    "obu": "libsvtav1",
    "mjpeg": "mjpeg",
    "yuv4mpegpipe": "rawvideo",
    "rawvideo": "rawvideo",
    "dv": "dvvideo",
}
"""What is written where it is not H.264, by container."""
ANIMATIONS = {"gif", "apng"}
"""Containers, named like their codecs, that are made of a lossless file at the end."""
SHORTEST_FRAME = 2
"""Hundredths of a second that a frame of a GIF lasts at least: players slow shorter ones down."""
WITHOUT_PTS = {"avi", "asf"}
"""Files that tell decoding times alone: pictures must come in the order in which they are shown."""

_CONSTANT_RATE = {
    *("avi", "yuv4mpegpipe", "mxf", "gxf", "dv", "swf", "h264", "hevc", "obu", "mjpeg"),
    *("mpeg1video", "mpeg2video"),
}
_DEFAULT_RATE = Fraction(25)
_LEAST_IN_MPEG1 = Fraction(24000, 1001)
"""FFmpeg lists slower ones for it, which are not in the standard."""
_MOST_TICKS_IN_MPEG4 = 65_535
_TOLERANCE = Fraction(1, 2000)
"""Half of what lies between 30 and 29.97 frames a second."""


def choose_clock(container: str, codec: Codec, info: VideoInfo) -> tuple[Fraction, Fraction]:
    """Seconds per unit of the timestamps, and frames a second, for a video of some container.

    Args:
        container: FFmpeg's name of it.
        codec: that encodes.
        info: of the frames.
    """
    rate = Fraction(info.average_rate or _DEFAULT_RATE)
    if codec.frame_rates:
        rate = _standard_rate(codec, rate)
        return 1 / rate, rate
    if container in _CONSTANT_RATE:
        return 1 / rate, rate
    if codec.canonical_name == "mpeg4" and info.time_base.denominator > _MOST_TICKS_IN_MPEG4:
        ticks = rate.limit_denominator(1001).numerator
        return Fraction(1, ticks * max(_MOST_TICKS_IN_MPEG4 // ticks, 1)), rate
    return info.time_base, rate


def _standard_rate(codec: Codec, rate: Fraction) -> Fraction:
    """The least of a codec's rates that frames fit into: if possible a multiple of their own."""
    known = {Fraction(one.numerator, one.denominator) for one in codec.frame_rates or []}
    if codec.canonical_name == "mpeg1video":
        known = {one for one in known if one >= _LEAST_IN_MPEG1}
    fitting = [one for one in known if one >= rate * (1 - _TOLERANCE)] or [max(known)]
    return min(fitting, key=lambda one: (_distance(one / rate) > _TOLERANCE, one))


def _distance(number: Fraction) -> Fraction:
    return abs(number - round(number))
