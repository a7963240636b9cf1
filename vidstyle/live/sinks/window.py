"""A preview window; needs the extra ``[preview]``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vidstyle.errors import OptionError, OutputError
from vidstyle.image import fit_size
from vidstyle.live.sinks.base import KeySink, SinkFormat

if TYPE_CHECKING:
    from vidstyle.live.source import LiveFrame

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
_NO_DISPLAY = "window: there is no display here; stream to a URL or a file instead"
_NAMED_KEYS = ("left", "right", "up", "down", "escape")
_SCREEN_SHARE = 0.8
"""Share of the screen's width and height that a new window takes at most."""


class PreviewWindow(KeySink):
    """Shows the frames in a resizable window, keeping their aspect ratio.

    Window systems want all calls to come from the main thread, so this sink has no thread of its
    own: drawing takes some milliseconds of the stream's time. ``keys`` must be called even while no
    frame comes, or the system reports the window as hung. The key ``f`` toggles full screen.
    """

    def __init__(self, title: str = "vidstyle") -> None:
        self.name = "window"
        self.title = title
        self._pygame: Any = None
        self._shown: Any = None
        self._windowed_size: tuple[int, int] | None = None

    def open(self, format: SinkFormat) -> None:
        """Raises OptionError without pygame-ce, OutputError without a display."""
        pygame = self._pygame = _import_pygame()
        if sys.platform.startswith("linux") and not any(map(os.environ.get, _DISPLAYS)):
            raise OutputError(_NO_DISPLAY)
        try:
            pygame.display.init()
            if pygame.display.get_driver() == "offscreen":  # SDL's last resort
                raise OutputError(_NO_DISPLAY)
            pygame.display.set_caption(self.title)
            size = (format.width, format.height)
            screen = min(pygame.display.get_desktop_sizes(), default=(1280, 720))
            room = (int(screen[0] * _SCREEN_SHARE), int(screen[1] * _SCREEN_SHARE))
            if size[0] > room[0] or size[1] > room[1]:
                size = fit_size(size, room)
            pygame.display.set_mode(size, pygame.RESIZABLE)
        except pygame.error as error:
            raise OutputError(f"window: cannot be opened ({error})") from error

    def write(self, frame: LiveFrame) -> None:
        height, width = frame.image.shape[:2]
        pixels = np.ascontiguousarray(frame.image)
        self._shown = self._pygame.image.frombuffer(pixels, (width, height), "RGB")
        self._draw()

    def keys(self) -> Sequence[str]:
        """The names of the keys pressed; ``quit`` when the window is closed."""
        pygame = self._pygame
        if pygame is None or not pygame.display.get_init():
            return []
        names = []
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                names.append("quit")
            elif event.type == pygame.KEYDOWN and event.unicode in ("f", "F"):
                self._toggle_full_screen()
            elif event.type == pygame.KEYDOWN:
                names.append(self._key_name(event))
            elif event.type in (pygame.VIDEORESIZE, pygame.WINDOWEXPOSED):
                self._draw()
        return [name for name in names if name]

    def close(self) -> None:
        pygame, self._pygame, self._shown, self._windowed_size = self._pygame, None, None, None
        if pygame is not None:
            pygame.display.quit()

    def _toggle_full_screen(self) -> None:
        display = self._pygame.display
        if self._windowed_size is None:
            self._windowed_size = display.get_surface().get_size()
            display.set_mode((0, 0), self._pygame.FULLSCREEN)
        else:
            display.set_mode(self._windowed_size, self._pygame.RESIZABLE)
            self._windowed_size = None
        self._draw()

    def _draw(self) -> None:
        if self._shown is None:
            return
        screen = self._pygame.display.get_surface()
        size = fit_size(self._shown.get_size(), screen.get_size())
        image = self._pygame.transform.smoothscale(self._shown, size)
        screen.fill((0, 0, 0))
        screen.blit(image, image.get_rect(center=screen.get_rect().center))
        self._pygame.display.flip()

    def _key_name(self, event: Any) -> str:
        name = self._pygame.key.name(event.key)
        return name if name in _NAMED_KEYS else event.unicode


def _import_pygame() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError as error:
        raise OptionError("window: needs pygame-ce; pip install 'vidstyle[preview]'") from error
    return pygame
