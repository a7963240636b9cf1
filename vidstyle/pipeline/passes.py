"""What the run knows of motion, as pictures for compositing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vidstyle.image import write_image
from vidstyle.pipeline.journal import Entry, Journal
from vidstyle.pipeline.resume_plan import SequenceFrame, pass_name
from vidstyle.sequences.pattern import SequenceFile
from vidstyle.sequences.raster import write_exr_channels
from vidstyle.temporal.flow import FlowPreset, dense_flow, resize_flow
from vidstyle.temporal.motion import Motion


@dataclass(frozen=True)
class PassFolders:
    """Where passes go; each is None when it is not wanted. Files are called as the frames are."""

    flow: Path | None = None
    occlusion: Path | None = None

    def __bool__(self) -> bool:
        return self.flow is not None or self.occlusion is not None

    def flow_path(self, file: SequenceFile) -> Path | None:
        return self.flow and self.flow / f"{file.path.stem}.exr"

    def occlusion_path(self, file: SequenceFile) -> Path | None:
        return self.occlusion and self.occlusion / f"{file.path.stem}.png"

    def paths(self, file: SequenceFile) -> list[Path]:
        """The files of a frame's passes."""
        both = self.flow_path(file), self.occlusion_path(file)
        return [path for path in both if path is not None]


class PassWriter:
    """Writes a frame's passes when the next frame has come, as the forward flow leads there."""

    def __init__(self, folders: PassFolders, preset: FlowPreset, journal: Journal) -> None:
        self.folders = folders
        self.preset = preset
        self.journal = journal
        self._waiting: tuple[SequenceFrame, Motion] | None = None

    def __call__(self, frame: SequenceFrame, motion: Motion) -> None:
        """The next frame; those that are only gone through again are not written.

        Raises OutputError when the disk is full or so.
        """
        if self._waiting is not None:
            passed_over = frame.task.index > self._waiting[0].task.index + 1
            if frame.task.first or passed_over:
                self.close()
        if self._waiting is not None:
            after = None if motion.flow is None else motion.thumbnail
            self._write(*self._waiting, after, frame.task.trail)
        self._waiting = (frame, motion) if frame.task.passes else None

    def close(self) -> None:
        """Nothing follows the last frame, in this run."""
        if self._waiting is not None:
            self._write(*self._waiting, None, None)
        self._waiting = None

    def _write(
        self, frame: SequenceFrame, motion: Motion, after: np.ndarray | None, trail: str | None
    ) -> None:
        """Args:
        after: thumbnail of the next frame of the shot, or None.
        trail: of the next frame, of whichever shot; None where nothing follows.
        """
        height, width = frame.image.shape[:2]
        file = frame.task.file
        flow, occlusion = self.folders.flow_path(file), self.folders.occlusion_path(file)
        for path in self.folders.paths(file):
            self.journal.start(pass_name(path))
        if flow is not None:
            forward = None if after is None else dense_flow(motion.thumbnail, after, self.preset)
            write_exr_channels(flow, motion_channels(forward, motion.flow, width, height))
        if occlusion is not None:
            write_image(occlusion, occlusion_picture(motion, width, height))
        for path in self.folders.paths(file):
            size = path.stat().st_size
            self.journal.finish(Entry(pass_name(path), frame.task.trail, size, next=trail))


def motion_channels(
    forward: np.ndarray | None, backward: np.ndarray | None, width: int, height: int
) -> dict[str, np.ndarray]:
    """Flows as Nuke's layers ``forward`` and ``backward``: float32 H×W by the channels' names.

    Each says, in pixels of the whole picture, where a pixel of this frame lies in the next, or in
    the one before: u to the right, v up, as Nuke counts rows from the bottom. So to warp the other
    frame by it gives this one. Where a shot begins or ends there is none, and all is 0.

    Args:
        forward, backward: h×w×2 as ``dense_flow`` returns them, rows counted from the top.
    """
    channels = {}
    for layer, flow in (("forward", forward), ("backward", backward)):
        if flow is None:
            flow = np.zeros((height, width, 2), np.float32)
        flow = resize_flow(flow, width, height)
        channels[f"{layer}.u"] = np.ascontiguousarray(flow[:, :, 0])
        channels[f"{layer}.v"] = np.ascontiguousarray(-flow[:, :, 1])
    return channels


def occlusion_picture(motion: Motion, width: int, height: int) -> np.ndarray:
    """255 where the frame before does not show the same, 0 where it does: H×W×3 uint8.

    All is 255 where a shot begins.
    """
    if motion.visible is None:
        return np.full((height, width, 3), 255, np.uint8)
    hidden = cv2.resize(1 - motion.visible.astype(np.float32), (width, height))
    grey = np.rint(255 * hidden).clip(0, 255).astype(np.uint8)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
