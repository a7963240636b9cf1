"""Compares a stylized video with its original, frame by frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vidstyle.errors import InputError
from vidstyle.evaluate.audio import match_sounds
from vidstyle.evaluate.evaluation import Evaluation, Steadiness
from vidstyle.evaluate.metrics import (
    global_change,
    gradient_energy,
    mean_change,
    static_mask,
    valid_mask,
    warping_error,
)
from vidstyle.evaluate.pairing import (
    Pairing,
    VideoTimes,
    check_shapes,
    describe,
    format_size,
    pair,
    read_times,
)
from vidstyle.frame import Frame
from vidstyle.image import resize
from vidstyle.pipeline.summary import Listener, Progress
from vidstyle.temporal.cuts import CutDetector
from vidstyle.temporal.flow import FlowPreset, check_preset, dense_flow, resize_flow
from vidstyle.temporal.motion import thumbnail
from vidstyle.video import ReadOptions, VideoReader

CutTest = Callable[[np.ndarray, np.ndarray, np.ndarray], bool]
"""Whether a cut lies between previous and frame, given the backward flow at their size."""
_STATIC_SHARE = 0.01


def evaluate(
    original: str | Path,
    stylized: str | Path,
    per_frame: str | Path | None = None,
    *,
    flow: FlowPreset = "medium",
    cuts: CutTest = CutDetector(),
    listener: Listener = lambda progress: None,
) -> Evaluation:
    """Measure a stylized video, made by any program, against its original.

    Args:
        original: the video that was stylized.
        stylized: the result, with the original's frames, at its size or scaled.
        per_frame: the result of the same style without temporal processing.
        flow: preset of the optical flow between the original's frames.
        cuts: detects where a new shot begins, from thumbnails of 512 pixels at most.
        listener: called after every frame.

    Raises:
        OptionError: there is no such flow preset.
        InputError: a file cannot be read, has a single frame, or does not match the original.
    """
    check_preset(flow)
    paths = [Path(path) for path in (original, stylized, per_frame) if path is not None]
    videos = [read_times(path) for path in paths]
    check_shapes(videos)
    pairings = [pair(videos[0], other) for other in videos[1:]]
    kept = sorted(set.intersection(*(set(pairing.matches) for pairing in pairings)))
    if len(kept) < 2:
        raise InputError(f"{describe(*videos[:2])}: less than two frames can be compared")
    wanted = [kept, *([pairing.matches[frame] for frame in kept] for pairing in pairings)]
    comparison = _Comparison(videos, flow, cuts)
    comparison.run(wanted, listener)
    if not any(comparison.judged):
        raise InputError(f"{original}: no two frames of one shot follow each other")
    times = videos[0].times[kept[1:]]
    results = comparison.results()
    return Evaluation(
        floor=results[0],
        stylized=results[1],
        per_frame=results[2] if per_frame is not None else None,
        size=videos[1].size,
        frames=(len(videos[0].times), len(videos[1].times)),
        times=times,
        judged=float(np.mean(comparison.judged)),
        static_pairs=comparison.static_pairs,
        cuts=tuple(times[comparison.cuts].tolist()),
        missing=_others(videos[0].times, pairings[0].matches.keys()),
        additional=_others(videos[1].times, pairings[0].matches.values()),
        repeated=tuple(times[repeated(results[0].changes, results[1].changes)].tolist()),
        sound=match_sounds(paths[0], paths[1], videos[1].start - videos[0].start),
        notes=_notes(videos, pairings),
        lost=tuple(f"{video.path}: {loss}" for video in videos for loss in video.warnings),
    )


def _others(times: np.ndarray, matched: Iterable[int]) -> tuple[float, ...]:
    return tuple(np.delete(times, list(matched)).tolist())


def _notes(videos: Sequence[VideoTimes], pairings: Sequence[Pairing]) -> tuple[str, ...]:
    notes = [f"{video.path}: {warning}" for video in videos for warning in video.warnings]
    notes += [pairing.note for pairing in pairings if pairing.note]
    sizes = [format_size(video.size) for video in videos[:2]]
    if sizes[0] != sizes[1]:
        notes.append(f"{videos[0].path} resized from {sizes[0]} to {sizes[1]}")
    return tuple(notes)


@dataclass
class _Comparison:
    """Steps through all videos side by side; holds two frames of each.

    Attributes:
        judged: share of the pixels in the mask, for the pairs that are not cuts.
        cuts: indices of the pairs that are.
    """

    videos: Sequence[VideoTimes]
    preset: FlowPreset
    is_cut: CutTest
    judged: list[float] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    static_pairs: int = 0
    _pairs: list[list[tuple[float, ...]]] = field(default_factory=list)
    """For each pair and video: warping error, change of luma and of chroma, mean change."""
    _energies: list[list[float]] = field(default_factory=list)
    """For each frame and video."""

    def run(self, wanted: Sequence[Sequence[int]], listener: Listener) -> None:
        """Compare the frames of each video whose indices stand at the same place in ``wanted``."""
        began, total = time.perf_counter(), len(wanted[0])
        options = ReadOptions(bit_depth=8)
        size = self.videos[1].size
        before: list[np.ndarray] = []
        with ExitStack() as stack:
            readers = [stack.enter_context(VideoReader(v.path, options)) for v in self.videos]
            chosen = map(select, readers, wanted)
            for count, frames in enumerate(zip(*chosen, strict=True), 1):
                images = [_resized(frame.image, size) for frame in frames]
                self._energies.append([gradient_energy(image) for image in images])
                if before:
                    self._compare(images, before)
                before = images
                listener(Progress(count, total, time.perf_counter() - began))

    def results(self) -> list[Steadiness]:
        """The steadiness of each video."""
        pairs = np.array(self._pairs)
        energies = np.mean(self._energies, axis=0)
        return [
            Steadiness(
                video.path,
                e_warp=float(np.nanmean(pairs[:, number, 0])),
                luma=_mean(pairs[:, number, 1]),
                chroma=_mean(pairs[:, number, 2]),
                detail=float(energies[number]),
                series=pairs[:, number, 0],
                changes=pairs[:, number, 3],
            )
            for number, video in enumerate(self.videos)
        ]

    def _compare(self, images: Sequence[np.ndarray], before: Sequence[np.ndarray]) -> None:
        backward = dense_flow(images[0], before[0], self.preset)
        mask = valid_mask(backward, dense_flow(before[0], images[0], self.preset))
        if self._cut_between(before[0], images[0], backward):
            self.cuts.append(len(self._pairs))
            mask = np.zeros_like(mask)
        else:
            self.judged.append(float(mask.mean()))
        static = static_mask(images[0], before[0], backward, mask)
        if static.mean() < _STATIC_SHARE:
            static = np.zeros_like(static)
        self.static_pairs += bool(static.any())
        self._pairs.append(
            [
                (
                    warping_error(image, previous, backward, mask),
                    *global_change(image, previous, static),
                    mean_change(image, previous),
                )
                for image, previous in zip(images, before, strict=True)
            ]
        )

    def _cut_between(self, previous: np.ndarray, image: np.ndarray, flow: np.ndarray) -> bool:
        before, now = thumbnail(previous), thumbnail(image)
        height, width = now.shape[:2]
        return self.is_cut(before, now, resize_flow(flow, width, height))


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def select(frames: Iterable[Frame], indices: Sequence[int]) -> Iterator[Frame]:
    """The frames with these indices."""
    wanted = set(indices)
    return (frame for index, frame in enumerate(frames) if index in wanted)


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return image if image.shape[1::-1] == size else resize(image, *size)


def repeated(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Which frames of the second video repeat the one before: bool for every pair.

    A repeated frame that was encoded again is not quite the same: with x264 it mostly differs by
    less than 0.1 levels, but by one or two at low quality. So it counts if it changes by less than
    0.1, or by less than 2.5 and a fifth of what such a change of the original usually leads to.

    Args:
        ours, theirs: mean change of every pair in the original and in the second, in levels.
    """
    moved = ours >= 0.5
    if not moved.any():
        return moved
    response = theirs / np.maximum(ours, 0.5)
    # Not the median: at half the frame rate, every other frame is repeated.
    usual = float(np.percentile(response[moved], 75))
    return moved & ((theirs < 0.1) | ((theirs < 2.5) & (response < usual / 5)))
