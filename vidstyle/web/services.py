"""What the tabs of the page share: the queue, temporary folders, previews and limits."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from importlib.resources import as_file, files
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Self

import gradio as gr

from vidstyle.errors import VidstyleError
from vidstyle.options import WebOptions
from vidstyle.video.stills import frame_at
from vidstyle.web.catalog import style_titles
from vidstyle.web.jobs import Jobs
from vidstyle.web.live import Cameras
from vidstyle.web.uploads import Clip, open_clip
from vidstyle.web.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np

    from vidstyle.web.previews import PreviewRenderer

SWEEP_SECONDS = 60
PREVIEW_SIDE = 832
"""As wide as the page shows it: larger pictures would take longer to follow the controls."""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""For events that are none of a program's business, and too quick for a spinner."""
AT_ONCE: dict[str, Any] = {"queue": False, "trigger_mode": "always_last", **QUIET}
"""For what follows a control: Gradio's queue would take longer than the answer."""


class Services:
    """Made before the page, as it decides where Gradio keeps its files; closed after it."""

    def __init__(self, options: WebOptions) -> None:
        self.options = options
        self.workspace = Workspace()
        self.jobs = Jobs(options.max_waiting)
        self.cameras = Cameras()
        self._frame = lru_cache(maxsize=32)(frame_at)
        self._sample_sheet: dict[str, np.ndarray] = {}
        self._drawing_sample = Lock()
        self._closing = Event()
        self._sweeper = Thread(target=self._sweep, name="sweeper", daemon=True)
        self._sweeper.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        self.cameras.sweep(0)
        self.jobs.close()
        self._sweeper.join()
        self.workspace.close()

    @cached_property
    def previews(self) -> PreviewRenderer:
        """Imports torch, for which the page does not wait."""
        from vidstyle.web.previews import PreviewRenderer

        return PreviewRenderer()

    def frame(self, clip: Clip, seconds: float) -> np.ndarray:
        """A frame of a clip for a look; those that were looked at last are remembered."""
        return self._frame(clip.path, min(seconds, clip.last_frame), PREVIEW_SIDE)

    @cached_property
    def sample(self) -> Clip:
        """The clip that the page brings along."""
        with as_file(files("vidstyle.web") / "sample.mp4") as path:
            return open_clip(path, "sample.mp4", self.options)

    @property
    def sample_sheet(self) -> dict[str, np.ndarray]:
        """A frame of the sample in each style, by name; drawn anew when there are other styles."""
        with self._drawing_sample:
            if list(self._sample_sheet) != list(style_titles()):
                self._sample_sheet = self.previews.sheet(self.frame(self.sample, 0))
            return self._sample_sheet

    def warm_up(self) -> None:
        """Load what the first visitor would wait for, in the background."""
        Thread(target=lambda: self.sample_sheet, name="warm-up", daemon=True).start()

    def without_folders(self, error: VidstyleError | str) -> str:
        """A message without the folders on this machine."""
        return re.sub(rf"{re.escape(str(self.workspace.root))}/[^/]+/", "", str(error))

    @contextmanager
    def errors_shown(self) -> Iterator[None]:
        """Show what goes wrong in the block to the visitor, in one line.

        Raises:
            gr.Error: for a VidstyleError.
        """
        try:
            yield
        except VidstyleError as error:
            message = html.escape(self.without_folders(error), quote=False)
            raise gr.Error(message, title="Sorry", print_exception=False) from error

    def _sweep(self) -> None:
        while not self._closing.wait(SWEEP_SECONDS):
            self.jobs.forget()
            self.cameras.sweep()
            self.workspace.sweep(self.jobs.folders())


def shown(visible: bool) -> dict[str, Any]:
    """Shows or hides a part of the page."""
    return gr.update(visible=visible)
