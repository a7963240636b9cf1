"""Video in the look of a photo: learned from a few frames, and given to all of them.

The first pass finds the shots and optimizes key frames, each from the result of the one before it
in its shot. What became of a key frame is kept as a bilateral grid of colour transforms, so the
second pass needs no network, and draws frames at their full size and depth. Between key frames the
transforms are mixed, so that a look changes gradually within a shot and at once at a cut.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import vidstyle
from vidstyle import image as images
from vidstyle.errors import InputError, Interrupted, OptimizationError, OptionError
from vidstyle.frame import Frame
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.options import (
    PHOTOGRAPHS,
    OptimizeOptions,
    PhotorealismOptions,
    ReadOptions,
    TemporalOptions,
    WriteOptions,
    settings_of,
)
from vidstyle.pipeline.settings import arrays, file_or_word, fingerprint, input_settings
from vidstyle.pipeline.summary import Listener, Progress, Summary
from vidstyle.pipeline.video import ADVICE, begin_at, output_plan, restyle, shown
from vidstyle.stages import StageTimes
from vidstyle.store import Checkpoint
from vidstyle.stylizers import OptimizeStylizer, Photorealism, find_pair
from vidstyle.stylizers.bilateral_grid import BilateralGrid, fit_grid
from vidstyle.stylizers.descent import Step
from vidstyle.stylizers.photorealism import deepest_layer
from vidstyle.stylizers.targets import Paintings
from vidstyle.temporal.motion import MotionTracker, TrackedFrame, rounded
from vidstyle.video import ResumableWriter, VideoReader

KEY_SIDE = 192
"""Longest side, in pixels, at which key frames are optimized: a grid has no finer detail."""


@dataclass(frozen=True)
class Look:
    """How frames around a key frame are drawn.

    Attributes:
        time: of the key frame, in seconds.
        first: whether its shot begins with it.
    """

    time: float
    first: bool
    grid: BilateralGrid


def photorealistic_video(
    source: str | Path,
    output: str | Path,
    photos: Paintings,
    *,
    photorealism: PhotorealismOptions = PhotorealismOptions(photorealistic=True),
    optimize: OptimizeOptions = PHOTOGRAPHS,
    temporal: TemporalOptions = TemporalOptions(),
    read: ReadOptions = ReadOptions(),
    write: WriteOptions = WriteOptions(),
    vgg: VGG19 | None = None,
    compare: bool = False,
    resume: bool = False,
    listener: Listener = lambda progress: None,
) -> Summary:
    """Give a video the light and the colours of photos, keeping its sound, timing and tags.

    Args:
        photos: RGB uint8 H×W×3 of any size, each with its weight.
        temporal: where the cuts are; nothing else of it counts.
        vgg: loaded unless given.
        compare: put input and output side by side in one picture.
        resume: continue with the seconds that an earlier run has finished, once the look is known.
        listener: called after every frame of both passes.

    Raises:
        VidstyleError: a subclass says what is wrong with the input, photos, options or output.
        Interrupted: Ctrl-C; its ``partial`` names the playable file that was kept.
    """
    check_video_regions(photorealism, photos)
    target, times = Path(output), StageTimes()
    vgg = vgg or load_vgg19(last=deepest_layer(optimize, photorealism))
    learner = _Learner(photos, photorealism, optimize, vgg)
    with VideoReader(source, read, times) as reader:
        # What cannot be written is to be known before the long work.
        plan = output_plan(target, reader, compare, read, write)
        settings = _settings(Path(source), learner, temporal, read, write, compare)
        writer = ResumableWriter(plan, settings, resume=resume, group=1)
        counter = _Counter(listener, reader.info.frames)
        tracking = replace(temporal, temporal=1.0)
        try:
            with (
                MotionTracker(tracking, origin=reader.origin, times=times) as tracker,
                ExitStack() as unfinished,
            ):
                unfinished.push(writer)
                looks = learner(counter.counted(tracker(reader)), counter.hear)
                unfinished.pop_all()
        except KeyboardInterrupt as interrupt:
            raise Interrupted(writer.partial, ADVICE if writer.partial else "") from interrupt

    def compose(frame: Frame, image: np.ndarray) -> Frame:
        return shown(frame, image, compare, writer.alpha)

    with (
        VideoReader(source, read, times) as again,
        MotionTracker(TemporalOptions(temporal=0)) as untracked,
    ):
        begin_at(writer, again, untracked)
        stylizer, frames = LookStylizer(looks, compose), untracked(again)
        summary = restyle(again, frames, stylizer, writer, target, counter.second_pass, times)
    return replace(summary, seconds=counter.seconds)


def check_video_regions(options: PhotorealismOptions, photos: Paintings) -> None:
    """Raises OptionError when regions are given for a video, or looked for in several styles."""
    if options.regions is not None:
        raise OptionError(
            "regions are given for still pictures; in videos they move: use --auto-regions"
        )
    if options.auto_regions is not None and len(photos) > 1:
        raise OptionError("regions are for one style; leave out the others")


class LookStylizer:
    """Gives each frame the look of its place in time.

    Args:
        looks: in the order of their times; the first is that of the first frame.
        compose: makes the frame to write, of a source frame and its picture.

    Attributes:
        latest: the picture of the last frame that was finished; None before the first.
    """

    batch_size = 1

    def __init__(
        self, looks: Sequence[Look], compose: Callable[[Frame, np.ndarray], Frame]
    ) -> None:
        self.looks = looks
        self.latest: np.ndarray | None = None
        self.notices: list[str] = []
        self._compose = compose
        self._thumbnail: np.ndarray | None = None

    def draw(self, frames: Sequence[TrackedFrame]) -> list[np.ndarray]:
        return [self.grid_at(frame.time)(frame.image) for frame, _, _ in frames]

    def grid_at(self, time: float) -> BilateralGrid:
        """The grid for a frame: mixed of those of the key frames around it, within its shot."""
        index = max(bisect_right(self.looks, time, key=lambda look: look.time) - 1, 0)
        look, following = self.looks[index], self.looks[index + 1 : index + 2]
        if not following or following[0].first:
            return look.grid
        share = (time - look.time) / (following[0].time - look.time)
        return look.grid.mixed(following[0].grid, min(max(share, 0.0), 1.0))

    def finish(self, tracked: TrackedFrame, drawing: np.ndarray) -> Frame:
        self._thumbnail = tracked.motion.result().thumbnail
        frame = self._compose(tracked.frame, drawing)
        self.latest = frame.image
        return frame

    def state(self) -> Checkpoint:
        """What the frame after the last depends on: nothing but its own picture."""
        assert self._thumbnail is not None
        return Checkpoint(self._thumbnail, ())


class _Learner:
    """Makes looks of the key frames of a video."""

    def __init__(
        self,
        photos: Paintings,
        photorealism: PhotorealismOptions,
        optimize: OptimizeOptions,
        vgg: VGG19,
    ) -> None:
        self.photos = photos
        self.photorealism = photorealism
        self.optimize = optimize
        self.vgg = vgg
        self.stylizer = OptimizeStylizer(
            photos, optimize, vgg, Photorealism(photorealism.photorealism_weight)
        )

    def __call__(
        self, frames: Iterable[TrackedFrame], listener: Callable[[Step], None]
    ) -> list[Look]:
        """The looks of a video's key frames.

        Raises:
            OptimizationError: names the time of the frame.
            InputError: there are no frames.
        """
        looks: list[Look] = []
        for frame, motion, _ in frames:
            first = not looks or motion.result().flow is None
            if not first and frame.time - looks[-1].time < self.photorealism.key_interval:
                continue
            try:
                grid = self._learn(frame.image, None if first else looks[-1].grid, listener)
            except OptimizationError as error:
                raise OptimizationError(f"at {frame.time:.3f} s: {error}") from error
            looks.append(Look(frame.time, first, grid))
        if not looks:
            raise InputError("the video has no frames to learn a look from")
        return steadied(looks)

    def _learn(
        self, image: np.ndarray, before: BilateralGrid | None, listener: Callable[[Step], None]
    ) -> BilateralGrid:
        small = images.fit(image if image.dtype == np.uint8 else rounded(image), KEY_SIDE)
        start = None if before is None else before(small)
        stylizer = self.stylizer
        if self.photorealism.auto_regions is not None:
            pair = find_pair(small, self.photos[0][0], self.photorealism.auto_regions, self.vgg)
            look = Photorealism(self.photorealism.photorealism_weight, pair)
            stylizer = OptimizeStylizer(self.photos, self.optimize, self.vgg, look)
        return fit_grid(small, stylizer(small, start=start, listener=listener))


def steadied(looks: Sequence[Look]) -> list[Look]:
    """Looks smoothed along time: each mixed with its neighbours in the shot, by 1 : 2 : 1."""
    shots = np.cumsum([look.first for look in looks])
    result = []
    for n, look in enumerate(looks):
        near = [m for m in (n - 1, n, n, n + 1) if 0 <= m < len(looks) and shots[m] == shots[n]]
        mean = torch.stack([looks[m].grid.transforms for m in near]).mean(dim=0)
        result.append(replace(look, grid=BilateralGrid(mean)))
    return result


class _Counter:
    """Counts frames over both passes and tells the listener."""

    def __init__(self, listener: Listener, frames: int | None) -> None:
        self.listener = listener
        self.total = frames and 2 * frames
        self.frames = 0
        self.loss: float | None = None
        self.began = time.perf_counter()

    def counted(self, frames: Iterable[TrackedFrame]) -> Iterable[TrackedFrame]:
        """The frames of the first pass."""
        for frame in frames:
            yield frame
            self.frames += 1
            self._tell(self.frames)

    def hear(self, step: Step) -> None:
        self.loss = step.losses.total
        self._tell(self.frames)

    def second_pass(self, progress: Progress) -> None:
        done = self.frames + progress.frames
        self._tell(done, skipped=progress.skipped, picture=progress.picture)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def _tell(self, frames: int, **more: Any) -> None:
        self.listener(Progress(frames, self.total, self.seconds, loss=self.loss, **more))


def _settings(
    source: Path,
    learner: _Learner,
    temporal: TemporalOptions,
    read: ReadOptions,
    write: WriteOptions,
    compare: bool,
) -> dict[str, Any]:
    """All that the video depends on, as JSON values by the options' names."""
    painter = learner.stylizer
    return {
        "vidstyle": vidstyle.__version__,
        **input_settings([source]),
        "style": [[fingerprint([p]), weight] for p, weight in painter.style.paintings],
        "vgg": fingerprint(arrays(painter.vgg)),
        **settings_of(learner.optimize, learner.photorealism),
        "regions": None,
        "flow": temporal.flow,
        "cuts": file_or_word(temporal.cuts, ("auto", "none")),
        **settings_of(read, write),
        "device": str(painter.device),
        "precision": str(painter.dtype),
        "compare": compare,
    }
