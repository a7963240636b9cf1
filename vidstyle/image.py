"""Still pictures: reading, writing, resizing, labelling; always RGB uint8 H×W×3."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from vidstyle.disk import complete_file
from vidstyle.errors import InputError, OptionError, OutputError
from vidstyle.headers import check_header

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")


def is_picture_name(name: str | Path) -> bool:
    """Whether a name ends like a picture's."""
    return Path(name).suffix.lower() in SUFFIXES


def beside(path: str | Path, word: str) -> Path:
    """``photo.jpg`` and ``scream`` make ``photo.scream.jpg`` in the same folder."""
    path = Path(path)
    return path.with_name(f"{path.stem}.{word}{path.suffix}")


def check_output(path: str | Path, inputs: Sequence[Path] = (), overwrite: bool = False) -> None:
    """See before the long work whether a picture can be written there.

    Raises:
        OutputError: no such folder, no picture format, one of the inputs, or there already.
    """
    path = Path(path)
    if not path.suffix or not cv2.haveImageWriter(path.name):
        raise OutputError(f"{path}: no picture format '{path.suffix}'; use .png or .jpg")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no directory {path.parent}")
    if not path.exists():
        return
    if any(other.exists() and path.samefile(other) for other in inputs):
        raise OutputError(f"{path}: is the input itself; choose another output")
    if not path.is_file():
        raise OutputError(f"{path}: is not a regular file")
    if not overwrite:
        raise OutputError(f"{path}: exists already; remove it, or overwrite it with --overwrite")


def read_image(path: str | Path) -> np.ndarray:
    """A JPEG, PNG, WebP, TIFF or BMP file.

    Raises InputError when the file is missing, is no picture, or claims to be larger than
    ``limits`` allow.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    check_header(path, data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise InputError(f"{path}: not a picture that can be read") from error
    if image is None:
        raise InputError(f"{path}: not a picture that can be read")
    return image


def write_image(path: str | Path, image: np.ndarray, quality: int = 92) -> Path:
    """Write under the final name only when complete; the format follows the suffix.

    Raises OutputError when the format is unknown or the place cannot be written.
    """
    path = Path(path)
    try:
        jpeg = path.suffix.lower() in (".jpg", ".jpeg")
        parameters = [cv2.IMWRITE_JPEG_QUALITY, quality] if jpeg else []
        done, data = cv2.imencode(path.suffix, image[:, :, ::-1], parameters)
    except cv2.error:
        done = False
    if not done:
        raise OutputError(f"{path}: no picture format '{path.suffix}'; use .png or .jpg")
    with complete_file(path) as temporary:
        temporary.write_bytes(data.tobytes())
    return path


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Area average when shrinking, bicubic when enlarging."""
    shrinks = width * height < image.shape[0] * image.shape[1]
    return cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )


def resize_short_side(image: np.ndarray, size: int) -> np.ndarray:
    """Scale to a short side of ``size`` pixels, keeping proportions."""
    height, width = image.shape[:2]
    factor = size / min(height, width)
    return resize(image, max(round(width * factor), size), max(round(height * factor), size))


def fit(image: np.ndarray, max_side: int | None) -> np.ndarray:
    """Shrink to a longer side of ``max_side`` pixels, keeping proportions; never enlarge.

    Raises OptionError when the side is not positive.
    """
    if max_side is not None and max_side < 1:
        raise OptionError(f"the longer side is at least 1 pixel, not {max_side}")
    factor = min(max_side / max(image.shape[:2]), 1.0) if max_side else 1.0
    height, width = (max(round(length * factor), 1) for length in image.shape[:2])
    return image if factor == 1.0 else resize(image, width, height)


def fit_size(size: tuple[float, float], room: tuple[int, int]) -> tuple[int, int]:
    """The largest width and height of the same aspect ratio that fit into a room."""
    scale = min(room[0] / size[0], room[1] / size[1])
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def framed(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """An image amid black bars, where it is smaller than this size; H×W×3 or H×W of any type."""
    inner_height, inner_width = image.shape[:2]
    if (inner_width, inner_height) == (width, height):
        return image
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    result = np.zeros((height, width, *image.shape[2:]), image.dtype)
    result[top : top + inner_height, left : left + inner_width] = image
    return result


def letterbox(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """An image scaled to a size, with black bars where its aspect ratio differs."""
    size = (image.shape[1], image.shape[0])
    if size == (width, height):
        return image
    return framed(resize(image, *fit_size(size, (width, height))), width, height)


def label(image: np.ndarray, text: str) -> np.ndarray:
    """A copy with a caption strip above it."""
    height = max(image.shape[0] // 14, 22)
    strip = np.full((height, image.shape[1], 3), 24, np.uint8)
    scale = height / 34
    cv2.putText(
        strip,
        text,
        (height // 3, round(height * 0.7)),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        (235, 235, 235),
        max(round(scale * 1.6), 1),
        cv2.LINE_AA,
    )
    return np.concatenate([strip, image])


def contact_sheet(images: Sequence[np.ndarray], columns: int, gap: int = 6) -> np.ndarray:
    """Equal-sized pictures in a grid on a dark ground."""
    height, width = images[0].shape[:2]
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 24, np.uint8)
    for number, image in enumerate(images):
        top = gap + number // columns * (height + gap)
        left = gap + number % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet
