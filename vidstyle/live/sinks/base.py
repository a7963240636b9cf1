"""What a place for live pictures has to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from vidstyle.live.sound import AudioPacket, AudioTemplate
    from vidstyle.live.source import LiveFrame


@dataclass(frozen=True)
class SinkFormat:
    """What a sink will be given.

    Attributes:
        width, height: of all pictures, in pixels.
        rate: pictures a second to expect; they may come at other times.
        audio: what sound will come; None when none will.
    """

    width: int
    height: int
    rate: float
    audio: AudioTemplate | None = None


def even(image: np.ndarray) -> np.ndarray:
    """A picture without its last line or column where there is an odd number of them.

    H×W×3 uint8, contiguous. Chroma has half the lines in nearly all coded video.
    """
    height, width = image.shape[:2]
    return np.ascontiguousarray(image[: height // 2 * 2, : width // 2 * 2])


class Sink(Protocol):
    """A window, a camera, a URL or a file that takes pictures as they come.

    One call at a time. ``open`` may come again after ``close``.
    """

    name: str
    """What the user called it."""
    takes_audio: bool
    comes_back: bool
    """Whether it is worth trying again when it is gone."""
    may_wait: bool
    """Whether a call may wait for somebody who fetches the stream, however long that takes."""

    def open(self, shape: SinkFormat) -> None:
        """Begin. Raises OutputError or OptionError when that is impossible."""

    def write(self, frame: LiveFrame) -> None:
        """Take a picture. Its time is more than the last one's.

        Raises:
            OutputError: the sink is gone, or its disk is full.
        """

    def write_audio(self, packet: AudioPacket) -> None:
        """Take a packet of sound; called when ``takes_audio`` and the format has audio."""

    def close(self) -> None:
        """End properly. May be called at any time, more than once.

        Raises:
            OutputError: what was written cannot be completed.
        """

    def cancel(self) -> None:
        """From another thread: let a call that takes too long fail, where that is possible."""


@runtime_checkable
class KeySink(Sink, Protocol):
    """A sink that people press keys in. All its calls come from the program's main thread."""

    def keys(self) -> Sequence[str]:
        """The keys pressed since the last call, by the names of ``vidstyle.live.keys``."""
