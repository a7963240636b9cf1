"""The tab for cameras: the picture of the browser's camera, painted while it moves."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import gradio as gr

from vidstyle.options import FastOptions
from vidstyle.web import controls
from vidstyle.web.gallery import StyleGallery
from vidstyle.web.services import AT_ONCE, QUIET, Services

STAGE = """<div class="vs-work"><canvas id="live-canvas" width="960" height="540"
aria-label="The painted picture of the camera"></canvas>
<p role="status" id="live-words">The camera is off.</p></div>"""


def live_script() -> str:
    """What runs in the browser, for the page's head."""
    return f"<script>{(files('vidstyle.web') / 'live.js').read_text(encoding='utf-8')}</script>"


class WebcamTab:
    """Builds itself inside the page that is being built."""

    def __init__(self, services: Services) -> None:
        self.services = services
        with gr.Row(elem_classes="vs-columns"):
            with gr.Column(scale=3, min_width=320, elem_classes="vs-stage"):
                gr.HTML(STAGE)
                self.gallery = StyleGallery("webcam-styles")
            with gr.Column(scale=1, min_width=300, elem_classes="vs-panel"):
                self.strength = controls.slider(FastOptions, "strength", "Strength")
                self.go = gr.Button("Start the camera", variant="primary", elem_id="webcam-start")
                self.halt = gr.Button("Stop", elem_id="webcam-stop")
                gr.Markdown(
                    "The newest picture is painted, and those that come meanwhile are dropped. "
                    "Pictures go to the machine that runs vidstyle, and are not kept.",
                    elem_classes="vs-quiet",
                )
                self.camera = gr.Textbox(visible="hidden")
        self._connect()

    def _connect(self) -> None:
        chosen = [self.camera, self.gallery.style, self.strength]
        self.go.click(self._open, chosen, self.camera, **QUIET).success(
            None, self.camera, None, js="name => vidstyleLive.start(name)", **QUIET
        )
        self.halt.click(None, None, None, js="() => vidstyleLive.stop()", **QUIET)
        self.halt.click(self._close, self.camera, None, **QUIET)
        changes = [self.gallery.style.change, self.strength.change]
        gr.on(changes, self._change, chosen, None, **AT_ONCE)

    def load(self, tab: gr.Tab) -> None:
        """Show the styles, when the tab is looked at."""
        tab.select(
            lambda style: self.gallery.filled(self.services.sample_sheet, style),
            self.gallery.style,
            self.gallery.parts,
            **QUIET,
        )

    def _open(self, camera: str, style: str, strength: float) -> str:
        with self.services.errors_shown():
            self.services.cameras.close(camera)
            return self.services.cameras.open(style, strength)

    def _close(self, camera: str) -> None:
        self.services.cameras.close(camera)

    def _change(self, name: str, style: str, strength: float) -> Any:
        camera = self.services.cameras.find(name)
        if camera is not None:
            with self.services.errors_shown():
                if camera.stylizer.strength != strength:
                    camera.stylizer.set_strength(strength)
                if camera.stylizer.style.info.name != style:
                    camera.stylizer.set_style(style)
