"""The state of the memory after some frames, on disk, so that a run need not begin anew."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidstyle.disk import sync
from vidstyle.errors import OutputError

EVERY = 16
"""Frames between two of them."""
KEPT = 2
_PREFIX, _SUFFIX = "state-", ".npz"
# What zipfile and NumPy raise on files that are none of ours.
_DAMAGE = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, MemoryError, TypeError),
    *(zipfile.BadZipFile, zlib.error, struct.error, SyntaxError),
)


@dataclass(frozen=True)
class Checkpoint:
    """All that the frame after it needs.

    Attributes:
        thumbnail: of the source frame, h×w×3 uint8.
        states: of the memories, ``TemporalMemory.state()``, one a region.
    """

    thumbnail: np.ndarray
    states: tuple[Mapping[str, np.ndarray], ...]


class Checkpoints:
    """Those of a run, each complete or not there at all, by the link of the frame they follow.

    Only the latest are kept: a state holds 12 bytes a pixel and region.

    Args:
        folder: where they lie; made when the first comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._saved: list[Path] = sorted(self._files(), key=lambda path: path.stat().st_mtime_ns)

    def has(self, link: str) -> bool:
        """Whether there is one for a frame; ``load`` may still find it damaged."""
        return self._path(link).is_file()

    def load(self, link: str) -> Checkpoint | None:
        """None when there is none, or it cannot be read."""
        try:
            with np.load(self._path(link)) as arrays:
                states: list[dict[str, np.ndarray]] = []
                for key in arrays.files:
                    if key == "thumbnail":
                        continue
                    region, name = key.split(".")
                    while len(states) <= int(region):
                        states.append({})
                    states[int(region)][name] = arrays[key]
                return Checkpoint(arrays["thumbnail"], tuple(states))
        except _DAMAGE:
            return None

    def save(self, link: str, checkpoint: Checkpoint) -> None:
        """Raises OutputError when the disk is full or so."""
        arrays = {
            f"{region}.{name}": array
            for region, state in enumerate(checkpoint.states)
            for name, array in state.items()
        }
        path = self._path(link)
        temporary = path.with_suffix(".part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                np.savez(file, thumbnail=checkpoint.thumbnail, **arrays)  # type: ignore[arg-type]
            sync(temporary)
            os.replace(temporary, path)
            sync(self.folder)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OutputError(f"{path}: {error.strerror or error}") from error
        self._saved = [*(old for old in self._saved if old != path), path]
        while len(self._saved) > KEPT:
            self._saved.pop(0).unlink(missing_ok=True)

    def remove(self) -> None:
        """All of them, and what a killed run has left."""
        for path in [*self._files(), *self.folder.glob(f"{_PREFIX}*.part")]:
            path.unlink(missing_ok=True)
        self._saved = []

    def _path(self, link: str) -> Path:
        return self.folder / f"{_PREFIX}{link}{_SUFFIX}"

    def _files(self) -> list[Path]:
        return list(self.folder.glob(f"{_PREFIX}*{_SUFFIX}"))
