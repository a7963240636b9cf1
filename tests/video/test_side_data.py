"""What frames carry beside their pixels, known to PyAV or not."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import corners

from vidstyle.live.source import open_live
from vidstyle.sequences.clip import ClipOptions, SequenceReader
from vidstyle.video import VideoReader

FRAMES = 4
MAKE, ORIENTATION = 0x10F, 0x112


def exif(orientation: int | None) -> bytes:
    """Exif data that names the camera's maker, and how it was held."""
    entries = [struct.pack("<HHI4s", MAKE, 2, 2, b"x\0\0\0")]
    if orientation is not None:
        entries.append(struct.pack("<HHIHH", ORIENTATION, 3, 1, orientation, 0))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


def picture(codec: str, orientation: int | None) -> bytes:
    """A file of one picture with Exif data."""
    suffix = ".jpg" if codec == "mjpeg" else ".png"
    data = cv2.imencode(suffix, corners()[..., ::-1])[1].tobytes()
    about = exif(orientation)
    if codec == "mjpeg":
        about = b"Exif\0\0" + about
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(about) + 2) + about + data[2:]
    chunk = b"eXIf" + about
    chunk = struct.pack(">I", len(about)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:33] + chunk + data[33:]


def write_pictures(path: Path, codec: str, orientations: Sequence[int | None]) -> Path:
    """A clip of such pictures, 25 a second."""
    if path.suffix == ".mjpeg":
        path.write_bytes(b"".join(picture(codec, number) for number in orientations))
        return path
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, 25)
        context = stream.codec_context
        context.width, context.height = 64, 48
        context.pix_fmt = "yuvj420p" if codec == "mjpeg" else "rgb24"
        for index, number in enumerate(orientations):
            packet = av.Packet(picture(codec, number))
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = index
            packet.duration, packet.is_keyframe = 1, True
            output.mux(packet)
    return path


def upright(orientation: int | None) -> np.ndarray:
    """The picture as OpenCV turns it."""
    data = np.frombuffer(picture("mjpeg", orientation), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)


@pytest.mark.parametrize("orientation", [None, 1, 3, 5, 6])
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        *(("mjpeg", suffix) for suffix in (".avi", ".mkv", ".mov", ".mjpeg")),
        *(("png", suffix) for suffix in (".mov", ".nut")),
    ],
)
def test_exif_data_is_no_obstacle(
    tmp_path: Path, codec: str, suffix: str, orientation: int | None
) -> None:
    source = write_pictures(tmp_path / f"in{suffix}", codec, [orientation] * FRAMES)
    with VideoReader(source) as reader:
        frames = [frame.image for frame in reader]
        assert (reader.warnings, reader.notices) == ([], [])
    assert len(frames) == FRAMES
    for frame in frames:
        assert np.abs(frame.astype(int) - upright(orientation)).mean() < 4
    with open_live(str(source)) as live:
        image = next(iter(live)).image
    assert np.abs(image.astype(int) - upright(orientation)).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_sequence_as_a_video_is_upright(tmp_path: Path, orientation: int) -> None:
    for number in range(2):
        (tmp_path / f"a_{number}.jpg").write_bytes(picture("mjpeg", orientation))
    reader = SequenceReader(tmp_path, clip=ClipOptions(fps=25))
    expected = upright(orientation)
    assert (reader.info.height, reader.info.width) == expected.shape[:2]
    for frame in reader:
        assert np.abs(frame.image.astype(int) - expected).max() <= 8


def test_a_camera_that_is_turned_on_the_way(tmp_path: Path) -> None:
    source = write_pictures(tmp_path / "in.avi", "mjpeg", [1, 1, 6, 3])
    with VideoReader(source) as reader:
        frames = [frame.image for frame in reader]
        (notice,) = reader.notices
    assert "48×64" in notice and "64×48" in notice
    assert np.abs(frames[1].astype(int) - corners()).mean() < 6
    assert np.abs(frames[3].astype(int) - upright(3)).mean() < 4
    turned = cv2.resize(upright(6), (36, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(frames[2][:, 14:50].astype(int) - turned).mean() < 8
    assert frames[2][:, :13].max() < 16 and frames[2][:, 51:].max() < 16
