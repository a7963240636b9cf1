"""The interface of sinks: windows, cameras, URLs and files that take live frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from vidstyle.live.audio import AudioPacket, AudioTemplate
    from vidstyle.live.source import LiveFrame


@dataclass(frozen=True)
class SinkFormat:
    """What a sink will receive.

    Attributes:
        width, height: of all frames, in pixels.
        rate: expected frames per second; the actual times may differ.
        audio: parameters of the audio; None when there is none.
    """

    width: int
    height: int
    rate: float
    audio: AudioTemplate | None = None

    @property
    def even_size(self) -> tuple[int, int]:
        """Width and height that chroma at half the resolution divides, as in ``even``."""
        return self.width // 2 * 2, self.height // 2 * 2


def even(image: np.ndarray) -> np.ndarray:
    """An H×W×3 image without its last row or column where their number is odd; contiguous."""
    height, width = image.shape[:2]
    return np.ascontiguousarray(image[: height // 2 * 2, : width // 2 * 2])


class Sink(Protocol):
    """Takes frames as they come. Subclass it, or provide all of its members.

    Calls never overlap, except for ``cancel``. ``open`` may be called again after ``close``.
    """

    name: str
    """What the user called it; messages begin with it."""
    takes_audio: bool = False
    can_reconnect: bool = False
    """Whether opening it again may help after a failure."""
    may_block: bool = False
    """Whether ``write`` may wait for a receiver to connect, however long that takes."""

    def open(self, format: SinkFormat) -> None:
        """Prepare for frames of a format. Raises OutputError or OptionError on failure."""

    def write(self, frame: LiveFrame) -> None:
        """Take a frame; its time is later than that of the last one.

        Raises:
            OutputError: the receiver is gone, or the disk is full.
        """

    def write_audio(self, packet: AudioPacket) -> None:
        """Take an audio packet; called only if ``takes_audio`` and the format has audio."""
        return

    def close(self) -> None:
        """Finish and release everything. May be called at any time, and repeatedly.

        Raises:
            OutputError: what was written cannot be completed.
        """

    def cancel(self) -> None:
        """From another thread: make a call that takes too long fail, if that is possible."""
        return


@runtime_checkable
class KeySink(Sink, Protocol):
    """A sink in which users press keys. All its calls come from the thread that runs the stream."""

    def keys(self) -> Sequence[str]:
        """The keys pressed since the last call, by the names in ``vidstyle.live.controls``."""
