"""Settling how a video is written, before any work begins."""

from __future__ import annotations

from pathlib import Path

from vidstyle.disk import followed
from vidstyle.errors import OutputError
from vidstyle.frame import VideoInfo
from vidstyle.options import WriteOptions
from vidstyle.video.choice import with_tracks
from vidstyle.video.encoders import choose_encoding
from vidstyle.video.output import OutputPlan


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
    """See whether a video can be written as it is wanted, by writing a second of it elsewhere.

    Args:
        path, info, source, start, end: see ``OutputPlan``; the path's extension chooses the
            container, and links are followed.
        size: width and height of the frames, if not those of ``info``.
        alpha: store that of the frames, if the codec can. Frames deeper than 8 bits keep what the
            pixel format has room for.

    Raises:
        OutputError: the file cannot be written there, or not with that codec or so.
        InputError: the source cannot be opened.
        OptionError: the encoder does not know a given option.
    """
    path, source = followed(Path(path)), Path(source) if source else None
    _check_output(path, source, options.overwrite)
    encoding = choose_encoding(path, info, size=size, alpha=alpha, options=options)
    plan = OutputPlan(
        path, info, encoding, source, start, end,
        overwrite=options.overwrite, notices=encoding.notices,
    )  # fmt: skip
    encoding.check_encoder(path)
    return with_tracks(plan, audio=options.audio == "copy")


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
