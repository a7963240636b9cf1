"""Which encoders work here: many are compiled in whose hardware is absent."""

from __future__ import annotations

from fractions import Fraction

from av.codec import Codec, CodecContext
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from vidstyle.video.encoders import same_priority


def encoder_opens(name: str) -> bool:
    """Whether a video encoder of that name really opens on this machine."""
    try:
        codec = Codec(name, "w")
        context = CodecContext.create(codec)
        assert isinstance(context, VideoCodecContext)
        formats = [video_format.name for video_format in codec.video_formats or []]
        context.width, context.height = 256, 256
        context.pix_fmt = "yuv420p" if not formats or "yuv420p" in formats else formats[0]
        context.time_base = Fraction(1, 25)
        context.framerate = Fraction(25)
        if name == "libx265":
            context.options = {"x265-params": "log-level=none"}
        with same_priority():
            context.open()
    except (FFmpegError, ValueError, OSError):
        return False
    return True
