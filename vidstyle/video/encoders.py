"""What to encode a video with: chosen from the options and the frames, before any work begins."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
from av.codec import Codec, CodecContext
from av.codec.context import Flags
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.stream import VideoStream

from vidstyle.errors import OutputError
from vidstyle.frame import ColorTags, HdrInfo, VideoInfo
from vidstyle.options import WriteOptions
from vidstyle.video.color import FULL, RGB, is_rgb
from vidstyle.video.containers import (
    ANIMATIONS,
    CODECS,
    FASTSTART,
    KNOWN_SUFFIXES,
    MATROSKA,
    SHORTEST_FRAME,
    WITH_HEVC,
    choose_clock,
)
from vidstyle.video.encoder_options import encoder_options
from vidstyle.video.hdr import hdr_name, sdr_notice
from vidstyle.video.layout import Layout, best_format, encodable

_WITHOUT_ASPECT = {"vp8", "vp9", "av1"}
_LEAST_FOR_X265 = (64, 32)
"""Below this width x265 refuses some pictures and overruns its memory with others (36 to 48
pixels)."""


@dataclass(frozen=True)
class Encoding:
    """How frames become packets: everything that an encoder is told.

    Attributes:
        container: FFmpeg's name of the file's format.
        codec: FFmpeg's name of the encoder.
        pix_fmt: FFmpeg's name of the pixel format that it is given.
        size: width and height of the frames.
        padded_size: the same, rounded up to what the chroma subsampling divides.
        coded_size: width and height of the coded picture: ``padded_size``, stretched where the
            container cannot store the pixels' aspect.
        aspect: width to height of the coded pixels; None where nobody says.
        color: tags of the coded pictures.
        time_base: seconds per unit of the timestamps.
        rate: frames a second, on average.
        alpha: whether the frames' alpha is stored.
        hdr: the range to write, if it is high; the frames are then a view of it.
        options: the encoder's own.
        notices: what a user should know, one line each.
        becomes: the animation that the file is made into at the end, by FFmpeg's name, if it is.
    """

    container: str
    codec: str
    pix_fmt: str
    size: tuple[int, int]
    padded_size: tuple[int, int]
    coded_size: tuple[int, int]
    aspect: Fraction | None
    color: ColorTags
    time_base: Fraction
    rate: Fraction
    alpha: bool = False
    hdr: HdrInfo | None = None
    options: dict[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    becomes: str | None = None

    @property
    def deep(self) -> bool:
        """Whether the pictures have more than 8 bits."""
        return Layout.of(self.pix_fmt).bits > 8

    def add_to(self, output: OutputContainer) -> VideoStream:
        """A new stream of a container, with its encoder set up but not yet open."""
        stream = output.add_stream(self.codec, self.rate)
        assert isinstance(stream, VideoStream)
        self._configure(stream.codec_context)
        if stream.codec_context.codec.canonical_name == "hevc" and self.container in FASTSTART:
            stream.codec_context.codec_tag = "hvc1"  # without which Apple's players do not know it
        return stream

    def check_encoder(self, path: Path) -> None:
        """Open the encoder for a moment, to see that it can be opened for this.

        Raises:
            OutputError: it cannot; names ``path``, the file that was to be written.
        """
        context = CodecContext.create(self.codec, "w")
        assert isinstance(context, VideoCodecContext)
        context.framerate = self.rate
        self._configure(context)
        with self.explained(path):
            context.open()

    @contextmanager
    def explained(self, path: Path) -> Iterator[None]:
        """Turn the errors of opening the encoder into an ``OutputError`` that says for what."""
        try:
            with same_priority():
                yield
        except (FFmpegError, ValueError) as error:
            if isinstance(error, OSError):
                raise
            width, height = self.coded_size
            details = "".join(
                f", {name} {self.options[name]}"
                for name in ("crf", "preset")
                if name in self.options
            )
            raise OutputError(
                f"{path}: the encoder {self.codec} cannot be opened for "
                f"{width}×{height}, {self.pix_fmt}{details} ({reason(error)})"
            ) from error

    def _configure(self, context: VideoCodecContext) -> None:
        if self.codec == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # errors alone; it cannot be told otherwise
        context.width, context.height = self.coded_size
        context.pix_fmt = self.pix_fmt
        context.time_base = self.time_base
        context.color_range = self.color.color_range
        context.colorspace = self.color.colorspace
        context.color_primaries = self.color.color_primaries
        context.color_trc = self.color.color_trc
        if self.aspect:
            context.sample_aspect_ratio = self.aspect
        # Without it the last frame's duration and the average rate would change.
        context.flags |= Flags.frame_duration
        # PyAV's default, slices, costs quality.
        context.thread_type = "AUTO"
        context.options = dict(self.options)


@contextmanager
def same_priority() -> Iterator[None]:
    """Keep the calling thread's scheduling while an encoder is opened.

    Where it may, as root, SVT-AV1 gives the thread that opens it real-time priority, which every
    thread that is begun there would inherit: nothing else would run beside them.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)


