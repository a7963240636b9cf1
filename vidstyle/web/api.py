"""What other programs call: a clip in, the painting out, through the same queue as everybody."""

from __future__ import annotations

import asyncio
import html
from functools import partial
from pathlib import Path

import gradio as gr

from vidstyle.errors import InputError
from vidstyle.web.services import Services
from vidstyle.web.settings import VideoSettings
from vidstyle.web.uploads import check_length, open_clip
from vidstyle.web.video import VideoTab, paint

LOOK_SECONDS = 0.2


def add_api(services: Services, tab: VideoTab) -> None:
    """Let programs paint clips as the tab for videos does, at ``/paint``."""

    async def paint_clip(
        clip: str | None,
        style: str,
        strength: float,
        temporal: float,
        color: str,
        quality: str,
        max_side: int,
        start: str,
        end: str,
    ) -> str:
        """Paint a clip, and wait for the painting."""
        with services.errors_shown():
            if clip is None:
                raise InputError("no clip was given")
            choice = VideoSettings.of(
                style, strength, temporal, color, quality, max_side, start, end
            )
            path = services.workspace.adopt(Path(clip))
            source = open_clip(path, Path(clip).name, services.options)
            check_length(source, choice.read, services.options)
            folder = services.workspace.folder()
            job = services.jobs.submit(
                partial(paint, source, choice, folder), {folder, path.parent}
            )
        try:
            while job.ended is None:
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            job.stop()
        if job.result is None:
            raise gr.Error(html.escape(services.without_folders(job.error)), print_exception=False)
        return str(job.result.output)

    with gr.Row(visible=False):
        clip = gr.File(label="clip")
        style = gr.Textbox("scream", label="style")
        painting = gr.File(label="painting")
        gr.Button().click(
            paint_clip,
            [clip, style, *tab.chosen[1:]],
            painting,
            api_name="paint",
            api_description="Paint a clip, and wait for the painting.",
        )
