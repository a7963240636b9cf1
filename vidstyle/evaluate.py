"""Judging a stylized video against its original: how steady, how detailed, how well in time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vidstyle.cuts import CutDetector
from vidstyle.errors import InputError
from vidstyle.flow import FlowPreset, check_preset, dense_flow, resize_flow
from vidstyle.frame import Frame
from vidstyle.image import resize
from vidstyle.measures import (
    global_change,
    gradient_energy,
    mean_change,
    static_mask,
    valid_mask,
    warping_error,
)
from vidstyle.pipeline import Listener, Progress
from vidstyle.plots import check_plot, write_figure
from vidstyle.sound import SoundMatch, match_sounds
from vidstyle.temporal import thumbnail
from vidstyle.video import ReadOptions, VideoReader

CutTest = Callable[[np.ndarray, np.ndarray, np.ndarray], bool]
"""Whether a cut lies between previous and frame, given the backward flow at their size."""

_ASPECT_TOLERANCE = 0.01
_MATCHED_SHARE = 0.9
_STATIC_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class Steadiness:
    """How steady one video is.

    Attributes:
        path: of its file.
        e_warp: mean warping error over the pairs of frames, colours in [0, 1].
        luma, chroma: flicker of the static regions' mean from frame to frame, in levels of 1/255;
            None when nothing was static.
        detail: mean gradient energy of its frames.
        series: warping error of every pair; nan at cuts and where nothing could be compared.
        changes: mean absolute change of every pair, in levels of 1/255.
    """

    path: Path
    e_warp: float
    luma: float | None
    chroma: float | None
    detail: float
    series: np.ndarray
    changes: np.ndarray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came out of judging a stylized video. Times are seconds from the first frame.

    Attributes:
        floor: the original's own steadiness: what noise and errors of the flow amount to.
        stylized: the judged video's, with the same flow and the same masks.
        per_frame: that of the same style without temporal processing, if given.
        size: width and height in pixels at which all was compared.
        frames: of the original and of the stylized video.
        times: of the second frame of every compared pair, on the original's clock.
        judged: mean share of the pixels where the flow could be trusted.
        static_pairs: number of pairs that were static in 1 % of the pixels or more.
        cuts: of the original; the first frames of its second and later shots.
        missing: frames of the original that the stylized video has not.
        additional: frames that only the stylized video has, on its own clock.
        repeated: frames that show the one before once more, although the original moved on.
        sound: whether the sound stayed with the picture.
        notes: what a reader of the figures should know.
        lost: those of them that say what of the files could not be read.
    """

    floor: Steadiness
    stylized: Steadiness
    per_frame: Steadiness | None
    size: tuple[int, int]
    frames: tuple[int, int]
    times: np.ndarray
    judged: float
    static_pairs: int
    cuts: tuple[float, ...]
    missing: tuple[float, ...]
    additional: tuple[float, ...]
    repeated: tuple[float, ...]
    sound: SoundMatch
    notes: tuple[str, ...]
    lost: tuple[str, ...] = ()

    @property
    def videos(self) -> tuple[Steadiness, ...]:
        """Original, stylized and, if given, per frame."""
        return tuple(v for v in (self.floor, self.stylized, self.per_frame) if v is not None)

    @property
    def detail_kept(self) -> float | None:
        """Gradient energy over that of the per-frame video; None without one."""
        if self.per_frame is None or not self.per_frame.detail:
            return None
        return self.stylized.detail / self.per_frame.detail

    @property
    def excess_cut(self) -> float | None:
        """Share of the per-frame video's excess over the floor that is gone; None without any."""
        if self.per_frame is None:
            return None
        before = self.excess(self.per_frame)
        return 1 - self.excess(self.stylized) / before if before > 0 else None

    def excess(self, video: Steadiness) -> float:
        """Warping error above the floor; negative for what is steadier than the original."""
        return video.e_warp - self.floor.e_warp

    def as_dict(self) -> dict[str, Any]:
        """All of it in JSON's types."""
        names = ("original", "stylized", "per_frame")
        document: dict[str, Any] = {
            name: self._figures(video) for name, video in zip(names, self.videos, strict=False)
        }
        return document | {
            "size": list(self.size),
            "compared": len(self.times) + 1,
            "judged": self.judged,
            "static_pairs": self.static_pairs,
            "detail_kept": self.detail_kept,
            "excess_cut": self.excess_cut,
            "cuts": list(self.cuts),
            "frames": list(self.frames),
            "missing": list(self.missing),
            "additional": list(self.additional),
            "repeated": list(self.repeated),
            "sound_offset": self.sound.offset,
            "sound_correlation": self.sound.correlation,
            "complete": not self.lost,
            "notes": list(self.notes),
            "times": self.times.tolist(),
        }

    def _figures(self, video: Steadiness) -> dict[str, Any]:
        return {
            "file": str(video.path),
            "e_warp": video.e_warp,
            "excess": self.excess(video),
            "luma_flicker": video.luma,
            "chroma_flicker": video.chroma,
            "gradient_energy": video.detail,
            "series": [None if math.isnan(value) else value for value in video.series.tolist()],
        }


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
        stylized: the result; of the original's frames, and of its size or a scaled one.
        per_frame: the result of the same style without temporal processing.
        flow: preset of the optical flow between the original's frames.
        cuts: tells where a new shot begins, from thumbnails of 512 pixels at most.
        listener: called after every frame.

    Raises:
        OptionError: no such flow.
        InputError: a file cannot be read, is a single frame, or does not fit the original.
    """
    check_preset(flow)
    paths = [Path(path) for path in (original, stylized, per_frame) if path is not None]
    videos = [survey(path) for path in paths]
    check_shapes(videos)
    pairings = [pair(videos[0], other) for other in videos[1:]]
    kept = sorted(set.intersection(*(set(pairing.matches) for pairing in pairings)))
    if len(kept) < 2:
        raise InputError(f"{_sizes(*videos[:2])}: not two frames are left to compare")
    wanted = [kept, *([pairing.matches[frame] for frame in kept] for pairing in pairings)]
    walk = _Walk([_Record() for _ in videos], flow, cuts)
    walk.go(videos, wanted, listener)
    if not any(math.isfinite(value) for value in walk.records[0].warping):
        raise InputError(f"{original}: no two frames of one shot follow each other")
    times = videos[0].times[kept[1:]]
    results = [r.summary(v.path) for r, v in zip(walk.records, videos, strict=True)]
    return Evaluation(
        floor=results[0],
        stylized=results[1],
        per_frame=results[2] if per_frame is not None else None,
        size=videos[1].size,
        frames=(len(videos[0].times), len(videos[1].times)),
        times=times,
        judged=float(np.mean(walk.judged)),
        static_pairs=sum(math.isfinite(value) for value in walk.records[0].luma),
        cuts=_at(times, walk.cuts),
        missing=_rest(videos[0].times, pairings[0].matches.keys()),
        additional=_rest(videos[1].times, pairings[0].matches.values()),
        repeated=_at(times, repeated(results[0].changes, results[1].changes)),
        sound=match_sounds(paths[0], paths[1], videos[1].start - videos[0].start),
        notes=_notes(videos, pairings),
        lost=tuple(f"{video.path}: {loss}" for video in videos for loss in video.warnings),
    )


def _at(times: np.ndarray, chosen: Sequence[int] | np.ndarray) -> tuple[float, ...]:
    return tuple(times[chosen].tolist()) if len(chosen) else ()


def _rest(times: np.ndarray, matched: Iterable[int]) -> tuple[float, ...]:
    return tuple(np.delete(times, list(matched)).tolist())


def _notes(videos: Sequence[Video], pairings: Sequence[Pairing]) -> tuple[str, ...]:
    notes = [f"{video.path}: {warning}" for video in videos for warning in video.warnings]
    notes += [pairing.note for pairing in pairings if pairing.note]
    if videos[0].size != videos[1].size:
        notes.append(
            f"{videos[0].path} resized from {_size(videos[0].size)} to {_size(videos[1].size)}"
        )
    return tuple(notes)


# -- what is in the files -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Video:
    """A video before it is compared.

    Attributes:
        size: width and height in pixels, upright.
        start: seconds of the first frame on the container's clock.
        times: seconds of every frame from the first, ascending.
    """

    path: Path
    size: tuple[int, int]
    start: float
    times: np.ndarray
    warnings: tuple[str, ...] = ()


def survey(path: Path) -> Video:
    """Decode a file once for the timestamps it really has.

    Raises:
        InputError: it cannot be read, or has a single frame.
    """
    with VideoReader(path) as reader:
        size = (reader.info.width, reader.info.height)
    with VideoReader(path, ReadOptions(max_side=64, bit_depth=8)) as reader:
        times = np.array([frame.time for frame in reader])
        warnings = tuple(reader.warnings)
    if len(times) < 2:
        raise InputError(f"{path}: has a single frame; give a video of two frames or more")
    return Video(path, size, float(times[0]), times - times[0], warnings)


def check_shapes(videos: Sequence[Video]) -> None:
    """Raises InputError unless the original's proportions are kept and the others have one size."""
    original, stylized = videos[:2]
    width = original.size[0] * stylized.size[1] / original.size[1]
    # Small pictures whose sides were rounded to even numbers may be further off.
    if abs(stylized.size[0] - width) > max(_ASPECT_TOLERANCE * width, 2):
        raise InputError(
            f"{_sizes(original, stylized)}: the shapes differ; the whole picture is needed, "
            "scaled at most"
        )
    for other in videos[2:]:
        if other.size != stylized.size:
            raise InputError(f"{_sizes(stylized, other)}: make both in the same size")


