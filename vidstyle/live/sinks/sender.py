"""Encodes pictures and sends them to a URL; the program of a process of its own.

FFmpeg's network calls can wait for ever, and PyAV holds the interpreter's lock while it opens and
closes an output. Here they hold up nobody else, and can be ended with the process.

    python -P sender.py SETTINGS < pictures.nut

stdin is NUT: raw pictures, YUV 4:2:0 of BT.709, and audio packets if there are any. SETTINGS is the
JSON of ``Settings``. On failure it prints the reason, in one line, and exits with 1. It needs PyAV
alone.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import av
from av.codec.context import Flags
from av.error import FFmpegError
from av.video.frame import PictureType

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream

BT709, LIMITED = 1, 1
UNTIL_FIRST = {"probesize": "32", "analyzeduration": "0"}
NEVER_WAIT = {"flush_packets": "1", "max_interleave_delta": "1"}
"""Else a stream that is silent would hold up the other for ten seconds."""


@dataclass(frozen=True)
class Settings:
    """Where to, and how to encode."""

    url: str
    format: str
    rate: float
    encoder: dict[str, str]
    """Options of libx264."""
    keyframes: float
    """Seconds between pictures that a receiver can begin with."""
    bitrate: int | None = None
    muxer: dict[str, str] = field(default_factory=dict)


def main() -> None:
    settings = Settings(**json.loads(sys.argv[1]))
    try:
        send(settings)
    except (FFmpegError, OSError, ValueError) as error:
        print(str(getattr(error, "strerror", None) or error).lower(), file=sys.stderr)
        sys.exit(1)


def send(settings: Settings) -> None:
    """Pass on what comes on stdin, until it ends."""
    # Unbuffered: a buffered reader would wait until its buffer is full.
    with (
        open(0, "rb", buffering=0) as pipe,
        av.open(pipe, "r", format="nut", options=UNTIL_FIRST, buffer_size=1 << 20) as source,
        av.open(
            settings.url,
            "w",
            format=settings.format,
            container_options={**NEVER_WAIT, **settings.muxer},
        ) as output,
    ):
        copy(source, output, settings)


def copy(source: InputContainer, output: OutputContainer, settings: Settings) -> None:
    """Encode the pictures and copy the sound."""
    video = source.streams.video[0]
    stream = add_video(output, video, settings)
    copies = {audio.index: output.add_stream_from_template(audio) for audio in source.streams.audio}
    key_from = None
    for packet in source.demux():
        if packet.dts is None:
            continue
        if packet.stream.index in copies:
            packet.stream = copies[packet.stream.index]
            output.mux(packet)
            continue
        for picture in video.decode(packet):
            picture.pict_type = PictureType.NONE  # raw pictures are all key pictures
            if key_from is None or picture.time - key_from >= settings.keyframes:
                key_from, picture.pict_type = picture.time, PictureType.I
            picture.color_range, picture.colorspace = LIMITED, BT709
            picture.color_primaries = picture.color_trc = BT709
            output.mux(stream.encode(picture))
    output.mux(stream.encode(None))


def add_video(output: OutputContainer, video: VideoStream, settings: Settings) -> VideoStream:
    """A stream of the size of the pictures."""
    stream = output.add_stream("libx264", round(settings.rate) or 1, options=settings.encoder)
    context = stream.codec_context
    context.width, context.height = video.width, video.height
    context.pix_fmt = "yuv420p"
    if video.time_base is not None:
        context.time_base = video.time_base
    context.color_range = LIMITED
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.flags |= Flags.low_delay
    if settings.bitrate:
        context.bit_rate = settings.bitrate
    return stream


if __name__ == "__main__":
    main()
