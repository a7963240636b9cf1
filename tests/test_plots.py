"""Curves of losses: all that there is to see is in the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vidstyle.errors import OptionError, OutputError
from vidstyle.image import read_image
from vidstyle.plots import write_losses

CURVES = {"loss": [3.0, 2.0, 1.5], "content": [1.0, 0.5, 0.4], "style": [2.0, 1.5, 1.1]}


def vivid(picture: np.ndarray) -> int:
    """Pixels of curves; the sum, axes and grid are grey."""
    return int((np.ptp(picture.astype(int), axis=2) > 100).sum())


def test_every_part_is_drawn(tmp_path: Path) -> None:
    one = {name: CURVES[name] for name in ("loss", "content")}
    silent = {**CURVES, "tv": [0.0, 0.0, 0.0]}
    pictures = [
        read_image(write_losses(tmp_path / "a.png", curves, starts, "photo.png"))
        for curves, starts in ((CURVES, []), (silent, []), (CURVES, [1]), (one, []))
    ]
    assert pictures[0].shape == (480, 1200, 3)
    assert vivid(pictures[0]) > 1.5 * vivid(pictures[3]) > 0
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert (pictures[2] != pictures[0]).any()


def test_a_single_step(tmp_path: Path) -> None:
    curves = {"loss": [1.0], "style": [1.0]}
    assert read_image(write_losses(tmp_path / "a.png", curves, [], "")).std() > 2


def test_places_are_checked(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="plots are written as PNG"):
        write_losses(tmp_path / "a.svg", CURVES, [], "")
    with pytest.raises(OutputError, match="no folder"):
        write_losses(tmp_path / "no" / "a.png", CURVES, [], "")
