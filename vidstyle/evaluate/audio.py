"""Compares the audio of two files: whether it is the same, and by how much it is later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from vidstyle.evaluate.metrics import best_lag
from vidstyle.video.clock import ContinuousClock
from vidstyle.video.source import open_source

SAME_SOUND = 0.5
"""With a lower correlation two recordings differ, and their lag means nothing."""

_SOUND_RATE = 16_000
_SOUND_SECONDS = 240
"""Only the beginning is compared, so that memory does not grow with the clip."""


@dataclass(frozen=True, eq=False)
class Sound:
    """Mono samples, float32 at 16 kHz, the first at ``start`` seconds of the container's clock."""

    samples: np.ndarray
    start: float


@dataclass(frozen=True)
class SoundMatch:
    """How the audio of two files compares.

    Attributes:
        offset: seconds by which the second's audio is later relative to its pictures than the
            first's; None when either has no audio, or they differ.
        correlation: of the two at that offset; None when either has no audio.
    """

    offset: float | None = None
    correlation: float | None = None


def match_sounds(original: Path, stylized: Path, picture: float = 0.0) -> SoundMatch:
    """Compare the first four minutes of audio of two files.

    Args:
        picture: seconds by which the second's pictures start later than the first's.
    """
    first, second = read_sound(original), read_sound(stylized)
    if first is None or second is None:
        return SoundMatch()
    lag, correlation = best_lag(first.samples, second.samples)
    if correlation < SAME_SOUND:
        return SoundMatch(None, correlation)
    late = lag / _SOUND_RATE + (second.start - first.start)
    return SoundMatch(late - picture, correlation)


def read_sound(path: Path) -> Sound | None:
    """A file's main audio, placed by its timestamps; None when it has none or is silent."""
    with open_source(path) as container:
        stream = container.streams.best("audio")
        if stream is None or stream.codec_context is None:
            return None
        samples = np.zeros(_SOUND_RATE * _SOUND_SECONDS, np.float32)
        start, end = None, 0
        for seconds, chunk in _chunks(container, stream):
            if start is None:
                start = end / _SOUND_RATE if seconds is None else seconds
            # Gaps in the timestamps stay silent, as they do when played.
            first = end if seconds is None else max(round((seconds - start) * _SOUND_RATE), 0)
            if first >= len(samples):
                break
            chunk = chunk[: len(samples) - first]
            samples[first : first + len(chunk)] = chunk
            end = first + len(chunk)
    if start is None or not samples[:end].any():
        return None
    return Sound(samples[:end], start)


def _chunks(container: Any, stream: Any) -> Iterator[tuple[float | None, np.ndarray]]:
    """Seconds and samples of each piece of a stream, as they are decoded."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=_SOUND_RATE)
    for packet in _packets(container, stream):
        try:
            pieces = [p for frame in stream.decode(packet) for p in resampler.resample(frame)]
        except FFmpegError:
            continue  # a damaged packet is silence
        yield from map(_piece, pieces)
    yield from map(_piece, resampler.resample(None))


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    with suppress(FFmpegError):  # the reader reports damage
        packets = ContinuousClock(container).packets()
        yield from (packet for packet in packets if packet.stream is stream)


def _piece(frame: Any) -> tuple[float | None, np.ndarray]:
    seconds = None if frame.pts is None else float(frame.pts * frame.time_base)
    return seconds, frame.to_ndarray()[0]