def reason(error: Exception) -> str:
    """What FFmpeg or the system says went wrong, in lower case."""
    return str(getattr(error, "strerror", None) or error).lower()


def choose_encoding(
    path: Path,
    info: VideoInfo,
    *,
    size: tuple[int, int] | None = None,
    alpha: bool = False,
    options: WriteOptions = WriteOptions(),
) -> Encoding:
    """What to write frames with.

    Args:
        path: the output; its extension chooses the container.
        info: of the video whose frames are written.
        size: width and height of the frames, if not those of ``info``.
        alpha: store that of the frames, if the codec can.

    Raises:
        OutputError: the container, the encoder or the pixel format cannot hold what is wanted.
        OptionError: the encoder does not know a given option.
    """
    with _trial_container(path) as container:
        return _Choice(path, container, info, size, alpha, options).encoding()


class _Choice:
    """The choices one after another, as each depends on those before."""

    def __init__(
        self,
        path: Path,
        container: OutputContainer,
        info: VideoInfo,
        size: tuple[int, int] | None,
        alpha: bool,
        options: WriteOptions,
    ) -> None:
        self.path = path
        self.container = container
        self.format = container.format.name
        self.info = info
        self.size = size or (info.width, info.height)
        self.options = options
        self.hdr = info.hdr if options.hdr == "keep" else None
        self.bits = max(info.bit_depth, 10) if self.hdr else info.bit_depth
        self.notices: list[str] = []
        self.becomes = self._animation()
        self.codec = _find_encoder(self._codec_name(alpha), path)
        self.pix_fmt = self._pix_fmt(alpha)
        self.alpha = alpha and self._has_alpha()

    def encoding(self) -> Encoding:
        self._check_hdr()
        padded = self._padded_size()
        coded, aspect = self._squared_pixels(padded)
        self._check_codec(coded)
        time_base, rate = choose_clock(self.format, self.codec, self.info)
        options, lost = encoder_options(self.codec, self.format, self.options, self.hdr)
        return Encoding(
            container="nut" if self.becomes else self.format,
            codec=self.codec.name,
            pix_fmt=self.pix_fmt,
            size=self.size,
            padded_size=padded,
            coded_size=coded,
            aspect=aspect,
            color=self._color(),
            time_base=time_base,
            rate=rate,
            alpha=self.alpha,
            hdr=self.hdr,
            options=options,
            notices=(*self.notices, *lost),
            becomes=self.becomes,
        )

    def _animation(self) -> str | None:
        if self.format not in ANIMATIONS:
            return None
        if self.options.codec not in (None, self.format):
            raise OutputError(
                f"{self.path}: {self.path.suffix} cannot hold {self.options.codec}; "
                "leave out --codec, or choose another extension"
            )
        most = 100 // SHORTEST_FRAME
        if self.format == "gif" and (self.info.average_rate or 0) > most:
            self.notices.append(f"frames left out: players show at most {most} a second of a GIF")
        return self.format

    def _codec_name(self, alpha: bool) -> str:
        if self.becomes:
            return "ffv1"
        return self.options.codec or self._default_codec(alpha)

    def _color(self) -> ColorTags:
        tags = self.hdr.color if self.hdr else self.info.color
        if is_rgb(self.pix_fmt):
            return replace(tags, colorspace=RGB, color_range=FULL)
        if self.codec.canonical_name == "mjpeg":  # JPEG knows no other range
            return replace(tags, color_range=FULL)
        return tags

    def _default_codec(self, alpha: bool) -> str:
        deep = self.bits > 8
        if self.format == "webm":
            # VP9 alone has alpha there, and not every build of it has 10 bits.
            return "libsvtav1" if deep and not alpha else "libvpx-vp9"
        if self.format in CODECS:
            return CODECS[self.format]
        # Hardly any player takes H.264 of 10 bits.
        large = all(own >= least for own, least in zip(self.size, _LEAST_FOR_X265, strict=True))
        return "libx265" if deep and large and self.format in WITH_HEVC else "libx264"

    def _pix_fmt(self, alpha: bool) -> str:
        """The format that is asked for, or the best; what it has no room for is noted."""
        name = self.options.pix_fmt
        if self.becomes:
            if name not in (None, "keep"):
                self.notices.append(f"pixel format {name} left out: {self.becomes} has its own")
            return "bgra" if alpha else "bgr0"
        if name is not None and name != "keep":
            return _checked_format(self.codec, name)
        source = replace(Layout.of(self.info.pix_fmt), bits=self.bits, alpha=alpha)
        best = best_format(self.codec, source)
        keeps_alpha = Layout.of(best).alpha
        usual = Layout(source.chroma if keeps_alpha else (1, 1), min(self.bits, 10), keeps_alpha)
        chosen = best if name == "keep" else best_format(self.codec, usual)
        # Whoever makes a video of RGB expects 4:2:0; whoever has 4:4:4 chose it.
        named = replace(source, chroma=(1, 1)) if is_rgb(self.info.pix_fmt) else source
        if lost := named.losses(Layout.of(chosen)):
            was, became = (" and ".join(words) for words in zip(*lost, strict=True))
            kept = " (kept with --pix-fmt keep)" if best != chosen else ""
            self.notices.append(f"{was} written as {became} by {self.codec.name} in {chosen}{kept}")
        return chosen

    def _has_alpha(self) -> bool:
        if Layout.of(self.pix_fmt).alpha:
            return True
        self.notices.append(
            f"alpha is left out, because {self.codec.name} in {self.pix_fmt} has none; "
            "use --codec prores_ks --pix-fmt yuva444p10le"
        )
        return False

    def _check_hdr(self) -> None:
        if self.hdr is None:
            if self.info.hdr:
                self.notices.append(f"{sdr_notice(self.info.hdr)} (kept with --hdr keep)")
        elif Layout.of(self.pix_fmt).bits <= 8:
            raise OutputError(
                f"{self.path}: {hdr_name(self.hdr)} needs 10 bits, but {self.codec.name} in "
                f"{self.pix_fmt} has 8; use --codec libx265, or --hdr sdr"
            )

    def _padded_size(self) -> tuple[int, int]:
        grid = VideoFormat(self.pix_fmt, 16, 16)
        step_x = 16 // (grid.chroma_width(16) or 16)
        step_y = 16 // (grid.chroma_height(16) or 16)
        width, height = self.size
        padded = (-(-width // step_x) * step_x, -(-height // step_y) * step_y)
        if padded != self.size:
            self.notices.append(
                f"size {width}×{height} padded to {padded[0]}×{padded[1]}, "
                f"because {self.pix_fmt} needs even sizes"
            )
        return padded

    def _squared_pixels(self, padded: tuple[int, int]) -> tuple[tuple[int, int], Fraction | None]:
        """The coded size and the pixels' aspect; square where the file could not tell it.

        PyAV cannot tell Matroska's muxer the aspect, and some codecs do not tell it themselves.
        """
        aspect = self.info.sample_aspect_ratio
        lost = self.format in MATROSKA and self.codec.canonical_name in _WITHOUT_ASPECT
        if not (aspect and lost):
            return padded, aspect
        coded = (max(2, 2 * round(padded[0] * aspect / 2)), padded[1])
        if coded != padded:
            self.notices.append(
                f"widened to {coded[0]}×{coded[1]}, because {self.path.suffix} "
                f"cannot store the pixel aspect {aspect.numerator}:{aspect.denominator} here"
            )
        return coded, Fraction(1)

    def _check_codec(self, coded: tuple[int, int]) -> None:
        if self.codec.name == "libx265" and coded[0] < _LEAST_FOR_X265[0]:
            raise OutputError(
                f"{self.path}: libx265 cannot encode pictures narrower than "
                f"{_LEAST_FOR_X265[0]} pixels; use --codec libx264"
            )
        if self.becomes:
            return
        try:
            self.container.add_stream(self.codec.name)
        except ValueError as error:
            raise OutputError(
                f"{self.path}: {self.path.suffix} cannot hold {self.codec.name}; "
                "choose another codec or extension"
            ) from error


class _NamedBuffer(io.BytesIO):
    """Memory that FFmpeg takes for a file of a name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


@contextmanager
def _trial_container(path: Path) -> Iterator[OutputContainer]:
    """The container that a path's extension means, in memory."""
    if not path.suffix:
        raise OutputError(f"{path}: has no extension; use one of {KNOWN_SUFFIXES}")
    try:
        container = av.open(_NamedBuffer(f"video{path.suffix}"), "w")
    except ValueError as error:
        raise OutputError(
            f"{path}: unknown extension {path.suffix}; use one of {KNOWN_SUFFIXES}"
        ) from error
    with container:
        if container.format.name.startswith("image2"):
            raise OutputError(f"{path}: is a picture's name; use one of {KNOWN_SUFFIXES}")
        yield container


def _find_encoder(name: str, path: Path) -> Codec:
    try:
        codec = Codec(name, "w")
    except ValueError as error:
        raise OutputError(f"{path}: this FFmpeg has no encoder {name!r}") from error
    if codec.type != "video":
        raise OutputError(f"{path}: {name} is not a video encoder")
    return codec


def _checked_format(codec: Codec, name: str) -> str:
    known = encodable(codec)
    if known and name not in known:
        raise OutputError(f"{codec.name} cannot encode {name}; choose one of {', '.join(known)}")
    try:
        VideoFormat(name)
    except ValueError as error:
        raise OutputError(f"{name!r} is not a pixel format") from error
    return name
