"""The interface that every stylizer implements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Stylizer(Protocol):
    """Turns pictures into stylized pictures of the same size, in the same order."""

    batch_size: int
    """Preferred number of pictures per call."""

    @property
    def notices(self) -> Sequence[str]:
        """What the user should know about how pictures were drawn, one line each."""
        ...

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """RGB, N×H×W×3 to N×H×W×3 (or H×W×3 to H×W×3), uint8, or float32 from 0 to 255."""
        ...

    def draw(self, images: np.ndarray) -> np.ndarray:
        """Draw N×H×W×3 RGB, uint8 or float32 from 0 to 255, at the size the stylizer works in."""
        ...

    def enlarge(self, photo: np.ndarray, drawing: np.ndarray) -> np.ndarray:
        """Bring a drawing, h×w×3, to the size and type of its photo, H×W×3."""
        ...
