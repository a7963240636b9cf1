"""Video by the optimization engine: every frame goes on from the one before.

Ruder, Dosovitskiy, Brox 2016, "Artistic Style Transfer for Videos". A frame starts from the last
result, moved along the optical flow, and is held to it while it is optimized, wherever the flow can
be trusted; elsewhere it starts from the source and is free.

Every finished frame is kept in a folder beside the output until the video is complete. The past is
always read from there or is the same, in 8 bits: so a run that was interrupted goes on as if it had
not been, and several passes over hours of video need no more memory than one frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

import vidstyle
from vidstyle.disk import OutputLock
from vidstyle.errors import Interrupted, OptimizationError, OptionError
from vidstyle.frame import Frame
from vidstyle.models.vgg import VGG19
from vidstyle.options import (
    FRAMES,
    OptimizeOptions,
    ReadOptions,
    TemporalOptions,
    VideoOptions,
    WriteOptions,
    settings_of,
)
from vidstyle.pipeline.process import process
from vidstyle.pipeline.settings import arrays, file_or_word, fingerprint, input_settings
from vidstyle.pipeline.summary import Listener, Progress, Summary, log_summary
from vidstyle.pipeline.video import output_plan, shown
from vidstyle.stages import StageTimes
from vidstyle.store import FrameCache
from vidstyle.stylizers import Anchor, FastStylizer, OptimizeStylizer, Step
from vidstyle.stylizers.color import match_colors
from vidstyle.stylizers.descent import ignore
from vidstyle.stylizers.targets import Paintings
from vidstyle.temporal.drift import DriftGuard
from vidstyle.temporal.history import History, WarpedFrame, blend
from vidstyle.temporal.motion import Motion, MotionTracker, TrackedFrame, estimate_motion, thumbnail
from vidstyle.video import VideoReader, VideoWriter
from vidstyle.video.layout import Layout

SOURCE = 0
"""The pass under which source frames are kept, for passes that go backward."""
NEIGHBOUR = 0.5
"""δ, the share of the neighbour's result in the start of a further pass (Ruder et al. 2016, section
4.4)."""


def optimize_video(
    source: str | Path,
    output: str | Path,
    paintings: Paintings,
    *,
    optimize: OptimizeOptions = FRAMES,
    video: VideoOptions = VideoOptions(),
    temporal: TemporalOptions = TemporalOptions(),
    read: ReadOptions = ReadOptions(),
    write: WriteOptions = WriteOptions(),
    fast: FastStylizer | None = None,
    vgg: VGG19 | None = None,
    compare: bool = False,
    resume: bool = False,
    listener: Listener = lambda progress: None,
    steps: Callable[[Step], None] = ignore,
) -> Summary:
    """Restyle a video file after any paintings, keeping its sound, timing and tags.

    Finished frames are kept in ``.OUTPUT.work`` until the video is complete.

    Args:
        source: any video file that FFmpeg reads.
        paintings: RGB uint8 H×W×3 of any size, each with its weight.
        temporal: its ``temporal`` scales the weight of the past; 0 has every frame by itself.
        write: ``overwrite`` also removes what an earlier run has left, unless ``resume``.
        fast: draws what there is no past for to start from, instead of the source's frame.
        vgg: loaded unless given.
        compare: put input and output side by side in one picture.
        resume: continue with the frames that an earlier run has finished, if any. On a CPU, the
            video is the same as if that run had not ended.
        listener: called after every frame of every pass.
        steps: called after every iteration; those of a frame are counted from 1.

    Raises:
        VidstyleError: a subclass says what is wrong with the input, paintings, options or output.
        OptionError: also, to resume, settings or the input have changed.
        Interrupted: Ctrl-C; its ``partial`` is the folder of finished frames.
    """
    _check_options(video, temporal, read, fast)
    asked, read = read.bit_depth, replace(read, bit_depth=8)
    began, target, times = time.perf_counter(), Path(output), StageTimes()
    painter = OptimizeStylizer(paintings, optimize, vgg)
    with (
        VideoReader(source, read, times) as reader,
        MotionTracker(temporal, origin=reader.origin, threads=1, times=times) as tracker,
    ):
        # What cannot be written is to be known before the long work.
        plan = output_plan(target, reader, compare, read, write)
        with OutputLock(plan.path, overwrite=plan.overwrite):
            cache = FrameCache(
                plan.path,
                settings(Path(source), painter, video, temporal, read, fast),
                resume=resume,
                overwrite=write.overwrite,
            )
            total = reader.info.frames and reader.info.frames * video.passes
            counter = _Counter(listener, steps, total, began)
            paint = _PassPainter(painter, fast, video, temporal, cache, counter, times)
            try:
                paint(tracker(reader))
                with (
                    VideoReader(source, read) as again,
                    MotionTracker(TemporalOptions(temporal=0)) as untracked,
                    VideoWriter(plan) as writer,
                ):
                    finished = _Finished(cache, video.passes, compare, writer.alpha)
                    process(untracked(again), finished, writer, times=times)
                warnings = (*again.warnings, *again.notices, *writer.notices)
                lost = tuple(again.warnings)
                if asked == "auto" and (bits := Layout.of(again.info.pix_fmt).bits) > 8:
                    warnings += (f"{bits} bits painted as 8, as this engine does",)
            except KeyboardInterrupt as interrupt:
                kept = cache.path if cache.path.exists() else None
                raise Interrupted(kept, "continue with --resume") from interrupt
            cache.remove()
    frames = counter.frames // video.passes
    seconds = time.perf_counter() - began
    stages, first = times.result(), times.first
    return log_summary(Summary(target, frames, seconds, warnings, lost, stages, first_frame=first))


def _check_options(
    video: VideoOptions, temporal: TemporalOptions, read: ReadOptions, fast: FastStylizer | None
) -> None:
    """Raises OptionError when options do not go together."""
    if video.refresh and fast is None:
        raise OptionError("refresh starts every frame from the fast engine's picture; give one")
    if video.passes > 1 and temporal.temporal == 0:
        raise OptionError("passes learn from other frames; with temporal 0 no frame does")
    if read.bit_depth == 10:
        raise OptionError(
            "the optimization engine paints 8 bits a channel; leave out --bit-depth 10"
        )


class _Counter:
    """Counts frames and tells the listeners."""

    def __init__(
        self,
        listener: Listener,
        steps: Callable[[Step], None],
        total: int | None,
        began: float,
    ) -> None:
        self.listener = listener
        self.steps = steps
        self.total = total
        self.began = began
        self.frames = 0
        self.skipped = 0
        self.loss: float | None = None

    def __call__(self, skipped: bool) -> None:
        self.frames += 1
        self.skipped += skipped
        seconds = time.perf_counter() - self.began
        self.listener(Progress(self.frames, self.total, seconds, self.skipped, self.loss))

    def hear(self, step: Step) -> None:
        self.loss = step.losses.total
        self.steps(step)


class _Finished:
    """Gives the loop the frames of the last pass."""

    batch_size = 1

    def __init__(self, cache: FrameCache, number: int, compare: bool, alpha: bool) -> None:
        self.cache = cache
        self.number = number
        self.compare = compare
        self.alpha = alpha
        self._indices = count()

    def draw(self, frames: Sequence[TrackedFrame]) -> list[np.ndarray]:
        return [self.cache.get(self.number, next(self._indices)) for _ in frames]

    def finish(self, tracked: TrackedFrame, drawing: np.ndarray) -> Frame:
        return shown(tracked.frame, drawing, self.compare, self.alpha)


class _PassPainter:
    """Paints all frames, pass by pass, into the cache."""

    def __init__(
        self,
        painter: OptimizeStylizer,
        fast: FastStylizer | None,
        video: VideoOptions,
        temporal: TemporalOptions,
        cache: FrameCache,
        counter: _Counter,
        times: StageTimes,
    ) -> None:
        self.painter = painter
        self.fast = fast
        self.video = video
        self.temporal = temporal
        self.cache = cache
        self.counter = counter
        self.paint = times.timed("inference", painter)
        self.past = History(max(video.long_term), temporal.flow)
        self.guard = DriftGuard(video.drift)
        self.weight = video.temporal_weight * temporal.temporal

    def __call__(self, tracked: Iterable[TrackedFrame]) -> None:
        """Raises OptimizationError, with the number of the frame."""
        starts = self._first_pass(tracked)
        count = self.counter.frames
        for number in range(2, self.video.passes + 1):
            for first, end in zip(starts, [*starts[1:], count], strict=True):
                shot = range(first, end)
                self._further_pass(number, shot if number % 2 else shot[::-1])

    def _first_pass(self, tracked: Iterable[TrackedFrame]) -> list[int]:
        """Forward over the whole video; the first frames of its shots."""
        starts = []
        for index, (frame, future, _) in enumerate(tracked):
            motion = future.result()
            if motion.flow is None:
                starts.append(index)
            if self.video.passes > 1 and self.cache.load(SOURCE, index) is None:
                self.cache.save(SOURCE, index, frame.image)
            self._frame(1, index, frame.image, motion, None)
        return starts

    def _further_pass(self, number: int, shot: Sequence[int]) -> None:
        """Over the frames of a shot, in the order given."""
        before: np.ndarray | None = None
        for index in shot:
            image, own = self.cache.get(SOURCE, index), self.cache.get(number - 1, index)
            now = thumbnail(image)
            if before is None:
                motion = Motion(now)
            else:
                motion = estimate_motion(before, now, self.temporal.flow, False)
            self._frame(number, index, image, motion, own)
            before = now

    def _frame(
        self, number: int, index: int, image: np.ndarray, motion: Motion, own: np.ndarray | None
    ) -> None:
        """One frame of a pass; ``own`` is its result of the pass before."""
        if motion.flow is None:
            self.past.forget()
            self.guard.forget()
        picture = self.cache.load(number, index)
        done = picture is not None
        past = self.past(motion, (1,) if done else self.video.long_term)
        if past:
            self.guard.move(motion, past[0].trust)
        if picture is None:
            picture = self._paint(index, image, past, own)
            picture = self.guard.correct(motion.thumbnail, picture)
            self.cache.save(number, index, picture)
        self.guard.keep(motion.thumbnail, picture)
        self.past.add(motion.thumbnail, picture)
        self.counter(done)

    def _paint(
        self, index: int, image: np.ndarray, past: list[WarpedFrame], own: np.ndarray | None
    ) -> np.ndarray:
        anchors = [Anchor(p.image, p.trust, self.weight) for p in past] if self.weight else []
        try:
            return self.paint(
                image,
                start=self._start(image, past, own),
                anchors=anchors,
                iterations=self.video.iterations if past or own is not None else None,
                listener=self.counter.hear,
            )
        except OptimizationError as error:
            raise OptimizationError(f"frame {index}: {error}", error.picture) from error

    def _start(
        self, image: np.ndarray, past: list[WarpedFrame], own: np.ndarray | None
    ) -> np.ndarray | None:
        """Where a frame begins; None is what the options say of still pictures."""
        if own is not None:
            return blend(own, past, NEIGHBOUR)
        if self.fast is not None:
            drawn = self.fast(image)
            return drawn if self.video.refresh else blend(drawn, past, 1.0)
        if not past:
            return None
        # What is new in the source begins with the colours of what has been painted.
        return blend(match_colors(image, past[0].image), past, 1.0)


# ---- what results depend on ---------------------------------------------------------------


def settings(
    source: Path,
    painter: OptimizeStylizer,
    video: VideoOptions,
    temporal: TemporalOptions,
    read: ReadOptions,
    fast: FastStylizer | None,
) -> dict[str, Any]:
    """All that the frames depend on, as JSON values by the options' names."""
    return {
        "vidstyle": vidstyle.__version__,
        **input_settings([source]),
        "style": [[fingerprint([p]), weight] for p, weight in painter.style.paintings],
        "vgg": fingerprint(arrays(painter.vgg)),
        "fast style": None if fast is None else fingerprint([fast.vector, *arrays(fast.network)]),
        **settings_of(painter.options),
        "first iterations": painter.options.iterations,
        **settings_of(video, temporal, read),
        "device": str(painter.device),
        "precision": str(painter.dtype),
        "init": file_or_word(painter.options.init, ("content", "noise")),
        "cuts": file_or_word(temporal.cuts, ("auto", "none")),
    }
