"""One picture of a sequence: what a stylizer sees of it, and all that must survive the restyling.

A picture file is read into a ``Raster``, its pixels as they are stored; the stylizer gets
``Picture.image``, which is display-referred. Writing goes the other way, and every sample that the
stylizer returned exactly as it got it is stored exactly as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vidstyle.errors import InputError, OutputError
from vidstyle.options import PictureOptions
from vidstyle.sequences.formats import kind_of
from vidstyle.sequences.raster import Raster, copy_file, read_raster, write_raster
from vidstyle.sequences.space import local_ceiling, srgb_decode, to_display, to_linear


@dataclass(frozen=True)
class Picture:
    """A picture of a sequence.

    Attributes:
        image: RGB H×W×3 as it looks, not multiplied by alpha; uint8 where the file is of 8 bits
            and holds just that, else float32 from 0 to 255. What is no number is black.
        alpha: H×W in the file's own type, or None.
        raster: the pixels as they are stored.
        kind: ``png``, ``jpeg``, ``tiff``, ``exr`` or ``dpx``.
        linear: the file holds scene-linear light.
    """

    image: np.ndarray
    alpha: np.ndarray | None
    raster: Raster
    kind: str
    linear: bool

    @property
    def depth(self) -> str:
        """``uint8``, ``uint16``, ``float16`` or ``float32``."""
        return str(self.raster.color.dtype)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the other channels of the file, which are written as they were read."""
        return self.raster.file.others if self.raster.file is not None else ()

    @property
    def frame_rate(self) -> Fraction | None:
        """Frames per second, where an EXR file says it."""
        return self.raster.file.frame_rate if self.raster.file is not None else None


def read_picture(path: str | Path, options: PictureOptions = PictureOptions()) -> Picture:
    """Read a PNG, JPEG, TIFF, EXR or DPX file.

    Orientation in Exif data is not applied: pixels and tag are written as they were.

    Raises:
        InputError: the file is missing, cut short, damaged, or of a kind that cannot be restyled.
    """
    path = Path(path)
    kind = kind_of(path)
    try:
        raster = read_raster(path, kind, options.layer if kind == "exr" else "")
        linear = _is_linear(raster, kind, options)
        return Picture(_image(raster, linear), raster.alpha, raster, kind, linear)
    except MemoryError as error:
        raise InputError(f"{path}: is larger than this machine's memory") from error


def write_picture(
    path: str | Path,
    picture: Picture | None,
    image: np.ndarray,
    *,
    alpha: np.ndarray | None = None,
    options: PictureOptions = PictureOptions(),
) -> Path:
    """Write a restyled picture with the bit depth, alpha, layers and metadata of its source.

    In the source's format, a sample of ``image`` that equals that of ``picture.image`` is stored
    exactly as it was, and so are samples that are no finite numbers; a file of which nothing
    changed is copied. A grey picture becomes RGB when the restyled one is not grey. In another
    format, scene-linear EXR becomes 16 bits as it looks; in EXR, 8 bits become half and 16 bits
    float, and no attributes go along.

    Args:
        path: the suffix decides on the format. The file appears under its name when complete.
        picture: the source; None to write 8 bits for uint8, 16 bits or half for float32.
        image: H×W×3 like ``picture.image``.
        alpha: H×W, replaces the source's alpha; in its type, or uint8, uint16 or float.
        options: the quality of JPEG files.

    Raises:
        OutputError: it cannot be written, or JPEG is asked for and the picture is not opaque.
    """
    path = Path(path)
    kind = kind_of(path)
    if picture is None:
        raster = _new(image, alpha, kind)
    elif picture.kind == kind:
        raster = _restyled(picture, image, alpha)
    else:
        raster = _converted(picture, image, alpha, kind)
    if picture is not None and raster is picture.raster and raster.file is not None:
        return copy_file(raster.file.path, path)
    if kind == "jpeg":
        raster = _opaque(path, raster)
    return write_raster(path, raster, kind, options.jpeg_quality)


def _is_linear(raster: Raster, kind: str, options: PictureOptions) -> bool:
    if options.input_space != "auto":
        return options.input_space == "linear"
    return kind == "exr" or raster.color.dtype.kind == "f"


def _image(raster: Raster, linear: bool) -> np.ndarray:
    """What the stylizer sees of the pixels."""
    color = raster.color
    if color.dtype == np.uint8 and not linear and not raster.associated:
        return _rgb(color)
    light = _light(raster)
    shown = to_display(light) if linear else 255 * light
    return _rgb(np.clip(np.nan_to_num(shown, nan=0), 0, 255).astype(np.float32))


def _rgb(color: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.broadcast_to(color, (*color.shape[:2], 3)))


def _light(raster: Raster) -> np.ndarray:
    """Colour from 0 to 1, not multiplied by alpha, float32; what has no alpha stays as it is."""
    light = _unit(raster.color)
    if raster.associated and raster.alpha is not None:
        with np.errstate(invalid="ignore", over="ignore"):
            light = light / _divisor(raster.alpha)
    return light


def _divisor(alpha: np.ndarray) -> np.ndarray:
    unit = _unit(alpha)
    return np.where(np.isfinite(unit) & (unit > 0), unit, np.float32(1))[..., None]


def _unit(stored: np.ndarray) -> np.ndarray:
    """Stored samples as float32, whole numbers from 0 to 1."""
    values = stored.astype(np.float32)
    return values / np.float32(np.iinfo(stored.dtype).max) if stored.dtype.kind == "u" else values


