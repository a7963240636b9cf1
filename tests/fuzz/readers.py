"""What is done with a hostile file: everything that may end is a result or a VidstyleError."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from shutil import copyfile, rmtree

import numpy as np

from tests.toys import identity
from vidstyle.errors import OutputError, StyleError
from vidstyle.evaluate import evaluate
from vidstyle.evaluate.audio import read_sound
from vidstyle.image import read_image
from vidstyle.models.vgg import load_vgg19
from vidstyle.pipeline.video import stylize_video
from vidstyle.sequences import read_picture, write_picture
from vidstyle.sequences.clip import ClipOptions, SequenceReader
from vidstyle.store import Checkpoints
from vidstyle.styles import load_style, read_header, read_style_file
from vidstyle.stylizers import FastOptions
from vidstyle.temporal.cuts import read_cuts
from vidstyle.video import ReadOptions, VideoReader, WriteOptions

STYLE = identity()
FRAMES = 40
"""Read of a video at most."""

Reader = Callable[[Path, Path], None]
"""Gets the hostile file and the sound one that it was made of."""


def read_video(path: Path, seed: Path) -> None:
    with VideoReader(path, ReadOptions(max_side=64)) as reader:
        info = reader.info
        for frame in islice(reader, FRAMES):
            assert frame.image.shape == (info.height, info.width, 3), frame.image.shape
            assert frame.image.dtype in (np.uint8, np.float32)
            assert frame.duration >= 0
            float(frame.time)
        check_lines(reader.warnings)


def read_window(path: Path, seed: Path) -> None:
    options = ReadOptions(start=0.1, end=0.25, scale=0.5, strict=True)
    with VideoReader(path, options) as reader:
        for _ in islice(reader, FRAMES):
            pass


def hear(path: Path, seed: Path) -> None:
    read_sound(path)


def stylize(path: Path, seed: Path) -> None:
    output = path.with_name("out.mkv" if path.stat().st_size % 2 else "out.mp4")
    try:
        summary = stylize_video(
            path,
            output,
            STYLE,
            fast=FastOptions(device="cpu", precision="fp32", batch_size=2),
            read=ReadOptions(max_side=32, end=2.0),
            write=WriteOptions(preset="ultrafast", overwrite=True),
        )
        check_lines(summary.warnings)
        assert output.stat().st_size
    finally:
        for left in path.parent.glob("*out.*"):
            rmtree(left) if left.is_dir() else left.unlink()


def judge(path: Path, seed: Path) -> None:
    check_lines(evaluate(seed, path, flow="ultrafast").notes)


def read_any_picture(path: Path, seed: Path) -> None:
    picture = read_picture(path)
    assert picture.image.ndim == 3
    if picture.image.size > 10**7:
        return
    back = path.with_name("back" + path.suffix)
    try:
        write_picture(back, picture, 255 - picture.image)
        for suffix in (".png", ".tif", ".exr", ".dpx", ".jpg"):
            write_picture(path.with_name("back" + suffix), picture, picture.image)
        again = read_picture(back)
        assert again.image.shape == picture.image.shape
    except OutputError:
        pass
    finally:
        for left in path.parent.glob("back.*"):
            left.unlink()


def read_still(path: Path, seed: Path) -> None:
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


def read_style(path: Path, seed: Path) -> None:
    with suppress(StyleError):  # to go on to what reads the whole
        read_header(path)
    file = read_style_file(path)
    if file.backbone is not None:
        file.network()
    load_style(f"{path}#{next(iter(file.vectors))}")


def read_list(path: Path, seed: Path) -> None:
    read_cuts(path)


def read_network(path: Path, seed: Path) -> None:
    load_vgg19(path)


def read_checkpoint(path: Path, seed: Path) -> None:
    copyfile(path, path.with_name("state-x.npz"))
    Checkpoints(path.parent).load("x")


def read_folder(path: Path, seed: Path) -> None:
    folder = path.parent / "shots"
    folder.mkdir(exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
    for number, source in enumerate((seed, path, seed), 1):
        copyfile(source, folder / f"shot_{number:04d}{path.suffix}")
    reader = SequenceReader(folder, ReadOptions(max_side=32), ClipOptions(fps=24))
    for _ in reader:
        pass


def check_lines(messages: Iterable[str]) -> None:
    """Every message is a line that a terminal shows as it is."""
    for message in messages:
        assert message.isprintable(), message


READERS: dict[str, tuple[str, Reader, int]] = {
    "video": ("video", read_video, 34),
    "window": ("video", read_window, 8),
    "sound": ("video", hear, 5),
    "stylize": ("video", stylize, 8),
    "judge": ("video", judge, 4),
    "picture": ("picture", read_any_picture, 26),
    "folder": ("picture", read_folder, 3),
    "image": ("image", read_still, 8),
    "style": ("style", read_style, 8),
    "cuts": ("cuts", read_list, 2),
    "vgg": ("vgg", read_network, 3),
    "checkpoint": ("checkpoint", read_checkpoint, 1),
}
"""By name: the kind of its files, what reads them, and how often it is tried."""
