"""Writing a video file: frames with their exact timestamps, beside the source's own sound."""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.codec import Codec
from av.codec.context import Flags
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from vidstyle.errors import OptionError, OutputError
from vidstyle.frame import ColorTags, Frame, HdrInfo, VideoInfo
from vidstyle.options import WriteOptions
from vidstyle.video.color import FULL, LIMITED, RGB, SWSCALE_WHITE, is_rgb, swscale_matrix
from vidstyle.video.hdr import SdrView, hdr_name, sdr_notice, static_metadata
from vidstyle.video.layout import Layout, best_format, encodable
from vidstyle.video.source import stream_metadata
from vidstyle.video.tracks import Companions

logger = logging.getLogger(__name__)


_KNOWN_SUFFIXES = ".mp4, .mov, .mkv, .webm"
_FASTSTART = {"mp4", "mov", "ipod"}
_WITH_HEVC = {"mp4", "mov", "matroska", "mpegts"}
_WITHOUT_ASPECT = {"vp8", "vp9", "av1"}
_MATROSKA = {"matroska", "webm"}
_WITH_TIMECODE = {"mp4", "mov", "matroska"}
_TIMECODE = re.compile(r"\d\d:[0-5]\d:[0-5]\d([:;.])(\d\d)")
NUDGED = "frames with equal timestamps moved apart by one tick"
_MAX_MOVIE_TIMESCALE = 10_000_000
_LEAST_FOR_X265 = (64, 32)
"""Of less width, x265 refuses some and overruns its memory with others (36 to 48 pixels)."""
_UNTIMED_BY_X265 = 2
"""So few frames, fewer than it looks ahead for B-frames, get decoding times from x265 that were
never set. They need no reordering."""
_DEFAULT_RATE = 25
_PARAMETERS = {
    "libx264": "x264-params",
    "libx265": "x265-params",
    "libsvtav1": "svtav1-params",
}
_AVX512 = 256
"""OpenCV's number of it (CV_CPU_AVX512_SKX), which its Python module does not name."""
_PRESETS: dict[str, dict[str, dict[str, str]]] = {
    "libx264": {"draft": {"preset": "veryfast"}, "fine": {"preset": "slow"}},
    "libx265": {"draft": {"preset": "superfast"}, "fine": {"preset": "slow"}},
    "libsvtav1": {"draft": {"preset": "10"}, "fine": {"preset": "6"}},
    "libvpx-vp9": {"draft": {"cpu-used": "7"}, "fine": {"cpu-used": "2"}},
}
"""Of efforts other than standard."""
_DEFAULTS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "18", "preset": "faster"},
    "libx265": {"crf": "20", "preset": "medium", "x265-params": "log-level=error"},
    "libsvtav1": {"crf": "28", "preset": "8"},
    "libvpx-vp9": {"crf": "28", "cpu-used": "4", "row-mt": "1"},
}


class OutputClock:
    """Timestamps of the output: from zero where they must, and always increasing.

    Args:
        from_zero: the first becomes zero; else only one that is negative.
    """

    def __init__(self, from_zero: bool) -> None:
        self.from_zero = from_zero
        self.shift: int | None = None
        """What is subtracted; None before the first."""
        self.last: int | None = None
        self.nudged = False
        """Whether one was moved, as encoders refuse those that do not increase."""

    def begin(self, pts: int) -> None:
        # Frames before zero would be hidden by an MP4's edit list.
        self.shift = pts if self.from_zero or pts < 0 else 0

    def __call__(self, pts: int) -> int:
        assert self.shift is not None
        pts -= self.shift
        if self.last is not None and pts <= self.last:
            pts = self.last + 1
            self.nudged = True
        self.last = pts
        return pts


class VideoWriter:
    """Writes frames to a video file that gets its name only when it is complete.

    The other streams are copied from ``source`` in step with the frames. As a context manager
    it finishes; on Ctrl-C it keeps the partial file; on any other exception nothing is left.
    Frames must all come from one thread.

    Args:
        path: the output; its extension chooses the container.
        info: of the video whose frames are written: time base, rate, colour tags, aspect.
        source: the file to copy sound, subtitles and chapters from.
        size: width and height of the frames, if not those of ``info``.
        start: set when the frames begin that many seconds into ``source``: the other streams
            are cut to begin with the first frame, and everything moves to time zero.
        end: set when the frames end there: the other streams are cut where the last one ends.
        sound: adds one more stream to the output and returns it, for ``write_sound``.
        alpha: store that of the frames, if the codec can. Frames deeper than 8 bits keep what the
            pixel format has room for.
        extradata: of packets that another writer's encoder has made, which are written instead of
            frames (``write_packet``).

    Raises:
        OutputError: the file cannot be written there or so. Known before the first frame,
            except for a full disk.
        OptionError: the encoder does not know a given option.
        InputError: ``source`` cannot be opened.
    """

    notices: list[str]
    partial: Path | None
    """The file that ``keep_partial`` kept, if it did."""
    sound: AudioStream | None
    """The stream that was asked for."""
    alpha: bool
    """Whether the frames' alpha is stored."""
    codec: str
    """The encoder's name."""
    pix_fmt: str
    """Of what it encodes."""
    path: Path
    """Where the file will be."""
    named: Path
    """What errors while writing call it."""

    def __init__(
        self,
        path: str | Path,
        info: VideoInfo,
        *,
        source: str | Path | None = None,
        size: tuple[int, int] | None = None,
        start: float | None = None,
        end: float | None = None,
        sound: Callable[[OutputContainer], AudioStream] | None = None,
        alpha: bool = False,
        extradata: bytes | None = None,
        options: WriteOptions = WriteOptions(),
    ) -> None:
        self.notices = []
        self.alpha = alpha
        self.partial = None
        self.sound = None
        self.path = self.named = Path(path)
        self._source = Path(source) if source else None
        self._info = info
        self._size = size or (info.width, info.height)
        self._hdr = info.hdr if options.hdr == "keep" else None
        self._bit_depth = max(info.bit_depth, 10) if self._hdr else info.bit_depth
        self._start, self._end = start, end
        self._options = options
        self._reformatter = VideoReformatter()
        self._companions: Companions | None = None
        self._extradata = extradata
        self._clock = OutputClock(from_zero=start is not None)
        self._last_end = Fraction(0)
        self._count = 0
        self._closed = False
        _check_output(self.path, self._source, options.overwrite)
        self._temporary = _create_temporary(self.path)
        try:
            with self._translated():
                self._container = _open_output(self._temporary, self.path)
                self._prepare(self._source, sound)
        except BaseException:
            self._remove()
            raise

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
            ValueError: the frame has another size than the writer was made for.
        """
        height, width = frame.image.shape[:2]
        if (width, height) != self._size:
            raise ValueError(f"frame is {width}×{height}, not {self._size[0]}×{self._size[1]}")
        ticks = self._info.time_base / frame.time_base
        pts, duration = round(frame.pts / ticks), round(frame.duration / ticks)
        if self._clock.shift is None:
            self.begin(pts)
        with self._translated():
            self._encode(frame, self._next_pts(pts), duration)
            if self._companions:
                self._companions.copy_until(pts * self._info.time_base)
        self._last_end = (pts + duration) * self._info.time_base

    def write_packet(self, packet: Packet, end: int) -> None:
        """Write one packet of the pictures, on the output's clock, after ``begin``.

        Args:
            end: when the last of the pictures so far is over, in the frames' time base.

        Raises:
            OutputError: the disk is full.
        """
        assert packet.pts is not None and self._clock.shift is not None
        packet.stream = self._stream
        self._clock.last = packet.pts
        time = (packet.pts + self._clock.shift) * self._info.time_base
        with self._translated():
            self._container.mux(packet)
            if self._companions:
                self._companions.copy_until(time)
        self._last_end = end * self._info.time_base

    def write_sound(self, packet: Packet) -> None:
        """Copy one packet of the stream ``sound``, on the frames' clock.

        Raises:
            OutputError: the disk is full.
        """
        with self._translated():
            self._container.mux(packet)

    def finish(self) -> Path:
        """Write what is left and give the file its name.

        Raises:
            OutputError: no frame was written, or the disk is full; nothing is left then.
        """
        if self._clock.last is None:
            self.discard()
            raise OutputError(f"{self.path}: not written, there was not one frame")
        return self._complete(self.path, self._last_end if self._end is not None else None)

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
        path = partial_path(self.path)
        endless = self._container.format.name in _MATROSKA
        self.partial = self._complete(path, self._last_end, endless=endless)
        return self.partial

    def discard(self) -> None:
        """Leave nothing behind."""
        if not self._closed:
            self._closed = True
            self._remove()

    # -- preparing ----------------------------------------------------------------------

    def _prepare(
        self,
        source: Path | None,
        sound: Callable[[OutputContainer], AudioStream] | None,
    ) -> None:
        codec = _find_encoder(self._options.codec or self._default_codec(), self.path)
        self.codec = codec.name
        pix_fmt = self._choose_pix_fmt(codec)
        if self.alpha and not Layout.of(pix_fmt).alpha:
            self.alpha = False
            self.notices.append(
                f"alpha is left out, because {codec.name} in {pix_fmt} has none; "
                "use --codec prores_ks --pix-fmt yuva444p10le"
            )
        self.pix_fmt = pix_fmt
        self._deep = Layout.of(pix_fmt).bits > 8
        self._view = self._hdr_view(codec, pix_fmt)
        color = self._hdr.color if self._hdr else self._info.color
        self._tags = _output_tags(color, pix_fmt)
        self._padded_size = self._pad_size(pix_fmt)
        self._coded_size = self._padded_size
        self._aspect = self._info.sample_aspect_ratio
        if self._aspect and self._loses_aspect(codec):
            self._square_pixels(self._aspect)
        self._stream = self._add_video(codec, pix_fmt)
        self._container.metadata.update(self._info.metadata)
        if source is not None:
            self._companions = Companions(
                source, self._container, audio=self._options.audio == "copy"
            )
            self.notices += self._companions.notices
            self._stream.metadata.update(stream_metadata(self._companions.video))
            self._stream.disposition = self._companions.video.disposition
            self._keep_timecode(self._companions.timecode)
            self._container.set_chapters(self._companions.chapters(self._start, self._end))
        if sound is not None:
            self.sound = sound(self._container)
        self._container.container_options.update(self._muxer_options())
        self._start_encoding(codec, pix_fmt)
        logger.info("%s: %s %s, %d×%d", self.named, codec.name, pix_fmt, *self._coded_size)

    def _hdr_view(self, codec: Codec, pix_fmt: str) -> SdrView | None:
        """What turns frames back into high dynamic range, if it is to be kept."""
        if self._hdr is None:
            if self._info.hdr:
                self.notices.append(sdr_notice(self._info.hdr) + " (kept with --hdr keep)")
            return None
        if not self._deep:
            raise OutputError(
                f"{self.named}: {hdr_name(self._hdr)} needs 10 bits, which {codec.name} in "
                f"{pix_fmt} has not; use --codec libx265, or --hdr sdr"
            )
        return SdrView(self._hdr)

    def _default_codec(self) -> str:
        name, deep = self._container.format.name, self._bit_depth > 8
        if name == "webm":
            # VP9 alone has alpha there, and not every build of it has 10 bits.
            return "libsvtav1" if deep and not self.alpha else "libvpx-vp9"
        # Hardly any player takes H.264 of 10 bits.
        width, height = self._size
        large = width >= _LEAST_FOR_X265[0] and height >= _LEAST_FOR_X265[1]
        hevc = deep and large and name in _WITH_HEVC
        return "libx265" if hevc else "libx264"

    def _choose_pix_fmt(self, codec: Codec) -> str:
        """The format that is asked for, or the best; what it has no room for is noted."""
        name = self._options.pix_fmt
        if name is not None and name != "keep":
            return _checked_format(codec, name)
        source = replace(Layout.of(self._info.pix_fmt), bits=self._bit_depth, alpha=self.alpha)
        best = best_format(codec, source)
        alpha = Layout.of(best).alpha
        usual = Layout(source.chroma if alpha else (1, 1), min(source.bits, 10), alpha)
        chosen = best if name == "keep" else best_format(codec, usual)
        # Whoever makes a video of RGB expects 4:2:0; whoever has 4:4:4 chose it.
        named = replace(source, chroma=(1, 1)) if is_rgb(self._info.pix_fmt) else source
        if lost := named.losses(Layout.of(chosen)):
            was, became = (" and ".join(words) for words in zip(*lost, strict=True))
            kept = " (kept with --pix-fmt keep)" if best != chosen else ""
            self.notices.append(f"{was} written as {became} by {codec.name} in {chosen}{kept}")
        return chosen

    def _add_video(self, codec: Codec, pix_fmt: str) -> VideoStream:
        if codec.name == "libx265" and self._coded_size[0] < _LEAST_FOR_X265[0]:
            raise OutputError(
                f"{self.named}: libx265 cannot encode pictures narrower than "
                f"{_LEAST_FOR_X265[0]} pixels; use --codec libx264"
            )
        if codec.name == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # errors alone; it cannot be told otherwise
        rate = self._info.average_rate or _DEFAULT_RATE
        try:
            stream = self._container.add_stream(codec.name, rate)
        except ValueError as error:
            raise OutputError(
                f"{self.path}: {self.path.suffix} cannot hold {codec.name}, "
                "choose another codec or extension"
            ) from error
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height = self._coded_size
        context.pix_fmt = pix_fmt
        if codec.canonical_name == "hevc" and self._container.format.name in _FASTSTART:
            context.codec_tag = "hvc1"  # without which Apple's players do not know it
        context.time_base = self._info.time_base
        context.color_range = self._tags.color_range
        context.colorspace = self._tags.colorspace
        context.color_primaries = self._tags.color_primaries
        context.color_trc = self._tags.color_trc
        if self._aspect:
            context.sample_aspect_ratio = self._aspect
        # Without it the last frame's duration and the average rate would change.
        context.flags |= Flags.frame_duration
        # PyAV's default, slices, costs quality.
        context.thread_type = "AUTO"
        context.options = _encoder_options(stream, self._options)
        if self._hdr:
            self._add_metadata(context.options, codec.name, self._hdr)
        return stream

    def _keep_timecode(self, timecode: str | None) -> None:
        """Have the muxer write the source's timecode, if it begins with the first frame."""
        if timecode is None:
            return
        held = self._start is None and self._container.format.name in _WITH_TIMECODE
        if held and is_timecode(timecode, round(self._info.average_rate or 0)):
            self._stream.metadata["timecode"] = timecode
        else:
            self.notices.append(f"timecode {timecode} left out")

    def _add_metadata(self, options: dict[str, str], codec: str, hdr: HdrInfo) -> None:
        """Have the encoder store the metadata of the source's range, if it can."""
        if codec in _PARAMETERS:
            name, own = _PARAMETERS[codec], static_metadata(hdr, codec)
            options[name] = ":".join(filter(None, (options.get(name), own)))
        elif hdr.mastering or hdr.light:
            self.notices.append(f"mastering display and light levels left out by {codec}")

    def _pad_size(self, pix_fmt: str) -> tuple[int, int]:
        """The size rounded up to what the chroma subsampling divides."""
        grid = VideoFormat(pix_fmt, 16, 16)
        step_x = 16 // (grid.chroma_width(16) or 16)
        step_y = 16 // (grid.chroma_height(16) or 16)
        width, height = self._size
        padded = (-(-width // step_x) * step_x, -(-height // step_y) * step_y)
        if padded != self._size:
            self.notices.append(
                f"size {width}×{height} padded to {padded[0]}×{padded[1]}, "
                f"because {pix_fmt} needs even sizes"
            )
        return padded

    def _loses_aspect(self, codec: Codec) -> bool:
        # PyAV cannot tell Matroska's muxer the aspect, and these codecs do not tell it themselves.
        name = self._container.format.name
        return name in _MATROSKA and codec.canonical_name in _WITHOUT_ASPECT

    def _square_pixels(self, aspect: Fraction) -> None:
        width, height = self._padded_size
        self._coded_size = (max(2, 2 * round(width * aspect / 2)), height)
        self._aspect = Fraction(1)
        if self._coded_size != self._padded_size:
            self.notices.append(
                f"widened to {self._coded_size[0]}×{height}, because {self.path.suffix} "
                f"cannot store the pixel aspect {aspect.numerator}:{aspect.denominator} here"
            )

    def _muxer_options(self) -> dict[str, str]:
        if self._container.format.name in _MATROSKA:
            # Else sound that begins before zero, as encoders' priming does, delays the picture.
            return {"avoid_negative_ts": "disabled"}
        if self._container.format.name not in _FASTSTART:
            return {}
        # Start offsets are stored in units of the movie time scale, by default milliseconds.
        bases = self._companions.time_bases() if self._companions else []
        scale = math.lcm(*(base.denominator for base in (self._info.time_base, *bases)))
        if scale > _MAX_MOVIE_TIMESCALE:
            scale = max(1000, self._info.time_base.denominator)
        return {"movflags": "+faststart", "movie_timescale": str(scale)}

    def _start_encoding(self, codec: Codec, pix_fmt: str) -> None:
        try:
            if self._extradata is not None:
                self._stream.codec_context.open()
                self._stream.codec_context.extradata = self._extradata or None
            self._container.start_encoding()
        except (FFmpegError, ValueError) as error:
            if isinstance(error, OSError):
                raise
            given = {"crf": self._options.crf, "preset": self._options.preset}
            details = "".join(f", {k} {v}" for k, v in given.items() if v is not None)
            width, height = self._coded_size
            raise OutputError(
                f"{self.path}: the encoder {codec.name} cannot be opened for "
                f"{width}×{height}, {pix_fmt}{details} ({_reason(error)})"
            ) from error

    # -- writing ------------------------------------------------------------------------

    def begin(self, pts: int) -> None:
        """Decide what is subtracted from all timestamps, from the first of the video."""
        self._clock.begin(pts)
        assert self._clock.shift is not None
        if self._companions:
            shift = self._clock.shift * self._info.time_base
            self._companions.begin(shift, trim=self._start is not None)

    def _next_pts(self, pts: int) -> int:
        nudged = self._clock.nudged
        pts = self._clock(pts)
        if self._clock.nudged and not nudged:
            self.notices.append(NUDGED)
        return pts

    def _encode(self, frame: Frame, pts: int, duration: int) -> None:
        picture = self._reformatter.reformat(
            self._source_picture(frame),
            *self._coded_size,
            format=self._stream.codec_context.pix_fmt,
            interpolation=Interpolation.BICUBIC,
            # With more, swscale's threads overwrite one another's edges in deep pictures.
            threads=1 if self._deep else None,
            **self._target_color(),
        )
        if self.alpha and self._coded_size == self._padded_size:
            _put_alpha(picture, self._padded(_opacity(frame, np.uint16)[..., None])[..., 0])
        picture.pts, picture.time_base, picture.duration = pts, self._info.time_base, duration
        picture.color_range, picture.colorspace = self._tags.color_range, self._tags.colorspace
        picture.color_primaries = self._tags.color_primaries
        picture.color_trc = self._tags.color_trc
        self._put(self._stream.encode(picture))
        self._count += 1

    def _put(self, packets: list[Packet]) -> None:
        """Take what the encoder has made."""
        self._container.mux(packets)

    def _source_picture(self, frame: Frame) -> VideoFrame:
        """The frame in RGB, with as many bits and as much alpha as are wanted."""
        colors = self._view.invert(frame.image) if self._view else frame.image
        fine = self._deep and (self.alpha or colors.dtype != np.uint8)
        depth = np.uint16 if fine else np.uint8
        image = _levels(colors, 255, depth, self._white(depth))
        if self.alpha:
            image = np.dstack([image, _opacity(frame, depth)])
        name = {(3, 1): "rgb24", (4, 1): "rgba", (3, 2): "rgb48le", (4, 2): "rgba64le"}
        layout = name[image.shape[2], image.itemsize]
        return VideoFrame.from_ndarray(self._padded(image), format=layout)

    def _white(self, depth: type) -> int:
        """White in the picture that is handed to swscale."""
        to_yuv = self._tags.colorspace != RGB
        return SWSCALE_WHITE if to_yuv and depth == np.uint16 else int(np.iinfo(depth).max)

    def _padded(self, image: np.ndarray) -> np.ndarray:
        below = self._padded_size[1] - self._size[1]
        right = self._padded_size[0] - self._size[0]
        if not (below or right):
            return np.ascontiguousarray(image)
        return np.pad(image, ((0, below), (0, right), (0, 0)), mode="edge")

    def _target_color(self) -> dict[str, int]:
        if self._tags.colorspace == RGB:
            return {}
        return {
            "dst_colorspace": swscale_matrix(self._tags),
            "dst_color_range": FULL if self._tags.color_range == FULL else LIMITED,
        }

    # -- closing ------------------------------------------------------------------------

    def _complete(self, path: Path, end: Fraction | None, *, endless: bool = False) -> Path:
        if self._closed:
            raise RuntimeError(f"the writer of {self.path} is already closed")
        self._closed = True
        try:
            with self._translated():
                self._write_end(end, endless)
                os.replace(self._temporary, path)
        finally:
            self._remove()
        return path

    def _write_end(self, end: Fraction | None, endless: bool) -> None:
        """Write what is left; with ``endless``, as far as that is possible."""
        try:
            if self._extradata is None:
                self._put(self._last_packets())
            if self._companions:
                self._companions.finish(end)
            self._container.close()
        except (FFmpegError, OSError):
            if not endless:
                raise

    def _last_packets(self) -> list[Packet]:
        """What the encoder still holds."""
        packets = self._stream.encode(None)
        if self._count <= _UNTIMED_BY_X265 and self._stream.codec_context.name == "libx265":
            for packet in packets:
                packet.dts = packet.pts
        return packets

    def _remove(self) -> None:
        """Close everything and delete the temporary file, whatever state they are in."""
        if self._companions:
            self._companions.close()
        if hasattr(self, "_container"):
            with suppress(AttributeError, FFmpegError, OSError, ValueError):
                self._stream.encode(None)  # unless it was told of the end, SVT-AV1 complains aloud
            with suppress(FFmpegError, OSError, ValueError):
                self._container.close()
        with suppress(OSError):  # permission was lost: what is told is why nothing was written
            self._temporary.unlink(missing_ok=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the errors of FFmpeg and the system into ``OutputError``."""
        try:
            yield
        except (FFmpegError, OSError) as error:
            raise OutputError(f"{self.named}: cannot be written ({_reason(error)})") from error


def partial_path(path: Path) -> Path:
    """Where an interrupted output is kept: ``clip.mp4`` becomes ``clip.partial.mp4``."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def _check_output(path: Path, source: Path | None, overwrite: bool) -> None:
    if not path.suffix:
        raise OutputError(f"{path}: has no extension; use one of {_KNOWN_SUFFIXES}")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no directory {path.parent}")
    if not path.exists():
        return
    if source is not None and source.exists() and path.samefile(source):
        raise OutputError(f"{path}: is the input itself; choose another output")
    if not path.is_file():
        raise OutputError(f"{path}: is not a regular file")
    if not overwrite:
        raise OutputError(f"{path}: exists already; remove it, or overwrite it with --overwrite")


def _create_temporary(path: Path) -> Path:
    """An empty hidden file beside ``path``, which shows that one can be made there."""
    name = f".{path.stem[:80]}.{os.getpid()}-{secrets.token_hex(4)}{path.suffix}"
    temporary = path.with_name(name)
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({_reason(error)})") from error
    return temporary


def sweep_temporaries(path: Path) -> None:
    """Remove the hidden files that killed runs left beside ``path``, which no other run writes."""
    name = re.compile(rf"\.{re.escape(path.stem[:80])}\.\d+-[0-9a-f]{{8}}{re.escape(path.suffix)}")
    for left in path.parent.iterdir():
        if name.fullmatch(left.name):
            with suppress(OSError):  # it is in nobody's way
                left.unlink()


def _open_output(temporary: Path, path: Path) -> OutputContainer:
    try:
        container = av.open(f"file:{temporary}", "w")
    except ValueError as error:
        raise OutputError(
            f"{path}: no container is known by the extension {path.suffix}; "
            f"use one of {_KNOWN_SUFFIXES}"
        ) from error
    if container.format.name.startswith("image2"):
        raise OutputError(f"{path}: is a picture's name; use one of {_KNOWN_SUFFIXES}")
    return container


def _find_encoder(name: str, path: Path) -> Codec:
    try:
        codec = Codec(name, "w")
    except ValueError as error:
        raise OutputError(f"{path}: there is no encoder {name!r} in this FFmpeg") from error
    if codec.type != "video":
        raise OutputError(f"{path}: {name} is no video encoder")
    return codec


def _checked_format(codec: Codec, name: str) -> str:
    known = encodable(codec)
    if known and name not in known:
        raise OutputError(f"{codec.name} cannot encode {name}; it knows {', '.join(known)}")
    try:
        VideoFormat(name)
    except ValueError as error:
        raise OutputError(f"{name!r} is no pixel format") from error
    return name


def _opacity(frame: Frame, depth: type) -> np.ndarray:
    """The frame's alpha in 8 or 16 bits; opaque where it has none."""
    if frame.alpha is None:
        return np.full(frame.image.shape[:2], np.iinfo(depth).max, depth)
    whole = frame.alpha.dtype.kind == "u"
    return _levels(frame.alpha, np.iinfo(frame.alpha.dtype).max if whole else 1, depth)


def _put_alpha(picture: VideoFrame, opacity: np.ndarray) -> None:
    """Round alpha into its own plane, if it has one; swscale cuts bits off.

    Args:
        opacity: H×W uint16.
    """
    component = next(part for part in picture.format.components if part.is_alpha)
    if component.plane != 3 or picture.format.name.endswith("be"):
        return
    plane, most = picture.planes[3], 2**component.bits - 1
    size = 1 if component.bits <= 8 else 2
    rows = np.zeros((plane.height, plane.line_size // size), f"<u{size}")
    rows[:, : plane.width] = np.rint(opacity * (most / 65535))
    plane.update(rows.tobytes())


def _levels(values: np.ndarray, most: float, depth: type, largest: int | None = None) -> np.ndarray:
    """Values from 0 to ``most`` as whole numbers of a type, all of its range; NaN is 0.

    Args:
        largest: what ``most`` becomes, if not the type's largest.
    """
    if values.dtype == depth:
        return values
    largest = largest or int(np.iinfo(depth).max)
    scaled = np.nan_to_num(values.astype(np.float32)) * np.float32(largest / most)
    return np.rint(scaled).clip(0, largest).astype(depth)


def _output_tags(tags: ColorTags, pix_fmt: str) -> ColorTags:
    return replace(tags, colorspace=RGB, color_range=FULL) if is_rgb(pix_fmt) else tags


def _encoder_options(stream: VideoStream, options: WriteOptions) -> dict[str, str]:
    codec = stream.codec_context
    known = {option.name for option in codec.supported_options.private}
    chosen = _DEFAULTS.get(codec.name, {}) | _PRESETS.get(codec.name, {}).get(options.effort, {})
    if codec.name == "libx264" and cv2.checkHardwareSupport(_AVX512):
        # Its AVX-512 code reads memory that nobody wrote, and no two files are the same.
        chosen["x264-params"] = "asm=AVX2"
    for name, value in (("crf", options.crf), ("preset", options.preset)):
        if value is not None:
            if name not in known:
                raise OptionError(f"the encoder {codec.name} has no {name}")
            chosen[name] = str(value)
    return chosen


def is_timecode(text: str, rate: int) -> bool:
    """Whether ``hh:mm:ss:ff`` makes sense at so many frames a second; muxers fail where not.

    A semicolon before the frames drops numbers, as only 30 and 60 frames a second do.
    """
    match = _TIMECODE.fullmatch(text)
    if match is None or int(match[2]) >= rate:
        return False
    return match[1] == ":" or rate in (30, 60)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).lower()
