"""Restyling a video file: what it is read and written with, and how a run goes on."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count, groupby, islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vidstyle.errors import InputError, Interrupted, OptionError, VidstyleError
from vidstyle.frame import Frame, coverage
from vidstyle.pipeline.process import FrameStylizer, process
from vidstyle.pipeline.settings import fast_settings
from vidstyle.pipeline.steady import SteadyStylizer, effective_consistency
from vidstyle.pipeline.summary import Listener, Progress, Summary, log_summary
from vidstyle.sequences.clip import ClipOptions, SequenceReader, SequenceWriter, is_sequence
from vidstyle.stages import StageTimes
from vidstyle.store import Checkpoint
from vidstyle.styles.registry import Style
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.temporal.motion import MotionTracker, TemporalOptions, TrackedFrame
from vidstyle.video import (
    OutputPlan,
    ReadOptions,
    ResumableWriter,
    VideoReader,
    WriteOptions,
    plan_output,
)

ADVICE = "continue with --resume"


def default_output(source: str | Path, label: str) -> Path:
    """``clip.mov`` in the style ``scream`` becomes ``clip.scream.mp4`` beside it, and
    ``in/shot_%04d.png`` becomes ``in/shot.scream.mp4``."""
    source = Path(source)
    if source.is_dir():
        source = source.resolve()
    stem = source.stem
    if not source.is_dir() and is_sequence(source):
        stem = re.sub(r"%\d*d|[#*?]+|\[.*\]", "", stem).rstrip("._- ")
    return source.with_name(f"{stem or source.resolve().parent.name}.{label}.mp4")


def stylize_video(
    source: str | Path,
    output: str | Path | None = None,
    style: str | Path | Style = "scream",
    *,
    fast: FastOptions = FastOptions(),
    temporal: TemporalOptions = TemporalOptions(),
    read: ReadOptions = ReadOptions(),
    write: WriteOptions = WriteOptions(),
    clip: ClipOptions = ClipOptions(),
    compare: bool = False,
    resume: bool = False,
    listener: Listener = lambda progress: None,
) -> Summary:
    """Restyle a video, keeping its sound, timing and tags.

    A picture sequence may take the place of either file; ``stylize_frames`` restyles a sequence
    into another. Pictures of more than 8 bits keep what the codec has room for, and so does alpha
    (``WriteOptions("prores_ks")``: ProRes 4444). Where it has none, pictures are put over black.

    Whatever ends the run, the seconds that were finished stay, for ``resume``.

    Args:
        source: any video file that FFmpeg reads, or the pictures of a sequence: a directory, a
            pattern or a glob.
        output: a video file, a directory that exists, or a pattern; by default
            ``SOURCE.<style>.mp4`` beside the source.
        style: a name, a style file, a blend such as ``scream:0.7,wave:0.3``, or a Style.
        temporal: how much of the past steadies each frame.
        clip: the clock and the pictures of a sequence.
        compare: put input and output side by side in one picture.
        resume: continue a video where an earlier run with the same settings ended, if one did.
        listener: called after every batch.

    Raises:
        VidstyleError: a subclass says what is wrong with the input, style, options or output, or
            that something has changed since the earlier run.
        Interrupted: Ctrl-C; its ``partial`` names the playable file that was kept.
    """
    times = StageTimes()
    stylizer = FastStylizer(style, fast)
    return restyle_video(
        source,
        Path(output) if output else default_output(source, stylizer.style.label),
        stylizer,
        temporal=temporal,
        read=read,
        write=write,
        clip=clip,
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
    clip: ClipOptions = ClipOptions(),
    compare: bool = False,
    resume: bool = False,
    listener: Listener = lambda progress: None,
    times: StageTimes | None = None,
) -> Summary:
    """``stylize_video`` with a stylizer that is ready, for one video after the other.

    Args:
        times: to add to; this call's alone unless given.
    """
    if is_sequence(source) and is_sequence(target):
        raise OptionError(f"{target}: from pictures to pictures is for stylize_frames")
    times = times or StageTimes()
    temporal = effective_consistency(temporal, stylizer.options)
    with (
        open_reader(source, read, clip, times) as reader,
        MotionTracker(temporal, origin=reader.origin, times=times) as tracker,
    ):
        stylizer.configure_size(reader.info.width, reader.info.height)
        writer: SequenceWriter | ResumableWriter
        if is_sequence(target):
            if resume:
                raise OptionError("--resume is for videos; use vidstyle frames for pictures")
            writer = SequenceWriter(target, Path(source), reader.info, clip, write.overwrite)
        else:
            plan = output_plan(target, reader, compare, read, write)
            settings = fast_settings(reader.paths, stylizer, temporal, read, write, clip, compare)
            writer = ResumableWriter(plan, settings, resume=resume, group=stylizer.batch_size)
            begin_at(writer, reader, tracker)

        def compose(tracked: TrackedFrame, pictures: Sequence[np.ndarray]) -> Frame:
            return shown(tracked.frame, pictures[0], compare, writer.alpha)

        steady = SteadyStylizer([stylizer], temporal, compose)
        return restyle(reader, track(reader, tracker), steady, writer, target, listener, times)


def open_reader(
    source: str | Path, read: ReadOptions, clip: ClipOptions, times: StageTimes
) -> SequenceReader | VideoReader:
    """What yields the frames of a video or of a sequence.

    Raises:
        InputError, OptionError: it cannot be read, or options are for the other kind.
    """
    if is_sequence(source):
        return SequenceReader(source, read, clip, times)
    if clip.frames is not None or clip.fps is not None:
        raise OptionError(f"{source}: is a video; --fps and --frames are for pictures")
    return VideoReader(source, read, times)


def output_plan(
    target: Path,
    reader: SequenceReader | VideoReader,
    compare: bool,
    read: ReadOptions,
    write: WriteOptions,
) -> OutputPlan:
    """The video file for what becomes of a reader's frames, with the sound of its source.

    It stores their alpha, if it can and they are not compared.

    Args:
        compare: the pictures are twice as wide.

    Raises:
        OutputError: it cannot be written there.
        OptionError: the encoder does not know a given option.
    """
    info = reader.info
    return plan_output(
        target,
        info,
        source=reader.path if isinstance(reader, VideoReader) else None,
        size=(info.width * (2 if compare else 1), info.height),
        start=read.start,
        end=read.end,
        alpha=info.alpha and not compare,
        options=write,
    )


def track(reader: SequenceReader | VideoReader, tracker: MotionTracker) -> Iterator[TrackedFrame]:
    """A reader's frames with their motion; nothing moves across a gap in a sequence."""
    if isinstance(reader, VideoReader):
        yield from tracker(reader)
        return
    index = tracker.index
    for _, run in groupby(enumerate(reader), key=lambda item: item[1].pts - item[0]):
        tracker.previous, tracker.index = None, index
        for tracked in tracker(frame for _, frame in run):
            index += 1
            yield tracked