@dataclass(frozen=True)
class Pairing:
    """Which frame of another video belongs to which of the original's: ``matches`` by index."""

    matches: dict[int, int]
    note: str = ""


def pair(original: Video, other: Video) -> Pairing:
    """Match frames by time, or by number when only the clocks differ.

    Raises:
        InputError: less than 90 % of the frames have a partner.
    """
    ours, theirs = original.times, other.times
    tolerance = float(np.median(np.diff(ours))) / 2
    one_by_one = Pairing({index: index for index in range(len(ours))})
    if len(ours) == len(theirs):
        # A file said to have 30 frames a second instead of 29.97 drifts; the frames are the same.
        drift = np.abs(theirs * (ours[-1] / max(theirs[-1], 1e-9)) - ours)
        if drift.max() <= tolerance:
            return Pairing(one_by_one.matches, _clock_note(original, other, tolerance))
    matches = match_times(ours, theirs, tolerance)
    if len(matches) >= _MATCHED_SHARE * max(len(ours), len(theirs)):
        return Pairing(matches)
    if len(ours) == len(theirs):
        note = f"{other.path}: timestamps are not the original's; frames compared by their number"
        return Pairing(one_by_one.matches, note)
    raise InputError(
        f"{_sizes(original, other)}: only {len(matches)} match by time; "
        "cut both to the same part, in the same frame rate"
    )


