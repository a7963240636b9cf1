"""Quick drawings of single frames, for choosing: networks stay in memory from call to call."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from threading import Lock

import numpy as np

from vidstyle.image import fit
from vidstyle.options import FastOptions
from vidstyle.styles import Style, load_style
from vidstyle.styles.file import backbone_hash
from vidstyle.stylizers import FastStylizer
from vidstyle.web.catalog import check_style, style_titles

SHEET_SIDE = 448


class PreviewRenderer:
    """Draws pictures in any style; calls from several threads wait for one another.

    All styles of a backbone share a network, which OpenVINO would take a second to compile.
    """

    def __init__(self) -> None:
        self._drawing = Lock()
        self._load = lru_cache(maxsize=64)(with_backbone)
        self._stylizers: dict[tuple[str, FastOptions], FastStylizer] = {}

    def paint(self, image: np.ndarray, style: str, fast: FastOptions) -> np.ndarray:
        """A picture, RGB uint8 H×W×3, in a style.

        Raises:
            StyleError: it is none of ``style_titles``.
        """
        check_style(style)
        options = replace(fast, strength=1.0, batch_size=1)
        with self._drawing:
            loaded, backbone = self._load(style)
            stylizer = self._stylizers.get((backbone, options))
            if stylizer is None:
                stylizer = FastStylizer(loaded, options)
                self._stylizers[backbone, options] = stylizer
            stylizer.set_style_vector(loaded.at_strength(fast.strength))
            return stylizer(image)

    def sheet(self, image: np.ndarray, fast: FastOptions = FastOptions()) -> dict[str, np.ndarray]:
        """A small drawing of a picture in each style, by name."""
        small = fit(image, SHEET_SIDE)
        return {name: self.paint(small, name, fast) for name in style_titles()}


def with_backbone(style: str) -> tuple[Style, str]:
    """A style, and what tells its backbone from others. Raises StyleError."""
    loaded = load_style(style)
    return loaded, backbone_hash(loaded.network.state_dict())
