"""Opening a local media file, with every way it can be unfit told apart."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from vidstyle.errors import InputError

_TEXT_FORMATS = {"tty", "bin", "xbin", "adf", "idf", "ffmetadata", "lrc"}
_PLAYLIST_FORMATS = {"hls", "concat", "dash", "sdp", "rtsp", "imf"}

_NO_INDEX = "its index (moov) is missing or cut off: the file is truncated or was never finished"

_MUXER_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "timecode"}
_STREAM_TAGS = {"encoder", "rotate", "timecode", "duration", "vendor_id"}
_STATISTICS_TAGS = ("bps", "number_of_frames", "number_of_bytes", "duration-", "_statistics")


def open_source(path: Path) -> InputContainer:
    """Open a local media file for reading.

    Only the ``file`` protocol is allowed, so nothing in the file can reach the network.

    Raises:
        InputError: the file is missing, empty, unreadable, or no media file.
    """
    _check_file(path)
    try:
        container = av.open(
            f"file:{path}",
            options={"protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except (FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path}: {_why_unreadable(path, error)}") from error
    problem = _format_problem(path, container)
    if problem:
        container.close()
        raise InputError(f"{path}: {problem}")
    return container


def find_video(container: InputContainer, path: Path | str) -> VideoStream:
    """The main video stream of a file; cover pictures do not count.

    Raises:
        InputError: there is none, or no decoder for it.
    """
    streams = [s for s in container.streams.video if not is_cover(s)]
    if not streams:
        kind = "only sound" if container.streams.audio else "nothing to see"
        raise InputError(f"{path}: holds {kind}, no video stream")
    decodable = [s for s in streams if s.codec_context is not None]
    if not decodable:
        raise InputError(f"{path}: no decoder for its video is built into this FFmpeg")
    best = container.streams.best("video")
    return next((s for s in decodable if s is best), decodable[0])


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


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a directory, not a video file")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path}: is empty (0 bytes)")


def _why_unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "permission denied"
    if _starts_like_mp4(path):
        return _NO_INDEX
    reason = getattr(error, "strerror", None) or str(error)
    return f"not a video file that FFmpeg knows ({reason.lower()})"


def _starts_like_mp4(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8)[4:] in (b"ftyp", b"mdat", b"wide", b"free")


def _format_problem(path: Path, container: InputContainer) -> str | None:
    names = set(container.format.name.split(","))
    if names & _TEXT_FORMATS:
        return "is a text file, not a video"
    if names & _PLAYLIST_FORMATS:
        return "is a playlist, not a video; give the video file itself"
    if not (container.streams.video or container.streams.audio):
        return _NO_INDEX if _starts_like_mp4(path) else "holds nothing to play"
    return None
