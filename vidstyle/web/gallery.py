"""A picture in every style, to choose one by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
import numpy as np

from vidstyle.web.catalog import style_titles
from vidstyle.web.services import QUIET


class StyleGallery:
    """Pictures side by side.

    Attributes:
        style: the name of the style that is chosen.
        parts: what ``filled`` has values for.
    """

    def __init__(self, name: str) -> None:
        first = next(iter(style_titles()))
        self.style = gr.State(first)
        self.names = gr.State([])
        gallery = gr.Gallery(
            label="Styles",
            show_label=False,
            columns=4,
            height="auto",
            object_fit="cover",
            allow_preview=False,
            interactive=False,
            buttons=[],
            format="jpeg",
            container=False,
            elem_id=name,
            elem_classes="vs-styles",
        )
        self.parts = [gallery, self.names, self.style]
        gallery.select(self._choose, self.names, self.style, **QUIET)

    def filled(self, sheet: Mapping[str, np.ndarray], style: str | None = None) -> list[Any]:
        """The gallery with a picture for each style, by name; one of them, or the first, chosen."""
        titles, names = style_titles(), list(sheet)
        chosen = style if style in names else names[0]
        pictures = [(sheet[name], titles.get(name, name)) for name in names]
        gallery = gr.Gallery(pictures, selected_index=names.index(chosen))
        return [gallery, names, chosen]

    @property
    def unchanged(self) -> list[Any]:
        """The gallery as it is."""
        return [gr.skip()] * len(self.parts)

    def _choose(self, names: list[str], event: gr.SelectData) -> str:
        return names[event.index]
