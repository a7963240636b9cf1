"""Frames and packets into a container, beside the source's own sound, subtitles and chapters."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from vidstyle.disk import name_beside
from vidstyle.errors import OutputError
from vidstyle.frame import Frame
from vidstyle.video.animation import animate
from vidstyle.video.containers import FASTSTART, MATROSKA
from vidstyle.video.encoders import Encoding
from vidstyle.video.frame_encoder import NUDGED, FrameEncoder, OutputClock, in_ticks
from vidstyle.video.output import OutputPlan, create_temporary, partial_path, writing
from vidstyle.video.source import stream_metadata
from vidstyle.video.tracks import StreamCopier, Track

logger = logging.getLogger(__name__)

_WITH_TIMECODE = {"mp4", "mov", "matroska", "mxf"}
_TIMECODE = re.compile(r"\d\d:[0-5]\d:[0-5]\d([:;.])(\d\d)")
_MAX_MOVIE_TIMESCALE = 10_000_000


class VideoFile:
    """A container with one encoded stream of pictures, and whatever else is added to it.

    Args:
        path: where it is written.
        named: what errors call it.

    Raises:
        OutputError: from all methods: the disk is full, or the file cannot be written.
    """

    def __init__(self, path: Path, encoding: Encoding, named: Path) -> None:
        self.path, self.named, self.encoding = path, named, encoding
        with writing(named):
            self.container = av.open(f"file:{path}", "w", format=encoding.container)
        self.stream = encoding.add_to(self.container)

    def start(self, options: dict[str, str], extradata: bytes | None = None) -> None:
        """Write the header.

        Args:
            options: the container format's own.
            extradata: of packets that another encoder has made, which are written here.
        """
        self.container.container_options.update(options)
        with writing(self.named), self.encoding.explained(self.named):
            if extradata is not None:
                self.stream.codec_context.open()
                self.stream.codec_context.extradata = extradata or None
            self.container.start_encoding()

    def mux(self, packets: Packet | Iterable[Packet]) -> None:
        """Write packets of any of the streams."""
        with writing(self.named):
            self.container.mux(packets)  # type: ignore[arg-type]

    def close(self) -> None:
        """Write the end."""
        with writing(self.named):
            self.container.close()

    def discard(self) -> None:
        """Close and delete the file, whatever state it is in."""
        with suppress(AttributeError, FFmpegError, OSError, ValueError):
            self.stream.encode(None)  # unless it was told of the end, SVT-AV1 complains aloud
        with suppress(FFmpegError, OSError, ValueError):
            self.container.close()
        with suppress(OSError):  # permission was lost: what is told is why nothing was written
            self.path.unlink(missing_ok=True)


class OutputFile(VideoFile):
    """The file of a plan, still under another name, with the streams copied from the source.

    Args:
        path: where it is written.
        sound: adds one more stream to the output and returns it.
        extradata: of packets that another encoder has made.

    Raises:
        OutputError: it cannot be written there or so.
        InputError: the source cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        plan: OutputPlan,
        *,
        sound: Callable[[OutputContainer], AudioStream] | None = None,
        extradata: bytes | None = None,
    ) -> None:
        self._notices: list[str] = []
        self._plan = plan
        self._copier: StreamCopier | None = None
        try:
            super().__init__(path, plan.encoding, plan.path)
            self._add_streams()
            self.sound = sound(self.container) if sound else None
            self.start(self._muxer_options(), extradata)
        except BaseException:
            self.discard()
            raise
        size = "×".join(map(str, plan.encoding.coded_size))
        logger.info("%s: %s %s, %s", plan.path, plan.encoding.codec, plan.encoding.pix_fmt, size)

    @property
    def notices(self) -> list[str]:
        """What a user should know; all of it once the file is complete."""
        return [*self._notices, *(self._copier.notices if self._copier else [])]

    @property
    def tracks(self) -> list[Track]:
        """Those that are copied from the source."""
        return list(self._copier.tracks.values()) if self._copier else []

    def begin(self, shift: int) -> None:
        """Fix what is subtracted from all timestamps, in the frames' time base."""
        if self._copier:
            seconds = shift * self.encoding.time_base
            self._copier.begin(seconds, trim=self._plan.start is not None)

    def copy_until(self, pts: int) -> None:
        """Copy what the other streams have up to a time of the source, in its time base."""
        if self._copier:
            with writing(self.named):
                self._copier.copy_until(pts * self.encoding.time_base)

    def complete(self, target: Path, end: int | None, *, endless: bool = False) -> None:
        """Copy the rest of the other streams and give the file its name.

        Args:
            end: time of the source where they are cut, in the frames' time base, if they are.
            endless: keep the file without its end when that cannot be written.

        Raises:
            OutputError: it cannot be written; nothing is left then.
        """
        try:
            with suppress(*[OutputError] if endless else []):
                if self._copier:
                    with writing(self.named):
                        self._copier.finish(None if end is None else end * self.encoding.time_base)
                self.close()
            with writing(self.named):
                if self.encoding.becomes:
                    animate(self.path, self._animation, self.encoding.becomes)
                    os.replace(self._animation, self.path)
                os.replace(self.path, target)
        finally:
            self.discard()

    def discard(self) -> None:
        if self._copier:
            self._copier.close()
        super().discard()
        with suppress(OSError):
            self._animation.unlink(missing_ok=True)

    @property
    def _animation(self) -> Path:
        """Where an animation is made of the file."""
        return name_beside(self.path, self.path.stem, ".animation")

    def _add_streams(self) -> None:
        """Those of the source, with what it says of itself and of its pictures."""
        plan = self._plan
        self.container.metadata.update(plan.info.metadata)
        if plan.source is None:
            return
        copier = self._copier = StreamCopier(plan.source, self.container, plan.tracks)
        self.stream.metadata.update(stream_metadata(copier.video))
        self.stream.disposition = copier.video.disposition
        if copier.timecode is not None:
            self._keep_timecode(copier.timecode)
        self.container.set_chapters(copier.chapters(plan.start, plan.end, plan.origin))

    def _keep_timecode(self, timecode: str) -> None:
        """Have the muxer write the source's timecode, if it begins with the first frame."""
        held = self._plan.start is None and self.encoding.container in _WITH_TIMECODE
        if held and is_timecode(timecode, round(self._plan.info.average_rate or 0)):
            self.stream.metadata["timecode"] = timecode
        else:
            self._notices.append(f"timecode {timecode} left out")

    def _muxer_options(self) -> dict[str, str]:
        if self.encoding.container in MATROSKA:
            # Else sound that begins before zero, as encoders' priming does, delays the picture.
            return {"avoid_negative_ts": "disabled"}
        if self.encoding.container not in FASTSTART:
            return {}
        # Start offsets are stored in units of the movie time scale, by default milliseconds.
        bases = [self.encoding.time_base, *(self._copier.time_bases() if self._copier else [])]
        scale = math.lcm(*(base.denominator for base in bases))
        if scale > _MAX_MOVIE_TIMESCALE:
            scale = max(1000, self.encoding.time_base.denominator)
        return {"movflags": "+faststart", "movie_timescale": str(scale)}


