"""TIFF: every usual layout read and written as tifffile and OpenCV see it, with all tags."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.icc import icc_profile
from tests.tiffs import Directory, Tag, build, header, numbers_tag
from vidstyle.errors import InputError
from vidstyle.sequences import PictureOptions, read_picture, write_picture

tifffile = pytest.importorskip("tifffile")

PROFILE = icc_profile()


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    random = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return random.normal(0.4, 1, shape).astype(dtype)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def again(path: Path, change: bool = False) -> Path:
    picture = read_picture(path)
    image = picture.image.copy()
    if change:
        image[0] = 255 - image[0]
    return write_picture(path.with_name("again.tif"), picture, image)


LAYOUTS = {
    "strips": {},
    "one strip": {"rowsperstrip": 100},
    "uneven strips": {"rowsperstrip": 7},
    "deflate": {"compression": "zlib"},
    "differences": {"compression": "zlib", "predictor": True},
    "tiles": {"tile": (16, 32)},
    "deflate tiles": {"tile": (32, 16), "compression": "zlib", "predictor": True},
    "big-endian": {"byteorder": ">", "compression": "zlib", "predictor": True},
    "big-endian plain": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True, "compression": "zlib"},
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_round_trips_are_exact(tmp_path: Path, layout: str, dtype: type) -> None:
    options = dict(LAYOUTS[layout])
    if np.dtype(dtype).kind == "f":
        options.pop("predictor", None)
    path = tmp_path / "a.tif"
    for channels in (1, 3, 4):
        pixels = noise(37, 53, channels, dtype=dtype)
        pixels = pixels[..., 0] if channels == 1 else pixels
        photometric = "minisblack" if channels == 1 else "rgb"
        extra = ["unassalpha"] if channels == 4 else None
        tifffile.imwrite(path, pixels, photometric=photometric, extrasamples=extra, **options)
        picture = read_picture(path)
        assert picture.depth == np.dtype(dtype).name
        assert picture.linear == (np.dtype(dtype).kind == "f")
        assert again(path).read_bytes() == path.read_bytes()
        for change in (False, True):
            result = tifffile.imread(again(path, change)).reshape(pixels.shape)
            if change and dtype == np.float16:  # which OpenImageIO does not write
                assert result.dtype == np.float32
            else:
                assert result.dtype == pixels.dtype
            np.testing.assert_array_equal(result[change:], pixels[change:])
            if channels == 4:
                np.testing.assert_array_equal(result[..., 3], pixels[..., 3])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "compression",
    [
        cv2.IMWRITE_TIFF_COMPRESSION_LZW,
        cv2.IMWRITE_TIFF_COMPRESSION_PACKBITS,
        cv2.IMWRITE_TIFF_COMPRESSION_ADOBE_DEFLATE,
        cv2.IMWRITE_TIFF_COMPRESSION_DEFLATE,
    ],
)
@pytest.mark.parametrize("predictor", [1, 2])
def test_compressions_of_libtiff(
    tmp_path: Path, compression: int, predictor: int, dtype: type
) -> None:
    pixels = cv2.GaussianBlur(noise(61, 47, 4, dtype=dtype), (0, 0), 1)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_PREDICTOR, predictor]
    path = tmp_path / "a.tif"
    for count in (1, 3, 4):
        stored = pixels[..., :count]
        assert cv2.imwrite(str(path), stored, options)
        picture = read_picture(path)
        colors = min(count, 3)
        np.testing.assert_array_equal(picture.raster.color, stored[..., :colors][..., ::-1])


@pytest.mark.parametrize("dtype", [np.float32])
def test_float_differences(tmp_path: Path, dtype: type) -> None:
    pixels = noise(21, 34, 3, dtype=dtype)
    path = tmp_path / "a.tif"
    options = [cv2.IMWRITE_TIFF_COMPRESSION, 8, cv2.IMWRITE_TIFF_PREDICTOR, 3]
    assert cv2.imwrite(str(path), pixels, options)
    assert tifffile.TiffFile(path).pages[0].predictor == 3
    np.testing.assert_array_equal(read_picture(path).raster.color, pixels[..., ::-1])


def test_planes(tmp_path: Path) -> None:
    pixels = noise(29, 31, 3, dtype=np.uint16)
    path = tmp_path / "a.tif"
    for options in ({"rowsperstrip": 8}, {"tile": (16, 16)}):
        tifffile.imwrite(
            path,
            pixels.transpose(2, 0, 1),
            photometric="rgb",
            planarconfig="separate",
            compression="zlib",
            **options,
        )
        result = tifffile.imread(again(path, change=True))
        np.testing.assert_array_equal(result[1:], pixels[1:])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("layout", ["strips", "uneven strips", "deflate", "tiles", "big-endian"])
def test_white_is_zero(tmp_path: Path, layout: str, dtype: type) -> None:
    path = tmp_path / "a.tif"
    most, grey = np.iinfo(dtype).max, noise(28, 39, dtype=dtype)
    tifffile.imwrite(path, grey, photometric="miniswhite", **LAYOUTS[layout])
    np.testing.assert_array_equal(read_picture(path).raster.color[..., 0], most - grey)
    out = again(path, change=True)
    assert tifffile.TiffFile(out).pages[0].photometric == 1
    np.testing.assert_array_equal(tifffile.imread(out)[1:], (most - grey)[1:])


def test_palettes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    palette = noise(3, 256) * np.uint16(257)
    indices = noise(8, 9)
    tifffile.imwrite(path, indices, photometric="palette", colormap=palette)
    colors = (palette // 257).T[indices].astype(np.uint8)
    np.testing.assert_array_equal(read_picture(path).image, colors)
    np.testing.assert_array_equal(tifffile.imread(again(path, change=True))[1:], colors[1:])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_associated_alpha_is_divided_out_for_the_stylizer(tmp_path: Path, dtype: type) -> None:
    most = np.iinfo(dtype).max
    alpha = noise(12, 13, dtype=dtype)
    alpha[0], alpha[1] = 0, most
    stored = (np.array([0.9, 0.5, 0.1]) * alpha[..., None]).astype(dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, np.dstack([stored, alpha]), photometric="rgb", extrasamples=["assocalpha"]
    )
    picture = read_picture(path)
    assert picture.image.dtype == np.float32
    solid = alpha > most // 2
    assert np.abs(picture.image[solid] - [229.5, 127.5, 25.5]).max() < 2
    result = tifffile.imread(again(path))
    np.testing.assert_array_equal(result, np.dstack([stored, alpha]))
    out = write_picture(tmp_path / "b.tif", picture, picture.image / 2)
    result = tifffile.imread(out)
    np.testing.assert_array_equal(result[..., 3], alpha)
    assert np.abs(result[1:, :, :3] - stored[1:] / 2).max() <= 1
    assert tifffile.TiffFile(out).pages[0].extrasamples == (1,)


def test_extra_channels_are_carried(tmp_path: Path) -> None:
    pixels = noise(14, 15, 6, dtype=np.uint16)
    path = tmp_path / "a.tif"
    kinds = ["unspecified", "unassalpha", "unspecified"]
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=kinds, planarconfig="contig")
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.alpha, pixels[..., 4])
    out = write_picture(tmp_path / "b.tif", picture, 255 - picture.image)
    result = tifffile.imread(out)
    np.testing.assert_array_equal(result[..., 3:], pixels[..., 3:])
    np.testing.assert_array_equal(result[..., :3], 65535 - pixels[..., :3])
    assert tifffile.TiffFile(out).pages[0].extrasamples == (0, 2, 0)


def test_alpha_can_be_added(tmp_path: Path) -> None:
    pixels = noise(6, 7, 3)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb")
    picture = read_picture(path)
    out = write_picture(tmp_path / "b.tif", picture, picture.image, alpha=pixels[..., 0])
    np.testing.assert_array_equal(tifffile.imread(out), np.dstack([pixels, pixels[..., 0]]))


@pytest.mark.parametrize("order", ["<", ">"])
def test_tags_are_kept(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        noise(8, 9, 3),
        photometric="rgb",
        byteorder=order,
        resolution=(300, 299),
        resolutionunit="inch",
        description="shot 12",
        software="a compositor",
        datetime="2026:11:21 16:00:00",
        iccprofile=PROFILE,
        metadata=None,
        extratags=[
            (274, 3, 1, 6, True),
            (315, 2, 0, "Someone", True),
        ],
    )
    picture = read_picture(path)
    assert picture.image.shape == (8, 9, 3)
    out = write_picture(tmp_path / "b.tif", picture, 255 - picture.image)
    before, after = (tifffile.TiffFile(name).pages[0].tags for name in (path, out))
    carried = {tag.code: tag.value for tag in after}
    for code in (270, 274, 282, 283, 296, 305, 306, 315, 34675):
        assert carried[code] == before[code].value, code


def test_exif_directories_are_kept(tmp_path: Path) -> None:
    exif = Directory("<", {33434: Tag(5, 1, struct.pack("<II", 1, 48))})
    gps = Directory("<", {1: Tag(2, 2, b"N\0"), 2: Tag(5, 3, struct.pack("<6I", *range(1, 7)))})
    pixels = noise(4, 5, 3)
    tags = {
        256: numbers_tag("<", 4, 5),
        257: numbers_tag("<", 4, 4),
        258: numbers_tag("<", 3, 8, 8, 8),
        262: numbers_tag("<", 3, 2),
        273: numbers_tag("<", 4, 8),
        277: numbers_tag("<", 3, 3),
        279: numbers_tag("<", 4, 60),
    }
    directory = Directory("<", tags, {34665: exif, 34853: gps})
    path = tmp_path / "a.tif"
    path.write_bytes(header("<", 68) + pixels.tobytes() + build(directory, 68))
    np.testing.assert_array_equal(read_picture(path).image, pixels)
    page = tifffile.TiffFile(again(path, change=True)).pages[0]
    exposure, seconds = page.tags[34665].value["ExposureTime"]
    assert exposure / seconds == pytest.approx(1 / 48)
    degrees = np.reshape(page.tags[34853].value["GPSLatitude"], (3, 2))
    assert (degrees[:, 0] / degrees[:, 1]).tolist() == pytest.approx([1 / 2, 3 / 4, 5 / 6])


def test_compressed_stays_compressed_and_plain_plain(tmp_path: Path) -> None:
    for compression, expected in ((None, 1), ("zlib", 8)):
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, noise(8, 9, 3), photometric="rgb", compression=compression)
        assert tifffile.TiffFile(again(path, change=True)).pages[0].compression == expected


def test_float_grey_and_no_numbers(tmp_path: Path) -> None:
    pixels = noise(20, 20, dtype=np.float32)
    pixels[0, :3] = np.nan, np.inf, -np.inf
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack")
    picture = read_picture(path)
    assert picture.image[0, :3, 1].tolist() == [0, 255, 0]
    assert (picture.image >= 0).all()
    assert (picture.image <= 255).all()
    result = tifffile.imread(write_picture(tmp_path / "b.tif", picture, 200 - picture.image / 2))
    assert np.isfinite(result[1:]).all()
    np.testing.assert_array_equal(result[0, :3], pixels[0, :3])


def test_float_to_look_at(tmp_path: Path) -> None:
    pixels = np.linspace(-0.5, 1.5, 300, dtype=np.float32).reshape(10, 10, 3)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb")
    picture = read_picture(path, PictureOptions(input_space="srgb"))
    np.testing.assert_allclose(picture.image, np.clip(255 * pixels, 0, 255), rtol=1e-6)
    np.testing.assert_array_equal(
        tifffile.imread(write_picture(path, picture, picture.image)), pixels
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"photometric": "separated"}, "is CMYK; convert it to RGB"),
        ({"photometric": "cielab", "channels": 3}, "is CIELAB; convert it to RGB"),
        ({"photometric": "rgb", "channels": 3, "dtype": np.uint32}, "type uint; convert"),
        ({"photometric": "rgb", "channels": 3, "dtype": np.int16}, "type int16; convert"),
        ({"photometric": "rgb", "channels": 3, "pages": 2}, "several pictures"),
    ],
)
def test_exotic_kinds_are_refused(tmp_path: Path, options: dict, message: str) -> None:
    shape = (8, 9, options.get("channels", 4))
    pages = options.get("pages", 1)
    path = tmp_path / "a.tif"
    pixels = np.zeros(shape, options.get("dtype", np.uint8))
    if pages > 1:
        pixels = np.stack([pixels] * pages)
    tifffile.imwrite(
        path,
        pixels[..., 0] if shape[2] == 1 else pixels,
        photometric=options["photometric"],
        planarconfig=None if shape[2] == 1 else "contig",
    )
    with pytest.raises(InputError, match=rf"a\.tif: .*{message}"):
        read_picture(path)


def claim(tmp_path: Path, **values: int) -> Path:
    """A TIFF file with some of its numbers replaced."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(64, 64, 3), photometric="rgb", compression="zlib", metadata=None)
    codes = {"width": 256, "height": 257, "strip": 273, "samples": 277, "rows": 278}
    data = path.read_bytes()
    tags = {tag.code: tag for tag in tifffile.TiffFile(path).pages[0].tags}
    for name, value in values.items():
        place = tags[codes[name]].offset
        entry = struct.pack("<HHII", codes[name], 4, 1, value)
        data = data[:place] + entry + data[place + 12 :]
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "claims",
    [
        {"width": 2**31, "height": 2**31},
        {"width": 16000, "height": 16000},
        {"width": 0},
        {"samples": 60000},
        {"samples": 2},
        {"strip": 2**32 - 1},
        {"rows": 3},
        {"height": 65},
    ],
)
def test_absurd_claims_are_refused(tmp_path: Path, claims: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"a\.tif: "):
        read_picture(claim(tmp_path, **claims))


def test_honest_claims_are_believed(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_picture(claim(tmp_path)).image, noise(64, 64, 3))


def test_a_directory_in_itself_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for tag in (34665, 330):
        path.write_bytes(header("<", 8) + struct.pack("<HHHII", 1, tag, 4, 1, 8) + bytes(4))
        with pytest.raises(InputError, match="damaged"):
            read_picture(path)


def test_bilevel_becomes_8_bits(tmp_path: Path) -> None:
    pixels = noise(8, 16) > 99
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack")
    np.testing.assert_array_equal(read_picture(path).image[..., 0], pixels * 255)
    result = tifffile.imread(again(path, change=True))
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result[1:], pixels[1:] * 255)


def test_damaged_lzw_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    cv2.imwrite(str(path), noise(64, 64, 3), [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    whole = path.read_bytes()
    start = tifffile.TiffFile(path).pages[0].dataoffsets[0]
    path.write_bytes(whole[:start] + bytes(400) + whole[start + 400 :])
    with pytest.raises(InputError, match="damaged"):
        read_picture(path)
