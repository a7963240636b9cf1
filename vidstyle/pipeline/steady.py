"""The fast engine on the frames of a clip: drawn in batches, and steadied by those before."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from vidstyle.frame import Frame
from vidstyle.store import Checkpoint
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.temporal.consistency import TemporalMemory
from vidstyle.temporal.motion import TemporalOptions, TrackedFrame

logger = logging.getLogger(__name__)

Compose = Callable[[TrackedFrame, Sequence[np.ndarray]], Frame]
"""The frame to write, of a source frame and its pictures in each style, H×W×3."""


class SteadyStylizer:
    """Draws frames in one style, or in several, and steadies each drawing.

    Args:
        stylizers: one for each style; they differ in their styles alone.
        compose: makes one frame of what was drawn.

    Attributes:
        latest: the picture of the last frame that was finished; None before the first.
    """

    def __init__(
        self, stylizers: Sequence[FastStylizer], temporal: TemporalOptions, compose: Compose
    ) -> None:
        self.stylizers = stylizers
        self.batch_size = stylizers[0].batch_size
        self.memories = [TemporalMemory(temporal) for _ in stylizers]
        self.latest: np.ndarray | None = None
        self._temporal = temporal
        self._compose = compose
        self._thumbnail: np.ndarray | None = None

    @property
    def notices(self) -> list[str]:
        """What a user should know of how frames were drawn, one line each."""
        return list(dict.fromkeys(notice for s in self.stylizers for notice in s.notices))

    def draw(self, frames: Sequence[TrackedFrame]) -> list[tuple[np.ndarray, ...]]:
        """Each frame's drawings, one a style, h×w×3 at the size that was drawn."""
        images = np.stack([tracked.frame.image for tracked in frames])
        missing = self.batch_size - len(images)
        if missing > 0:
            # With fewer pictures the threads would be divided otherwise and sums rounded otherwise:
            # a frame would depend on where a run began.
            images = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
        drawings = [stylizer.draw(images)[: len(frames)] for stylizer in self.stylizers]
        return list(zip(*drawings, strict=True))

    def finish(self, tracked: TrackedFrame, drawings: Sequence[np.ndarray]) -> Frame:
        """Steady what was drawn, bring it to the frame's size, and compose the frame."""
        motion, image = tracked.motion.result(), tracked.frame.image
        if tracked.start is not None:
            self.restore(tracked.start)
        if self._temporal.temporal and motion.flow is None:
            logger.info("a shot begins at %.3f s", tracked.frame.time)
        self._thumbnail = motion.thumbnail
        pictures = [
            stylizer.enlarge(image, memory(drawn, motion))
            for stylizer, memory, drawn in zip(self.stylizers, self.memories, drawings, strict=True)
        ]
        frame = self._compose(tracked, pictures)
        self.latest = frame.image
        return frame

    def state(self) -> Checkpoint:
        """What the frame after the last depends on."""
        assert self._thumbnail is not None
        return Checkpoint(self._thumbnail, tuple(memory.state() for memory in self.memories))

    def restore(self, state: Checkpoint) -> None:
        """Go on from a ``state``."""
        states: Sequence[Mapping[str, np.ndarray]] = state.states or [{} for _ in self.memories]
        for memory, known in zip(self.memories, states, strict=True):
            memory.restore(known)


def effective_consistency(temporal: TemporalOptions, fast: FastOptions) -> TemporalOptions:
    """Without the past at strength 0, where every frame comes back exactly as it was."""
    return replace(temporal, temporal=0.0) if fast.strength == 0 else temporal
