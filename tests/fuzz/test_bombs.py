"""Small files that claim to be huge are refused before memory or time is spent on them."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time

import cv2
import numpy as np
import OpenEXR
import pytest
import torch
from safetensors.torch import save_file

from tests.clips import write_clip
from tests.tiffs import Directory, build, header, numbers_tag
from tests.toys import toy_file, toy_vgg, write_toy
from vidstyle.errors import InputError, StyleError, VidstyleError, WeightsError, printable
from vidstyle.evaluate.audio import read_sound
from vidstyle.image import read_image
from vidstyle.limits import LONGEST_SIDE, MOST_PIXELS
from vidstyle.models.vgg import load_vgg19
from vidstyle.sequences import read_picture
from vidstyle.sequences.picture import PictureOptions
from vidstyle.styles import load_style, read_header, read_style_file, write_style_file
from vidstyle.temporal.cuts import read_cuts
from vidstyle.video import VideoReader
from vidstyle.video.boxes import MOST_SAMPLES

HUGE = 100_000
SPARE = 200 << 20
"""Bytes that refusing may take."""


def memory(name: str) -> int:
    """Bytes, as Linux counts."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) << 10
    raise KeyError(name)


@contextmanager
def cheap() -> Iterator[None]:
    """The block takes little memory and time."""
    watched = Path("/proc/self/clear_refs").exists()
    if watched:
        Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmRSS")
    began = process_time()
    yield
    assert process_time() - began < 20
    if watched:
        assert memory("VmHWM") - before < SPARE


def refused(
    path: Path, read: Callable[[Path], object], error: type[VidstyleError] = InputError
) -> str:
    with cheap(), pytest.raises(error) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    assert len(message) < 1000
    return message


# -- pictures -------------------------------------------------------------------------------


def png(width: int, height: int, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(body))
        + chunk(b"IEND", b"")
    )


