"""OpenEXR: the picture's channels, and every other channel, part and attribute as it is."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vidstyle.errors import InputError, OutputError
from vidstyle.limits import check_samples, check_size
from vidstyle.sequences.chunks import channel_count, read_headers, window_sizes
from vidstyle.sequences.formats import Metadata, Raster, write_bytes

_EXTRA = "OpenEXR is not installed; run: pip install 'vidstyle[exr]'"
# What the library works out from the channels itself.
_DERIVED = ("channels", "chunkCount")
_MOST_PADDED = 2**26
"""Pixels of a picture that its data window does not fill."""
# Other layers would change each time that they are compressed like this.
_LOSSY = ("B44_", "B44A_", "DWAA_", "DWAB_", "LJ2K_")
_OF_THE_FRAME = ("displayWindow", "pixelAspectRatio", "framesPerSecond", "timeCode")
_USUAL_LAYERS = ("", "rgba", "rgb", "beauty", "combined")


@dataclass(frozen=True)
class ExrMetadata:
    """A whole EXR file but for the picture's new pixels.

    Attributes:
        parts: header and channels of each part.
        part: which part the picture is in.
        names: the channels of the picture in it: R, G, B or Y, then A if there is one.
        window: rows and columns of the raster that the part's channels fill.
    """

    parts: tuple[tuple[dict[str, Any], dict[str, Any]], ...]
    part: int
    names: tuple[str, ...]
    window: tuple[slice, slice]

    @property
    def frame_rate(self) -> Fraction | None:
        """The attribute framesPerSecond."""
        rate = self.parts[self.part][0].get("framesPerSecond")
        return rate if isinstance(rate, Fraction) and rate > 0 else None

    @property
    def header(self) -> dict[str, Any]:
        """Attributes for other channels of the raster's size: its windows, shape and time."""
        source = self.parts[self.part][0]
        left, top, right, bottom = _canvas(source)
        kept = {name: source[name] for name in _OF_THE_FRAME if name in source}
        window = np.array([left, top], np.int32), np.array([right, bottom], np.int32)
        return kept | {"dataWindow": window}

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the other channels; with those of the parts where there are several."""
        return tuple(
            f"{header['name']}/{name}" if len(self.parts) > 1 else name
            for number, (header, channels) in enumerate(self.parts)
            for name in channels
            if number != self.part or name not in self.names
        )


def read(path: Path, data: bytes, layer: str = "") -> Raster:
    """The RGB(A) or Y(A) channels of a layer as half or float, alpha being associated.

    The raster covers display and data window; it is black and clear outside the data window.

    Args:
        path: for messages.
        data: the file.
        layer: prefix of the channels (``beauty`` for ``beauty.R``) or name of a part; the channels
            without prefix, or those of the only layer, when empty.

    Raises InputError when the file is cut short, damaged, deep or has no such layer.
    """
    parts = _parts(path, data)
    part, names = _find_layer(path, parts, layer)
    head, channels = parts[part]
    if any(channels[name].xSampling > 1 or channels[name].ySampling > 1 for name in names):
        raise InputError(f"{path}: its colour is subsampled; convert it to full RGB")
    planes = [channels[name].pixels for name in names]
    if any(plane.dtype not in (np.float16, np.float32) for plane in planes):
        raise InputError(f"{path}: {', '.join(names)} are whole numbers, no colours")
    count = 3 if len(names) > 2 else 1
    alpha = planes[count] if len(planes) > count else None
    shape, window = _window(head)
    metadata = Metadata(native=ExrMetadata(parts, part, names, window))
    color = _padded(np.stack(planes[:count], axis=2), shape, window)
    alpha = None if alpha is None else _padded(alpha, shape, window)
    return Raster(color, alpha, alpha is not None, metadata)


def write(path: Path, raster: Raster) -> bytes:
    """An EXR file with everything that the raster's metadata carries.

    Lossy compression gives way to zip, so that other layers stay exactly what they were.
    """
    native = raster.metadata.native
    planes = [raster.color[..., number] for number in range(raster.color.shape[2])]
    if raster.alpha is not None:
        planes.append(raster.alpha)
    if not isinstance(native, ExrMetadata):
        letters = "YA" if raster.color.shape[2] == 1 else "RGBA"
        return _encoded(path, [({}, dict(zip(letters, planes, strict=False)))])
    prefix = native.names[0][:-1]
    letters = ("Y" if raster.color.shape[2] == 1 else "RGB") + "A"
    names = [prefix + letter for letter in letters][: len(planes)]
    parts = [(dict(header), dict(channels)) for header, channels in native.parts]
    channels = parts[native.part][1]
    for name in native.names:
        del channels[name]
    old = native.parts[native.part][1]
    for name, plane in zip(names, planes, strict=True):
        like = old.get(name, old[native.names[0]])
        plane = plane[native.window].astype(like.pixels.dtype)
        channels[name] = _channel(name, plane, like.pLinear)
    return _encoded(path, parts)


def write_exr_channels(
    path: str | Path,
    channels: Mapping[str, np.ndarray],
    header: Mapping[str, Any] | None = None,
) -> Path:
    """Write named H×W channels of float16, float32 or uint32, such as ``forward.u``, as they are.

    The file appears under its name only when complete.

    Raises:
        OutputError: it cannot be written, or OpenEXR is not installed.
    """
    path = Path(path)
    return write_bytes(path, _encoded(path, [(dict(header or {}), dict(channels))]))


def _library(path: Path, error: type[InputError] | type[OutputError]) -> Any:
    try:
        import OpenEXR
    except ImportError as missing:
        raise error(f"{path}: {_EXTRA}") from missing
    return OpenEXR


def _parts(path: Path, data: bytes) -> tuple[tuple[dict[str, Any], dict[str, Any]], ...]:
    library = _library(path, InputError)
    try:
        headers = read_headers(data)
        sizes = [window_sizes(header) for header in headers]
        counts = [channel_count(header) for header in headers]
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    for header, (filled, whole) in zip(headers, sizes, strict=True):
        check_size(path, *filled)
        check_size(path, *whole, most=max(filled[0] * filled[1], _MOST_PADDED))
        if header.get("type", b"").startswith(b"deep"):
            raise InputError(f"{path}: is a deep picture; flatten it first")
    samples = sum(n * width * height for n, ((width, height), _) in zip(counts, sizes, strict=True))
    check_samples(path, samples, len(data))
    try:
        parts = library.File(io.BytesIO(data), separate_channels=True).parts
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputError(f"{path}: is damaged") from error
    # The library leaves out parts that it cannot read.
    if len(parts) != len(headers):
        raise InputError(f"{path}: is damaged")
    return tuple((dict(part.header), dict(part.channels)) for part in parts)


def _box(value: Any) -> tuple[int, int, int, int]:
    (left, top), (right, bottom) = (corner.tolist() for corner in value)
    return left, top, right, bottom


def _canvas(header: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what holds display and data window."""
    data, display = _box(header["dataWindow"]), _box(header["displayWindow"])
    corner = min(data[0], display[0]), min(data[1], display[1])
    return *corner, max(data[2], display[2]), max(data[3], display[3])


