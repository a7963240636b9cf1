"""H.264 and copied audio in one container: what URLs and recordings have in common."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from vidstyle.live.clock import TICKS
from vidstyle.live.sinks.base import SinkFormat, even
from vidstyle.video.color import BT709, LIMITED
from vidstyle.video.encoders import same_priority

if TYPE_CHECKING:
    from av.container import OutputContainer

    from vidstyle.live.audio import AudioPacket
    from vidstyle.live.source import LiveFrame

_PIX_FMT = "yuv420p"
_TIME_BASE = Fraction(1, TICKS)


class H264Muxer:
    """Encodes live frames as BT.709 4:2:0 into a container and copies audio packets beside them.

    The errors of its methods are FFmpeg's and the system's.

    Args:
        container: open for writing; closing it is up to the caller.
        format: of what will come; odd sizes lose a row or column.
        options: of libx264.
        bitrate: bits per second; None leaves it to ``crf`` among the options.
        keyframes: seconds from one key frame to the next; None leaves that to the encoder.
        thread_type: ``SLICE`` delays nothing; ``AUTO`` compresses better.
    """

    def __init__(
        self,
        container: OutputContainer,
        format: SinkFormat,
        options: Mapping[str, str],
        *,
        bitrate: int | None = None,
        keyframes: float | None = None,
        thread_type: str = "SLICE",
    ) -> None:
        self._container = container
        self._reformatter = VideoReformatter()
        self._keyframes = keyframes
        self._next_keyframe = 0.0
        self.frames = 0
        """Number of frames written."""
        rate = Fraction(format.rate).limit_denominator(1001)
        self._duration = round(TICKS / rate)
        self._video = container.add_stream("libx264", rate, options=dict(options))
        context = self._video.codec_context
        context.width, context.height = format.even_size
        context.pix_fmt, context.time_base = _PIX_FMT, _TIME_BASE
        context.color_range = LIMITED
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.thread_type = thread_type
        if bitrate:
            context.bit_rate = bitrate
        with same_priority():
            context.open()
        self._audio = format.audio.add_to(container) if format.audio else None

    def write(self, frame: LiveFrame) -> None:
        """Encode a frame and write what the encoder has finished."""
        picture = self._reformatter.reformat(
            VideoFrame.from_ndarray(even(frame.image), format="rgb24"),
            format=_PIX_FMT,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=LIMITED,
        )
        picture.pts, picture.time_base = frame.pts, frame.time_base
        picture.duration = self._duration
        picture.color_range, picture.colorspace = LIMITED, BT709
        picture.color_primaries = picture.color_trc = BT709
        if self._keyframes and frame.time >= self._next_keyframe:
            picture.pict_type = PictureType.I
            self._next_keyframe = frame.time + self._keyframes
        self._container.mux(self._video.encode(picture))
        self.frames += 1

    def write_audio(self, packet: AudioPacket) -> None:
        """Write a packet as it is."""
        assert self._audio is not None, "the format has no audio"
        self._container.mux(packet.packet(self._audio))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._video.encode(None))
