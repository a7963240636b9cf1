"""TIFF: strips and tiles of whole numbers and floats, with all tags and extra channels.

OpenCV drops tags and some alpha channels, and multiplies others into the colours; FFmpeg reads no
tiles and no grey floats. So only LZW and PackBits are left to FFmpeg, strips or tiles being put to
it as bytes of grey.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from vidstyle.errors import InputError
from vidstyle.limits import check_samples, check_size
from vidstyle.sequences.directory import Directory, Tag, build, header, numbers_tag, parse
from vidstyle.sequences.formats import Metadata, Raster

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIPS, _SAMPLES, _ROWS, _COUNTS, _PLANAR, _PREDICTOR = 273, 277, 278, 279, 284, 317
_COLOR_MAP, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_COUNTS = 320, 322, 323, 324, 325
_EXTRA, _FORMAT, _XMP, _ICC, _KIND_OF_PAGE = 338, 339, 700, 34675, 254
_SHORT, _LONG, _BYTE, _UNDEFINED = 3, 4, 1, 7
_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE = 0, 1, 2, 3
_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS = 1, 5, 8, 32946, 32773
_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3
_ASSOCIATED, _STRAIGHT = 1, 2
_FLOAT = 3
_PHOTOSHOP_LAYERS, _SUB_DIRECTORIES = 37724, 330
# What describes the coding of the pixels, or holds others (thumbnails, layers).
_NOT_CARRIED = {
    *(_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _STRIPS, _SAMPLES, _ROWS),
    *(_COUNTS, _PLANAR, _PREDICTOR, _COLOR_MAP, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_COUNTS),
    *(_EXTRA, _FORMAT, _KIND_OF_PAGE, _PHOTOSHOP_LAYERS, _SUB_DIRECTORIES),
    *(255, 263, 264, 265, 280, 281, 288, 289, 290, 291, 292, 293, 332, 334, 336, 340, 341),
    *(342, 343, 344, 345, 346, 347, *range(512, 522), 529, 530, 531, 532),
}
_DTYPES = {(8, 1): "u1", (16, 1): "u2", (16, _FLOAT): "f2", (32, _FLOAT): "f4"}
_RATIO = 2000
"""No strip unpacks to more than so many times its size; a header that claims more is damaged."""
_STRIP_BYTES = 2**18


@dataclass(frozen=True)
class TiffMetadata:
    """The tags to carry over, and the channels besides colour and alpha.

    Attributes:
        directory: tags and Exif directories, without those of the pixels' coding.
        extras: H×W×N, each sample after the colour, alpha among them.
        kinds: what each of them is, as the tag ExtraSamples says.
        grey: whether the file is grey.
        packed: whether it is compressed.
    """

    directory: Directory
    extras: np.ndarray
    kinds: tuple[int, ...]
    grey: bool
    packed: bool


def read(path: Path, data: bytes) -> Raster:
    """Grey, RGB or palette; 8 or 16 bits, half or float; strips or tiles; any extra channels.

    Raises InputError when the file is cut short, damaged, of several pages, or of another kind.
    """
    try:
        directory = parse(data)
        _check(path, directory, len(data))
        samples = _samples(directory, data)
    except (ValueError, zlib.error, FFmpegError) as error:
        reason = error if type(error) is ValueError else "its pixels are damaged"
        raise InputError(f"{path}: {reason}") from error
    colors = 3 if directory.number(_PHOTOMETRIC) == _RGB else 1
    color, extras = samples[..., :colors], samples[..., colors:]
    kinds = directory.numbers(_EXTRA) or (_STRAIGHT,)
    kinds = (*kinds, *[0] * extras.shape[2])[: extras.shape[2]]
    place = _alpha_place(kinds)
    metadata = TiffMetadata(
        directory.keep(lambda tag: tag not in _NOT_CARRIED),
        extras,
        kinds,
        colors == 1 and directory.number(_PHOTOMETRIC) != _PALETTE,
        directory.number(_COMPRESSION, _NONE) != _NONE,
    )
    return Raster(
        np.ascontiguousarray(_to_rgb(color, directory)),
        None if place is None else np.ascontiguousarray(extras[..., place]),
        place is not None and kinds[place] == _ASSOCIATED,
        _metadata(metadata),
    )


def write(raster: Raster) -> bytes:
    """A TIFF file of strips, zip-compressed unless it comes from one that is not compressed."""
    native = raster.metadata.native
    if isinstance(native, TiffMetadata):
        directory, packed, kinds = native.directory, native.packed, native.kinds
        extras = native.extras
        place = _alpha_place(kinds)
        if raster.alpha is not None and place is None:
            extras, kinds = np.dstack([raster.alpha, extras]), (_STRAIGHT, *kinds)
        elif raster.alpha is not None:
            extras = extras.copy()
            extras[..., place] = raster.alpha
        if native.grey and raster.color.shape[2] == 3:
            directory = directory.keep(lambda tag: tag != _ICC)
    else:
        directory, packed = _from_others(raster.metadata), True
        kinds = () if raster.alpha is None else (_STRAIGHT,)
        extras = np.empty((*raster.color.shape[:2], 0)) if raster.alpha is None else raster.alpha
    samples = np.dstack([raster.color, extras]).astype(raster.color.dtype)
    return _file(samples, raster.color.shape[2], directory, kinds, packed)


def _check(path: Path, directory: Directory, size: int) -> None:
    width, height = directory.number(_WIDTH), directory.number(_HEIGHT)
    check_size(path, width, height)
    check_samples(path, width * height * directory.number(_SAMPLES, 1), size)
    photometric = directory.number(_PHOTOMETRIC, -1)
    bits = set(directory.numbers(_BITS, (1,)))
    sample_format = directory.number(_FORMAT, 1)
    if photometric not in (_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE):
        name = {5: "CMYK", 6: "YCbCr", 8: "CIE Lab"}.get(photometric, f"of kind {photometric}")
        raise ValueError(f"is {name}; convert it to RGB")
    if len(bits) != 1 or (next(iter(bits)), sample_format) not in _DTYPES:
        raise ValueError(f"has samples of {max(bits)} bits; convert it to 8 or 16 bits or float")
    if photometric == _PALETTE and bits != {8}:
        raise ValueError("has a palette of other than 8 bits; convert it to RGB")
    if directory.number(_COMPRESSION, _NONE) not in (
        _NONE,
        _LZW,
        _DEFLATE,
        _OLD_DEFLATE,
        _PACKBITS,
    ):
        raise ValueError(
            f"is compressed by method {directory.number(_COMPRESSION)}; convert it to LZW or ZIP"
        )
    colors = 3 if photometric == _RGB else 1
    if not colors <= directory.number(_SAMPLES, 1) <= 64:
        raise ValueError("is damaged (its number of samples makes no sense)")
    if directory.follows:
        raise ValueError("holds several pictures; give each its own file")


def _samples(directory: Directory, data: bytes) -> np.ndarray:
    """H×W×samples, in the machine's byte order, the palette not yet applied."""
    width, height = directory.number(_WIDTH), directory.number(_HEIGHT)
    count = directory.number(_SAMPLES, 1)
    dtype = np.dtype(_DTYPES[directory.number(_BITS), directory.number(_FORMAT, 1)])
    if directory.number(_PLANAR, 1) == 1:
        return _plane(directory, data, (height, width, count), dtype, 0, 1)
    planes = [_plane(directory, data, (height, width, 1), dtype, n, count) for n in range(count)]
    return np.concatenate(planes, axis=2)


