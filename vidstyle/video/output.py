"""Where a video is to be written, and with what: settled before any work begins."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vidstyle.errors import OutputError
from vidstyle.frame import VideoInfo
from vidstyle.video.encoders import Encoding, WriteOptions, choose_encoding, reason


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

    Args: see ``VideoWriter``.

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


def sweep_temporaries(path: Path) -> None:
    """Remove the hidden files that killed runs left beside ``path``, which no other run writes."""
    name = re.compile(rf"\.{re.escape(path.stem[:80])}\.\d+-[0-9a-f]{{8}}{re.escape(path.suffix)}")
    for left in path.parent.iterdir():
        if name.fullmatch(left.name):
            with suppress(OSError):  # it is in nobody's way
                left.unlink()


def create_temporary(path: Path) -> Path:
    """An empty hidden file beside ``path``, which shows that one can be made there."""
    name = f".{path.stem[:80]}.{os.getpid()}-{secrets.token_hex(4)}{path.suffix}"
    temporary = path.with_name(name)
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({reason(error)})") from error
    return temporary


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
