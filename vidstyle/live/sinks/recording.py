"""Records the stream in a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from vidstyle.disk import OutputLock, followed, name_beside, temporary_name
from vidstyle.errors import CutShortError, OptionError, OutputError
from vidstyle.live.clock import TICKS
from vidstyle.live.sinks.base import Sink, SinkFormat
from vidstyle.live.sinks.h264 import H264Muxer
from vidstyle.options import RecordOptions

if TYPE_CHECKING:
    from av.container import OutputContainer

    from vidstyle.live.audio import AudioPacket
    from vidstyle.live.source import LiveFrame

_CONTAINERS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov"}
SUFFIXES = tuple(_CONTAINERS)
_MP4_OPTIONS = {"movflags": "+faststart", "movie_timescale": str(TICKS)}
_MUXER_OPTIONS = {
    "mp4": _MP4_OPTIONS,
    "mov": _MP4_OPTIONS,
    # Otherwise audio that starts before zero would delay the video.
    "matroska": {"avoid_negative_ts": "disabled"},
}


class RecordingSink(Sink):
    """Writes the frames, at their own times, and the source's audio to a file.

    The file appears under its name when it is closed. If the disk is full, what was recorded as
    Matroska is kept as ``NAME.partial.mkv``; the other formats cannot be played without their end.

    Raises:
        OptionError: the name has not one of the suffixes ``SUFFIXES``.
    """

    takes_audio = True

    def __init__(self, path: str | Path, options: RecordOptions = RecordOptions()) -> None:
        self.path = Path(path)
        self.name = str(path)
        self.options = options
        if self.path.suffix.lower() not in SUFFIXES:
            raise OptionError(f"{path}: record to a file that ends in {', '.join(SUFFIXES)}")
        self._container = _CONTAINERS[self.path.suffix.lower()]
        self._target = followed(self.path)
        self._temporary = temporary_name(self._target)
        self._output: OutputContainer | None = None
        self._lock: OutputLock | None = None
        self._muxer: H264Muxer | None = None

    def open(self, format: SinkFormat) -> None:
        """Raises OutputError when the file exists, another run is writing it, or it cannot be
        written or hold the audio."""
        audio = format.audio
        if audio is not None and not audio.fits(self._container):
            raise OutputError(
                f"{self.name}: cannot hold {audio.codec} audio; "
                "record to .mkv, or omit it with --audio none"
            )
        self._lock = OutputLock(self.path, overwrite=self.options.overwrite)
        with self._kept_on_failure():
            self._output = av.open(
                f"file:{self._temporary}",
                "w",
                format=self._container,
                container_options=_MUXER_OPTIONS[self._container],
            )
            options = {"crf": str(self.options.crf), "preset": self.options.preset}
            self._muxer = H264Muxer(self._output, format, options, thread_type="AUTO")
            self._output.start_encoding()

    def write(self, frame: LiveFrame) -> None:
        assert self._muxer is not None
        with self._kept_on_failure():
            self._muxer.write(frame)

    def write_audio(self, packet: AudioPacket) -> None:
        assert self._muxer is not None
        with self._kept_on_failure():
            self._muxer.write_audio(packet)

    def close(self) -> None:
        """Complete the file. Raises OutputError when the disk is full or there was no frame."""
        if self._output is None or self._muxer is None:
            return
        if not self._muxer.frames:
            self._discard()
            raise OutputError(f"{self.path}: not written, because no frame came")
        with self._kept_on_failure():
            self._muxer.finish()
            self._output.close()
            self._temporary.replace(self._target)
        self._leave()

    @contextmanager
    def _kept_on_failure(self) -> Iterator[None]:
        """Turn errors into OutputError, and keep what can be played of the recording."""
        try:
            yield
        except (FFmpegError, OSError) as error:
            reason = str(getattr(error, "strerror", None) or error).lower()
            message = f"{self.path}: cannot be written ({reason})"
            playable = self._container == "matroska" and self._muxer and self._muxer.frames
            target = self._target
            partial = name_beside(target, target.stem, f".partial{target.suffix}")
            self._discard(keep_as=partial if playable else None)
            if not playable:
                raise OutputError(message) from error
            raise CutShortError(f"{message}; what was recorded is in {partial}") from error

    def _discard(self, keep_as: Path | None = None) -> None:
        """Close the file and remove it, or rename it."""
        if self._output is not None:
            with suppress(FFmpegError, OSError):
                self._output.close()
        with suppress(OSError):  # the reason to report is another
            if keep_as is not None:
                self._temporary.replace(keep_as)
            self._temporary.unlink(missing_ok=True)
        self._leave()

    def _leave(self) -> None:
        """Let others write the file."""
        self._output = self._muxer = None
        if self._lock is not None:
            self._lock.release()
