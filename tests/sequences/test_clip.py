"""Sequences as videos, and videos as sequences."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import Recipe, frame_times, images, number_of, numbered, write_clip
from sequences.shots import contents, pan, write_shot
from toys import identity, toy_style

from vidstyle.errors import InputError, Interrupted, OptionError, OutputError
from vidstyle.image import read_image, write_image
from vidstyle.pipeline.summary import Summary
from vidstyle.pipeline.video import default_output, stylize_video
from vidstyle.sequences.clip import ClipOptions, is_sequence
from vidstyle.stylizers import FastOptions
from vidstyle.temporal.motion import TemporalOptions
from vidstyle.video import ReadOptions, WriteOptions

FAST = FastOptions(device="cpu", precision="fp32")
PHOTO = FastOptions(strength=0, device="cpu", precision="fp32")
LOSSLESS = WriteOptions("ffv1", pix_fmt="bgr0")
PRORES = WriteOptions("prores_ks", pix_fmt="yuva444p10le")


def stylize(source: Path, output: Path, **more) -> Summary:  # type: ignore[no-untyped-def]
    return stylize_video(source, output, **{"style": toy_style(), "fast": FAST, **more})


def bars(folder: Path, numbers: range) -> Path:
    """Pictures that show their number."""
    folder.mkdir()
    for number in numbers:
        write_image(folder / f"bar_{number}.png", numbered(number))
    return folder


def decoded(path: Path, pix_fmt: str) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=pix_fmt) for frame in container.decode(video=0)]


# -- pictures to video --------------------------------------------------------------------------


def test_pictures_become_a_video(tmp_path: Path) -> None:
    source = bars(tmp_path / "in", range(7, 13))
    summary = stylize(source, tmp_path / "a.mp4", style=identity(), clip=ClipOptions(fps=23.976))
    assert (summary.frames, summary.warnings) == (6, ())
    assert [number_of(image) for image in images(tmp_path / "a.mp4")] == list(range(7, 13))
    assert frame_times(tmp_path / "a.mp4") == [Fraction(1001 * n, 24000) for n in range(6)]
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(24000, 1001)
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (1, 1)


def test_gaps_keep_their_time_and_are_cuts(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 9))
    (source / "shot_0004.png").unlink()
    options = {"clip": ClipOptions(fps=25), "write": LOSSLESS}
    summary = stylize(source, tmp_path / "out.mkv", **options)
    assert any("3–5" in warning for warning in summary.warnings)
    times = [round(25 * time) for time in frame_times(tmp_path / "out.mkv")]
    assert times == [0, 1, 2, 4, 5, 6, 7]
    stylize(source, tmp_path / "alone.mkv", temporal=TemporalOptions(0), **options)
    pairs = zip(images(tmp_path / "out.mkv"), images(tmp_path / "alone.mkv"), strict=True)
    assert [n for n, (a, b) in enumerate(pairs) if np.array_equal(a, b)] == [0, 3]


def test_a_clock_is_wanted(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 4))
    with pytest.raises(OptionError, match="how many a second with --fps"):
        stylize(source, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_exr_files_know_their_clock(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR")
    (tmp_path / "in").mkdir()
    for number in range(1, 4):
        light = (pan(number) / np.float32(255)).astype(np.float16)
        header = {"framesPerSecond": Fraction(30, 1)}
        exr.File(header, {"RGB": light}).write(str(tmp_path / "in" / f"a.{number:04d}.exr"))
    stylize(tmp_path / "in", tmp_path / "out.mp4")
    assert frame_times(tmp_path / "out.mp4") == [Fraction(n, 30) for n in range(3)]


def test_working_size(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 4))
    stylize(source, tmp_path / "a.mp4", clip=ClipOptions(fps=25), read=ReadOptions(max_side=48))
    assert images(tmp_path / "a.mp4")[0].shape == (32, 48, 3)
    with pytest.raises(OptionError, match="use --frames for pictures"):
        stylize(source, tmp_path / "b.mp4", clip=ClipOptions(fps=25), read=ReadOptions(start=1))


def test_compare(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 4))
    stylize(source, tmp_path / "a.mkv", clip=ClipOptions(fps=25), write=LOSSLESS, compare=True)
    picture = images(tmp_path / "a.mkv")[1]
    assert picture.shape == (64, 192, 3)
    assert np.array_equal(picture[:, :96], pan(1))


def test_pictures_of_several_sizes(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 4))
    write_image(source / "shot_0003.png", pan(2, width=80))
    with pytest.raises(InputError, match=r"shot_0003\.png: is 80×64"):
        stylize(source, tmp_path / "a.mp4", clip=ClipOptions(fps=25))
    assert not (tmp_path / "a.mp4").exists()


# -- alpha and depth ----------------------------------------------------------------------------


def deep_alpha(folder: Path, count: int = 3) -> Path:
    """16-bit RGBA: smooth ramps, all levels of alpha."""
    folder.mkdir()
    for number in range(1, count + 1):
        across = np.linspace(0, 65535, 256)[None, :, None] * np.ones((64, 1, 1))
        down = np.linspace(0, 65535, 64)[:, None, None] * np.ones((1, 256, 1))
        image = np.dstack([across, down, 65535 - across, np.roll(across, 40 * number, axis=1)])
        assert cv2.imwrite(str(folder / f"a{number}.png"), np.rint(image).astype(np.uint16))
    return folder


def test_prores_4444_with_alpha(tmp_path: Path) -> None:
    source = deep_alpha(tmp_path / "in")
    stylize(source, tmp_path / "a.mov", fast=PHOTO, clip=ClipOptions(fps=24), write=PRORES)
    with av.open(str(tmp_path / "a.mov")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.codec_tag) == ("prores", "ap4h")
        assert context.pix_fmt.startswith("yuva444p")
    results = decoded(tmp_path / "a.mov", "rgba64le")
    opacities = alpha_plane(tmp_path / "a.mov")
    assert len(results) == len(opacities) == 3
    for number, (result, opacity) in enumerate(zip(results, opacities, strict=True), 1):
        stored = cv2.imread(str(source / f"a{number}.png"), cv2.IMREAD_UNCHANGED)
        assert stored is not None
        wanted = stored[:, :, [2, 1, 0, 3]] / 65535
        # Alpha is coded without loss: half a step of 10 bits, and the decoder's rounding.
        assert np.abs(opacity - wanted[:, :, 3]).max() <= 0.5 / 1023 + 1 / 4095
        assert opacity[wanted[:, :, 3] == 1].min() == 1
        assert len(np.unique(opacity)) == 256
        assert np.abs(result[:, :, :3] / 65535 - wanted[:, :, :3]).mean() < 0.005


def alpha_plane(path: Path) -> list[np.ndarray]:
    """As the decoder has it, from 0 to 1."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane, bits = frame.planes[3], frame.format.components[3].bits
            rows = np.frombuffer(plane, np.uint16).reshape(plane.height, plane.line_size // 2)
            found.append(rows[:, : plane.width] / (2**bits - 1))
    return found


def test_ten_bits_come_through(tmp_path: Path) -> None:
    """Grey ramps in steps finer than 8 bits keep them in a lossless codec."""
    (tmp_path / "in").mkdir()
    ramp = np.linspace(20000, 30000, 256).astype(np.uint16)
    image = np.repeat(np.repeat(ramp[None, :, None], 64, axis=0), 3, axis=2)
    assert cv2.imwrite(str(tmp_path / "in" / "1.png"), image)
    write = WriteOptions("ffv1", pix_fmt="yuv444p10le")
    stylize(tmp_path / "in", tmp_path / "a.mkv", fast=PHOTO, clip=ClipOptions(fps=24), write=write)
    with av.open(str(tmp_path / "a.mkv")) as container:
        plane = next(container.decode(video=0)).planes[0]
    luma = np.frombuffer(plane, np.uint16).reshape(plane.height, -1)[32, : plane.width]
    assert np.abs(luma - (64 + 876 * (ramp / 65535))).max() <= 1
    assert len(np.unique(luma)) > 100  # there are 39 in 8 bits


def test_codecs_without_alpha_put_it_over_black(tmp_path: Path) -> None:
    source = deep_alpha(tmp_path / "in", 1)
    write = WriteOptions("ffv1", pix_fmt="bgr0")
    summary = stylize(source, tmp_path / "a.mkv", fast=PHOTO, clip=ClipOptions(fps=24), write=write)
    assert any("alpha is left out" in warning for warning in summary.warnings)
    stored = cv2.imread(str(source / "a1.png"), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    color, alpha = stored[:, :, [2, 1, 0]] / 257, stored[:, :, 3:] / 65535
    assert np.abs(images(tmp_path / "a.mkv")[0] - color * alpha).max() <= 1.01


def test_alpha_chooses_a_pixel_format(tmp_path: Path) -> None:
    source = deep_alpha(tmp_path / "in", 1)
    for codec, suffix, wanted in (("prores_ks", "mov", "yuva444p1"), ("qtrle", "mov", "argb")):
        path = tmp_path / f"{codec}.{suffix}"
        stylize(source, path, fast=PHOTO, clip=ClipOptions(fps=24), write=WriteOptions(codec))
        with av.open(str(path)) as container:
            assert container.streams.video[0].codec_context.pix_fmt.startswith(wanted)


# -- video to pictures --------------------------------------------------------------------------


def test_a_video_becomes_pictures(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Recipe(ticks=tuple(range(6))))
    summary = stylize(source, tmp_path / "out" / "f_%04d.png", style=identity())
    assert summary.frames == 6
    names = sorted(contents(tmp_path / "out"))
    assert names == [f"f_{n:04d}.png" for n in range(1, 7)]
    numbers = [number_of(read_image(tmp_path / "out" / name)) for name in names]
    assert numbers == list(range(6))


def test_into_a_directory(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Recipe(ticks=tuple(range(3))))
    (tmp_path / "out").mkdir()
    stylize(source, tmp_path / "out")
    assert sorted(contents(tmp_path / "out")) == [f"a.00000{n}.png" for n in (1, 2, 3)]


def test_pictures_that_are_there(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Recipe(ticks=tuple(range(3))))
    write_image(tmp_path / "f_1.png", pan(0))
    with pytest.raises(OutputError, match=r"f_1\.png: exists already.*--overwrite"):
        stylize(source, tmp_path / "f_%d.png")
    stylize(source, tmp_path / "f_%d.png", write=WriteOptions(overwrite=True))
    assert (tmp_path / "f_3.png").exists()


def test_interrupted(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Recipe(ticks=tuple(range(60))))

    def listener(progress: object) -> None:
        if (tmp_path / "out" / "2.png").exists():
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as interrupt:
        stylize(source, tmp_path / "out" / "%d.png", listener=listener)
    assert interrupt.value.partial == tmp_path / "out"


def test_options_of_the_other_side(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Recipe(ticks=tuple(range(3))))
    with pytest.raises(OptionError, match="are for pictures"):
        stylize(source, tmp_path / "%d.png", clip=ClipOptions(fps=24))
    with pytest.raises(OptionError):
        ClipOptions(fps=-1)
    pictures = write_shot(tmp_path / "in", range(1, 3))
    with pytest.raises(OptionError, match="stylize_frames"):
        stylize(pictures, tmp_path / "%d.png")


# -- names --------------------------------------------------------------------------------------


def test_what_a_sequence_is(tmp_path: Path) -> None:
    (tmp_path / "clip[1].mp4").touch()
    (tmp_path / "a%04d.png").touch()
    (tmp_path / "folder.mov").mkdir()
    assert is_sequence(tmp_path) and not is_sequence(tmp_path / "folder.mov")
    for name in ("a_%04d.png", "a.####.exr", "*.tif", "a_#.jpg", "a?.*"):
        assert is_sequence(tmp_path / name)
    for name in ("clip[1].mp4", "a%04d.png", "a.png", "%04d.mp4", "nothing"):
        assert not is_sequence(tmp_path / name)


def test_names_of_videos(tmp_path: Path) -> None:
    def name(source: str) -> str:
        return str(default_output(tmp_path / source, "wave").relative_to(tmp_path))

    (tmp_path / "shots").mkdir()
    assert name("shots") == "shots.wave.mp4"
    assert name("shots/a.####.exr") == "shots/a.wave.mp4"
    assert name("shots/a_%04d.png") == "shots/a_.wave.mp4".replace("a_.", "a.")
    assert name("shots/*.png") == "shots/shots.wave.mp4"
