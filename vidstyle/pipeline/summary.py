"""What is said of a run, while it goes on and when it has ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vidstyle.stages import StageTime

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """A run's state after some frames: an event for progress bars and programs.

    Attributes:
        total: frames expected in all; None when the file does not say.
        seconds: since the first frame went in.
        skipped: frames that an earlier run had finished.
        loss: of the last frame, where something is optimized.
        picture: the last frame that was finished, as it is written, H×W×3; None before the first,
            and where there is none to show.
    """

    frames: int
    total: int | None
    seconds: float
    skipped: int = 0
    loss: float | None = None
    picture: np.ndarray | None = None

    @property
    def rate(self) -> float:
        """Frames a second so far."""
        return (self.frames - self.skipped) / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class Summary:
    """A finished run.

    Attributes:
        frames: in the output; ``skipped`` of them were finished by an earlier run.
        warnings: what a user should know, one line each.
        lost: those of them that say what of the input is not in the output, or not as it was.
        stages: where the time went.
        first_frame: seconds from the call until the first frame was written, those of loading the
            fast engine included; None when none was.
    """

    output: Path
    frames: int
    seconds: float
    warnings: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    stages: Mapping[str, StageTime] = field(default_factory=dict)
    skipped: int = 0
    first_frame: float | None = None

    @property
    def rate(self) -> float:
        """Frames a second."""
        return (self.frames - self.skipped) / self.seconds if self.seconds > 0 else 0.0


Listener = Callable[[Progress], None]


def log_summary(summary: Summary) -> Summary:
    """The summary, after it went into the log."""
    for warning in summary.warnings:
        logger.warning("%s", warning)
    for stage, spent in summary.stages.items():
        logger.info(
            "%s: %.3f s for %d, %.3f s starved, %.3f s blocked",
            *(stage, spent.seconds, spent.items, spent.starved, spent.blocked),
        )
    if summary.first_frame is not None:
        logger.info("the first frame was written after %.3f s", summary.first_frame)
    logger.info("%s: %d frames in %.3f s", summary.output, summary.frames, summary.seconds)
    return summary