def jpeg(width: int, height: int, scans: int = 0) -> bytes:
    """A progressive file with that size in its header and its last scan so many times more."""
    done, data = cv2.imencode(".jpg", np.zeros((8, 8), np.uint8), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    assert done
    content = bytearray(data.tobytes())
    frame = content.index(b"\xff\xc2")
    struct.pack_into(">HH", content, frame + 5, height, width)
    last = content.rindex(b"\xff\xda")
    return bytes(content[:-2] + content[last:-2] * scans + content[-2:])


def bmp(width: int, height: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head + bytes(100)


def tiff(width: int, height: int, **tags: int) -> bytes:
    values = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 0}
    values |= {int(tag[1:]): value for tag, value in tags.items()}
    directory = Directory("<", {tag: numbers_tag("<", 4, value) for tag, value in values.items()})
    return header("<", 8) + build(directory, 8)


def exr(path: Path, change: Callable[[bytearray], object], tiled: bool = False) -> Path:
    made = {"type": OpenEXR.tiledimage if tiled else OpenEXR.scanlineimage}
    if tiled:
        made["tiles"] = OpenEXR.TileDescription()
    plane = np.zeros((16, 16), np.float16)
    OpenEXR.File(made, dict.fromkeys("RGB", plane)).write(str(path))
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    return path


def put_window(data: bytearray, *box: int) -> None:
    for name in (b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"):
        struct.pack_into("<4i", data, data.index(name) + len(name) + 4, *box)


BOMBS = {
    "a.png": png(HUGE, HUGE),
    "wide.png": png(2**31 - 1, 1),
    "thin.png": png(1, 2**31 - 1),
    "empty.png": png(0, 0),
    "few.png": png(16384, 16384, bytes(1000)),
    "a.jpg": jpeg(65500, 65500),
    "scans.jpg": jpeg(16000, 16000, scans=1000),
    "a.tif": tiff(HUGE, HUGE),
    "none.tif": tiff(0, 5),
}


@pytest.mark.parametrize("name", BOMBS)
def test_pictures_that_claim_to_be_huge(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    refused(path, read_picture)
    if name != "few.png":
        refused(path, read_image)


@pytest.mark.parametrize(
    "content",
    [
        bmp(HUGE, HUGE),
        bmp(HUGE, -HUGE),
        bmp(-(2**31), 1),
        tiff(HUGE, HUGE),
        b"MM\0+" + struct.pack(">HHQQ", 8, 0, 16, 2**63),
        b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0" + b"\xff" * 6 + bytes(20),
        b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(20),
        b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
        b"P6 100000 100000 255 ",
    ],
    ids=[
        "BMP",
        "BMP upside down",
        "BMP edge",
        "TIFF",
        "BigTIFF",
        "WebP",
        "GIF",
        "JPEG 2000",
        "PPM",
    ],
)
def test_stills_that_claim_to_be_huge_or_are_of_other_kinds(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    refused(path, read_image)


def test_what_a_message_advises(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(HUGE, HUGE))
    message = refused(path, read_image)
    assert "100000×100000" in message
    assert "268 million pixels" in message
    assert "shrink it" in message


def test_the_largest_size_itself_is_not_refused(tmp_path: Path) -> None:
    """A line of 65,536 pixels is read, and so would 2²⁸ pixels be."""
    path = tmp_path / "a.png"
    path.write_bytes(png(LONGEST_SIDE, 1, bytes(1 + 3 * LONGEST_SIDE)))
    assert read_image(path).shape == (1, LONGEST_SIDE, 3)
    assert read_picture(path).image.shape == (1, LONGEST_SIDE, 3)
    path.write_bytes(png(LONGEST_SIDE + 1, 1, bytes(4 + 3 * LONGEST_SIDE)))
    refused(path, read_image)
    assert MOST_PIXELS == 16384**2


@pytest.mark.parametrize(
    "tags",
    [
        {"_278": 1},
        {"_279": 2**32 - 1},
        {"_277": 60_000},
        {"_259": 5, "_278": 1},
        {"_322": 2**31, "_323": 2**31, "_324": 8, "_325": 0},
        {"_322": 16, "_323": 16, "_324": 8, "_325": 0},
    ],
    ids=["rows", "bytes", "samples", "LZW", "tile", "tiles"],
)
def test_tiff_layouts_that_hold_nothing(tmp_path: Path, tags: dict[str, int]) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(16384, 16384, **tags))
    refused(path, read_picture)


def test_tiff_tags_and_strips_that_share_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    body = bytes(4 << 20)
    entries = b"".join(
        struct.pack("<HHII", 50_000 + n % 5000, 7, len(body), 8) for n in range(20_000)
    )
    end = 8 + len(body)
    path.write_bytes(header("<", end) + body + struct.pack("<H", 20_000) + entries + bytes(4))
    refused(path, read_picture)
    rows = 20_000
    tags = {256: 100, 257: rows, 258: 8, 259: 8, 262: 1, 277: 1, 278: 1}
    made = {tag: numbers_tag("<", 4, value) for tag, value in tags.items()}
    made[273] = numbers_tag("<", 4, *[8] * rows)
    made[279] = numbers_tag("<", 4, *[len(body)] * rows)
    path.write_bytes(header("<", end) + body + build(Directory("<", made), end))
    print(refused(path, read_picture))


def test_tiff_channels_that_its_bytes_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(16384, 16384, _277=64))
    assert "claims" in refused(path, read_picture)


def test_exr_channels_that_its_bytes_cannot_be(tmp_path: Path) -> None:
    plane = np.zeros((16, 16), np.float16)
    path = tmp_path / "a.exr"
    OpenEXR.File({}, dict.fromkeys([*"RGB", *map(str, range(97))], plane)).write(str(path))
    assert read_picture(path).image.shape == (16, 16, 3)
    data = bytearray(path.read_bytes())
    put_window(data, 0, 0, 8191, 8191)
    path.write_bytes(data)
    assert "claims" in refused(path, read_picture)


@pytest.mark.parametrize("count", [2**16, 2**30, 2**61])
def test_a_big_tiff_of_many_strips(tmp_path: Path, count: int) -> None:
    data = bytearray(b"II+\0" + struct.pack("<HHQ", 8, 0, 16))
    data += struct.pack("<Q", 2)
    data += struct.pack("<HHQQ", 256, 4, 1, 64) + struct.pack("<HHQQ", 273, 16, count, 0)
    path = tmp_path / "a.tif"
    path.write_bytes(data + bytes(8))
    refused(path, read_picture)


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize(
    "box",
    [(0, 0, HUGE - 1, HUGE - 1), (0, 0, 2**31 - 1, 0), (-(2**31), -(2**31), 2**31 - 1, 2**31 - 1)],
)
def test_exr_windows(tmp_path: Path, tiled: bool, box: tuple[int, ...]) -> None:
    path = exr(tmp_path / "a.exr", lambda data: put_window(data, *box), tiled)
    refused(path, read_picture)


def test_an_exr_window_within_the_limits_that_holds_nothing(tmp_path: Path) -> None:
    path = exr(tmp_path / "a.exr", lambda data: put_window(data, 0, 0, 16383, 16383))
    refused(path, lambda path: read_picture(path, PictureOptions()))


def test_exr_tiles(tmp_path: Path) -> None:
    def change(data: bytearray) -> None:
        place = data.index(b"tiles\0tiledesc\0") + 19
        struct.pack_into("<II", data, place, 2**31 - 1, 2**31 - 1)

    refused(exr(tmp_path / "a.exr", change, tiled=True), read_picture)


# -- videos ---------------------------------------------------------------------------------


def find_box(data: bytes, *kinds: bytes) -> int:
    """Where the content of the first box of each kind, in the one before, begins."""
    place = 0
    for kind in kinds:
        place = data.index(kind, place) + 4
    return place


def clip(tmp_path: Path, *changes: tuple[bytes, int, int], fragmented: bool = False) -> Path:
    """A clip whose boxes have other numbers: kind, place in the content, number."""
    options = {"movflags": "frag_keyframe+empty_moov"} if fragmented else {}
    path = write_clip(tmp_path / "a.mp4", container_options=options)
    data = bytearray(path.read_bytes())
    for kind, place, number in changes:
        struct.pack_into(">I", data, find_box(data, kind) + place, number)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("count", [MOST_SAMPLES + 1, 10**8, 10**9, 2**32 - 1])
def test_a_billion_frames(tmp_path: Path, count: int) -> None:
    sizes = (b"stsz", 4, 1), (b"stsz", 8, count)
    path = clip(tmp_path, *sizes, (b"stsc", 12, count), (b"stts", 8, count))
    assert "more samples" in refused(path, VideoReader)
    refused(path, read_sound)


def test_a_billion_frames_in_a_fragment(tmp_path: Path) -> None:
    path = clip(tmp_path, (b"trun", 0, 0), (b"trun", 4, 10**9), fragmented=True)
    assert "more samples" in refused(path, VideoReader)


def test_many_edits(tmp_path: Path) -> None:
    path = clip(tmp_path, (b"elst", 4, 2**28))
    assert "more edits" in refused(path, VideoReader)


def test_a_compressed_header(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes().replace(b"trak", b"cmov"))
    assert "compressed" in refused(path, VideoReader)


def test_boxes_that_say_nothing_of_themselves(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(struct.pack(">I4s", 8, b"ftyp") + struct.pack(">I4s", 8, b"free") * 1_100_000)
    assert "more boxes" in refused(path, VideoReader)
    path.write_bytes(struct.pack(">I4s", 8, b"ftyp") + struct.pack(">I4s", 0, b"moov") * 100_000)
    refused(path, VideoReader)


def test_long_sound_without_frames_is_not_mistaken_for_it(tmp_path: Path) -> None:
    """PCM has a sample for each tick: an hour of it is more than ``MOST_SAMPLES``."""
    from tests.clips import Sound

    path = write_clip(tmp_path / "a.mov", sounds=[Sound("pcm_s16le", seconds=0.5)])
    data = bytearray(path.read_bytes())
    sound = data.index(b"soun")
    assert struct.unpack_from(">II", data, data.index(b"stts", sound) + 8)[0] == 1
    count = data.index(b"stsz", sound) + 12
    assert struct.unpack_from(">I", data, count)[0] > 20_000
    struct.pack_into(">I", data, count, 2**28)
    path.write_bytes(data)
    with cheap(), VideoReader(path) as reader:
        assert len(list(reader)) == 24


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.y4m", b"YUV4MPEG2 W100000 H100000 F25:1 Ip A1:1 C420jpeg\nFRAME\n" + bytes(1000)),
        ("a.y4m", b"YUV4MPEG2 W16384 H16384 F25:1 Ip A1:1 C420jpeg\nFRAME\n" + bytes(1000)),
        ("a.gif", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b"," + bytes(100)),
        (
            "a.ivf",
            b"DKIF\0\0 \0VP80" + struct.pack("<HHIIII", 65535, 65535, 25, 1, 9, 0) + bytes(99),
        ),
    ],
)
def test_videos_that_claim_to_be_huge(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    refused(path, VideoReader)


@pytest.mark.parametrize("size", [(16, 65535), (65535, 65535), (20_000, 20_000)])
def test_a_picture_inside_that_is_larger_than_the_container_says(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = write_clip(
        tmp_path / "a.mov", codec="mjpeg", pix_fmt="yuvj420p", color=(2, 2, 2, 2), ticks=(0, 1)
    )
    data = bytearray(path.read_bytes())
    place = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, place + 5, *size)
    path.write_bytes(data)
    with cheap(), VideoReader(path) as reader:
        assert [frame.image.shape for frame in reader][-1][2] == 3


# -- styles, networks, lists ------------------------------------------------------------------


@pytest.mark.parametrize("size", [2**31, 2**40, 2**63, 2**64 - 1, 100 << 20])
def test_style_headers_of_gigabytes(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", size) + b"{}")
    for read in (read_style_file, read_header):
        assert "header" in refused(path, read, StyleError)


def test_a_style_header_of_many_megabytes_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", 64 << 20) + b"{" + b" " * (64 << 20))
    for read in (read_style_file, read_header):
        assert "header" in refused(path, read, StyleError)


def rewritten(path: Path, **metadata: str) -> Path:
    """A style file with other metadata."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    described = json.loads(data[8 : 8 + length])
    described["__metadata__"] |= metadata
    text = json.dumps(described).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    return path


@pytest.mark.parametrize(
    "architecture",
    [
        {"deep_blocks": 10**12},
        {"deep_blocks": -1},
        {"width": 10**9},
        {"width": 0},
        {"width": 2048, "deep": 2048, "deep_blocks": 64, "fine_blocks": 64},
        {"half": 1.5},
        {"half": "16"},
        {"half": True},
        {"margin": 10**9},
        {"margin": 7},
        {"margin": -8},
        {"depth": 3},
        [48, 96],
        None,
    ],
)
def test_networks_that_cannot_be(tmp_path: Path, architecture: object) -> None:
    path = write_toy(tmp_path / "a.safetensors")
    if isinstance(architecture, dict):
        architecture = toy_file().architecture.as_dict() | architecture
    rewritten(path, architecture=json.dumps(architecture))
    refused(path, load_style, StyleError)


@pytest.mark.parametrize("depth", [10_000, 900_000])
def test_metadata_nested_deeply(tmp_path: Path, depth: int) -> None:
    path = rewritten(write_toy(tmp_path / "a.safetensors"), styles="[" * depth)
    refused(path, read_style_file, StyleError)
    refused(path, read_header, StyleError)


@pytest.mark.parametrize("value", ["9" * 5000, "1e400", "NaN", "-1x", ""])
def test_versions_that_are_no_numbers(tmp_path: Path, value: str) -> None:
    path = rewritten(write_toy(tmp_path / "a.safetensors"), version=value)
    refused(path, read_style_file, StyleError)
    refused(path, read_header, StyleError)


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "a\0", "x" * 2000, "\u202etxt"])
def test_texts_that_would_garble_a_terminal(tmp_path: Path, text: str) -> None:
    for key in ("name", "title", "artist", "year"):
        path = write_toy(tmp_path / "a.safetensors")
        styles = {name: {"name": name} for name in ("alpha", "photo")}
        styles["alpha"][key] = text
        if key == "name":
            styles[text] = styles.pop("alpha")
        rewritten(path, styles=json.dumps(styles))
        refused(path, read_style_file, StyleError)
        refused(path, read_header, StyleError)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("part", ["backbone", "vector"])
def test_weights_that_are_no_numbers(tmp_path: Path, value: float, part: str) -> None:
    file = toy_file()
    assert file.backbone is not None
    if part == "vector":
        file.vectors["alpha"][3] = value
    else:
        file.backbone["conv_up.weight"].view(-1)[5] = value
        from dataclasses import replace

        from vidstyle.styles.file import backbone_hash

        file = replace(file, backbone_id=backbone_hash(file.backbone))
    path = write_style_file(file, tmp_path / "a.safetensors")
    refused(path, read_style_file, StyleError)


class Program:
    """A pickle of it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".safetensors"])
def test_programs_are_not_run(tmp_path: Path, zipped: bool, suffix: str) -> None:
    path, trace = tmp_path / f"a{suffix}", tmp_path / "ran"
    torch.save(
        {**toy_vgg(width=1), "x": Program(trace)}, path, _use_new_zipfile_serialization=zipped
    )
    message = refused(path, load_vgg19, WeightsError)
    assert "weights_only" not in message
    refused(path, read_style_file, StyleError)
    refused(path, lambda path: load_style(str(path)), StyleError)
    assert not trace.exists()
    torch.load(path.rename(tmp_path / "a.zip"), weights_only=False)
    assert trace.exists()


def test_a_zip_bomb_of_weights(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data/0", b"")
        archive.infolist()[0].file_size = 3 << 30
    assert "too large" in refused(path, load_vgg19, WeightsError)


@pytest.mark.parametrize(
    "weight",
    [
        torch.zeros(1, 3, 1, 1).expand(8, 3, 3, 3)[:, :, :2],
        torch.zeros(1).expand(10**6, 10**6),
        torch.zeros(1, 1, 1, 1).expand(10**6, 3, 3, 3),
        torch.full((1, 3, 3, 3), float("nan")),
        torch.zeros(0, 3, 3, 3),
    ],
    ids=["shape", "expanded", "wide", "nan", "none"],
)
def test_weights_of_no_vgg(tmp_path: Path, weight: torch.Tensor) -> None:
    state = toy_vgg(width=1) | {"features.0.weight": weight}
    torch.save(state, tmp_path / "a.pth")
    refused(tmp_path / "a.pth", load_vgg19, WeightsError)
    if weight.numel() < 1000:
        save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "a.safetensors")
        refused(tmp_path / "a.safetensors", load_vgg19, WeightsError)


def test_long_lists_and_long_numbers(tmp_path: Path) -> None:
    path = tmp_path / "cuts.txt"
    path.write_text("#" + "9" * 5000)
    refused(path, read_cuts)
    path.write_text("9" * 5000)
    refused(path, read_cuts)
    with path.open("wb") as file:
        file.truncate(2**33)
    assert "too large" in refused(path, read_cuts)


def test_messages_are_one_line(tmp_path: Path) -> None:
    assert printable("a\nb\x1b[31m") == "a b\\x1b[31m"
    path = tmp_path / "a\n\x1b[31m.mp4"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError) as caught:
        VideoReader(path)
    assert str(caught.value).isprintable()
