"""The picture in a file: colour and alpha as they are stored, and what stands beside them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidstyle.disk import complete_file
from vidstyle.errors import InputError, OutputError
from vidstyle.sequences.layers import Layer, find_layer
from vidstyle.sequences.parts import DTYPES, Part, canvas, erase, new_part, read_parts, write_parts

if TYPE_CHECKING:
    from OpenImageIO import ImageSpec

_READABLE_SPACES = ("", "palette", "YCbCr")
"""What ``tiff:ColorSpace`` and ``jpeg:ColorSpace`` say of files whose pixels come as RGB."""


@dataclass(frozen=True)
class PictureFile:
    """A whole file, one layer of which is the picture.

    Attributes:
        path: where it was read.
        kind: as ``formats.kind_of`` says.
        parts: all that it holds.
        layer: the picture's channels.
    """

    path: Path
    kind: str
    parts: tuple[Part, ...]
    layer: Layer

    @property
    def part(self) -> Part:
        """The part that the picture is in."""
        return self.parts[self.layer.part]

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the other channels; with those of the parts where there are several."""
        return tuple(
            f"{_name(part)}/{name}" if len(self.parts) > 1 else name
            for number, part in enumerate(self.parts)
            for name in sorted(part.names)
            if number != self.layer.part or name not in self.layer.names
        )

    @property
    def frame_rate(self) -> Fraction | None:
        """Frames per second, where an EXR file says it."""
        rate = self.part.spec.get("framesPerSecond")
        sound = isinstance(rate, tuple) and all(number > 0 for number in rate)
        return Fraction(*rate) if sound else None

    @property
    def orientation(self) -> int:
        """How the pixels are to be turned, as Exif counts from 1 to 8; 1 is upright."""
        return int(self.part.spec.get_int_attribute("Orientation", 1))


@dataclass(frozen=True)
class Raster:
    """The picture's pixels as they are stored.

    The rasters of EXR files cover display and data window; what is outside the data window is
    black and clear.

    Attributes:
        color: H×W×3 RGB or H×W×1 grey; uint8, uint16, float16 or float32.
        alpha: H×W, or None.
        associated: the colour has been multiplied by alpha.
        file: what the pixels are from; None for new ones.
    """

    color: np.ndarray
    alpha: np.ndarray | None = None
    associated: bool = False
    file: PictureFile | None = None

    @property
    def channels(self) -> dict[str, np.ndarray]:
        """H×W each, by the letters R, G, B or Y, and A."""
        letters = "RGB" if self.color.shape[2] == 3 else "Y"
        planes = {letter: self.color[..., n] for n, letter in enumerate(letters)}
        return planes if self.alpha is None else planes | {"A": self.alpha}


def read_raster(path: Path, kind: str, layer: str = "") -> Raster:
    """The RGB(A) or Y(A) channels of a file, or of one of an EXR file's layers.

    Raises:
        InputError: the file cannot be read, has no such layer, or is of a kind that cannot be
            restyled.
    """
    parts = read_parts(path, kind)
    named = [(_name(part), part.names) for part in parts]
    file = PictureFile(path, kind, parts, find_layer(path, named, layer))
    _check_kind(path, file)
    spec, names = file.part.spec, file.layer.names
    count = 3 if len(names) > 2 else 1
    color = np.stack([file.part.channel(name) for name in names[:count]], axis=2)
    if spec.get_int_attribute("tiff:PhotometricInterpretation", 1) == 0 and color.dtype == "u2":
        color = 65535 - color  # white is 0, which OpenImageIO minds in 8 bits only
    alpha = file.part.channel(names[count]) if len(names) > count else None
    straight = spec.get_int_attribute("oiio:UnassociatedAlpha")
    if kind == "exr":
        color = _padded(color, spec)
        alpha = None if alpha is None else _padded(alpha, spec)
    return Raster(color, alpha, alpha is not None and not straight, file)


def write_raster(path: Path, raster: Raster, kind: str, jpeg_quality: int = 95) -> Path:
    """Write a picture, in the format that it was read from with everything else in the file.

    Raises:
        OutputError: it cannot be written.
    """
    file = raster.file
    if file is not None and file.kind == kind:
        part = _restyled(file, raster)
        parts = [*file.parts[: file.layer.part], part, *file.parts[file.layer.part + 1 :]]
    else:
        shared = None if file is None or "exr" in (file.kind, kind) else file.part.spec
        part = new_part(raster.channels, shared)
        parts = [part]
    if raster.alpha is not None and not raster.associated:
        part.spec.attribute("oiio:UnassociatedAlpha", 1)
    if kind == "jpeg":
        part.spec.attribute("compression", f"jpeg:{jpeg_quality}")
        part.spec.attribute("jpeg:subsampling", "4:4:4")
    return write_parts(path, kind, parts)


def copy_file(source: Path, path: Path) -> Path:
    """Put an unchanged picture in its place, byte for byte.

    Raises:
        OutputError: it cannot be copied.
    """
    with complete_file(path) as temporary:
        shutil.copyfile(source, temporary)
    return path


def write_exr_channels(path: str | Path, channels: Mapping[str, np.ndarray]) -> Path:
    """Write named H×W channels of float16 or float32, such as ``forward.u``, as they are.

    The file appears under its name only when complete.

    Raises:
        OutputError: it cannot be written.
    """
    path = Path(path)
    try:
        part = new_part(channels)
    except ValueError as error:
        raise OutputError(f"{path}: cannot be written as EXR ({error})") from error
    return write_parts(path, "exr", [part])


def _name(part: Part) -> str:
    return str(part.spec.get_string_attribute("name"))


def _check_kind(path: Path, file: PictureFile) -> None:
    spec = file.part.spec
    for attribute in ("tiff:ColorSpace", "jpeg:ColorSpace"):
        space = spec.get_string_attribute(attribute)
        if space not in _READABLE_SPACES:
            raise InputError(f"{path}: is {space}; convert it to RGB")
    for name, kind in zip(spec.channelnames, spec.get_channelformats(), strict=True):
        if name in file.layer.names and str(kind) not in DTYPES:
            raise InputError(
                f"{path}: channel {name} is of type {kind}; convert it to 8 or 16 bits or float"
            )


def _restyled(file: PictureFile, raster: Raster) -> Part:
    """The picture's part of the file with new pixels."""
    names, spec = file.layer.names, file.part.spec
    prefix = names[0][:-1]
    channels = {prefix + letter: plane for letter, plane in raster.channels.items()}
    if file.kind == "exr":
        window = _window(spec)
        channels = {name: plane[window] for name, plane in channels.items()}
    part = file.part.replace(names, channels)
    if len(names) < 3 <= len(channels):
        erase(part.spec, "ICCProfile")  # which is one for grey
    return part


def _window(spec: ImageSpec) -> tuple[slice, slice]:
    """Where the data window is in the canvas: rows and columns."""
    left, top, _, _ = canvas(spec)
    row, column = spec.y - top, spec.x - left
    return slice(row, row + spec.height), slice(column, column + spec.width)


def _padded(plane: np.ndarray, spec: ImageSpec) -> np.ndarray:
    left, top, right, bottom = canvas(spec)
    if plane.shape[:2] == (bottom - top, right - left):
        return plane
    whole = np.zeros((bottom - top, right - left, *plane.shape[2:]), plane.dtype)
    whole[_window(spec)] = plane
    return whole
