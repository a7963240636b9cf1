"""Mattes: where a style is painted, and how several styles share a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vidstyle.errors import InputError
from vidstyle.sequences.pattern import SequenceFile, find_sequence
from vidstyle.sequences.picture import PictureOptions, read_picture


def region_weights(mattes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """How much of each region shows: ``w_k = min(m_k, 1 − Σ_{j>k} w_j)``.

    Later regions lie on top. So mattes that complete one another, soft edges included, leave
    nothing of the source in between, and mattes that overlap never add up to more than 1.

    Args:
        mattes: H×W float32 from 0 to 1, the lowest first.
    """
    weights: list[np.ndarray] = []
    left: np.ndarray | float = 1.0
    for matte in reversed(mattes):
        weights.insert(0, np.minimum(matte, left))
        left = left - weights[0]
    return weights


def composite(
    image: np.ndarray, painted: Sequence[np.ndarray], mattes: Sequence[np.ndarray]
) -> np.ndarray:
    """``image + Σ w_k (painted_k − image)`` with ``region_weights``.

    Where all mattes are 0 the picture is untouched, and where one is 1, with none above, there is
    nothing but its painting; both bit for bit.

    Args:
        image: H×W×3, uint8 or float32 from 0 to 255.
        painted: of the same shape and type, one a matte.
    """
    weights = [weight[:, :, None] for weight in region_weights(mattes)]
    result = image.astype(np.float32) * (1 - sum(weights))
    for picture, weight in zip(painted, weights, strict=True):
        result += weight * picture
    if image.dtype == np.uint8:
        return np.rint(result).clip(0, 255).astype(np.uint8)
    return result


class Matte:
    """Where a region is: one picture for all frames, or one for each by its number.

    Args:
        source: a picture, or what ``find_sequence`` takes.
        invert: white is outside.

    Raises:
        InputError: nothing is there.
    """

    def __init__(self, source: str | Path, invert: bool = False) -> None:
        self.source = Path(source)
        self.invert = invert
        self._paths: dict[int, Path] | None = None
        self._still: tuple[Path, np.ndarray] | None = None
        if not self.source.is_file():
            self._paths = {file.number: file.path for file in find_sequence(self.source).files}

    def path(self, file: SequenceFile) -> Path:
        """The matte's file for a frame. Raises InputError when it has none of its number."""
        if self._paths is None:
            return self.source
        if file.number not in self._paths:
            raise InputError(
                f"{self.source}: has no matte for {file.path.name}, number {file.number}"
            )
        return self._paths[file.number]

    def __call__(self, file: SequenceFile, shape: tuple[int, int]) -> np.ndarray:
        """H×W float32 from 0 to 1.

        Raises InputError when it cannot be read, or has another size than the frame.
        """
        path = self.path(file)
        if self._still is None or self._still[0] != path:
            self._still = (path, read_matte(path))
        matte = self._still[1]
        if matte.shape != shape:
            raise InputError(
                f"{path}: is {matte.shape[1]}×{matte.shape[0]}, but {file.path.name} is "
                f"{shape[1]}×{shape[0]}; a matte has the size of its frame"
            )
        return 1 - matte if self.invert else matte


def read_matte(path: Path) -> np.ndarray:
    """How white a picture is, by its values as they stand in the file: H×W float32 from 0 to 1."""
    image = read_picture(path, PictureOptions("srgb")).image.astype(np.float32)
    # The mean, as the weights of luma may add up to a little less than 1.
    return (np.nan_to_num(image).mean(axis=2) / 255).clip(0, 1)
