"""The paintings behind a style, for the optimization engine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidstyle.errors import StyleError
from vidstyle.image import is_picture_name, read_image
from vidstyle.styles.header import FORBIDDEN, IDENTITY
from vidstyle.styles.registry import find_style, find_swatch, parse_blend

_LONGEST_NAME = 80


@dataclass(frozen=True)
class Paintings:
    """Pictures with weights.

    Attributes:
        label: usable in a file name: ``scream``, ``monet+wave``.
        weighted: RGB uint8 H×W×3 pictures, each with its weight.
        paths: their files.
    """

    label: str
    weighted: tuple[tuple[np.ndarray, float], ...]
    paths: tuple[Path, ...]


def has_pictures(spec: str) -> bool:
    """Whether a style names any picture file, which the fast engine has to learn first."""
    return bool(picture_paths(spec))


def picture_paths(spec: str) -> list[Path]:
    """The picture files that a style names."""
    return [Path(name) for name, _ in parse_blend(spec) if is_picture_name(name)]


def style_label(spec: str | Path) -> str:
    """The label of a style without loading it; raises the errors of ``load_style``."""
    return "+".join(
        painting_name(Path(name)) if is_picture_name(name) else find_style(name)[1]
        for name, _ in parse_blend(str(spec))
    )


def painting_name(picture: Path) -> str:
    """What a painting's style is called: as its file, as far as a style may be called so."""
    name = re.sub(f"[{re.escape(FORBIDDEN)}]", "_", picture.stem)[:_LONGEST_NAME]
    return name if name != IDENTITY else f"{name}-painting"


def load_paintings(spec: str | Path) -> Paintings:
    """Load the paintings of a style: picture files, and the swatches of named styles.

    Args:
        spec: ``monet.jpg``, ``scream``, or several with weights: ``monet.jpg:0.7,scream:0.3``.

    Raises:
        InputError: a picture cannot be read.
        StyleError: a style is unknown or has no swatch.
        OptionError: weights are negative or all zero.
    """
    parts = parse_blend(str(spec))
    found = [_find(name) for name, _ in parts]
    pictures = [read_image(path) for _, path in found]
    weights = [weight for _, weight in parts]
    label = "+".join(name for name, _ in found)
    paths = tuple(path for _, path in found)
    return Paintings(label, tuple(zip(pictures, weights, strict=True)), paths)


def _find(name: str) -> tuple[str, Path]:
    """Label and picture file of a style."""
    if is_picture_name(name):
        return painting_name(Path(name)), Path(name)
    header, style = find_style(name)
    swatch = find_swatch(header.path, style)
    if swatch is None:
        raise StyleError(f"style '{name}' has no swatch; give a picture of its painting instead")
    return style, swatch