def _stored(unit: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The inverse of ``_unit``; what is out of the type's range becomes its end, NaN whole 0."""
    if dtype.kind == "u":
        most = np.iinfo(dtype).max
        return np.rint(np.clip(np.nan_to_num(unit), 0, 1) * np.float64(most)).astype(dtype)
    most = np.finfo(dtype).max
    return np.clip(unit, -most, most).astype(dtype)


def _restyled(picture: Picture, image: np.ndarray, alpha: np.ndarray | None) -> Raster:
    """The source's raster with new colours where they changed."""
    raster = picture.raster
    own_alpha = raster.alpha if alpha is None else _stored(_unit(alpha), _alpha_dtype(raster))
    associated = raster.associated or (picture.kind == "exr" and own_alpha is not None)
    light = _restyled_light(picture, image) if picture.linear else image.astype(np.float32) / 255
    color = _rgb(raster.color)
    same = (image == picture.image) | ~np.isfinite(color)
    if associated and own_alpha is not None:
        light = light * _divisor(own_alpha)
        if alpha is not None:
            same &= (own_alpha == (1 if raster.alpha is None else raster.alpha))[..., None]
    if same.all() and alpha is None:
        return raster
    color = np.where(same, color, _stored(light, color.dtype))
    if raster.color.shape[2] == 1 and _is_grey(color):
        color = color[..., :1]
    return Raster(color, own_alpha, associated, raster.file)


def _restyled_light(picture: Picture, image: np.ndarray) -> np.ndarray:
    """Scene-linear light of a restyled picture, never brighter than the scene around it."""
    own = np.nan_to_num(_light(picture.raster), nan=0, posinf=0, neginf=0)
    ceiling = np.maximum(local_ceiling(_unit(picture.raster.color)), own)
    return to_linear(image.astype(np.float32), ceiling)


def _alpha_dtype(raster: Raster) -> np.dtype:
    return raster.color.dtype if raster.alpha is None else raster.alpha.dtype


def _is_grey(color: np.ndarray) -> bool:
    return all(np.array_equal(color[..., 0], color[..., n], equal_nan=True) for n in (1, 2))


def _new(image: np.ndarray, alpha: np.ndarray | None, kind: str) -> Raster:
    deep = image.dtype != np.uint8
    dtype = _dtype(kind, np.dtype(np.uint16 if deep else np.uint8))
    if kind == "exr":
        dtype = np.dtype(np.float16)
    return _raster(image.astype(np.float32) / 255, alpha, kind, dtype)


def _converted(picture: Picture, image: np.ndarray, alpha: np.ndarray | None, kind: str) -> Raster:
    """The picture for another format than its own."""
    raster = picture.raster
    own_alpha = raster.alpha if alpha is None else alpha
    dtype = _dtype(kind, raster.color.dtype)
    if kind == "exr" and picture.linear:
        light = _restyled_light(picture, image)
        return _associated(light, own_alpha, dtype)
    made = _raster(image.astype(np.float32) / 255, own_alpha, kind, dtype)
    return replace(made, file=raster.file)


def _raster(shown: np.ndarray, alpha: np.ndarray | None, kind: str, dtype: np.dtype) -> Raster:
    """A file's raster from a picture as it looks, 0 to 1."""
    if kind == "exr":
        return _associated(srgb_decode(shown).astype(np.float32), alpha, dtype)
    stored_alpha = None if alpha is None else _stored(_unit(alpha), dtype)
    return Raster(_stored(shown, dtype), stored_alpha)


def _associated(light: np.ndarray, alpha: np.ndarray | None, dtype: np.dtype) -> Raster:
    if alpha is None:
        return Raster(_stored(light, dtype))
    unit = _unit(alpha)
    return Raster(_stored(light * unit[..., None], dtype), _stored(unit, dtype), True)


def _dtype(kind: str, source: np.dtype) -> np.dtype:
    """The type of samples for a format that is not the source's."""
    if kind == "jpeg":
        return np.dtype(np.uint8)
    if kind == "exr":
        return np.dtype(np.float16 if source == np.uint8 else np.float32)
    return source if source.kind == "u" else np.dtype(np.uint16)


def _opaque(path: Path, raster: Raster) -> Raster:
    alpha = raster.alpha
    if alpha is not None and (alpha != np.iinfo(alpha.dtype).max).any():
        raise OutputError(f"{path}: JPEG has no alpha, which the picture has; use .png or .tif")
    return raster


class Form(NamedTuple):
    """What all frames of a sequence have in common.

    Attributes:
        name: the file that has it, for messages.
        size: width and height in pixels.
        depth: type of the picture's values, uint8 or float32.
    """

    name: str
    size: tuple[int, int]
    depth: str


def require_same_form(path: Path, picture: Picture, expected: Form | None) -> Form:
    """The form of a frame. Raises InputError when it is not that of the frames before."""
    height, width = picture.image.shape[:2]
    form = Form(path.name, (width, height), str(picture.image.dtype))
    if expected and form.size != expected.size:
        other = f"{expected.name} is {expected.size[0]}×{expected.size[1]}"
        raise InputError(f"{path}: is {width}×{height}, but {other}; a sequence has one size")
    if expected and form.depth != expected.depth:
        has, other = _BITS[form.depth], f"{expected.name} has {_BITS[expected.depth]}"
        raise InputError(f"{path}: has {has}, but {other}; a sequence has one depth")
    return form


_BITS = {"uint8": "8 bits a channel", "float32": "more than 8 bits a channel"}
