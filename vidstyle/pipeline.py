"""Restyling a video file: what it is read, drawn and written with, and what is said of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from vidstyle.checkpoints import Checkpoint
from vidstyle.errors import InputError, Interrupted, OutputError, VidstyleError
from vidstyle.frame import Frame, VideoInfo, coverage
from vidstyle.process import process
from vidstyle.settings import fast_settings
from vidstyle.stages import StageTime, StageTimes
from vidstyle.steady import SteadyStylizer, effective_consistency
from vidstyle.styles.registry import Style
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.temporal import MotionTracker, TemporalOptions, TrackedFrame
from vidstyle.video import (
    ReadOptions,
    ResumableWriter,
    VideoReader,
    VideoWriter,
    WriteOptions,
    growing_path,
)

logger = logging.getLogger(__name__)

ADVICE = "go on with --resume"


@dataclass(frozen=True)
class Progress:
    """A run's state after some frames: an event for progress bars and programs.

    Attributes:
        total: frames expected in all; None when the file does not say.
        seconds: since the first frame went in.
        skipped: frames that an earlier run had finished.
        loss: of the last frame, where something is optimized.
    """

    frames: int
    total: int | None
    seconds: float
    skipped: int = 0
    loss: float | None = None

    @property
    def rate(self) -> float:
        """Frames a second so far."""
        return (self.frames - self.skipped) / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class Summary:
    """A finished run.

    Attributes:
        frames: in the output; ``skipped`` of them were finished by an earlier run.
        warnings: what a user should know, one line each.
        lost: those of them that say what of the input is not in the output, or not as it was.
        stages: where the time went.
        first_frame: seconds from the call until the first frame was written, those of loading the
            fast engine included; None when none was.
    """

    output: Path
    frames: int
    seconds: float
    warnings: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    stages: Mapping[str, StageTime] = field(default_factory=dict)
    skipped: int = 0
    first_frame: float | None = None

    @property
    def rate(self) -> float:
        """Frames a second."""
        return (self.frames - self.skipped) / self.seconds if self.seconds > 0 else 0.0


Listener = Callable[[Progress], None]


def default_output(source: str | Path, label: str) -> Path:
    """``clip.mov`` in the style ``scream`` becomes ``clip.scream.mp4`` beside it."""
    source = Path(source)
    return source.with_name(f"{source.stem}.{label}.mp4")


def stylize_video(
    source: str | Path,
    output: str | Path | None = None,
    style: str | Path | Style = "scream",
    *,
    fast: FastOptions = FastOptions(),
    temporal: TemporalOptions = TemporalOptions(),
    read: ReadOptions = ReadOptions(),
    write: WriteOptions = WriteOptions(),
    compare: bool = False,
    resume: bool = False,
    listener: Listener = lambda progress: None,
) -> Summary:
    """Restyle a video file, keeping its sound, timing and tags.

    Whatever ends it, the seconds that were finished stay, for ``resume``.

    Args:
        source: any video file that FFmpeg reads.
        output: by default ``SOURCE.<style>.mp4`` beside the source.
        style: a name, a style file, a blend such as ``scream:0.7,wave:0.3``, or a Style.
        temporal: how much of the past steadies each frame.
        compare: put input and output side by side in one picture.
        resume: go on where an earlier run with the same settings ended, if one did.
        listener: called after every batch.

    Raises:
        VidstyleError: a subclass says what is wrong with the input, style, options or output, or
            that something has changed since the earlier run.
        Interrupted: Ctrl-C; its ``partial`` names the playable file that was kept.
    """
    times = StageTimes()
    stylizer = FastStylizer(style, fast)
    target = Path(output) if output else default_output(source, stylizer.style.label)
    return restyle_video(
        source,
        target,
        stylizer,
        temporal=temporal,
        read=read,
        write=write,
        compare=compare,
        resume=resume,
        listener=listener,
        times=times,
    )


def restyle_video(
    source: str | Path,
    target: Path,
    stylizer: FastStylizer,
    *,
    temporal: TemporalOptions = TemporalOptions(),
    read: ReadOptions = ReadOptions(),
    write: WriteOptions = WriteOptions(),
    compare: bool = False,
    resume: bool = False,
    listener: Listener = lambda progress: None,
    times: StageTimes | None = None,
) -> Summary:
    """``stylize_video`` with a stylizer that is ready, for one video after the other.

    Args:
        times: to add to; of this call alone unless given.
    """
    times = times or StageTimes()
    temporal = effective_consistency(temporal, stylizer.options)
    with (
        VideoReader(source, read, times) as reader,
        MotionTracker(temporal, origin=reader.origin, times=times) as tracker,
    ):
        stylizer.configure_size(reader.info.width, reader.info.height)
        writer = resumable(
            open_writer(target, source, reader.info, compare, read, write),
            fast_settings([Path(source)], stylizer, temporal, read, write, compare=compare),
            stylizer,
            resume,
        )
        begin_at(writer, reader, tracker)

        def compose(tracked: TrackedFrame, pictures: Sequence[np.ndarray]) -> Frame:
            return shown(tracked.frame, pictures[0], compare, writer.alpha)

        steady = SteadyStylizer([stylizer], temporal, compose)
        return restyle(reader, tracker(reader), steady, writer, target, listener, times)


def open_writer(
    target: Path,
    source: str | Path | None,
    info: VideoInfo,
    compare: bool,
    read: ReadOptions,
    write: WriteOptions,
) -> VideoWriter:
    """A writer for what comes of a reader's frames, beside the sound of ``source``, if any.

    It stores their alpha, if it can and they are not compared.

    Args:
        compare: the pictures are twice as wide.
    """
    return VideoWriter(
        target,
        info,
        source=source,
        size=(info.width * (2 if compare else 1), info.height),
        start=read.start,
        end=read.end,
        alpha=info.alpha and not compare,
        options=write,
    )


def resumable(
    writer: VideoWriter, settings: Mapping[str, Any], stylizer: FastStylizer, resume: bool
) -> VideoWriter | ResumableWriter:
    """A writer whose work another run can go on with; the same where that cannot be.

    Args:
        writer: of the file; nothing has been written.
        settings: all that the frames depend on.
        resume: go on with the work of an earlier run.

    Raises:
        OptionError: settings have changed since.
        OutputError: to resume, a codec that cannot; or without, something to go on with.
    """
    path = growing_path(writer.path, writer)
    if path is None:
        if resume:
            writer.discard()
            raise OutputError(f"{writer.path}: no run with {writer.codec} can be gone on with")
        return writer
    writer.discard()
    return ResumableWriter(writer, path, settings, resume=resume, group=stylizer.batch_size)


def begin_at(writer: Writer, reader: Reader, tracker: MotionTracker) -> None:
    """Let a reader begin with the frame before the first that is to be written."""
    if isinstance(writer, ResumableWriter) and writer.done:
        tracker.index = writer.done - 1
        reader.skip(writer.done - 1)


class Reader(Protocol):
    """What frames come from."""

    @property
    def info(self) -> VideoInfo: ...

    @property
    def warnings(self) -> list[str]: ...

    @property
    def notices(self) -> list[str]: ...

    def skip(self, count: int) -> None: ...


class Writer(Protocol):
    """Where frames go; as a context manager it finishes, or keeps on Ctrl-C what there is."""

    @property
    def notices(self) -> list[str]: ...

    @property
    def partial(self) -> Path | None: ...

    def write(self, frame: Frame) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def restyle(
    reader: Reader,
    tracked: Iterable[TrackedFrame],
    stylizer: SteadyStylizer,
    writer: Writer,
    target: Path,
    listener: Listener,
    times: StageTimes,
) -> Summary:
    """From a reader's frames to a finished file.

    Args:
        tracked: the frames, each with its motion; see ``begin_at``.
        times: to add to what reader and tracker measure.

    Raises:
        Interrupted: Ctrl-C.
    """
    kept = writer if isinstance(writer, ResumableWriter) else None
    skipped = kept.done if kept else 0
    if kept and kept.checkpoint:
        tracked = _after(kept.checkpoint, iter(tracked))

    def progress(frames: int, seconds: float) -> None:
        listener(Progress(skipped + frames, reader.info.frames, seconds, skipped))

    began = time.perf_counter()
    try:
        with writer:
            store = _Segments(kept, stylizer) if kept else None
            frames = process(tracked, stylizer, writer, store, listener=progress, times=times)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(writer.partial, ADVICE if kept else "") from interrupt
    except VidstyleError as error:
        if kept and kept.partial:
            rest = f"what was finished is in {kept.partial}; {ADVICE}"
            raise type(error)(f"{error}; {rest}") from error
        raise
    warnings = (*reader.warnings, *reader.notices, *stylizer.notices, *writer.notices)
    lost, seconds = tuple(reader.warnings), time.perf_counter() - began
    stages, first = times.result(), times.first
    summary = Summary(target, skipped + frames, seconds, warnings, lost, stages, skipped, first)
    return logged(summary)


class _Segments:
    """Keeps the state at the end of each segment of a video."""

    def __init__(self, writer: ResumableWriter, stylizer: SteadyStylizer) -> None:
        self._writer = writer
        self._stylizer = stylizer
        self._numbers = count(writer.done)

    def state_after(self, frame: Frame) -> Checkpoint | None:
        ends = self._writer.ends_segment(next(self._numbers))
        return self._stylizer.state() if ends else None

    def keep(self, frame: Frame, state: Checkpoint) -> None:
        self._writer.keep(state)


def _after(checkpoint: Checkpoint, tracked: Iterator[TrackedFrame]) -> Iterator[TrackedFrame]:
    """What follows the frame of a checkpoint, which comes first."""
    before = next(tracked)
    if not np.array_equal(before.motion.result().thumbnail, checkpoint.thumbnail):
        raise InputError("the input does not decode as before; begin anew with --overwrite")
    for following in islice(tracked, 1):
        yield following._replace(start=checkpoint)
    yield from tracked


def logged(summary: Summary) -> Summary:
    """The summary, after it went into the log."""
    for warning in summary.warnings:
        logger.warning("%s", warning)
    for stage, spent in summary.stages.items():
        logger.info(
            "%s: %.3f s for %d, %.3f s starved, %.3f s blocked",
            *(stage, spent.seconds, spent.items, spent.starved, spent.blocked),
        )
    if summary.first_frame is not None:
        logger.info("the first frame was written after %.3f s", summary.first_frame)
    logger.info("%s: %d frames in %.3f s", summary.output, summary.frames, summary.seconds)
    return summary


def shown(frame: Frame, image: np.ndarray, compare: bool, alpha: bool) -> Frame:
    """The frame with another picture, H×W×3, or with both side by side.

    Args:
        alpha: whether there is room for it; else, and beside another, pictures are over black.
    """
    painted = replace(frame, image=image)
    if not compare:
        return painted if alpha else over_black(painted)
    both = [over_black(part).image for part in (frame, painted)]
    return replace(frame, image=np.concatenate(both, axis=1), alpha=None)


def over_black(frame: Frame) -> Frame:
    """The frame as it looks where there is no alpha."""
    if frame.alpha is None:
        return frame
    image = frame.image * coverage(frame.alpha)[:, :, None]
    if frame.image.dtype == np.uint8:
        image = np.rint(image).astype(np.uint8)
    return replace(frame, image=image, alpha=None)
