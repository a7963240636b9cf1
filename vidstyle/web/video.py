"""The tab for videos: choose on a frame, paint the clip, and see it beside the original."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from vidstyle.errors import Interrupted, VidstyleError
from vidstyle.options import FastOptions, TemporalOptions
from vidstyle.web import controls
from vidstyle.web.catalog import style_titles
from vidstyle.web.gallery import StyleGallery
from vidstyle.web.job_panel import JobPanel
from vidstyle.web.jobs import Job
from vidstyle.web.result import PaintedClip, ResultStage
from vidstyle.web.services import AT_ONCE, QUIET, Services
from vidstyle.web.settings import VideoSettings
from vidstyle.web.status import progress_view
from vidstyle.web.uploads import Clip, check_length, open_clip

QUALITIES = {"draft": "Draft", "standard": "Standard", "fine": "Fine"}
COLORS = {"style": "The painting's", "keep": "The clip's own"}


class VideoTab:
    """Builds itself inside the page that is being built."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.clip = gr.State(None)
        with gr.Row(elem_classes="vs-columns"):
            with gr.Column(scale=3, min_width=320, elem_classes="vs-stage"):
                self._build_stage()
                self.gallery = StyleGallery("video-styles")
            with gr.Column(scale=1, min_width=300, elem_classes="vs-panel"):
                self._build_panel()
        self._connect()

    # -- what is there ------------------------------------------------------------------------

    def _build_stage(self) -> None:
        with gr.Column(elem_id="video-choosing", elem_classes="vs-flat") as self.choosing:
            self.preview = controls.before_and_after("video-preview")
            self.at = gr.Slider(0, 1, 0, step=0.04, label="Frame, in seconds", buttons=[])
        self.job_panel = JobPanel(self.services, "video", self.choosing, progress_view)
        self.result = ResultStage(self.services, self.job_panel.job)
        self.job_panel.connect(self.result)

    def _build_panel(self) -> None:
        limits = self.services.options
        self.upload = gr.Video(
            label=f"Your clip, up to {limits.max_megabytes} MB",
            sources=["upload"],
            height=150,
            buttons=[],
            elem_id="video-upload",
            elem_classes="vs-drop",
        )
        self.sample = gr.Button("Take the sample clip", size="sm", elem_id="video-sample")
        self.strength = controls.slider(FastOptions, "strength", "Strength")
        self.temporal = controls.slider(TemporalOptions, "temporal", "Steadiness")
        self.color = controls.radio(FastOptions, "color", COLORS, "Colours")
        self.quality = controls.radio(FastOptions, "quality", QUALITIES, "Quality")
        self.side = controls.side("Longer side, in pixels")
        with gr.Row(elem_classes="vs-pair"):
            self.start = controls.moment("Start", "0:00")
            self.end = controls.moment("End", "the end")
        self.go = gr.Button("Paint the clip", variant="primary", elem_id="video-start")
        self.command = controls.command_line("video-command")

    # -- what it does -------------------------------------------------------------------------

    @property
    def chosen(self) -> list[Any]:
        """The controls, in the order of ``VideoSettings.of``."""
        fast = [self.gallery.style, self.strength, self.temporal, self.color, self.quality]
        return [*fast, self.side, self.start, self.end]

    def load(self, page: gr.Blocks, tab: gr.Tab) -> None:
        """Begin with the sample when somebody opens the page."""
        seen = page.load(self._unpainted, None, self.preview, **QUIET)
        seen.then(self._sample, self._drawn, self._taken, **QUIET)
        shown = [self.clip, self.gallery.names, self.gallery.style]
        tab.select(self._renew, shown, self.gallery.parts, **QUIET)
        self.job_panel.resume(page)

    @property
    def _drawn(self) -> list[Any]:
        """The controls that a frame shows."""
        return [self.gallery.style, self.strength, self.color, self.quality]

    @property
    def _taken(self) -> list[Any]:
        return [self.clip, self.at, self.preview, self.upload, *self.gallery.parts]

    def _connect(self) -> None:
        shown = [self.clip, self.at, *self._drawn]
        changes = [control.change for control in (*self._drawn, self.at)]
        gr.on(changes, self._preview, shown, self.preview, **AT_ONCE)
        changes = [control.change for control in (self.clip, *self.chosen)]
        gr.on(changes, self._command, [self.clip, *self.chosen], self.command, **AT_ONCE)
        upload = [self.upload, *self._drawn]
        for taken in (
            self.upload.upload(self._take, upload, self._taken, **QUIET),
            self.sample.click(self._sample, self._drawn, self._taken, **QUIET),
        ):
            self.job_panel.leave(taken)
        self.job_panel.begin(self.go, self._start, [self.clip, *self.chosen])

    # -- choosing -----------------------------------------------------------------------------

    def _unpainted(self) -> Any:
        """The sample as it is, for the seconds until the network has been loaded."""
        frame = self.services.frame(self.services.sample, 0)
        return frame, frame

    def _sample(self, *drawn: Any) -> list[Any]:
        return self._show(self.services.sample, self.services.sample_sheet, None, *drawn)

    def _take(self, upload: str | None, *drawn: Any) -> list[Any]:
        if upload is None:
            return [gr.skip()] * len(self._taken)
        with self.services.errors_shown():
            path = self.services.workspace.adopt(Path(upload))
            clip = open_clip(path, Path(upload).name, self.services.options)
            sheet = self.services.previews.sheet(self.services.frame(clip, 0))
        return self._show(clip, sheet, gr.skip(), *drawn)

    def _show(
        self, clip: Clip, sheet: dict[str, np.ndarray], upload: Any, style: str, *drawn: Any
    ) -> list[Any]:
        """A new clip, its frames' slider, its first frame before and after, and the gallery."""
        slider = gr.Slider(0, clip.last_frame, 0)
        pair = self._preview(clip, 0, style, *drawn)
        return [clip, slider, pair, upload, *self.gallery.filled(sheet, style)]

    def _renew(self, clip: Clip | None, names: list[str], style: str) -> list[Any]:
        """The gallery, if there are other styles than it shows."""
        if clip is None or names == list(style_titles()):
            return self.gallery.unchanged
        with self.services.errors_shown():
            sheet = self.services.previews.sheet(self.services.frame(clip, 0))
        return self.gallery.filled(sheet, style)

    def _preview(
        self, clip: Clip | None, at: float, style: str, strength: float, color: Any, quality: Any
    ) -> Any:
        if clip is None:
            return gr.skip()
        with self.services.errors_shown():
            frame = self.services.frame(clip, at)
            fast = FastOptions(strength=strength, color=color, quality=quality)
            return frame, self.services.previews.paint(frame, style, fast)

    def _command(self, clip: Clip | None, *chosen: Any) -> Any:
        if clip is None:
            return gr.skip()
        try:
            return VideoSettings.of(*chosen).command(clip.name)
        except VidstyleError as error:  # somebody is typing
            return str(error)

    # -- painting -----------------------------------------------------------------------------

    def _start(self, clip: Clip | None, *chosen: Any) -> str:
        if clip is None:
            raise gr.Error("Bring a clip first, or take the sample.", title="No clip yet")
        with self.services.errors_shown():
            choice = VideoSettings.of(*chosen)
            check_length(clip, choice.read, self.services.options)
            folder = self.services.workspace.folder()
            return self.services.jobs.submit(
                partial(paint, clip, choice, folder), {folder, clip.path.parent}
            ).id


def paint(clip: Clip, choice: VideoSettings, folder: Path, job: Job) -> PaintedClip:
    """The work of a job.

    Raises:
        Interrupted: stopped; what was finished is kept.
    """
    output = folder / f"{clip.path.stem}.{choice.style}.mp4"
    start = choice.read.start or 0.0
    try:
        summary = choice.paint(clip.path, output, job.listen)
    except Interrupted as interrupt:
        if interrupt.partial is None:
            raise
        return PaintedClip(clip, interrupt.partial, start)
    return PaintedClip(clip, summary.output, start, summary)
