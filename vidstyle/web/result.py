"""What came of a clip: both videos side by side, their frames before and after, and the file."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from vidstyle.pipeline.summary import Summary
from vidstyle.video.stills import frame_at
from vidstyle.web import controls
from vidstyle.web.services import AT_ONCE, PREVIEW_SIDE, Services, shown
from vidstyle.web.status import duration
from vidstyle.web.uploads import Clip, open_clip


@dataclass(frozen=True)
class PaintedClip:
    """A clip as it was, and as a painting.

    Attributes:
        start: the second of the clip at which the painting begins.
        summary: of the run; None when it was stopped, and the painting is what it had finished.
    """

    clip: Clip
    output: Path
    start: float
    summary: Summary | None = None

    @property
    def words(self) -> list[str]:
        """What a visitor should know of it, one line each."""
        if self.summary is None:
            return ["Stopped. This is what was finished."]
        took = duration(self.summary.seconds)
        notes = [f"Note: {warning}" for warning in self.summary.warnings]
        return [f"{self.summary.frames} frames in {took}", *notes]


class ResultStage:
    """The part of the page for a job that has ended.

    Attributes:
        parts: what ``show`` has values for.
        again: the button that leads back.
    """

    def __init__(self, services: Services, job: gr.BrowserState) -> None:
        self.services = services
        with gr.Column(visible=False, elem_id="video-done", elem_classes="vs-flat") as stage:
            told = gr.HTML(elem_classes="vs-told")
            with gr.Row(elem_classes="vs-videos"):
                options: dict[str, Any] = {"interactive": False, "buttons": []}
                before = gr.Video(label="Original", elem_id="video-original", **options)
                after = gr.Video(label="Painting", elem_id="video-result", **options)
            pair = controls.before_and_after("video-pair")
            at = gr.Slider(0, 1, 0, step=0.04, label="Frame, in seconds", buttons=[])
            with gr.Row():
                download = gr.DownloadButton(
                    "Download the painting", variant="primary", elem_id="video-download"
                )
                self.again = gr.Button("Paint another", elem_id="video-again")
        self.parts = [stage, told, before, after, pair, at, download]
        at.change(self._pair, [job, at], pair, **AT_ONCE)

    def show(self, result: PaintedClip) -> list[Any]:
        """The stage with what came of a job."""
        painted = open_clip(result.output, result.output.name, self.services.options)
        slider = gr.Slider(0, painted.last_frame, 0)
        files = [result.clip.path, result.output]
        lines = (html.escape(self.services.without_folders(line)) for line in result.words)
        words = "".join(f"<p>{line}</p>" for line in lines)
        return [shown(True), words, *files, frames(result, 0), slider, result.output]

    def _pair(self, name: str, at: float) -> Any:
        job = self.services.jobs.find(name)
        if job is None or job.result is None:
            return gr.skip()
        with self.services.errors_shown():
            return frames(job.result, at)


def frames(painted: PaintedClip, at: float) -> tuple[Any, Any]:
    """A frame before and after, at a second of the painting."""
    before = frame_at(painted.clip.path, painted.start + at, PREVIEW_SIDE)
    return before, frame_at(painted.output, at, PREVIEW_SIDE)
