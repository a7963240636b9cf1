"""The loop: a reader's frames go through a stylizer and the memory of the past into a writer, all
stages at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

import numpy as np

from vidstyle.errors import InputError, Interrupted, VidstyleError
from vidstyle.frame import Frame, VideoInfo, coverage
from vidstyle.settings import fast_settings
from vidstyle.stages import StageTime, StageTimes
from vidstyle.store import Checkpoint
from vidstyle.styles.registry import Style
from vidstyle.stylizers import Artist, FastOptions, FastStylizer, Stylizer
from vidstyle.temporal import Motion, MotionTracker, TemporalMemory, TemporalOptions
from vidstyle.video import (
    BackgroundSink,
    OutputPlan,
    Prefetch,
    ReadOptions,
    ResumableWriter,
    VideoReader,
    WriteOptions,
    plan_output,
)

T = TypeVar("T")
logger = logging.getLogger(__name__)

QUEUED_BATCHES = 2
"""Batches that may wait between two stages: enough to overlap, little enough for 4K."""


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
    temporal = past_needed(temporal, stylizer.options)
    with (
        VideoReader(source, read, times) as reader,
        MotionTracker(temporal, origin=reader.origin, times=times) as tracker,
    ):
        stylizer.expect(reader.info.width, reader.info.height)
        writer = ResumableWriter(
            output_plan(target, source, reader.info, compare, read, write),
            fast_settings([Path(source)], stylizer, temporal, read, write, compare=compare),
            resume=resume,
            group=stylizer.batch_size,
        )
        begin_at(writer, reader, tracker)

        def finish(frame: Frame, image: np.ndarray) -> Frame:
            return shown(frame, image, compare, writer.alpha)

        return restyle(
            reader, tracker(reader), stylizer, temporal, finish, writer, target, listener, times
        )


def past_needed(temporal: TemporalOptions, fast: FastOptions) -> TemporalOptions:
    """Without the past at strength 0, where every frame comes back exactly as it was."""
    return replace(temporal, temporal=0.0) if fast.strength == 0 else temporal


def output_plan(
    target: Path,
    source: str | Path | None,
    info: VideoInfo,
    compare: bool,
    read: ReadOptions,
    write: WriteOptions,
) -> OutputPlan:
    """The output for what comes of a reader's frames, beside the sound of ``source``, if any.

    It stores their alpha, if it can and they are not compared.

    Args:
        compare: the pictures are twice as wide.

    Raises:
        OutputError: it cannot be written there or so.
        OptionError: the encoder does not know a given option.
    """
    return plan_output(
        target,
        info,
        source=source,
        size=(info.width * (2 if compare else 1), info.height),
        start=read.start,
        end=read.end,
        alpha=info.alpha and not compare,
        options=write,
    )


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
    tracked: Iterable[tuple[Frame, Future[Motion]]],
    stylizer: Stylizer,
    temporal: TemporalOptions,
    finish: Callable[[Frame, np.ndarray], Frame],
    writer: Writer,
    target: Path,
    listener: Listener,
    times: StageTimes,
) -> Summary:
    """From a reader's frames to a finished file.

    Args:
        tracked: the frames, each with its motion; see ``begin_at``.
        finish: the frame to write, of a source frame and its steadied picture.
        times: to add to what reader and tracker measure.

    Raises:
        Interrupted: Ctrl-C.
    """
    memory = TemporalMemory(temporal)
    kept = writer if isinstance(writer, ResumableWriter) else None
    skipped = kept.done if kept else 0
    if kept and kept.checkpoint:
        for state in kept.checkpoint.states:  # none where nothing is remembered
            memory.restore(state)
        tracked = _after(kept.checkpoint, iter(tracked))
    numbers = count(skipped)

    def steady(drawn: Drawn) -> tuple[Frame, Checkpoint | None]:
        motion = drawn.motion.result()
        if temporal.temporal and motion.flow is None:
            log_shot(drawn.frame)
        drawing = memory(drawn.image, motion)
        frame = finish(drawn.frame, stylizer.enlarge(drawn.frame.image, drawing))
        if kept and kept.ends_segment(next(numbers)):
            return frame, Checkpoint(motion.thumbnail, (memory.state(),))
        return frame, None

    def write(item: tuple[Frame, Checkpoint | None]) -> None:
        frame, checkpoint = item
        writer.write(frame)
        if kept and checkpoint:
            kept.keep(checkpoint)

    began = time.perf_counter()
    try:
        with writer:
            frames, _ = run_stages(
                tracked, stylizer, steady, write, reader.info.frames, listener, times, skipped
            )
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
    return logged(Summary(target, frames, seconds, warnings, lost, stages, skipped, first))


def _after(
    checkpoint: Checkpoint, tracked: Iterator[tuple[Frame, Future[Motion]]]
) -> Iterator[tuple[Frame, Future[Motion]]]:
    """What follows the frame of a checkpoint, which comes first."""
    _, motion = next(tracked)
    if not np.array_equal(motion.result().thumbnail, checkpoint.thumbnail):
        raise InputError("the input does not decode as before; start over with --overwrite")
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


def log_shot(frame: Frame) -> None:
    """Note where the memory begins anew."""
    logger.info("a shot begins at %.3f s", frame.time)


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


@dataclass(frozen=True)
class Drawn:
    """A frame on its way: the source, what moved in it, and what was drawn of it."""

    frame: Frame
    motion: Future[Motion]
    image: np.ndarray


def run_stages(
    tracked: Iterable[tuple[Frame, Future[Motion]]],
    artist: Artist,
    finish: Callable[[Drawn], T],
    write: Callable[[T], None],
    total: int | None,
    listener: Listener,
    times: StageTimes,
    skipped: int = 0,
) -> tuple[int, float]:
    """Decode, draw, finish and encode at the same time, in order; frames and seconds.

    Args:
        skipped: frames that an earlier run had finished, which count.
    """

    def finish_when_known(drawn: Drawn) -> T:
        began = time.perf_counter()
        drawn.motion.exception()
        times.add("blend", StageTime(starved=time.perf_counter() - began))
        with times.measure("blend"):
            return finish(drawn)

    began, frames = time.perf_counter(), skipped
    waiting = QUEUED_BATCHES * artist.batch_size
    with (
        Prefetch(batches(tracked, artist.batch_size), QUEUED_BATCHES) as fetched,
        BackgroundSink(times.timed("encode", write), waiting) as encoder,
        BackgroundSink[Drawn](
            lambda drawn: encoder.put(finish_when_known(drawn)), waiting
        ) as finisher,
    ):
        for batch in fetched:
            with times.measure("inference", len(batch)):
                results = artist.draw(np.stack([frame.image for frame, _ in batch]))
            for (frame, motion), image in zip(batch, results, strict=True):
                finisher.put(Drawn(frame, motion, image))
            frames += len(batch)
            seconds = time.perf_counter() - began
            logger.debug("%d frames in %.3f s", frames, seconds)
            listener(Progress(frames, total, seconds, skipped))
    times.add("decode", StageTime(blocked=fetched.blocked))
    times.add("inference", StageTime(starved=fetched.starved, blocked=finisher.blocked))
    times.add("blend", StageTime(starved=finisher.starved, blocked=encoder.blocked))
    times.add("encode", StageTime(starved=encoder.starved))
    return frames, time.perf_counter() - began


def batches(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """Groups of ``size``; the last may be smaller."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