class VideoWriter:
    """Writes frames to a video file that gets its name only when it is complete.

    The other streams are copied from the source in step with the frames. As a context manager
    it finishes; on Ctrl-C it keeps the partial file; on any other exception nothing is left.
    Frames must all come from one thread.

    Args:
        sound: adds one more stream to the output and returns it, for ``write_sound``.

    Raises:
        OutputError: the file cannot be written there or so. Known before the first frame,
            except for a full disk.
        InputError: the source cannot be opened.
    """

    partial: Path | None
    """The file that ``keep_partial`` kept, if it did."""
    sound: AudioStream | None
    """The stream that was asked for."""

    def __init__(
        self,
        plan: OutputPlan,
        *,
        sound: Callable[[OutputContainer], AudioStream] | None = None,
    ) -> None:
        self.path, self.alpha, self.partial = plan.path, plan.encoding.alpha, None
        self._plan, self._closed, self._end = plan, False, 0
        self._clock = OutputClock(plan.first_tick)
        self._file = OutputFile(create_temporary(plan.path), plan, sound=sound)
        self._encoder = FrameEncoder(self._file.stream, plan.encoding)
        self.sound = self._file.sound

    @property
    def notices(self) -> list[str]:
        """What a user should know, one line each; all of it at the end."""
        nudged = [NUDGED] if self._clock.nudged else []
        return [*self._plan.notices, *self._file.notices, *nudged]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._closed:
            return
        if exc_type is None:
            self.finish()
        elif issubclass(exc_type, KeyboardInterrupt):
            self.keep_partial()
        else:
            self.discard()

    def write(self, frame: Frame) -> None:
        """Encode one frame, and copy what the other streams have up to its time.

        Raises:
            OutputError: the disk is full, or the encoder failed.
            ValueError: the frame has another size than was planned.
        """
        pts, duration = in_ticks(frame, self._plan.encoding.time_base)
        first = self._clock.shift is None
        own = self._clock(pts)
        if first:
            self._file.begin(pts - own)
        with writing(self.path):
            self._file.mux(self._encoder(frame, own, duration))
        self._file.copy_until(pts)
        self._end = pts + duration

    def write_sound(self, packet: Packet) -> None:
        """Copy one packet of the stream ``sound``, on the frames' clock.

        Raises:
            OutputError: the disk is full.
        """
        self._file.mux(packet)

    def finish(self) -> Path:
        """Write what is left and give the file its name.

        Raises:
            OutputError: no frame was written, or the disk is full; nothing is left then.
        """
        if self._clock.last is None:
            self.discard()
            raise OutputError(f"{self.path}: no frames were decoded; nothing was written")
        self._complete(self.path, None if self._plan.end is None else self._end)
        return self.path

    def keep_partial(self) -> Path | None:
        """Close what was written so far as a playable ``NAME.partial.SUFFIX``.

        On a full disk, Matroska is kept without its end, which players do not need.

        Returns:
            its path, or None if there was no frame and so no file.

        Raises:
            OutputError: the disk is full; nothing is left then.
        """
        if self._clock.last is None:
            self.discard()
            return None
        endless = self._plan.encoding.container in MATROSKA
        self._complete(partial_path(self.path), self._end, endless=endless)
        self.partial = partial_path(self.path)
        return self.partial

    def discard(self) -> None:
        """Leave nothing behind."""
        if not self._closed:
            self._closed = True
            self._file.discard()

    def _complete(self, target: Path, end: int | None, *, endless: bool = False) -> None:
        if self._closed:
            raise RuntimeError(f"the writer of {self.path} is already closed")
        self._closed = True
        try:
            with writing(self.path):
                self._file.mux(self._encoder.flush())
        except OutputError:
            if not endless:
                self._file.discard()
                raise
        self._file.complete(target, end, endless=endless)


def is_timecode(text: str, rate: int) -> bool:
    """Whether ``hh:mm:ss:ff`` makes sense at so many frames a second; muxers fail where not.

    A semicolon before the frames drops numbers, as only 30 and 60 frames a second do.
    """
    match = _TIMECODE.fullmatch(text)
    if match is None or int(match[2]) >= rate:
        return False
    return match[1] == ":" or rate in (30, 60)
