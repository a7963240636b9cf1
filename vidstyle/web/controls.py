"""Controls of the page, made from the records of options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

from vidstyle.options import Options
from vidstyle.options.base import about, choices

SIDES = {"As it is": 0, "1920": 1920, "1280": 1280, "960": 960, "640": 640}


def slider(record: type[Options], name: str, label: str) -> gr.Slider:
    """A number between two limits."""
    one = field_of(record, name)
    details = about(one)
    assert details.min is not None and details.max is not None
    return gr.Slider(details.min, details.max, one.default, step=0.05, label=label, buttons=[])


def radio(record: type[Options], name: str, labels: Mapping[str, str], label: str) -> gr.Radio:
    """One of a few values; ``labels`` says what each is called."""
    one = field_of(record, name)
    named = [(labels[value], value) for value in choices(one.type) if value in labels]
    return gr.Radio(named, value=one.default, label=label)


def side(label: str) -> gr.Dropdown:
    """The longer side of what is painted, in pixels."""
    return gr.Dropdown(list(SIDES.items()), value=0, label=label)


def moment(label: str, unset: str) -> gr.Textbox:
    """A time, in seconds or hh:mm:ss; empty for ``unset``."""
    return gr.Textbox("", label=label, placeholder=unset, max_lines=1, max_length=20, min_width=100)


def picture_upload(label: str, name: str, height: int = 150) -> gr.Image:
    """Where a picture is dropped or pasted; its value is the path of the file.

    Gradio by itself would decode the picture before it could be checked.
    """
    upload = gr.Image(
        label=label,
        sources=["upload", "clipboard"],
        height=height,
        buttons=[],
        elem_id=name,
        elem_classes="vs-drop",
    )
    upload.preprocess = uploaded_path  # type: ignore[method-assign]
    return upload


def uploaded_path(payload: ImageData | None) -> str | None:
    """Where an upload lies."""
    return payload.path if payload else None


def before_and_after(name: str) -> gr.ImageSlider:
    """Two pictures of a size, one over the other up to a line that can be moved."""
    return gr.ImageSlider(
        label="Before and after",
        show_label=False,
        interactive=False,
        buttons=[],
        format="jpeg",
        container=False,
        elem_id=name,
        elem_classes="vs-hero",
    )


def command_line(name: str) -> gr.Textbox:
    """The command line that does what the page would do."""
    return gr.Textbox(
        label="The same on the command line",
        interactive=False,
        lines=2,
        buttons=["copy"],
        elem_id=name,
        elem_classes="vs-command",
    )


def field_of(record: type[Options], name: str) -> Any:
    """A field of a record by its name."""
    return next(one for one in fields(record) if one.name == name)  # type: ignore[arg-type]
