"""Opening a local media file, with every way it can be unfit told apart."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from mmap import ACCESS_READ, mmap
from pathlib import Path

import av
from av.container import InputContainer
from av.error import ArgumentError, FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from vidstyle.errors import InputError
from vidstyle.limits import MOST_VIDEO_PIXELS, check_size
from vidstyle.video.boxes import check_index

_CONTAINERS = (
    *("mov", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "mxf", "nut", "gxf"),
    *("dv", "wtv", "rm", "nsv", "swf", "ivf", "yuv4mpegpipe", "gif", "apng", "jpegxl_anim"),
)
_BARE_VIDEO = (
    *("h264", "hevc", "vvc", "evc", "av1", "obu", "mpegvideo", "m4v", "h261", "h263", "mjpeg"),
    *("vc1", "vc1test", "dirac", "cavsvideo", "avs2", "avs3", "apv", "dnxhd"),
)
_PICTURES = tuple(
    f"{name}_pipe" for name in ("png", "jpeg", "webp", "bmp", "tiff", "dpx", "jpegxl", "exr", "gif")
)
_SOUND = (
    *("wav", "w64", "mp3", "aac", "loas", "flac", "aiff", "au", "caf", "ac3", "eac3", "dts"),
    *("truehd", "amr", "ape", "wv", "tta"),
)
LOCAL_FORMATS = ",".join(_CONTAINERS + _BARE_VIDEO + _PICTURES + _SOUND)
"""FFmpeg's names of what is read from files: none of them opens a second file or a URL, and
neither playlists (HLS, DASH, concat, SDP, IMF) nor numbered pictures nor text are among them.
Sound is, to be told that it is no video."""
_MAYBE_STILLS = {*_PICTURES, "gif", "apng", "jpegxl_anim"}
_STILL_BRANDS = {"avif", "mif1", "heic", "heix", "heim", "heis"}
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"v=0", b"<MPD", b"<AssetMap", b"<CompositionPlaylist")
_HEAD = 4096
_JPEG = b"\xff\xd8\xff"
_WEBP_ANIMATION = 2
"""The bit for it in the flags of an extended WebP file."""

_PLAUSIBLE_RATE = 480
_NO_INDEX = "its index (moov) is missing or cut off: the file is truncated or was never finished"

_MUXER_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "timecode"}
_STREAM_TAGS = {"encoder", "rotate", "timecode", "duration", "vendor_id"}
_STATISTICS_TAGS = ("bps", "number_of_frames", "number_of_bytes", "duration-", "_statistics")


def open_source(path: Path) -> InputContainer:
    """Open a local media file for reading.

    Nothing in the file can make FFmpeg open another one, or reach the network.

    Raises:
        InputError: the file is missing, empty, unreadable, no media file, or claims to hold more
            than can be.
    """
    _check_file(path)
    check_index(path)
    try:
        container = av.open(f"file:{path}", options=local_options(), metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path}: {why_unreadable(path, error)}") from error
    if not (container.streams.video or container.streams.audio):
        container.close()
        raise InputError(f"{path}: {_NO_INDEX if _is_mp4(path) else 'holds nothing to play'}")
    return container


def local_options() -> dict[str, str]:
    """FFmpeg's options that keep it to one file and to pictures of a sane size."""
    return {"protocol_whitelist": "file", "format_whitelist": LOCAL_FORMATS, **size_options()}


def size_options() -> dict[str, str]:
    """FFmpeg's option that bounds the size of pictures, for containers and decoders."""
    return {"max_pixels": str(MOST_VIDEO_PIXELS)}


def read_packets(container: InputContainer, *streams: Stream) -> Iterator[Packet]:
    """The packets of some streams, or of all that there are when a file is opened.

    Raises:
        FFmpegError: the file is damaged.
    """
    # At the end, PyAV 18 looks for the streams that a damaged file has begun in the middle.
    with suppress(IndexError):
        yield from container.demux(*streams)


STILL = (
    "is a still picture, not a video; restyle it with 'vidstyle image', which reads JPEG, PNG, "
    "WebP, TIFF and BMP"
)
"""What to say of a picture that is given as a video."""


def may_be_still(container: InputContainer) -> bool:
    """Whether a file is of a kind that holds a still picture unless it has a second frame."""
    name, brand = container.format.name, container.metadata.get("major_brand")
    return name in _MAYBE_STILLS or brand in _STILL_BRANDS