def _window(header: Mapping[str, Any]) -> tuple[tuple[int, int], tuple[slice, slice]]:
    """Height and width of the canvas, and where the data window is in it."""
    left, top, right, bottom = _canvas(header)
    data = _box(header["dataWindow"])
    rows = slice(data[1] - top, data[3] - top + 1)
    columns = slice(data[0] - left, data[2] - left + 1)
    return (bottom - top + 1, right - left + 1), (rows, columns)


def _padded(plane: np.ndarray, shape: tuple[int, int], window: tuple[slice, slice]) -> np.ndarray:
    if plane.shape[:2] == shape:
        return plane
    canvas = np.zeros((*shape, *plane.shape[2:]), plane.dtype)
    canvas[window] = plane
    return canvas


def _find_layer(
    path: Path, parts: tuple[tuple[dict[str, Any], dict[str, Any]], ...], layer: str
) -> tuple[int, tuple[str, ...]]:
    layers = [
        (number, prefix, header.get("name", ""), names)
        for number, (header, channels) in enumerate(parts)
        for prefix, names in _layers(channels).items()
    ]
    if layer:
        chosen = [found for found in layers if layer in (found[1], found[2], _title(found))]
    else:
        chosen = [found for found in layers if found[1] == ""]
        usual = [found for found in layers if found[1].lower().split(".")[-1] in _USUAL_LAYERS]
        chosen = chosen or (layers if len(layers) == 1 else usual[:1])
        chosen.sort(key=lambda found: found[2].lower() not in _USUAL_LAYERS)
    if not chosen:
        known = ", ".join(_title(found) for found in layers)
        wanted = f"no layer '{layer}'" if layer else "no single picture"
        raise InputError(
            f"{path}: has {wanted}; "
            + (f"name one of its layers: {known}" if known else "none of its channels are colours")
        )
    number, _, _, names = chosen[0]
    return number, names


def _title(layer: tuple[int, str, str, tuple[str, ...]]) -> str:
    return ".".join(filter(None, (layer[2], layer[1]))) or "RGB"


def _layers(channels: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The colour layers among the channels: prefix to names of RGB(A), or Y(A)."""
    prefixes = sorted({name.rpartition(".")[0] for name in channels})
    layers = {}
    for prefix in prefixes:
        for letters in ("RGB", "Y"):
            dotted = f"{prefix}." if prefix else ""
            names = [dotted + letter for letter in letters]
            chroma = letters == "Y" and dotted + "RY" in channels
            if all(name in channels for name in names) and not chroma:
                alpha = [dotted + "A"] if dotted + "A" in channels else []
                layers[prefix] = (*names, *alpha)
                break
    return layers


def _one_level(library: Any, tiles: Any) -> Any:
    """Tiles of the same size without smaller levels, which show the picture as it was."""
    description = library.TileDescription()
    description.xSize, description.ySize = tiles.xSize, tiles.ySize
    return description


def _channel(name: str, plane: np.ndarray, linear: bool = False) -> Any:
    import OpenEXR

    return OpenEXR.Channel(name, np.ascontiguousarray(plane), 1, 1, linear)


def _encoded(path: Path, parts: list[tuple[dict[str, Any], dict[str, Any]]]) -> bytes:
    library = _library(path, OutputError)
    stream = io.BytesIO()
    try:
        made = [
            library.Part(_header(library, header), _channels(channels), header.get("name", ""))
            for header, channels in parts
        ]
        library.File(made).write(stream)
    except (RuntimeError, ValueError, TypeError) as error:
        raise OutputError(f"{path}: cannot be written as EXR ({error})") from error
    return stream.getvalue()


def _header(library: Any, header: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes as they can and should be written."""
    kept = {name: value for name, value in header.items() if name not in _DERIVED}
    kept.setdefault("type", library.scanlineimage)
    if kept.setdefault("compression", library.ZIP_COMPRESSION).name.startswith(_LOSSY):
        kept["compression"] = library.ZIP_COMPRESSION
    if "tiles" in kept:
        kept["tiles"] = _one_level(library, kept["tiles"])
    return kept


def _channels(channels: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _channel(name, channel) if isinstance(channel, np.ndarray) else channel
        for name, channel in channels.items()
    }
