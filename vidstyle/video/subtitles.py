"""What the text of subtitles is converted to, where a container cannot hold it as it is."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from av.container import OutputContainer
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

_TEXT = {"subrip", "ass", "ssa", "webvtt", "mov_text", "text"}
"""FFmpeg's names of codecs of text; the others are pictures."""
_BY_CONTAINER = {
    **dict.fromkeys(("mp4", "mov", "ipod"), ("mov_text", "timed text")),
    "matroska": ("subrip", "SubRip"),
    "webm": ("webvtt", "WebVTT"),
}


@dataclass(frozen=True)
class SubtitleEncoding:
    """What an encoder of subtitles is told.

    Attributes:
        codec: FFmpeg's name of the encoder.
        title: the codec's name as people know it.
    """

    codec: str
    title: str

    def add_to(self, output: OutputContainer, source: SubtitleStream) -> SubtitleStream:
        """A new stream of a container, its encoder set up for what ``source`` is decoded to."""
        source.codec_context.open(strict=False)
        stream = output.add_stream(self.codec)
        assert isinstance(stream, SubtitleStream)
        stream.codec_context.subtitle_header = source.codec_context.subtitle_header
        stream.codec_context.time_base = Fraction(1, 1000)
        return stream


def subtitle_encoding(container: str, source: Stream) -> SubtitleEncoding | None:
    """What subtitles can become in a container; None where they are pictures, or it holds none.

    Args:
        container: FFmpeg's name of it.
    """
    codec = source.codec_context
    if codec is None or codec.codec.canonical_name not in _TEXT or container not in _BY_CONTAINER:
        return None
    return SubtitleEncoding(*_BY_CONTAINER[container])
