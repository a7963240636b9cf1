"""Picture files as they are stored: all parts, channels and attributes, read by OpenImageIO.

OpenImageIO is imported with the first picture, so that runs on videos need not wait for it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from vidstyle.disk import complete_file
from vidstyle.errors import InputError, OutputError
from vidstyle.headers import check_header
from vidstyle.limits import MOST_CANVAS_PIXELS, check_size

if TYPE_CHECKING:
    from OpenImageIO import ImageInput, ImageSpec

DTYPES = {"uint8": "uint8", "uint16": "uint16", "half": "float16", "float": "float32"}
"""NumPy's names of OpenImageIO's types that can be restyled."""
_SIGNATURES = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpeg": (b"\xff\xd8",),
    "tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "exr": (b"\x76\x2f\x31\x01",),
    "dpx": (b"SDPX", b"XPDS"),
}
_ENDS = {"png": (b"IDAT", b"IEND\xaeB`\x82"), "jpeg": (b"\xff\xda", b"\xff\xd9")}
"""What pixels begin with, and what stands behind them."""
_MOST_ATTRIBUTES = 2**24
"""Bytes of a file besides its pixels."""
_MOST_IN_MARKER, _AROUND_VALUE = 60_000, 200
"""Bytes of a JPEG marker, and what XMP takes around each value."""
_LARGEST_EXACT = 2**24
"""Integers beside floats are read and written by way of float32."""
_LOSSLESS = ("none", "rle", "zip", "zips", "piz", "pxr24", "lzw", "packbits")
_CODING = "oiio:(subimages|Rows.*)|tiff:Rows.*|openexr:(chunkCount|levelmode)"
_DERIVED = f"{_CODING}|ICCProfile:.*|thumbnail_.*|textureformat"
"""Attributes that OpenImageIO works out anew, or that are not true of other pixels."""
_OF_ONE_FORMAT = "(oiio|png|jpeg|tiff|dpx|openexr):.*|compression|planarconfig"


@dataclass(frozen=True)
class Part:
    """One picture of a file; only EXR files have more than one.

    Attributes:
        spec: size, windows, channels and attributes.
        pixels: H×W×channels of the data window, as stored; float32 where types differ.
    """

    spec: ImageSpec
    pixels: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels."""
        return tuple(self.spec.channelnames)

    def channel(self, name: str) -> np.ndarray:
        """H×W samples of a channel in the type that it is stored in."""
        number = self.names.index(name)
        stored = str(self.spec.get_channelformats()[number])
        return self.pixels[..., number].astype(DTYPES.get(stored, "float32"))

    def replace(self, old: Sequence[str], new: Mapping[str, np.ndarray]) -> Part:
        """A copy with H×W channels in place of others.

        Channels of the same names keep their places and types; if there are others, all of the
        new ones come first.
        """
        planes = {name: self.pixels[..., n] for n, name in enumerate(self.names)}
        types = dict(zip(self.names, self.spec.get_channelformats(), strict=True))
        names = list(self.names)
        if set(new) != set(old):
            names = [*new, *(name for name in names if name not in {*old, *new})]
        types |= {name: _type(plane.dtype) for name, plane in new.items() if name not in planes}
        planes |= new
        return _part(self.spec, names, [planes[n] for n in names], [types[n] for n in names])


def new_part(channels: Mapping[str, np.ndarray], source: ImageSpec | None = None) -> Part:
    """A picture of H×W channels, with those attributes of ``source`` that all formats share.

    Raises:
        ValueError: the channels are not of one size.
    """
    oiio = library()
    height, width = next(iter(channels.values())).shape
    spec = oiio.ImageSpec(width, height, len(channels), oiio.FLOAT)
    if source is not None:
        spec.extra_attribs = source.extra_attribs
        erase(spec, _OF_ONE_FORMAT)
    planes = list(channels.values())
    return _part(spec, tuple(channels), planes, [_type(plane.dtype) for plane in planes])


def read_parts(path: Path, kind: str) -> tuple[Part, ...]:
    """All that a picture file holds; sizes that it claims are checked before memory is taken.

    Alpha stays straight where it is stored so, and an orientation in Exif data is not applied.

    Raises:
        InputError: the file is missing, cut short, damaged, animated, deep or of several pages.
    """
    _check_content(path, kind)
    oiio = library()
    as_stored = oiio.ImageSpec()
    as_stored.attribute("oiio:UnassociatedAlpha", 1)
    file = oiio.ImageInput.open(str(path), as_stored)
    if file is None:
        raise _damaged(path, oiio)
    try:
        specs = list(_specs(path, kind, file))
        return tuple(_read(path, file, number, spec) for number, spec in enumerate(specs))
    finally:
        file.close()


def write_parts(path: Path, kind: str, parts: Sequence[Part]) -> Path:
    """Write a picture file, which appears under its name only when complete.

    Raises:
        OutputError: the file cannot be written.
    """
    specs = [_for_writing(part.spec, kind) for part in parts]
    output = library().ImageOutput.create(kind)
    most = sum(2 * part.pixels.nbytes for part in parts) + _MOST_ATTRIBUTES
    with complete_file(path) as temporary, _memory_file(temporary, most) as place:
        done = output.open(place, specs if len(specs) > 1 else specs[0])
        for number, (part, spec) in enumerate(zip(parts, specs, strict=True)):
            done = done and (not number or output.open(place, spec, "AppendSubimage"))
            done = done and output.write_image(part.pixels)
        if not (output.close() and done):
            raise OutputError(f"{path}: cannot be written ({_reason(output, place)})")
    return path


@contextmanager
def _memory_file(target: Path, most: int) -> Iterator[str]:
    """The name of a file in memory, of up to ``most`` bytes, whose content then goes to ``target``.

    On full disks, OpenImageIO loses the end of a file without a word, and libjpeg ends the process.
    Where there are no files in memory, it is ``target`` itself.
    """
    if not hasattr(os, "memfd_create") or not Path("/proc/self/fd").is_dir():
        yield str(target)
        return
    with os.fdopen(os.memfd_create("picture"), "r+b") as file:
        file.truncate(most)  # an error where files must not be so large
        yield f"/proc/self/fd/{file.fileno()}"
        with target.open("wb") as disk:
            shutil.copyfileobj(file, disk)


def canvas(spec: ImageSpec) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what holds display and data window; ends are exclusive."""
    return (
        min(spec.x, spec.full_x),
        min(spec.y, spec.full_y),
        max(spec.x + spec.width, spec.full_x + spec.full_width),
        max(spec.y + spec.height, spec.full_y + spec.full_height),
    )


def library() -> ModuleType:
    """OpenImageIO, told to read files as the format that their suffix says or not at all."""
    import OpenImageIO

    OpenImageIO.attribute("try_all_readers", 0)
    return OpenImageIO


def erase(spec: ImageSpec, pattern: str) -> None:
    """Remove the attributes whose whole names match a regular expression."""
    for name in [attribute.name for attribute in spec.extra_attribs]:
        if re.fullmatch(pattern, name):
            spec.extra_attribs.remove(name)


def _check_content(path: Path, kind: str) -> None:
    """See that a file begins, and a PNG or JPEG ends, as its kind does."""
    try:
        with path.open("rb") as file:
            data = file.read(-1 if kind in _ENDS else 8)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if not data.startswith(_SIGNATURES[kind]):
        found = f"not {kind}, whatever its name says" if data else "empty (0 bytes)"
        raise InputError(f"{path}: is {found}")
    if kind in _ENDS:
        check_header(path, data)
        pixels, end = _ENDS[kind]
        if data.rfind(end) < data.rfind(pixels):
            raise InputError(f"{path}: is cut short")
    if kind == "png" and b"acTL" in data[: data.find(b"IDAT")]:
        raise InputError(f"{path}: is an animated PNG; extract its frames first")


def _specs(path: Path, kind: str, file: ImageInput) -> Iterator[ImageSpec]:
    """The description of each part."""
    count = file.spec().get_int_attribute("oiio:subimages", 1)
    if kind == "tiff" and file.seek_subimage(1, 0):
        raise InputError(f"{path}: holds several pictures; give each its own file")
    _reason(file, str(path))  # which is then forgotten: that there is no second picture
    for number in range(count):
        if not file.seek_subimage(number, 0):
            raise _damaged(path, file)
        spec = file.spec()
        if spec.deep:
            raise InputError(f"{path}: is a deep picture; flatten it first")
        check_size(path, spec.width, spec.height)
        if kind == "exr":
            left, top, right, bottom = canvas(spec)
            most = max(spec.width * spec.height, MOST_CANVAS_PIXELS)
            check_size(path, right - left, bottom - top, most)
        yield spec


def _read(path: Path, file: ImageInput, number: int, spec: ImageSpec) -> Part:
    types = spec.get_channelformats()
    stored = types[0] if len(set(map(str, types))) == 1 else library().FLOAT
    pixels = file.read_image(number, 0, 0, spec.nchannels, stored)
    if pixels is None:
        raise _damaged(path, file)
    part = Part(spec, pixels)
    if spec.channelformats:
        _check_integers(path, part)
    erase(spec, _DERIVED)
    return part


def _check_integers(path: Path, part: Part) -> None:
    """Refuse integers that would not be written as they were read."""
    for name, kind in zip(part.names, part.spec.channelformats, strict=True):
        if str(kind) == "uint" and part.channel(name).max() * np.float64(2**32) > _LARGEST_EXACT:
            raise InputError(
                f"{path}: channel {name} has integers above {_LARGEST_EXACT}, which cannot be "
                "kept exactly; remove it, or put it into a part of its own"
            )


def _part(
    spec: ImageSpec, names: Sequence[str], planes: list[np.ndarray], types: list[Any]
) -> Part:
    """A picture of these channels with everything else from ``spec``."""
    made = library().ImageSpec(spec)
    same = len(set(map(str, types))) == 1
    made.nchannels = len(names)
    made.channelnames = tuple(names)
    made.format = types[0] if same else library().FLOAT
    made.channelformats = () if same else tuple(types)
    made.alpha_channel = names.index("A") if "A" in names else -1
    dtype = planes[0].dtype if same else np.float32
    return Part(made, np.stack([plane.astype(dtype) for plane in planes], axis=2))


def _type(dtype: np.dtype) -> Any:
    """OpenImageIO's name of a NumPy type."""
    return library().TypeDesc({name: kind for kind, name in DTYPES.items()}[str(dtype)])


