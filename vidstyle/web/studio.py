"""Quick drawings of single frames, for choosing: networks stay in memory from call to call."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from threading import Lock

import numpy as np

from vidstyle.image import fit
from vidstyle.options import FastOptions
from vidstyle.stylizers import FastStylizer
from vidstyle.web.catalog import check_style, style_titles

SHEET_SIDE = 320


class Studio:
    """Draws pictures in any style; calls from several threads wait for one another."""

    def __init__(self) -> None:
        self._drawing = Lock()
        self._stylizer = lru_cache(maxsize=64)(FastStylizer)

    def paint(self, image: np.ndarray, style: str, fast: FastOptions) -> np.ndarray:
        """A picture, RGB uint8 H×W×3, in a style.

        Raises:
            StyleError: it is none of ``style_titles``.
        """
        check_style(style)
        with self._drawing:
            stylizer = self._stylizer(style, replace(fast, strength=1.0, batch_size=1))
            stylizer.set_style_vector(stylizer.style.at_strength(fast.strength))
            return stylizer(image)

    def sheet(self, image: np.ndarray, fast: FastOptions = FastOptions()) -> dict[str, np.ndarray]:
        """A small drawing of a picture in each style, by name."""
        small = fit(image, SHEET_SIDE)
        return {name: self.paint(small, name, fast) for name in style_titles()}
