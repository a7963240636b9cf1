"""PNG and JPEG of a sequence, conversions, and what every format has in common."""

from __future__ import annotations

import resource
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from tests.icc import icc_profile
from vidstyle.errors import InputError, OptionError, OutputError
from vidstyle.frame import Frame
from vidstyle.sequences import Picture, PictureOptions, read_picture, write_picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PROFILE = icc_profile()
ORIENTATION = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
EXIF = b"MM\0*\0\0\0\x08" + struct.pack(">H", 1) + ORIENTATION + bytes(4)
XMP = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def noise(*shape: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    most = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, most, shape, dtype, endpoint=True)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make_png(pixels: np.ndarray, color_type: int, *extra: bytes, bits: int | None = None) -> bytes:
    """A PNG file by the book: no filters, chunks between header and pixels."""
    height, width = pixels.shape[:2]
    rows = pixels.astype(pixels.dtype.newbyteorder(">"))
    head = struct.pack(">IIBBBBB", width, height, bits or 8 * rows.itemsize, color_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return b"".join(
        [SIGNATURE, chunk(b"IHDR", head), *extra, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    )


def chunks(path: Path) -> list[tuple[bytes, bytes]]:
    data, place, found = path.read_bytes(), 8, []
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def again(path: Path, picture: Picture, image: np.ndarray | None = None) -> Path:
    out = path.with_name(f"again_{path.name}")
    return write_picture(out, picture, picture.image if image is None else image)


def decoded(path: Path) -> np.ndarray:
    """Pixels as OpenCV reads them, colours in the order RGB."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    if pixels.ndim == 3:
        pixels[..., :3] = pixels[..., 2::-1].copy()
    return pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("channels", "color_type"), [(3, 2), (4, 6), (1, 0)])
def test_png_round_trips_exactly(
    tmp_path: Path, dtype: type, channels: int, color_type: int
) -> None:
    pixels = noise(37, 53, channels, dtype=dtype)
    path = put(tmp_path / "a.png", make_png(pixels, color_type))
    picture = read_picture(path)
    assert picture.depth == np.dtype(dtype).name
    assert picture.image.shape == (37, 53, 3)
    Frame(picture.image, 0, 1)  # type: ignore[arg-type]
    if dtype == np.uint16:
        expected = np.broadcast_to(pixels[..., :3], (37, 53, 3)) / 257
        np.testing.assert_allclose(picture.image, expected, rtol=1e-6)
    result = decoded(again(path, picture))
    np.testing.assert_array_equal(result.reshape(pixels.shape), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_16_bit_value_survives(tmp_path: Path, dtype: type) -> None:
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 16, 1)
    pixels = np.repeat(values, 3, axis=2)
    pixels[..., 1] = pixels[::-1, :, 1]
    picture = read_picture(put(tmp_path / "a.png", make_png(pixels, 2)))
    # One value is changed, so that the others take the path of restyled pictures.
    image = picture.image.copy()
    image[0, 0, 0] += 1
    result = decoded(again(tmp_path / "a.png", picture, image))
    np.testing.assert_array_equal(result[1:], pixels[1:])


def test_restyled_values_are_rounded(tmp_path: Path) -> None:
    picture = read_picture(put(tmp_path / "a.png", make_png(noise(8, 8, 3, dtype=np.uint16), 2)))
    image = np.random.default_rng(1).uniform(0, 255, (8, 8, 3)).astype(np.float32)
    result = decoded(again(tmp_path / "a.png", picture, image))
    assert np.abs(result - image.astype(np.float64) * 257).max() <= 0.51
    wild = decoded(again(tmp_path / "a.png", picture, 1000 * (image - 128)))
    assert set(np.unique(wild)) <= {0, 65535}


def test_alpha_stays_under_new_colours(tmp_path: Path) -> None:
    pixels = noise(20, 30, 4, dtype=np.uint16)
    picture = read_picture(put(tmp_path / "a.png", make_png(pixels, 6)))
    result = decoded(again(tmp_path / "a.png", picture, 255 - picture.image))
    np.testing.assert_array_equal(result[..., 3], pixels[..., 3])
    np.testing.assert_array_equal(result[..., :3], 65535 - pixels[..., :3])


def test_alpha_can_be_replaced(tmp_path: Path) -> None:
    picture = read_picture(put(tmp_path / "a.png", make_png(noise(6, 7, 4), 6)))
    alpha = np.linspace(0, 1, 42, dtype=np.float32).reshape(6, 7)
    path = write_picture(tmp_path / "b.png", picture, picture.image, alpha=alpha)
    np.testing.assert_array_equal(decoded(path)[..., 3], np.rint(alpha * 255))
    np.testing.assert_array_equal(decoded(path)[..., :3], picture.image)


def test_alpha_can_be_added(tmp_path: Path) -> None:
    picture = read_picture(put(tmp_path / "a.png", make_png(noise(6, 7, 3), 2)))
    alpha = noise(6, 7, seed=4)
    path = write_picture(tmp_path / "b.png", picture, picture.image, alpha=alpha)
    np.testing.assert_array_equal(decoded(path), np.dstack([picture.image, alpha]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_with_alpha(tmp_path: Path, dtype: type) -> None:
    pixels = noise(9, 11, 2, dtype=dtype)
    path = put(tmp_path / "a.png", make_png(pixels, 4))
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.alpha, pixels[..., 1])
    result = decoded(again(path, picture))
    np.testing.assert_array_equal(result, pixels[..., [0, 0, 0, 1]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_stays_grey_until_it_is_coloured(tmp_path: Path, dtype: type) -> None:
    profile = chunk(b"iCCP", b"grey\0\0" + zlib.compress(icc_profile(b"GRAY")))
    path = put(tmp_path / "a.png", make_png(noise(9, 11, dtype=dtype), 0, profile))
    picture = read_picture(path)
    grey = again(path, picture, 255 - picture.image)
    assert decoded(grey).ndim == 2
    assert b"iCCP" in dict(chunks(grey))
    colored = again(path, picture, picture.image[..., :1] * np.array([1, 0, 0], np.uint8))
    assert decoded(colored).shape == (9, 11, 3)
    assert b"iCCP" not in dict(chunks(colored))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_keys_become_alpha(tmp_path: Path, dtype: type) -> None:
    most = np.iinfo(dtype).max
    for color_type, shape in ((0, (4, 5)), (2, (4, 5, 3))):
        pixels = noise(*shape, dtype=dtype)
        key = chunk(b"tRNS", np.asarray(pixels[1, 2], ">u2").tobytes())
        path = put(tmp_path / "a.png", make_png(pixels, color_type, key))
        picture = read_picture(path)
        assert picture.alpha is not None
        assert picture.alpha[1, 2] == 0
        assert (picture.alpha == most).sum() == 19
        result = read_picture(again(path, picture))
        np.testing.assert_array_equal(result.image, picture.image)
        np.testing.assert_array_equal(result.alpha, picture.alpha)


def test_palettes_and_few_bits(tmp_path: Path) -> None:
    palette = noise(4, 3)
    extra = chunk(b"PLTE", palette.tobytes()), chunk(b"tRNS", b"\x10\x20")
    indices = np.array([[0, 1, 2, 3]], np.uint8)
    path = put(tmp_path / "p.png", make_png(indices, 3, *extra))
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.image[0], palette)
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[0x10, 0x20, 255, 255]]
    np.testing.assert_array_equal(decoded(again(path, picture))[0, :, :3], palette)
    bilevel = np.array([[0b10100000]], np.uint8)
    data = bytearray(make_png(bilevel, 0, bits=1))
    head = struct.pack(">IIBBBBB", 3, 1, 1, 0, 0, 0, 0)
    data[8:33] = chunk(b"IHDR", head)
    picture = read_picture(put(tmp_path / "b.png", bytes(data)))
    assert picture.image[0, :, 1].tolist() == [255, 0, 255]


def test_png_keeps_what_its_chunks_say(tmp_path: Path) -> None:
    kept = [
        (b"iCCP", b"mine\0\0" + zlib.compress(PROFILE)),
        (b"cICP", b"\x09\x10\0\x01"),
        (b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),
        (b"tEXt", b"Title\0a shot"),
        (b"iTXt", "Comment\0\0\0de\0\0Bäume".encode()),
        (b"eXIf", EXIF),
    ]
    extra = [chunk(kind, data) for kind, data in kept]
    path = put(tmp_path / "a.png", make_png(noise(16, 16, 3), 2, *extra))
    picture = read_picture(path)
    result = chunks(again(path, picture, 255 - picture.image))
    found = dict(result)
    assert profile_of(path.with_name("again_a.png")) == PROFILE
    assert (b"tEXt", b"Title\0a shot") in result
    assert (b"tEXt", "Comment\0Bäume".encode()) in result
    assert found[b"cICP"] == kept[1][1]
    assert found[b"pHYs"] == struct.pack(">IIB", 2834, 2834, 1)  # by way of inches
    assert ORIENTATION in found[b"eXIf"]
    assert b"sRGB" not in found


def test_png_keeps_gamma_and_claims_no_color_space(tmp_path: Path) -> None:
    gamma = b"gAMA", struct.pack(">I", 45455)
    path = put(tmp_path / "a.png", make_png(noise(16, 16, 3), 2, chunk(*gamma)))
    picture = read_picture(path)
    result = dict(chunks(again(path, picture, 255 - picture.image)))
    assert result[b"gAMA"] == gamma[1]
    assert result.keys().isdisjoint({b"sRGB", b"cHRM", b"iCCP"})


def profile_of(path: Path) -> bytes:
    """The colour profile in a PNG, JPEG or TIFF file."""
    if path.suffix == ".png":
        content = dict(chunks(path))[b"iCCP"]
        return zlib.decompress(content[content.index(b"\0") + 2 :])
    if path.suffix == ".tif":
        return tifffile.TiffFile(path).pages[0].iccprofile
    pieces = [data for marker, data in segments(path) if marker == 0xE2]
    return b"".join(piece[14:] for piece in sorted(pieces))


def make_jpeg(path: Path, *segments: tuple[int, bytes], pixels: np.ndarray | None = None) -> Path:
    smooth = cv2.GaussianBlur(noise(48, 64, 3), (0, 0), 4) if pixels is None else pixels
    data = cv2.imencode(".jpg", smooth[..., ::-1] if smooth.ndim == 3 else smooth)[1].tobytes()
    extra = b"".join(
        bytes([255, marker]) + struct.pack(">H", len(content) + 2) + content
        for marker, content in segments
    )
    return put(path, data[:20] + extra + data[20:])


def segments(path: Path) -> list[tuple[int, bytes]]:
    data, place, found = path.read_bytes(), 2, []
    while data[place + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, place + 2)
        found.append((data[place + 1], data[place + 4 : place + 2 + length]))
        place += 2 + length
    return found


def test_jpeg_keeps_what_its_segments_say_and_is_not_turned(tmp_path: Path) -> None:
    kept = [
        (0xE1, b"Exif\0\0" + EXIF),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        (0xE2, b"ICC_PROFILE\0\x01\x02" + PROFILE[:100]),
        (0xE2, b"ICC_PROFILE\0\x02\x02" + PROFILE[100:]),
        (0xFE, b"a comment"),
    ]
    path = make_jpeg(tmp_path / "a.jpg", *kept, (0xE2, b"MPF\0offsets"))
    picture = read_picture(path)
    assert picture.image.shape == (48, 64, 3)
    out = again(path, picture, 255 - picture.image)
    found = segments(out)
    assert profile_of(out) == PROFILE
    assert found[0][1].startswith(b"JFIF")
    assert [marker for marker, _ in found].count(0xE0) == 1
    exif, xmp = (data for marker, data in found if marker == 0xE1)
    assert struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) in exif
    assert b'xmp:Rating="4"' in xmp
    assert b"a comment\0" in dict(found)[0xFE]
    result = cv2.imread(str(out), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    assert np.abs(result.astype(int) - (255 - picture.image)).max() < 8


def test_an_unchanged_file_is_copied(tmp_path: Path) -> None:
    private = chunk(b"vpAg", b"private")
    png = put(tmp_path / "a.png", make_png(noise(9, 11, 3), 2, private))
    for path in (make_jpeg(tmp_path / "a.jpg"), png):
        assert again(path, read_picture(path)).read_bytes() == path.read_bytes()


def test_jpeg_quality_is_obeyed(tmp_path: Path) -> None:
    picture = read_picture(make_jpeg(tmp_path / "a.jpg"))
    sizes = [
        len(
            write_picture(
                tmp_path / f"{quality}.jpg",
                picture,
                255 - picture.image,
                options=PictureOptions(jpeg_quality=quality),
            ).read_bytes()
        )
        for quality in (30, 99)
    ]
    assert sizes[0] * 2 < sizes[1]


def test_grey_jpeg(tmp_path: Path) -> None:
    path = make_jpeg(tmp_path / "a.jpg", pixels=noise(16, 16) // 2)
    picture = read_picture(path)
    assert decoded(again(path, picture, 255 - picture.image)).ndim == 2
    red = picture.image * np.array([1, 0, 0], np.uint8)
    assert decoded(again(path, picture, red)).shape == (16, 16, 3)


def test_cmyk_jpeg_is_refused(tmp_path: Path) -> None:
    data = make_jpeg(tmp_path / "a.jpg").read_bytes()
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    frame_of_4 = data[frame : frame + 3] + b"\x14" + data[frame + 4 : frame + 9] + b"\4"
    frame_of_4 += data[frame + 10 : frame + 19] + b"\4\x11\0"
    scan_of_4 = data[scan : scan + 3] + b"\x0e\4" + data[scan + 5 : scan + 11] + b"\4\0"
    head, tables, rest = data[:frame], data[frame + 19 : scan], data[scan + 11 :]
    path = put(tmp_path / "a.jpg", head + frame_of_4 + tables + scan_of_4 + rest)
    with pytest.raises(InputError, match=r"a\.jpg: is CMYK; convert it to RGB"):
        read_picture(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_cut_short_files_are_refused_wherever_they_end(tmp_path: Path, suffix: str) -> None:
    picture = cv2.GaussianBlur(noise(40, 40, 3), (0, 0), 2)
    whole = write_picture(tmp_path / f"whole{suffix}", None, picture).read_bytes()
    path = tmp_path / f"half{suffix}"
    for length in sorted({*range(70), *range(70, len(whole), len(whole) // 40), len(whole) - 1}):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=rf"half\{suffix}: "):
            read_picture(path)


def test_a_flipped_bit_in_a_png_is_found(tmp_path: Path) -> None:
    data = bytearray(make_png(noise(16, 16, 3), 2))
    data[200] ^= 4
    with pytest.raises(InputError, match="damaged"):
        read_picture(put(tmp_path / "a.png", bytes(data)))


@pytest.mark.parametrize(("width", "height"), [(2**31 - 1, 2**31 - 1), (0, 5), (16000, 16000)])
def test_claims_of_absurd_sizes_are_refused(tmp_path: Path, width: int, height: int) -> None:
    data = bytearray(make_png(noise(16, 16, 3), 2))
    data[8:33] = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    with pytest.raises(InputError, match=r"claims to be|damaged"):
        read_picture(put(tmp_path / "a.png", bytes(data)))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.exr"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 5000, SIGNATURE, b"II*\0\0\0\0\0"])
def test_other_content_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        read_picture(put(tmp_path / name, content))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for name in ("missing.png", "folder.png", "a.webp"):
        with pytest.raises(InputError, match=name):
            read_picture(tmp_path / name)
    frames = [chunk(b"acTL", bytes(8))]
    with pytest.raises(InputError, match="animated"):
        read_picture(put(tmp_path / "a.png", make_png(noise(4, 4, 3), 2, *frames)))


def test_random_damage_is_an_input_error_or_a_picture(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    for suffix in (".png", ".jpg", ".tif"):
        path = tmp_path / f"a{suffix}"
        whole = write_picture(path, None, cv2.GaussianBlur(noise(24, 24, 3), (0, 0), 2))
        data = np.frombuffer(whole.read_bytes(), np.uint8)
        for _ in range(150):
            damaged = data.copy()
            places = random.integers(0, len(data), 3)
            damaged[places] = random.integers(0, 256, 3)
            path.write_bytes(damaged.tobytes())
            try:
                assert read_picture(path).image.ndim == 3
            except InputError as error:
                assert path.name in str(error)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".exr", ".dpx"])
@pytest.mark.parametrize("share", [0, 0.5, 0.999])
def test_a_full_disk_is_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    """No format may lose its end without a word, or end the process."""
    picture = noise(200, 200, 3)
    whole = write_picture(tmp_path / f"whole{suffix}", None, picture).stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * whole), before[1]))
    try:
        with pytest.raises(OutputError, match=rf"a\{suffix}: File too large"):
            write_picture(tmp_path / f"a{suffix}", None, picture)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == [f"whole{suffix}"]


def test_nothing_is_left_where_writing_fails(tmp_path: Path) -> None:
    picture = noise(8, 8, 3)
    for name in ("missing/a.png", "folder.png"):
        (tmp_path / "folder.png").mkdir(exist_ok=True)
        with pytest.raises(OutputError, match=name):
            write_picture(tmp_path / name, None, picture)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_pictures_without_a_source(tmp_path: Path) -> None:
    image = noise(12, 10, 3)
    np.testing.assert_array_equal(decoded(write_picture(tmp_path / "a.png", None, image)), image)
    deep = (image * 1.0).astype(np.float32)
    alpha = noise(12, 10)
    path = write_picture(tmp_path / "a.tif", None, deep, alpha=alpha)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.raster.color, image * np.uint16(257))
    np.testing.assert_array_equal(picture.alpha, alpha * np.uint16(257))


@pytest.mark.parametrize("target", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("source", [".png", ".tif", ".jpg"])
def test_conversions_keep_profile_and_exif(tmp_path: Path, source: str, target: str) -> None:
    first = make_jpeg(
        tmp_path / "a.jpg",
        (0xE1, b"Exif\0\0" + EXIF),
        (0xE2, b"ICC_PROFILE\0\x01\x01" + PROFILE),
    )
    picture = read_picture(first)
    path = write_picture(tmp_path / f"b{source}", picture, picture.image)
    middle = read_picture(path)
    out = write_picture(tmp_path / f"c{target}", middle, middle.image)
    assert profile_of(out) == PROFILE
    orientation = b"\x12\1\3\0\1\0\0\0\6\0"
    assert orientation in out.read_bytes() or ORIENTATION in out.read_bytes()
    assert np.abs(read_picture(out).image.astype(int) - picture.image).max() < 8


@pytest.mark.parametrize("length", [100, 9_500, 58_000, 64_000, 70_000, 1_000_000])
@pytest.mark.parametrize("keyword", [b"Description", b"Comment", b"Keywords", b"Author", b"odd"])
@pytest.mark.parametrize("character", [b"x", b"<"])
def test_texts_that_no_jpeg_marker_holds_are_left_out(
    tmp_path: Path, keyword: bytes, length: int, character: bytes
) -> None:
    """libjpeg would end the process."""
    text = chunk(b"tEXt", keyword + b"\0" + character * length)
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(PROFILE))
    path = put(tmp_path / "a.png", make_png(noise(16, 16, 3), 2, profile, text))
    picture = read_picture(path)
    out = write_picture(tmp_path / "a.jpg", picture, picture.image)
    assert profile_of(out) == PROFILE
    if length == 100 and keyword == b"Description":
        assert character * length in out.read_bytes()


def test_jpeg_has_no_room_for_alpha(tmp_path: Path) -> None:
    pixels = noise(8, 8, 4)
    picture = read_picture(put(tmp_path / "a.png", make_png(pixels, 6)))
    with pytest.raises(OutputError, match="JPEG has no alpha"):
        write_picture(tmp_path / "b.jpg", picture, picture.image)
    pixels[..., 3] = 255
    picture = read_picture(put(tmp_path / "a.png", make_png(pixels, 6)))
    assert read_picture(write_picture(tmp_path / "b.jpg", picture, picture.image)).alpha is None


def test_linear_png(tmp_path: Path) -> None:
    pixels = noise(16, 16, 3, dtype=np.uint16)
    path = put(tmp_path / "a.png", make_png(pixels, 2))
    picture = read_picture(path, PictureOptions(input_space="linear"))
    assert picture.linear
    assert picture.image[pixels == 65535].tolist() == pytest.approx(
        [242.78] * (pixels == 65535).sum()
    )
    image = picture.image.copy()
    image[0] += 1e-3
    result = decoded(again(path, picture, image))
    np.testing.assert_array_equal(result[1:], pixels[1:])
    assert np.abs(result[0].astype(int) - pixels[0]).max() <= 2


@pytest.mark.parametrize(
    "options", [{"input_space": "log"}, {"jpeg_quality": 0}, {"jpeg_quality": 101}]
)
def test_options_that_make_no_sense(options: dict) -> None:
    with pytest.raises(OptionError):
        PictureOptions(**options)
