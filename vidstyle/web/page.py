"""The page: a head, and a tab for each thing that it does."""

from __future__ import annotations

import gradio as gr

from vidstyle.web.desk import Desk
from vidstyle.web.judge import EvaluateTab
from vidstyle.web.painting import PaintingTab
from vidstyle.web.picture import PictureTab
from vidstyle.web.program import offer_painting
from vidstyle.web.video import VideoTab
from vidstyle.web.webcam import WebcamTab

HEAD = """<div class="vs-head"><h1>vid<b>style</b></h1>
<p>Videos as moving paintings. Everything happens on this machine.</p></div>"""


def build_page(desk: Desk) -> gr.Blocks:
    """All tabs, ready to be launched."""
    with gr.Blocks(title="vidstyle", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(HEAD)
        with gr.Tabs():
            with gr.Tab("Video") as tab:
                video = VideoTab(desk)
                video.load(page, tab)
            with gr.Tab("Picture") as tab:
                PictureTab(desk).load(page, tab)
            with gr.Tab("Webcam") as tab:
                WebcamTab(desk).load(tab)
            with gr.Tab("Your painting"):
                PaintingTab(desk).load(page)
            with gr.Tab("Evaluate"):
                EvaluateTab(desk).load(page)
        offer_painting(desk, video)
    return page