def _for_writing(spec: ImageSpec, kind: str) -> ImageSpec:
    """The description as this program wants it written: lossless but for JPEG, and reproducible."""
    spec = library().ImageSpec(spec)
    compression = spec.get_string_attribute("compression", "lzw" if kind == "tiff" else "zip")
    if kind != "jpeg":
        spec.attribute("compression", compression if compression in _LOSSLESS else "zip")
    if kind in ("exr", "tiff") and "DateTime" not in spec:
        spec.attribute("DateTime", "")  # else the time of day
    if kind == "png":
        # As fast as OpenCV, and files of its size.
        spec.attribute("png:compressionLevel", 1)
        spec.attribute("png:filter", 32)
    if kind in ("png", "jpeg", "tiff"):
        spec.attribute("oiio:ColorSpace", "unknown")  # else tagged as sRGB
        spec.attribute("planarconfig", "contig")
    if kind == "jpeg":
        _fit_markers(spec)
    if kind == "tiff":
        erase(spec, "oiio:BitsPerSample|tiff:ColorSpace")  # of palettes, or fewer than 8
        if str(spec.format) in ("half", "float"):
            spec.attribute("tiff:predictor", 1)  # few programs read the one for floats
    return spec


def _fit_markers(spec: ImageSpec) -> None:
    """Leave out all but profile and orientation where they might not fit a JPEG file's markers.

    libjpeg ends the process when a marker gets too long.
    """
    sizes = (_marker_size(attribute) for attribute in spec.extra_attribs)
    if sum(sizes) > _MOST_IN_MARKER:
        erase(spec, "(?!ICCProfile|Orientation|jpeg:|compression|oiio:).*")


def _marker_size(attribute: Any) -> int:
    """Bytes that an attribute takes as Exif or XMP, at most; profiles are divided among markers."""
    if attribute.name == "ICCProfile":
        return 0
    value = attribute.value
    values = value if isinstance(value, tuple) else (value,)
    texts = (escape(str(value)).encode(errors="surrogateescape") for value in values)
    return max(sum(map(len, texts)), int(attribute.type.size())) + _AROUND_VALUE


def _damaged(path: Path, source: Any) -> InputError:
    return InputError(f"{path}: is damaged or cut short ({_reason(source, str(path))})")


def _reason(source: Any, name: str) -> str:
    """The first line of what OpenImageIO last had to say, without the name of the file."""
    try:
        message = str(source.geterror())
    except UnicodeDecodeError:  # it quotes the file
        message = ""
    lines = message.replace(name, "file").strip().splitlines()
    return lines[0] if lines else "for unknown reasons"
