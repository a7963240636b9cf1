"""A recording of the stream in a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vidstyle.errors import CutShortError, OptionError, OutputError
from vidstyle.frame import ColorTags, Frame, VideoInfo
from vidstyle.live.clock import TICKS
from vidstyle.live.sinks.base import SinkFormat
from vidstyle.options import RecordOptions, WriteOptions
from vidstyle.video import VideoWriter
from vidstyle.video.color import complete_tags

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

    from vidstyle.live.sound import AudioPacket
    from vidstyle.live.source import LiveFrame

_CONTAINERS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov"}
SUFFIXES = tuple(_CONTAINERS)


class RecordingSink:
    """Writes the pictures, at their own times, and the source's sound to a file.

    The file gets its name when it is closed. When the disk is full, Matroska is kept as
    ``NAME.partial.mkv``; the others cannot be played without their end.

    Raises:
        OptionError: the name is not one of a video file.
    """

    takes_audio = True
    comes_back = False
    may_wait = False

    def __init__(self, path: str | Path, options: RecordOptions = RecordOptions()) -> None:
        self.path = Path(path)
        self.name = str(path)
        self.options = options
        if self.path.suffix.lower() not in SUFFIXES:
            raise OptionError(f"{path}: record to a file that ends in {', '.join(SUFFIXES)}")
        self._writer: VideoWriter | None = None
        self._sound: AudioStream | None = None
        self._duration = 0

    def open(self, shape: SinkFormat) -> None:
        """Raises OutputError when the file exists or cannot be written there."""
        rate = Fraction(shape.rate).limit_denominator(1001)
        self._duration = round(TICKS / rate)
        container = _CONTAINERS[self.path.suffix.lower()]
        if shape.audio is not None and not shape.audio.fits(container):
            raise OutputError(
                f"{self.name}: cannot hold {shape.audio.codec} sound; "
                "record to .mkv, or leave the sound out with --audio none"
            )
        self._writer = VideoWriter(
            self.path,
            VideoInfo(
                width=shape.width,
                height=shape.height,
                time_base=Fraction(1, TICKS),
                average_rate=rate,
                frames=None,
                duration=None,
                codec="rawvideo",
                pix_fmt="rgb24",
                color=complete_tags(ColorTags(), "rgb24", shape.width, shape.height),
            ),
            sound=shape.audio.add_to if shape.audio else None,
            options=WriteOptions(
                codec="libx264",
                crf=self.options.crf,
                preset=self.options.preset,
                overwrite=self.options.overwrite,
            ),
        )
        self._sound = self._writer.sound

    def write(self, frame: LiveFrame) -> None:
        assert self._writer is not None
        with self._kept_on_failure(self._writer):
            self._writer.write(Frame(frame.image, frame.pts, frame.time_base, self._duration))

    def write_audio(self, packet: AudioPacket) -> None:
        assert self._writer is not None and self._sound is not None
        with self._kept_on_failure(self._writer):
            self._writer.write_sound(packet.packet(self._sound))

    def close(self) -> None:
        """Give the file its name. Raises OutputError when the disk is full or nothing came."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.finish()

    def cancel(self) -> None:
        pass

    @contextmanager
    def _kept_on_failure(self, writer: VideoWriter) -> Iterator[None]:
        """Keep what was recorded when no more can be written, and say so."""
        try:
            yield
        except OutputError as error:
            self._writer = None
            with suppress(OutputError):
                writer.keep_partial()
            if writer.partial is None:
                raise
            raise CutShortError(f"{error}; what was recorded is in {writer.partial}") from error
