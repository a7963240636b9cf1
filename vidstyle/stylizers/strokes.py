"""How large strokes are: pictures drawn at another size than their own, and brought to it.

The network's strokes have a size in pixels. On a larger picture they are smaller beside what it
shows, until of a painting only a texture is left. So a large picture is drawn smaller, and the
drawing is enlarged. What the enlarged drawing lacks is taken from the picture itself: where the
style lets its colours through, all of them, and where the drawing goes along with the picture's
light, that much of its fine detail (the local linear model of He, Sun, Tang 2013, "Guided Image
Filtering"), so that edges are as sharp as they were.
"""

from __future__ import annotations

import cv2
import numpy as np

from vidstyle.options.values import StrokeSize
from vidstyle.stylizers.color import LUMA

NATURAL_SIDE = 2048
"""Pixels of the longer side up to which pictures are drawn at their own size by themselves."""

_STRIP = 64
"""Rows that are enlarged at once: no large picture is ever whole in floats."""
_LATTICE_BLUR = 0.7
"""Pixels: a sixth is left of the lattice of two pixels' period that networks make."""
_NOISE = 4.0
"""Levels: detail of less contrast than this is not followed."""
_STEEPEST = 1.5
"""At most so much of the picture's detail."""


def drawing_size(width: int, height: int, size: StrokeSize) -> tuple[int, int]:
    """Width and height at which a picture is drawn.

    Args:
        size: of strokes, as a multiple of the network's own. ``auto`` is 1 up to ``NATURAL_SIDE``,
            and above it grows with the picture.
    """
    factor = max(max(width, height) / NATURAL_SIDE, 1.0) if size == "auto" else float(size)
    return max(round(width / factor), 1), max(round(height / factor), 1)


def resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture, H×W×3 of 0 to 255, at the size at which it is drawn, of its own type."""
    smaller = width < image.shape[1]
    scaled = cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    )
    return scaled if scaled.dtype == np.uint8 else scaled.clip(0, 255)


def brought_to(
    photo: np.ndarray,
    drawn_from: np.ndarray,
    painted: np.ndarray,
    gain: np.ndarray,
    keep_chroma: bool = False,
) -> np.ndarray:
    """A painting at its picture's own size.

    Args:
        photo: H×W×3, uint8 or float32, 0 to 255.
        drawn_from, painted: the same ``resized``, and what was drawn of it, h×w×3 of either type.
        gain: how much the style lets through of each of the picture's own colours.
        keep_chroma: take luma alone from the painting.

    Returns:
        H×W×3 of the photo's type.
    """
    height, width = photo.shape[:2]
    small = drawn_from.astype(np.float32)
    passing = np.diag(gain.astype(np.float32))
    drawing = painted - cv2.transform(small, passing)
    if drawing.shape[0] >= height and drawing.shape[1] >= width:
        drawing = cv2.resize(drawing, (width, height), interpolation=cv2.INTER_AREA)
        steepness = None
    else:
        light = luma(small)
        steepness = _steepness(drawing, light)
        # The light as well, so that what is lost of a drawing that follows it comes back.
        drawing, light = (cv2.GaussianBlur(x, (3, 3), _LATTICE_BLUR) for x in (drawing, light))
    result = np.empty_like(photo)
    for start in range(0, height, _STRIP):
        rows = slice(start, min(start + _STRIP, height))
        part = photo[rows].astype(np.float32)
        if steepness is None:
            drawn = drawing[rows]
        else:
            drawn, smooth = (_enlarged(plane, photo.shape, rows) for plane in (drawing, light))
            steep = _enlarged(steepness, photo.shape, rows, cv2.INTER_LINEAR)
            drawn += steep * (luma(part) - smooth)[:, :, None]
        colors = np.clip(cv2.transform(part, passing) + drawn, 0, 255)
        if keep_chroma:
            colors = np.clip(part + luma(colors - part)[:, :, None], 0, 255)
        result[rows] = colors if photo.dtype == np.float32 else np.rint(colors)
    return result


def quickly_enlarged(
    photo: np.ndarray, drawn_from: np.ndarray, painted: np.ndarray, keep_chroma: bool = False
) -> np.ndarray:
    """A painting at its picture's own size, as ``brought_to``, in 8 bits and with luma's detail.

    Args:
        photo: H×W×3 uint8.
        drawn_from, painted: the same smaller, and what was drawn of it, h×w×3 uint8.
        keep_chroma: take luma alone from the painting.
    """
    size = photo.shape[1::-1]
    light, small_light, drawing = (
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (photo, drawn_from, painted)
    )
    steepness = _steepness(drawing.astype(np.float32), small_light.astype(np.float32))
    steepness = cv2.resize(steepness, size, interpolation=cv2.INTER_LINEAR)
    smooth = cv2.resize(small_light, size, interpolation=cv2.INTER_CUBIC)
    detail = cv2.subtract(light, smooth, dtype=cv2.CV_16S)
    detail = cv2.multiply(detail, steepness, dtype=cv2.CV_16S)
    if keep_chroma:
        base = photo
        enlarged = cv2.resize(drawing, size, interpolation=cv2.INTER_CUBIC)
        detail = cv2.add(detail, cv2.subtract(enlarged, light, dtype=cv2.CV_16S))
    else:
        base = cv2.resize(painted, size, interpolation=cv2.INTER_CUBIC)
    return cv2.add(base, cv2.merge([detail, detail, detail]), dtype=cv2.CV_8U)


def luma(image: np.ndarray) -> np.ndarray:
    """H×W×3 float32 to H×W."""
    return cv2.transform(image, np.array([LUMA], np.float32))


def _steepness(drawing: np.ndarray, light: np.ndarray) -> np.ndarray:
    """How each colour of a drawing, h×w×3, or its luma, h×w, follows the light near each place."""

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, (3, 3), borderType=cv2.BORDER_REPLICATE)

    level = mean(light)
    variance = mean(light * light) - level * level
    if drawing.ndim == 3:
        light, level, variance = (x[:, :, None] for x in (light, level, variance))
    both = mean(drawing * light) - mean(drawing) * level
    steepness = both / (variance + _NOISE**2)
    return steepness.clip(-_STEEPEST, _STEEPEST)


def _enlarged(
    plane: np.ndarray, shape: tuple[int, ...], rows: slice, interpolation: int = cv2.INTER_CUBIC
) -> np.ndarray:
    """Rows of a plane that is brought to a height and width."""
    down, across = plane.shape[0] / shape[0], plane.shape[1] / shape[1]
    # Where the middle of a pixel lies in the plane, as for cv2.resize, which cannot do a part.
    places = np.array(
        [[across, 0, 0.5 * across - 0.5], [0, down, (rows.start + 0.5) * down - 0.5]], np.float64
    )
    return cv2.warpAffine(
        plane,
        places,
        (shape[1], rows.stop - rows.start),
        flags=interpolation | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
