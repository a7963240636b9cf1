"""Stroke size: drawing pictures at another size, and bringing the drawing back to theirs.

The network's strokes have a fixed size in pixels. The larger a picture, the smaller they are beside
its content, until only a texture is left of the painting. Large pictures are therefore drawn
smaller, and the drawing is enlarged. The detail that an enlarged drawing lacks comes from the
picture: all of it where the style passes the picture's colours through, and elsewhere as much as
the drawing follows the picture's light (the local linear model of He, Sun, Tang 2013, "Guided Image
Filtering"), so that edges stay sharp.
"""

from __future__ import annotations

import cv2
import numpy as np

from vidstyle.image import resize
from vidstyle.options.values import StrokeSize
from vidstyle.stylizers.color import LUMA

NATURAL_SIDE = 2048
"""With stroke size ``auto``, pictures up to this longer side, in pixels, are drawn at full size."""

_STRIP = 64
"""Rows enlarged at a time, so that a large picture is never held in floats as a whole."""
_LATTICE_BLUR = 0.7
"""Sigma in pixels; leaves a sixth of the two-pixel lattice that networks make."""
_NOISE = 4.0
"""Levels; detail of less contrast than this is not followed."""
_STEEPEST = 1.5
"""Upper bound for how strongly the picture's detail is added."""


def drawing_size(width: int, height: int, size: StrokeSize) -> tuple[int, int]:
    """Width and height at which a picture is drawn.

    Args:
        size: stroke size as a multiple of the network's own. ``auto`` is 1 up to ``NATURAL_SIDE``
            and grows with the picture above it.
    """
    factor = max(max(width, height) / NATURAL_SIDE, 1.0) if size == "auto" else float(size)
    return max(round(width / factor), 1), max(round(height / factor), 1)


def resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize a picture, H×W×3 of 0 to 255, for drawing; keeps its type."""
    scaled = resize(image, width, height)
    return scaled if scaled.dtype == np.uint8 else scaled.clip(0, 255)


def upscale_guided(
    photo: np.ndarray,
    drawn_from: np.ndarray,
    painted: np.ndarray,
    gain: np.ndarray,
    keep_chroma: bool = False,
) -> np.ndarray:
    """Bring a painting to the size of its photo, guided by the photo.

    Args:
        photo: H×W×3, uint8 or float32, 0 to 255.
        drawn_from: the photo after ``resized``, h×w×3.
        painted: what was drawn of that, h×w×3 of either type.
        gain: share of each of the photo's colours that the style passes through, 3 numbers.
        keep_chroma: take only luma from the painting.

    Returns:
        H×W×3 of the photo's type.
    """
    height, width = photo.shape[:2]
    small = drawn_from.astype(np.float32)
    passing = np.diag(gain.astype(np.float32))
    drawing = painted - cv2.transform(small, passing)
    if drawing.shape[0] >= height and drawing.shape[1] >= width:
        drawing = cv2.resize(drawing, (width, height), interpolation=cv2.INTER_AREA)
        light = steepness = None
    else:
        light = luma(small)
        steepness = _steepness(drawing, light)
        # The light is blurred, too, so that a drawing that follows it gets back what it loses.
        drawing, light = (cv2.GaussianBlur(x, (3, 3), _LATTICE_BLUR) for x in (drawing, light))
    result = np.empty_like(photo)
    for start in range(0, height, _STRIP):
        rows = slice(start, min(start + _STRIP, height))
        part = photo[rows].astype(np.float32)
        if light is None or steepness is None:
            drawn = drawing[rows]
        else:
            drawn, smooth = (_enlarged_rows(plane, photo.shape, rows) for plane in (drawing, light))
            steep = _enlarged_rows(steepness, photo.shape, rows, cv2.INTER_LINEAR)
            drawn += steep * (luma(part) - smooth)[:, :, None]
        colors = np.clip(cv2.transform(part, passing) + drawn, 0, 255)
        if keep_chroma:
            colors = np.clip(part + luma(colors - part)[:, :, None], 0, 255)
        result[rows] = colors if photo.dtype == np.float32 else np.rint(colors)
    return result


def upscale_fast(
    photo: np.ndarray, drawn_from: np.ndarray, painted: np.ndarray, keep_chroma: bool = False
) -> np.ndarray:
    """``upscale_guided`` in 8 bits, with detail of luma only: quicker, for drafts.

    Args:
        photo: H×W×3 uint8.
        drawn_from, painted: the photo made smaller, and what was drawn of it, h×w×3 uint8.
        keep_chroma: take only luma from the painting.
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
    """BT.709 luma: H×W×3 float32 to H×W."""
    return cv2.transform(image, np.array([LUMA], np.float32))


def _steepness(drawing: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Slope of a drawing's colours, h×w×3, or luma, h×w, over the light around each place."""

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, (3, 3), borderType=cv2.BORDER_REPLICATE)

    level = mean(light)
    variance = mean(light * light) - level * level
    if drawing.ndim == 3:
        light, level, variance = (x[:, :, None] for x in (light, level, variance))
    both = mean(drawing * light) - mean(drawing) * level
    steepness = both / (variance + _NOISE**2)
    return steepness.clip(-_STEEPEST, _STEEPEST)


def _enlarged_rows(
    plane: np.ndarray, shape: tuple[int, ...], rows: slice, interpolation: int = cv2.INTER_CUBIC
) -> np.ndarray:
    """Some rows of a plane enlarged to a height and width, which cv2.resize cannot do."""
    down, across = plane.shape[0] / shape[0], plane.shape[1] / shape[1]
    # Pixel centres map as in cv2.resize.
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
