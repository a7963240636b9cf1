"""The page: a head, and a tab for each thing that it does."""

from __future__ import annotations

import gradio as gr

from vidstyle.web.api import add_api
from vidstyle.web.evaluation import EvaluateTab
from vidstyle.web.painting import PaintingTab
from vidstyle.web.picture import PictureTab
from vidstyle.web.services import Services
from vidstyle.web.video import VideoTab
from vidstyle.web.webcam import WebcamTab

HEAD = """<div class="vs-head"><h1>vid<b>style</b></h1>
<p>Videos as moving paintings. Everything happens on this machine.</p></div>"""


def build_page(services: Services) -> gr.Blocks:
    """All tabs, ready to be launched."""
    with gr.Blocks(title="vidstyle", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(HEAD)
        with gr.Tabs():
            with gr.Tab("Video") as tab:
                video = VideoTab(services)
                video.load(page, tab)
            with gr.Tab("Picture") as tab:
                PictureTab(services).load(page, tab)
            with gr.Tab("Webcam") as tab:
                WebcamTab(services).load(tab)
            with gr.Tab("Your painting"):
                PaintingTab(services).load(page)
            with gr.Tab("Evaluate"):
                EvaluateTab(services).load(page)
        add_api(services, video)
    return page
