"""What every stylizer is to the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Artist(Protocol):
    """Draws pictures, in the order in which they come."""

    batch_size: int
    """How many pictures it likes to get at once."""

    def draw(self, images: np.ndarray) -> np.ndarray:
        """What is drawn of N×H×W×3, RGB, uint8 or float32 from 0 to 255: N of anything."""
        ...


class Stylizer(Artist, Protocol):
    """Turns pictures into stylized pictures of the same size, in the same order."""

    @property
    def notices(self) -> Sequence[str]:
        """What a user should know of how pictures were drawn, one line each."""
        ...

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """RGB, N×H×W×3 to N×H×W×3 (or H×W×3 to H×W×3), uint8, or float32 from 0 to 255."""
        ...

    def enlarge(self, photo: np.ndarray, drawing: np.ndarray) -> np.ndarray:
        """What was drawn of H×W×3, h×w×3, at the photo's size and of its type."""
        ...