def _plane(
    directory: Directory,
    data: bytes,
    shape: tuple[int, int, int],
    dtype: np.dtype,
    number: int,
    planes: int,
) -> np.ndarray:
    """One of the planes that are stored one after the other."""
    height, width, count = shape
    tiled = _TILES in directory.tags
    offsets = directory.numbers(_TILES if tiled else _STRIPS)
    lengths = directory.numbers(_TILE_COUNTS if tiled else _COUNTS)
    if len(offsets) != len(lengths) or not offsets or len(offsets) % planes:
        raise ValueError("is damaged (strips and their sizes do not match)")
    if sum(lengths) > 2 * len(data):
        raise ValueError("is damaged (its strips overlap)")
    each = len(offsets) // planes
    segments = []
    for start, length in list(zip(offsets, lengths, strict=True))[number * each :][:each]:
        if start + length > len(data):
            raise ValueError("is cut short")
        segments.append(data[start : start + length])
    if not tiled:
        rows = min(directory.number(_ROWS, height) or height, height)
        if each != -(-height // rows):
            raise ValueError("is damaged (its strips do not fill it)")
        return _unpack(directory, segments, (height, width, count), rows, dtype)
    tile_height, tile_width = directory.number(_TILE_HEIGHT), directory.number(_TILE_WIDTH)
    if not 0 < tile_height <= 2**16 or not 0 < tile_width <= 2**16:
        raise ValueError("is damaged (its tiles have no size)")
    down, across = -(-height // tile_height), -(-width // tile_width)
    if each != down * across:
        raise ValueError("is damaged (its tiles do not fill it)")
    stack = _unpack(
        directory, segments, (each * tile_height, tile_width, count), tile_height, dtype
    )
    grid = stack.reshape(down, across, tile_height, tile_width, count).swapaxes(1, 2)
    return grid.reshape(down * tile_height, across * tile_width, count)[:height, :width]


def _unpack(
    directory: Directory,
    segments: Sequence[bytes],
    shape: tuple[int, int, int],
    rows: int,
    dtype: np.dtype,
) -> np.ndarray:
    """Samples of strips that stand below each other."""
    height, width, count = shape
    row_bytes = width * count * dtype.itemsize
    if height * row_bytes > _RATIO * sum(map(len, segments)):
        raise ValueError("is cut short")
    compression = directory.number(_COMPRESSION, _NONE)
    if compression in (_LZW, _PACKBITS):
        raw = _ffmpeg_bytes(directory, segments, height, row_bytes, rows)
    else:
        raw = _plain_bytes(segments, height, row_bytes, rows, compression != _NONE)
    predictor = directory.number(_PREDICTOR, 1)
    if predictor == _FLOAT_DIFFERENCES:
        return _undo_float_differences(raw, shape, dtype)
    samples = raw.view(dtype.newbyteorder(directory.order)).reshape(shape)
    if predictor == _DIFFERENCES:
        whole = samples.view(np.dtype(f"u{dtype.itemsize}").newbyteorder(directory.order))
        return np.cumsum(whole, axis=1, dtype=f"u{dtype.itemsize}").view(dtype)
    return samples.astype(dtype)


def _plain_bytes(
    segments: Sequence[bytes], height: int, row_bytes: int, rows: int, deflated: bool
) -> np.ndarray:
    """The bytes of strips; what they hold beyond their rows is passed over."""
    raw = np.empty((height, row_bytes), np.uint8)
    for top, segment in zip(range(0, height, rows), segments, strict=True):
        strip = raw[top : top + rows]
        if deflated:
            segment = zlib.decompressobj().decompress(segment, strip.size)
        if len(segment) < strip.size:
            raise ValueError("is cut short")
        strip[:] = np.frombuffer(segment, np.uint8, strip.size).reshape(strip.shape)
    return raw


def _ffmpeg_bytes(
    directory: Directory, segments: Sequence[bytes], height: int, row_bytes: int, rows: int
) -> np.ndarray:
    """The bytes of LZW and PackBits strips, as FFmpeg finds them in a file of grey bytes."""
    places, end = [], 8
    for segment in segments:
        places.append(end)
        end += len(segment)
    tags = {
        _WIDTH: numbers_tag("<", _LONG, row_bytes),
        _HEIGHT: numbers_tag("<", _LONG, height),
        _BITS: numbers_tag("<", _SHORT, 8),
        _COMPRESSION: numbers_tag("<", _SHORT, directory.number(_COMPRESSION)),
        _PHOTOMETRIC: numbers_tag("<", _SHORT, _BLACK_IS_0),
        _FILL_ORDER: numbers_tag("<", _SHORT, directory.number(_FILL_ORDER, 1)),
        _STRIPS: numbers_tag("<", _LONG, *places),
        _SAMPLES: numbers_tag("<", _SHORT, 1),
        _ROWS: numbers_tag("<", _LONG, rows),
        _COUNTS: numbers_tag("<", _LONG, *map(len, segments)),
    }
    file = header("<", end) + b"".join(segments) + build(Directory("<", tags), end)
    decoder = av.CodecContext.create("tiff", "r")
    decoder.options = {"err_detect": "explode"}
    frames = decoder.decode(av.Packet(file))
    if not frames or (frames[0].height, frames[0].width) != (height, row_bytes):
        raise ValueError("its pixels are damaged")
    return np.ascontiguousarray(frames[0].to_ndarray())


def _undo_float_differences(
    raw: np.ndarray, shape: tuple[int, int, int], dtype: np.dtype
) -> np.ndarray:
    """Bytes of equal weight stand together in each row, the highest first, as differences."""
    height, width, count = shape
    rows = raw.reshape(height, -1, count)
    whole = np.cumsum(rows, axis=1, dtype=np.uint8).reshape(height, dtype.itemsize, width * count)
    big = np.ascontiguousarray(whole.swapaxes(1, 2)).view(dtype.newbyteorder(">"))
    return big.reshape(shape).astype(dtype)


def _to_rgb(color: np.ndarray, directory: Directory) -> np.ndarray:
    photometric = directory.number(_PHOTOMETRIC)
    if photometric == _WHITE_IS_0 and color.dtype.kind == "u":
        return np.iinfo(color.dtype).max - color
    if photometric == _PALETTE:
        table = np.array(directory.numbers(_COLOR_MAP), np.uint16)
        if table.size != 3 * 256:
            raise ValueError("is damaged (its palette is incomplete)")
        return (table.reshape(3, 256).T // 257).astype(np.uint8)[color[..., 0]]
    return color


def _alpha_place(kinds: tuple[int, ...]) -> int | None:
    return next((n for n, kind in enumerate(kinds) if kind in (_ASSOCIATED, _STRAIGHT)), None)


def _metadata(native: TiffMetadata) -> Metadata:
    directory = native.directory
    others = directory.keep(lambda tag: tag not in (_ICC, _XMP))
    exif = header(others.order, 8) + build(others, 8) if others.tags or others.children else None
    return Metadata(directory.value(_ICC), exif, directory.value(_XMP), native)


def _from_others(metadata: Metadata) -> Directory:
    directory = Directory("<")
    if metadata.exif:
        with suppress(ValueError):  # damaged Exif data are left out
            directory = parse(metadata.exif)
    kept = directory.keep(lambda tag: tag not in _NOT_CARRIED)
    tags = dict(kept.tags)
    if metadata.icc:
        tags[_ICC] = Tag(_UNDEFINED, len(metadata.icc), metadata.icc)
    if metadata.xmp:
        tags[_XMP] = Tag(_BYTE, len(metadata.xmp), metadata.xmp)
    return Directory(kept.order, tags, kept.children)


def _file(
    samples: np.ndarray, colors: int, directory: Directory, kinds: tuple[int, ...], packed: bool
) -> bytes:
    height, width, count = samples.shape
    order, whole = directory.order, samples.dtype.kind == "u"
    predictor = _DIFFERENCES if packed and whole else 1
    if predictor == _DIFFERENCES:
        samples = np.concatenate([samples[:, :1], np.diff(samples, axis=1)], axis=1)
    samples = samples.astype(samples.dtype.newbyteorder(order))
    rows = max(_STRIP_BYTES // (width * count * samples.itemsize), 1)
    strips = [samples[top : top + rows].tobytes() for top in range(0, height, rows)]
    if packed:
        strips = [zlib.compress(strip, 4) for strip in strips]
    places, end = [], 8
    for strip in strips:
        places.append(end)
        end += len(strip) + len(strip) % 2
    tags = dict(directory.tags) | {
        _WIDTH: numbers_tag(order, _LONG, width),
        _HEIGHT: numbers_tag(order, _LONG, height),
        _BITS: numbers_tag(order, _SHORT, *[8 * samples.itemsize] * count),
        _COMPRESSION: numbers_tag(order, _SHORT, _DEFLATE if packed else _NONE),
        _PHOTOMETRIC: numbers_tag(order, _SHORT, _RGB if colors == 3 else _BLACK_IS_0),
        _STRIPS: numbers_tag(order, _LONG, *places),
        _SAMPLES: numbers_tag(order, _SHORT, count),
        _ROWS: numbers_tag(order, _LONG, rows),
        _COUNTS: numbers_tag(order, _LONG, *map(len, strips)),
        _PLANAR: numbers_tag(order, _SHORT, 1),
        _PREDICTOR: numbers_tag(order, _SHORT, predictor),
        _FORMAT: numbers_tag(order, _SHORT, *[1 if whole else _FLOAT] * count),
    }
    if kinds:
        tags[_EXTRA] = numbers_tag(order, _SHORT, *kinds)
    padded = b"".join(strip + bytes(len(strip) % 2) for strip in strips)
    return header(order, end) + padded + build(Directory(order, tags, directory.children), end)