def find_video(container: InputContainer, path: Path | str) -> VideoStream:
    """The main video stream of a file, its decoder bounded; cover pictures do not count.

    Raises:
        InputError: there is none, no decoder for it, or it claims to be too large.
    """
    streams = [s for s in container.streams.video if not is_cover(s)]
    if not streams:
        kind = "only sound" if container.streams.audio else "nothing to see"
        raise InputError(f"{path}: holds {kind}, no video stream")
    decodable = [s for s in streams if s.codec_context is not None]
    if not decodable:
        raise InputError(f"{path}: no decoder for its video is built into this FFmpeg")
    best = container.streams.best("video")
    chosen = next((s for s in decodable if s is best), decodable[0])
    if chosen.width or chosen.height:  # else the first picture says
        check_size(path, chosen.width, chosen.height, MOST_VIDEO_PIXELS)
    chosen.codec_context.options = size_options()
    return chosen


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is only a cover picture."""
    return bool(stream.disposition & Disposition.attached_pic)


def container_metadata(container: InputContainer) -> dict[str, str]:
    """Title, artist and so on, without what each muxer writes of its own accord."""
    return {k: v for k, v in container.metadata.items() if k.lower() not in _MUXER_TAGS}


def stream_metadata(stream: Stream) -> dict[str, str]:
    """Language, title and so on of a stream, without statistics of its former packets."""
    return {
        k: v
        for k, v in stream.metadata.items()
        if k.lower() not in _STREAM_TAGS and not k.lower().startswith(_STATISTICS_TAGS)
    }


def plausible_rate(stream: VideoStream) -> Fraction | None:
    """Frames a second, by the first of FFmpeg's guesses that a video can have."""
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return next((rate for rate in rates if rate and 0 < rate <= _PLAUSIBLE_RATE), None)


def duration_of(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds of the video stream as its container tells."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    for key, value in stream.metadata.items():
        if key.upper().startswith("DURATION") and (seconds := _clock_seconds(value)):
            return seconds
    if container.duration:
        return container.duration / av.time_base
    return None


def _clock_seconds(text: str) -> float | None:
    """Matroska's ``00:00:10.333000000`` in seconds."""
    try:
        hours, minutes, seconds = text.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        return None


def frame_count(stream: VideoStream) -> int | None:
    """How many frames the file says there are; None when it does not."""
    if stream.frames:
        return stream.frames
    tags = (v for k, v in stream.metadata.items() if k.upper().startswith("NUMBER_OF_FRAMES"))
    return next((int(tag) for tag in tags if tag.isdecimal()), None)


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a directory, not a video file")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path}: is empty (0 bytes)")


def why_unreadable(path: Path, error: Exception) -> str:
    """What to say of a file that FFmpeg did not open."""
    if isinstance(error, PermissionError):
        return "permission denied"
    head = _head(path)
    if head.lstrip(b"\xef\xbb\xbf\r\n\t ").startswith(_PLAYLISTS) or b"<MPD" in head:
        return "is a playlist, not a video; give the video file itself"
    if _is_mp4(path):
        return _NO_INDEX
    kind, _ = mimetypes.guess_type(path.name)
    if head.startswith(_JPEG) or (kind or "").startswith("image/"):
        return STILL
    if isinstance(error, ArgumentError):  # FFmpeg's answer to what is not among LOCAL_FORMATS
        return "not a video file of a format that vidstyle reads; convert it to MP4 or Matroska"
    reason = getattr(error, "strerror", None) or str(error)
    return f"not a video file that FFmpeg knows ({reason.lower()})"


def why_undecodable(path: Path, codec: str) -> str:
    """What to say of a video of which no frame can be decoded."""
    head = _head(path)
    if head[8:16] == b"WEBPVP8X" and head[20] & _WEBP_ANIMATION:
        return "is an animated WebP, which this FFmpeg does not decode; convert it to GIF or MP4"
    return f"no frame of its {codec} video can be decoded"


_BEGINNINGS = (b"FLV\x01", b"DKIF", b"\x1aE\xdf\xa3")
"""How files of FLV, IVF and Matroska begin, of which FFmpeg reads the first of several in one."""


def another_begins(path: Path, position: int) -> bool:
    """Whether, after a position, a file holds another one of its own kind."""
    try:
        mark = next((mark for mark in _BEGINNINGS if _head(path).startswith(mark)), None)
        if mark is None or path.stat().st_size <= position:
            return False
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            return content.find(mark, position) >= 0
    except OSError:  # it was removed meanwhile
        return False


def _is_mp4(path: Path) -> bool:
    return _head(path)[4:8] in (b"ftyp", b"mdat", b"wide", b"free")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)