def begin_at(
    writer: ResumableWriter, reader: SequenceReader | VideoReader, tracker: MotionTracker
) -> None:
    """Let a reader begin with the frame before the first that is to be written."""
    if writer.done:
        tracker.index = writer.done - 1
        reader.skip(writer.done - 1)


class ClipStylizer(FrameStylizer[Any], Protocol):
    """A stylizer whose work can be continued in another run."""

    latest: np.ndarray | None

    @property
    def notices(self) -> list[str]:
        """What a user should know of how frames were drawn, one line each."""
        ...

    def state(self) -> Checkpoint:
        """What the frame after the last depends on."""
        ...


def restyle(
    reader: SequenceReader | VideoReader,
    tracked: Iterable[TrackedFrame],
    stylizer: ClipStylizer,
    writer: SequenceWriter | ResumableWriter,
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
        done, total = skipped + frames, reader.info.frames
        listener(Progress(done, total, seconds, skipped, picture=stylizer.latest))

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
    return log_summary(summary)


class _Segments:
    """Keeps the state at the end of each segment of a video."""

    def __init__(self, writer: ResumableWriter, stylizer: ClipStylizer) -> None:
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
        raise InputError("the input does not decode as before; start over with --overwrite")
    for following in islice(tracked, 1):
        yield following._replace(start=checkpoint)
    yield from tracked


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
