"""Well-formed wrappings with senseless content: what random damage hardly ever gets to."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clips import write_clip
from tests.tiffs import Directory, Tag, build, header
from tests.toys import toy_file, write_toy
from vidstyle.errors import OptionError, OutputError, StyleError, VidstyleError
from vidstyle.models.layers import parse_layers
from vidstyle.pipeline.journal import Journal
from vidstyle.sequences import (
    find_sequence,
    is_pattern,
    output_path,
    parse_frames,
    read_picture,
    write_picture,
)
from vidstyle.sequences.pattern import SequenceFile
from vidstyle.styles import load_style, read_style_file
from vidstyle.styles.registry import parse_blend
from vidstyle.temporal.cuts import read_cuts
from vidstyle.video import VideoReader
from vidstyle.video.boxes import check_index

pytestmark = pytest.mark.slow

CASES = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
LINES = st.text(
    st.sampled_from("0123456789.:;#-, \t\n\r\x0b\x00é²٣") | st.characters(), max_size=80
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
WORDS = st.sampled_from([0, 1, 2, 255, 65535, 10**9, 2**31 - 1, 2**31, 2**32 - 1]) | st.integers(
    0, 2**32 - 1
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def check(error: VidstyleError) -> None:
    assert str(error).isprintable()


# -- texts ----------------------------------------------------------------------------------


@CASES
@given(LINES)
def test_lists_of_cuts(folder: Path, text: str) -> None:
    path = folder / "cuts.txt"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        cuts = read_cuts(path)
    except VidstyleError as error:
        check(error)
        return
    assert list(cuts.times) == sorted(cuts.times)
    assert all(0 <= time < float("inf") for time in cuts.times)
    assert all(frame >= 0 for frame in cuts.frames)


@CASES
@given(LINES | st.just("9" * 5000) | st.just("1-" + "9" * 5000))
def test_frame_numbers(text: str) -> None:
    try:
        ranges = parse_frames(text)
    except OptionError as error:
        check(error)
        return
    assert isinstance(10 in ranges, bool)
    ranges.absent([1, 5, 1000])


@CASES
@given(st.lists(LINES, max_size=4).map(",".join))
def test_blends_and_layers(text: str) -> None:
    with suppress(OptionError):
        assert all(weight >= 0 for _, weight in parse_blend(text))
    with suppress(OptionError):
        parse_layers(text)
    try:
        load_style(text)
    except VidstyleError as error:
        check(error)


NAMES = st.text(
    st.sampled_from("ab01%d#*?[]_.-²٣") | st.characters(exclude_characters="/\0", codec="utf-8"),
    min_size=1,
    max_size=30,
)


@CASES
@given(st.lists(NAMES, max_size=6), NAMES, st.sampled_from(["", ".png", ".exr", ".PNG"]))
def test_names_of_files(names: list[str], pattern: str, suffix: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for other in names:
            with suppress(OSError):
                (folder / (other + suffix)).write_bytes(b"x")
        for source in (folder, folder / (pattern + suffix), folder / f"{pattern}%04d.png"):
            is_pattern(source)
            try:
                sequence = find_sequence(source)
                numbers = [file.number for file in sequence.files]
                assert numbers == sorted(set(numbers))
                output_path(sequence.files[0], folder / "out")
                output_path(SequenceFile(sequence.files[0].path, 7), folder / (pattern + ".png"))
            except VidstyleError as error:
                check(error)


@pytest.mark.parametrize("name", ["a%0999999999d.png", "a%099999999999999999999d.png", "#" * 200])
def test_patterns_of_absurd_width(tmp_path: Path, name: str) -> None:
    (tmp_path / "a1.png").write_bytes(b"x")
    with pytest.raises(VidstyleError):
        find_sequence(tmp_path / name)
    with pytest.raises(VidstyleError):
        output_path(SequenceFile(tmp_path / "a1.png", 1), tmp_path / name)


@CASES
@given(st.lists(JSON, max_size=5), st.binary(max_size=20))
def test_journals(folder: Path, lines: list[Any], torn: bytes) -> None:
    for key in ("settings", "begun", "name"):
        path = folder / "j" / Journal(folder / "none").path.name
        path.parent.mkdir(exist_ok=True)
        written = [json.dumps({key: line, "size": [1, 2]}) for line in lines]
        path.write_bytes("".join(line + "\n" for line in written).encode() + torn)
        try:
            journal = Journal(folder / "j")
            journal.begin({"style": "scream"})
        except (OutputError, OptionError) as error:
            check(error)


# -- style files ----------------------------------------------------------------------------


@CASES
@given(
    st.dictionaries(
        st.sampled_from(["architecture", "styles", "version", "backbone_id", "licence"]),
        JSON.map(json.dumps) | st.text(max_size=20),
        min_size=1,
    )
)
def test_style_metadata(folder: Path, metadata: dict[str, str]) -> None:
    read_or_refused(folder, metadata)


@CASES
@given(st.dictionaries(st.sampled_from(list(toy_file().architecture.as_dict())), JSON, min_size=1))
def test_style_architectures(folder: Path, changes: dict[str, Any]) -> None:
    sizes = toy_file().architecture.as_dict() | changes
    read_or_refused(folder, {"architecture": json.dumps(sizes)})


@CASES
@given(
    st.dictionaries(
        st.sampled_from(["name", "title", "artist", "year", "training", "swatch"]), JSON, min_size=1
    )
)
def test_style_descriptions(folder: Path, changes: dict[str, Any]) -> None:
    styles = {name: {"name": name} for name in ("alpha", "photo")}
    read_or_refused(
        folder, {"styles": json.dumps({**styles, "alpha": {"name": "alpha", **changes}})}
    )


def read_or_refused(folder: Path, metadata: dict[str, str]) -> None:
    path = write_toy(folder / "a.safetensors")
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    described = json.loads(data[8 : 8 + length])
    described["__metadata__"] |= metadata
    text = json.dumps(described).encode("utf-8", "surrogatepass")
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    try:
        file = read_style_file(path)
        file.network()
    except StyleError as error:
        check(error)
        return
    for info in file.infos.values():
        assert f"{info.name}{info.title}{info.artist}{info.year}".isprintable()


# -- pictures -------------------------------------------------------------------------------


def read_and_write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        picture = read_picture(path)
        for suffix in (path.suffix, ".png", ".tif", ".exr", ".dpx", ".jpg"):
            back = path.with_name("back" + suffix)
            write_picture(back, picture, 255 - picture.image)
            assert read_picture(back).image.shape == picture.image.shape
    except VidstyleError as error:
        check(error)


CHUNKS = st.sampled_from(
    [
        b"iCCP",
        b"eXIf",
        b"iTXt",
        b"tRNS",
        b"PLTE",
        b"gAMA",
        b"sBIT",
        b"bKGD",
        b"acTL",
        b"cHRM",
        b"aaaA",
    ]
)


@CASES
@given(
    st.lists(st.tuples(CHUNKS, st.binary(max_size=64)), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from([np.uint8, np.uint16]),
    st.sampled_from([1, 3, 4]),
)
def test_png_chunks(
    folder: Path, chunks: list[tuple[bytes, bytes]], early: bool, dtype: type, channels: int
) -> None:
    data = cv2.imencode(".png", np.full((5, 6, channels), 77, dtype))[1].tobytes()
    extra = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    place = 33 if early else len(data) - 12
    read_and_write(folder / "a.png", data[:place] + extra + data[place:])


@CASES
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*range(0xE0, 0xF0), 0xFE, 0xDB, 0xC4, 0xDD, 0xC0, 0xC2]),
            st.sampled_from([b"", b"Exif\0\0", b"ICC_PROFILE\0", b"Adobe\0", b"JFIF\0"]),
            st.binary(max_size=64),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([1, 3]),
)
def test_jpeg_segments(
    folder: Path, segments: list[tuple[int, bytes, bytes]], channels: int
) -> None:
    data = cv2.imencode(".jpg", np.full((5, 6, channels), 77, np.uint8))[1].tobytes()
    extra = b"".join(
        bytes([0xFF, marker]) + struct.pack(">H", 2 + len(start + body)) + start + body
        for marker, start, body in segments
    )
    read_and_write(folder / "a.jpg", data[:2] + extra + data[2:])


TAGS = st.sampled_from(
    [*range(256, 292), 317, *range(320, 326), 338, 339, 700, 34665, 34675, 34853]
)
ENTRIES = st.tuples(st.integers(0, 18), st.lists(WORDS, min_size=1, max_size=4))


@CASES
@given(st.dictionaries(TAGS, ENTRIES, max_size=4), st.sampled_from("<>"))
def test_tiff_tags(folder: Path, tags: dict[int, tuple[int, list[int]]], order: Any) -> None:
    values = {256: 6, 257: 5, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 5, 279: 30}
    made = {tag: Tag(4, 1, struct.pack(order + "I", value)) for tag, value in values.items()}
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
    for tag, (kind, numbers) in tags.items():
        size = sizes.get(kind, 4)
        data = struct.pack(f"{order}{len(numbers)}I", *numbers)
        made[tag] = Tag(kind, len(data) // size, data)
    pixels = bytes(range(30))
    directory = build(Directory(order, made), 8 + len(pixels))
    data = header(order, 8 + len(pixels)) + pixels + directory
    read_and_write(folder / "a.tif", data)


# -- videos ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip(folder: Path) -> bytes:
    return write_clip(folder / "clip.mp4", ticks=(0, 1, 2, 3), size=(32, 32)).read_bytes()


BOXES = [b"mvhd", b"tkhd", b"elst", b"mdhd", b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stco"]


@CASES
@given(
    st.lists(st.tuples(st.sampled_from(BOXES), st.integers(0, 24), WORDS), min_size=1, max_size=3)
)
def test_numbers_in_boxes(folder: Path, clip: bytes, changes: list[tuple[bytes, int, int]]) -> None:
    data = bytearray(clip)
    for kind, place, number in changes:
        if kind in data:
            struct.pack_into(">I", data, data.index(kind) + 4 + 4 * (place % 8), number)
    path = folder / "a.mp4"
    path.write_bytes(data)
    try:
        check_index(path)
        with VideoReader(path) as reader:
            for frame in reader:
                assert frame.image.shape == (reader.info.height, reader.info.width, 3)
    except VidstyleError as error:
        check(error)
