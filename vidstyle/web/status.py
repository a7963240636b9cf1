"""How a job that is waiting or at work is shown: the picture, a bar, and a line of words."""

from __future__ import annotations

import asyncio
import base64
import html
from collections.abc import AsyncIterator

import cv2
import numpy as np

from vidstyle.image import fit
from vidstyle.pipeline.summary import Progress
from vidstyle.web.jobs import Job, Jobs

SHOWN_SIDE = 960
LOOK_SECONDS = 0.4


async def follow(job: Job) -> AsyncIterator[Job]:
    """The job again and again, until it has ended."""
    while job.ended is None:
        yield job
        await asyncio.sleep(LOOK_SECONDS)
    yield job


def work_panel(words: str, share: float | None = None, picture: np.ndarray | None = None) -> str:
    """HTML of work that goes on.

    Args:
        share: how much is done, from 0 to 1; None where nobody knows.
        picture: RGB H×W×3, the latest.
    """
    shown = (
        f'<img alt="What is being painted" src="{data_url(picture)}">'
        if picture is not None
        else ('<div class="vs-empty"></div>')
    )
    percent = 0 if share is None else round(100 * min(share, 1))
    return (
        f'<div class="vs-work">{shown}'
        f'<div class="vs-bar" role="progressbar" aria-label="Progress" aria-valuenow="{percent}">'
        f'<i style="width:{percent}%"></i></div>'
        f'<p role="status">{html.escape(words)}</p></div>'
    )


def progress_panel(progress: Progress) -> str:
    """HTML of a run that goes on: frames, frames a second, and the time left."""
    words = [f"{progress.frames} frames", f"{progress.rate:.1f} frames/s"]
    share = None
    if progress.total:
        total = max(progress.total, progress.frames)
        share = progress.frames / total
        words[0] = f"{progress.frames} of {total} frames"
        if progress.rate:
            words.append(f"{duration((total - progress.frames) / progress.rate)} left")
    return work_panel(" · ".join(words), share, progress.picture)


def place_words(jobs: Jobs, job: Job) -> str:
    """What somebody who waits wants to know."""
    before = jobs.place(job)
    if before == 0:
        return "Starting…"
    return f"Waiting: {before} job{'s' if before > 1 else ''} before yours"


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