def _clock_note(original: Video, other: Video, tolerance: float) -> str:
    gap = float(np.abs(other.times - original.times).max())
    if gap <= tolerance:
        return ""
    return f"{other.path}: its clock runs away from the original's, by {gap:.3f} s at the end"


def match_times(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> dict[int, int]:
    """Pairs of indices whose times are each other's nearest and at most ``tolerance`` apart.

    Args:
        ours, theirs: seconds, ascending.
    """
    matches: dict[int, int] = {}
    i = j = 0
    while i < len(ours) and j < len(theirs):
        gap = abs(theirs[j] - ours[i])
        if j + 1 < len(theirs) and abs(theirs[j + 1] - ours[i]) < gap:
            j += 1
        elif i + 1 < len(ours) and abs(theirs[j] - ours[i + 1]) < gap:
            i += 1
        else:
            if gap <= tolerance:
                matches[i] = j
            i, j = i + 1, j + 1
    return matches


def _sizes(first: Video, second: Video) -> str:
    return (
        f"{first.path} has {len(first.times)} frames of {_size(first.size)}, "
        f"{second.path} has {len(second.times)} of {_size(second.size)}"
    )


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


# -- the walk through the frames ------------------------------------------------------------


@dataclass
class _Record:
    """What is written down of one video, pair by pair; ``energy`` frame by frame."""

    warping: list[float] = field(default_factory=list)
    luma: list[float] = field(default_factory=list)
    chroma: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    energy: list[float] = field(default_factory=list)

    def add(
        self,
        image: np.ndarray,
        previous: np.ndarray,
        flow: np.ndarray,
        mask: np.ndarray,
        static: np.ndarray,
    ) -> None:
        luma, chroma = global_change(image, previous, static)
        self.warping.append(warping_error(image, previous, flow, mask))
        self.luma.append(luma)
        self.chroma.append(chroma)
        self.changes.append(mean_change(image, previous))

    def summary(self, path: Path) -> Steadiness:
        return Steadiness(
            path,
            e_warp=float(np.nanmean(self.warping)),
            luma=_mean(self.luma),
            chroma=_mean(self.chroma),
            detail=float(np.mean(self.energy)),
            series=np.array(self.warping),
            changes=np.array(self.changes),
        )


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else None


@dataclass
class _Walk:
    """Goes through all videos side by side; holds two frames of each."""

    records: list[_Record]
    preset: FlowPreset
    is_cut: CutTest
    judged: list[float] = field(default_factory=list)
    """Share of the mask, for the pairs that are not cuts."""
    cuts: list[int] = field(default_factory=list)
    """Numbers of the pairs that are."""

    def go(
        self, videos: Sequence[Video], wanted: Sequence[Sequence[int]], listener: Listener
    ) -> None:
        """``wanted`` has the indices of each video's frames that belong together."""
        began, total = time.perf_counter(), len(wanted[0])
        before: list[np.ndarray] = []
        with ExitStack() as stack:
            plain = ReadOptions(bit_depth=8)
            readers = [stack.enter_context(VideoReader(video.path, plain)) for video in videos]
            chosen = map(select, readers, wanted)
            for count, frames in enumerate(zip(*chosen, strict=True), 1):
                images = [_fit(frame.image, videos[1].size) for frame in frames]
                for record, image in zip(self.records, images, strict=True):
                    record.energy.append(gradient_energy(image))
                if before:
                    self._compare(images, before)
                before = images
                listener(Progress(count, total, time.perf_counter() - began))

    def _compare(self, images: Sequence[np.ndarray], before: Sequence[np.ndarray]) -> None:
        backward = dense_flow(images[0], before[0], self.preset)
        mask = valid_mask(backward, dense_flow(before[0], images[0], self.preset))
        if self._cut_between(before[0], images[0], backward):
            self.cuts.append(len(self.records[0].warping))
            mask = np.zeros_like(mask)
        else:
            self.judged.append(float(mask.mean()))
        static = static_mask(images[0], before[0], backward, mask)
        if static.mean() < _STATIC_SHARE:
            static = np.zeros_like(static)
        for record, image, previous in zip(self.records, images, before, strict=True):
            record.add(image, previous, backward, mask, static)

    def _cut_between(self, previous: np.ndarray, image: np.ndarray, flow: np.ndarray) -> bool:
        before, now = thumbnail(previous), thumbnail(image)
        height, width = now.shape[:2]
        return self.is_cut(before, now, resize_flow(flow, width, height))


def select(frames: Iterable[Frame], indices: Sequence[int]) -> Iterator[Frame]:
    """The frames with these indices, which ascend."""
    wanted = iter(indices)
    following = next(wanted, None)
    for index, frame in enumerate(frames):
        if index == following:
            yield frame
            following = next(wanted, None)
        if following is None:
            return


def _fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return image if image.shape[1::-1] == size else resize(image, *size)


def repeated(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Which frames of the second video show the one before once more: bool for every pair.

    A repeated frame that was encoded anew is not quite the same: with x264 it mostly differs by
    less than 0.1 levels, but by one or two when quality is low. So it counts if it changes by less
    than 0.1, or by less than 2.5 and a fifth of what such a change of the original mostly leads to.

    Args:
        ours, theirs: mean change of every pair in the original and in the second, in levels.
    """
    moved = ours >= 0.5
    if not moved.any():
        return moved
    response = theirs / np.maximum(ours, 0.5)
    # Not the median: in a video of half the rate, every other frame is a repeated one.
    usual = float(np.percentile(response[moved], 75))
    return moved & ((theirs < 0.1) | ((theirs < 2.5) & (response < usual / 5)))


# -- the plot -------------------------------------------------------------------------------


def write_plot(path: str | Path, evaluation: Evaluation) -> Path:
    """Draw the warping error over time, cuts as vertical lines, as a PNG.

    Raises:
        OptionError, OutputError: as ``check_plot`` does, or the place cannot be written.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot(
        xlabel="seconds", ylabel="warping error", title=evaluation.stylized.path.name
    )
    looks = (("original", "0.6"), ("stylized", "tab:red"), ("per frame", "tab:blue"))
    for (label, color), video in zip(looks, evaluation.videos, strict=False):
        axes.plot(evaluation.times, video.series, color=color, linewidth=1.2, label=label)
    for number, cut in enumerate(evaluation.cuts):
        label = "_" if number else "cut"
        axes.axvline(cut, color="0.3", linestyle=":", linewidth=1, label=label)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    figure.legend(loc="outside right upper")
    return write_figure(path, figure)
