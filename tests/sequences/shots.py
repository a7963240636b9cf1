"""Sequences of small pictures in which something moves, and the work on them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from toys import toy_photo, toy_style

from vidstyle.image import write_image
from vidstyle.pipeline.frames import FrameOptions, stylize_frames
from vidstyle.pipeline.summary import Summary
from vidstyle.styles import Style
from vidstyle.stylizers import FastOptions

FAST = FastOptions(device="cpu", precision="fp32", batch_size=1)


def pan(index: int, width: int = 96, height: int = 64, seed: int = 0) -> np.ndarray:
    """A view that moves over a photo by 2 pixels a frame, with grain of its own: H×W×3 uint8."""
    photo = toy_photo(width + 120, height, seed)
    photo = cv2.GaussianBlur(photo, (0, 0), 1)
    view = photo[:, 2 * index % 120 :][:, :width].astype(np.float64)
    grain = np.random.default_rng((seed, index)).normal(0, 3, view.shape)
    return (view + grain).clip(0, 255).astype(np.uint8)


def write_shot(folder: Path, numbers: range, name: str = "shot_{:04d}.png", seed: int = 0) -> Path:
    """8-bit pictures of ``pan``."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, number in enumerate(numbers):
        write_image(folder / name.format(number), pan(index, seed=seed))
    return folder


def contents(folder: Path, suffix: str = "") -> dict[str, bytes]:
    """Bytes by name of all that is not hidden."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".") and path.name.endswith(suffix)
    }


def stylize(source: Path, output: Path, style: Style | None = None, **more) -> Summary:  # type: ignore[no-untyped-def]
    """With ``FrameOptions`` by name, and some of the others."""
    others = {k: more.pop(k) for k in ("fast", "temporal", "listener") if k in more}
    return stylize_frames(
        source,
        output,
        style or toy_style(),
        frames=FrameOptions(**more),
        **{"fast": FAST, **others},
    )
