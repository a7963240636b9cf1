"""How work that goes on is shown: a picture, a bar, a line of words, and how the losses fall."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import cv2
import numpy as np

from vidstyle.image import fit
from vidstyle.pipeline.summary import Progress

SHOWN_SIDE = 960


@dataclass(frozen=True, eq=False)
class JobView:
    """What there is to see of a job at a moment.

    Attributes:
        share: how much is done, from 0 to 1; None where nobody knows.
        picture: the latest, RGB H×W×3.
        losses: of all steps, where something is optimized.
    """

    words: str
    share: float | None = None
    picture: np.ndarray | None = None
    losses: Sequence[float] = ()

    def html(self) -> str:
        """As a part of the page."""
        percent = round(100 * min(self.share or 0, 1))
        return (
            f'<div class="vs-work">{self._shown()}'
            f'<div class="vs-bar" role="progressbar" aria-label="Progress" '
            f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}">'
            f'<i style="width:{percent}%"></i></div>'
            f'<p role="status">{html.escape(self.words)}</p>{loss_curve(self.losses)}</div>'
        )

    def _shown(self) -> str:
        if self.picture is None:
            return '<div class="vs-empty"></div>'
        return f'<img alt="What is being painted" src="{data_url(self.picture)}">'


def progress_view(progress: Progress) -> JobView:
    """A run over frames: how many, how many a second, and the time left."""
    words, share = [f"{progress.frames} frames"], None
    if progress.total:
        total = max(progress.total, progress.frames)
        share = progress.frames / total
        words = [f"{progress.frames} of {total} frames"]
    words.append(f"{progress.rate:.1f} frames/s")
    if share is not None and progress.rate:
        words.append(f"{duration((total - progress.frames) / progress.rate)} left")
    return JobView(" · ".join(words), share, progress.picture)


def loss_curve(losses: Sequence[float]) -> str:
    """The losses of all steps as a small drawing (SVG), on a logarithmic axis."""
    known = [log(loss) for loss in losses if loss > 0]
    if len(known) < 2:
        return ""
    low, height = min(known), (max(known) - min(known)) or 1
    points = " ".join(
        f"{300 * step / (len(known) - 1):.1f},{54 - 48 * (value - low) / height:.1f}"
        for step, value in enumerate(known)
    )
    return (
        '<svg class="vs-curve" viewBox="0 0 300 60" preserveAspectRatio="none" role="img" '
        f'aria-label="The loss, on a logarithmic axis"><polyline points="{points}"/></svg>'
    )


def duration(seconds: float) -> str:
    """``8 s``, ``2 min 5 s`` or ``1 h 4 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def data_url(image: np.ndarray) -> str:
    """A picture, RGB H×W×3, as a small JPEG inside a page: nothing has to be kept for it."""
    small = fit(image.clip(0, 255).astype(np.uint8), SHOWN_SIDE)
    _, data = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
