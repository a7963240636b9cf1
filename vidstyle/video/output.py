"""Where a video is to be written, and with what: settled before any work begins."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from av.error import FFmpegError

from vidstyle.errors import OutputError
from vidstyle.frame import VideoInfo
from vidstyle.options import WriteOptions
from vidstyle.video.encoders import Encoding, choose_encoding, reason


@dataclass(frozen=True)
class OutputPlan:
    """A video to write: everything that is settled before the first frame.

    Attributes:
        path: the output.
        info: of the video whose frames are written.
        encoding: what its frames are encoded with.
        source: the file to copy sound, subtitles and chapters from, if any.
        start: set when the frames begin that many seconds into ``source``: the other streams
            are cut to begin with the first frame, and everything moves to time zero.
        end: set when the frames end there: the other streams are cut where the last one ends.
        audio: whether sound is copied.
        overwrite: replace an existing file.
    """

    path: Path
    info: VideoInfo
    encoding: Encoding
    source: Path | None = None
    start: float | None = None
    end: float | None = None
    audio: bool = True
    overwrite: bool = False


def plan_output(
    path: str | Path,
    info: VideoInfo,
    *,
    source: str | Path | None = None,
    size: tuple[int, int] | None = None,
    start: float | None = None,
    end: float | None = None,
    alpha: bool = False,
    options: WriteOptions = WriteOptions(),
) -> OutputPlan:
    """See whether a video can be written as it is wanted; nothing is written yet.

    Args:
        path, info, source, start, end: see ``OutputPlan``; the path's extension chooses the
            container.
        size: width and height of the frames, if not those of ``info``.
        alpha: store that of the frames, if the codec can. Frames deeper than 8 bits keep what the
            pixel format has room for.

    Raises:
        OutputError: the file cannot be written there or so.
        OptionError: the encoder does not know a given option.
    """
    path, source = Path(path), Path(source) if source else None
    _check_output(path, source, options.overwrite)
    encoding = choose_encoding(path, info, size=size, alpha=alpha, options=options)
    audio, overwrite = options.audio == "copy", options.overwrite
    return OutputPlan(path, info, encoding, source, start, end, audio, overwrite)


def partial_path(path: Path) -> Path:
    """Where an interrupted output is kept: ``clip.mp4`` becomes ``clip.partial.mp4``."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def create_temporary(path: Path) -> Path:
    """An empty hidden file beside ``path``, which shows that one can be made there.

    Raises:
        OutputError: it cannot.
    """
    name = f".{path.stem[:80]}.{os.getpid()}-{secrets.token_hex(4)}{path.suffix}"
    temporary = path.with_name(name)
    with writing(path):
        temporary.touch(exist_ok=False)
    return temporary


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the errors of FFmpeg and the system into an ``OutputError`` that names a file."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        raise OutputError(f"{path}: cannot be written ({reason(error)})") from error


def _check_output(path: Path, source: Path | None, overwrite: bool) -> None:
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
