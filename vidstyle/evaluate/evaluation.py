"""The results of an evaluation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidstyle.evaluate.audio import SoundMatch


@dataclass(frozen=True, eq=False)
class Steadiness:
    """How steady one video is.

    Attributes:
        path: of its file.
        e_warp: mean warping error over the pairs of frames, for colours in [0, 1].
        luma, chroma: flicker of the mean of static regions from frame to frame, in levels of
            1/255; None when nothing was static.
        detail: mean gradient energy of its frames.
        series: warping error of every pair; NaN at cuts and where nothing could be compared.
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
    """A stylized video measured against its original. Times are seconds from the first frame.

    Attributes:
        floor: steadiness of the original: what noise and errors of the flow amount to.
        stylized: that of the stylized video, with the same flow and the same masks.
        per_frame: that of the same style without temporal processing, if given.
        size: width and height in pixels at which all was compared.
        frames: numbers of frames of the original and of the stylized video.
        times: of the second frame of every compared pair, on the original's clock.
        judged: mean share of the pixels where the flow could be trusted.
        static_pairs: number of pairs that were static in 1 % of the pixels or more.
        cuts: of the original: the first frames of its second and later shots.
        missing: frames of the original that the stylized video lacks.
        additional: frames that only the stylized video has, on its own clock.
        repeated: frames that repeat the one before, although the original moved on.
        sound: whether the audio is in step with the pictures.
        notes: what a reader of the figures should know.
        lost: those of them that tell what could not be read of the files.
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
        """Gradient energy relative to the per-frame video's; None without one."""
        if self.per_frame is None or not self.per_frame.detail:
            return None
        return self.stylized.detail / self.per_frame.detail

    @property
    def excess_cut(self) -> float | None:
        """The share of the per-frame video's excess that was removed; None without any."""
        if self.per_frame is None:
            return None
        before = self.excess(self.per_frame)
        return 1 - self.excess(self.stylized) / before if before > 0 else None

    def excess(self, video: Steadiness) -> float:
        """Warping error above the floor; negative for a video steadier than the original."""
        return video.e_warp - self.floor.e_warp

    def as_dict(self) -> dict[str, Any]:
        """Everything in JSON's types."""
        names = ("original", "stylized", "per_frame")
        lists = ("size", "cuts", "frames", "missing", "additional", "repeated", "notes")
        return {
            **{n: self._figures(video) for n, video in zip(names, self.videos, strict=False)},
            **{name: list(getattr(self, name)) for name in lists},
            "compared": len(self.times) + 1,
            "judged": self.judged,
            "static_pairs": self.static_pairs,
            "detail_kept": self.detail_kept,
            "excess_cut": self.excess_cut,
            "sound_offset": self.sound.offset,
            "sound_correlation": self.sound.correlation,
            "complete": not self.lost,
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
