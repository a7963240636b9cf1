"""A preview window (extra ``[preview]``)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vidstyle.errors import OptionError, OutputError

if TYPE_CHECKING:
    from vidstyle.live.sinks.base import SinkFormat
    from vidstyle.live.sound import AudioPacket
    from vidstyle.live.source import LiveFrame

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
_NO_DISPLAY = "window: there is no display here; stream to a URL or a file instead"
_FULL_SCREEN = ("f", "F")
_LARGEST = 0.8
"""Of the screen, for the window at first."""


class PreviewWindow:
    """Shows the pictures in a window of any size, with their aspect kept.

    Window systems want all calls to come from the program's main thread, so this sink is not put
    on a thread of its own: drawing takes some milliseconds of the stream's. ``keys`` must be called
    even while no picture comes, or the window counts as hung. ``f`` makes it fill the screen.
    """

    takes_audio = False
    comes_back = False
    may_wait = False

    def __init__(self, title: str = "vidstyle") -> None:
        self.name = "window"
        self.title = title
        self._pygame: Any = None
        self._shown: Any = None
        self._small: tuple[int, int] | None = None

    def open(self, shape: SinkFormat) -> None:
        """Raises OptionError without pygame-ce, OutputError without a display."""
        pygame = self._pygame = _import_pygame()
        if sys.platform.startswith("linux") and not any(map(os.environ.get, _DISPLAYS)):
            raise OutputError(_NO_DISPLAY)
        try:
            pygame.display.init()
            if pygame.display.get_driver() == "offscreen":  # what SDL takes when all others fail
                raise OutputError(_NO_DISPLAY)
            pygame.display.set_caption(self.title)
            size = _inside((shape.width, shape.height), _room(pygame))
            pygame.display.set_mode(size, pygame.RESIZABLE)
        except pygame.error as error:
            raise OutputError(f"window: cannot be opened ({error})") from error

    def write(self, frame: LiveFrame) -> None:
        """Show a picture."""
        height, width = frame.image.shape[:2]
        pixels = np.ascontiguousarray(frame.image)
        self._shown = self._pygame.image.frombuffer(pixels, (width, height), "RGB")
        self._draw()

    def write_audio(self, packet: AudioPacket) -> None:
        pass

    def keys(self) -> Sequence[str]:
        """The names of the keys pressed; ``quit`` when the window is closed."""
        pygame = self._pygame
        if pygame is None or not pygame.display.get_init():
            return []
        names = []
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                names.append("quit")
            elif event.type == pygame.KEYDOWN and event.unicode in _FULL_SCREEN:
                self._toggle_full_screen()
            elif event.type == pygame.KEYDOWN:
                names.append(self._named(event))
            elif event.type in (pygame.VIDEORESIZE, pygame.WINDOWEXPOSED):
                self._draw()
        return [name for name in names if name]

    def close(self) -> None:
        pygame, self._pygame, self._shown, self._small = self._pygame, None, None, None
        if pygame is not None:
            pygame.display.quit()

    def cancel(self) -> None:
        pass

    def _toggle_full_screen(self) -> None:
        display = self._pygame.display
        if self._small is None:
            self._small = display.get_surface().get_size()
            display.set_mode((0, 0), self._pygame.FULLSCREEN)
        else:
            display.set_mode(self._small, self._pygame.RESIZABLE)
            self._small = None
        self._draw()

    def _draw(self) -> None:
        if self._shown is None:
            return
        screen = self._pygame.display.get_surface()
        size = _fitting(self._shown.get_size(), screen.get_size())
        picture = self._shown
        if size != picture.get_size():
            picture = self._pygame.transform.smoothscale(picture, size)
        screen.fill((0, 0, 0))
        screen.blit(picture, picture.get_rect(center=screen.get_rect().center))
        self._pygame.display.flip()

    def _named(self, event: Any) -> str:
        pygame = self._pygame
        special = {
            pygame.K_LEFT: "left",
            pygame.K_RIGHT: "right",
            pygame.K_UP: "up",
            pygame.K_DOWN: "down",
            pygame.K_ESCAPE: "escape",
        }
        return special.get(event.key) or event.unicode


def _import_pygame() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError as error:
        raise OptionError("window: needs pygame-ce; pip install 'vidstyle[preview]'") from error
    return pygame


def _room(pygame: Any) -> tuple[int, int]:
    """What a window may take of the smallest screen."""
    sizes = pygame.display.get_desktop_sizes()
    width, height = min(sizes) if sizes else (1280, 720)
    return int(width * _LARGEST), int(height * _LARGEST)


def _inside(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """A size made smaller where it does not fit."""
    return size if size[0] <= room[0] and size[1] <= room[1] else _fitting(size, room)


def _fitting(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same aspect."""
    factor = min(room[0] / size[0], room[1] / size[1])
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
