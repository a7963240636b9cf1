"""Sequences from directory to directory: what is restyled, what is kept, what goes wrong."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from sequences.shots import FAST, contents, pan, stylize, write_shot
from toys import toy_photo, toy_style

from vidstyle.errors import InputError, OptionError, OutputError
from vidstyle.image import read_image, write_image
from vidstyle.options.sequences import exact_rate
from vidstyle.pipeline.frames import FrameOptions
from vidstyle.pipeline.summary import Progress
from vidstyle.sequences.pattern import SequenceFile
from vidstyle.sequences.picture import read_picture
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.temporal.motion import TemporalOptions

ALONE = TemporalOptions(0)
PHOTO = FastOptions(strength=0, device="cpu", precision="fp32")


def deep_shot(folder: Path, numbers: range, channels: int = 3, suffix: str = ".png") -> Path:
    """16-bit noise, all values of it: channels as OpenCV orders them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        values = np.random.default_rng(number).integers(0, 65536, (40, 48, channels))
        assert cv2.imwrite(str(folder / f"deep.{number:04d}{suffix}"), values.astype(np.uint16))
    return folder


def deep(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None and image.dtype == np.uint16
    return image


# -- what is kept -------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_strength_0_gives_16_bits_back(tmp_path: Path, suffix: str, channels: int) -> None:
    source = deep_shot(tmp_path / "in", range(1, 4), channels, suffix)
    summary = stylize(source, tmp_path / "out", fast=PHOTO)
    assert summary.frames == 3 and summary.warnings == ()
    for path in source.iterdir():
        assert np.array_equal(deep(tmp_path / "out" / path.name), deep(path))


def test_alpha_is_untouched(tmp_path: Path) -> None:
    source = deep_shot(tmp_path / "in", range(1, 4), channels=4)
    for alpha in ("keep", "style"):
        stylize(source, tmp_path / alpha, alpha=alpha)
        for path in source.iterdir():
            before, after = deep(path), deep(tmp_path / alpha / path.name)
            assert np.array_equal(after[:, :, 3], before[:, :, 3])
            assert not np.array_equal(after[:, :, :3], before[:, :, :3])


def test_16_bits_are_not_8(tmp_path: Path) -> None:
    source = deep_shot(tmp_path / "in", range(1, 3))
    stylize(source, tmp_path / "out")
    assert len(np.unique(deep(tmp_path / "out" / "deep.0002.png") % 257)) > 200


def test_every_frame_is_the_stylizers(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(8, 12), "{:d}.png")  # 8, 9, 10, 11: not as text
    events: list[Progress] = []
    stylize(source, tmp_path / "out", temporal=ALONE, listener=events.append)
    stylizer = FastStylizer(toy_style(), FAST)
    for index, number in enumerate(range(8, 12)):
        result = read_image(tmp_path / "out" / f"{number}.png")
        # A frame among others has fewer threads, which may round otherwise.
        assert np.abs(result.astype(int) - stylizer(pan(index))).max() <= 1
    assert (events[-1].frames, events[-1].total) == (4, 4)


def test_patterns_change_names_and_format(tmp_path: Path) -> None:
    write_shot(tmp_path / "in", range(1, 4))
    write_shot(tmp_path / "in", range(1, 3), "other.{:d}.png")
    stylize(tmp_path / "in" / "shot_####.png", tmp_path / "out" / "new.%03d.tif", fast=PHOTO)
    assert sorted(contents(tmp_path / "out")) == ["new.001.tif", "new.002.tif", "new.003.tif"]
    assert np.array_equal(read_image(tmp_path / "out" / "new.002.tif"), pan(1))


def test_scene_linear_comes_back(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR")
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(1, 4):
        light = np.exp(rng.normal(0, 2, (32, 40, 4))).astype(np.float16)
        light[:, :, 3] = rng.random((32, 40))
        depth = rng.random((32, 40)).astype(np.float32)
        header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage, "note": "kept"}
        exr.File(header, {"RGBA": light, "Z": depth}).write(str(folder / f"a.{number:04d}.exr"))
    stylize(folder, tmp_path / "photo", fast=PHOTO)
    stylize(folder, tmp_path / "style")
    for path in folder.iterdir():
        before = exr.File(str(path))
        photo, style = (exr.File(str(tmp_path / way / path.name)) for way in ("photo", "style"))
        light = before.channels()["RGBA"].pixels
        for after in (photo, style):
            assert after.header()["note"] == "kept"
            assert np.array_equal(after.channels()["Z"].pixels, before.channels()["Z"].pixels)
        assert photo.channels()["RGBA"].pixels.tobytes() == light.tobytes()
        painted = style.channels()["RGBA"].pixels
        assert painted.dtype == np.float16 and np.isfinite(painted).all()
        assert np.array_equal(painted[:, :, 3], light[:, :, 3])
        assert not np.array_equal(painted[:, :, :3], light[:, :, :3])


# -- edges --------------------------------------------------------------------------------------


def test_nothing_of_what_is_hidden_enters_the_strokes(tmp_path: Path) -> None:
    """Two pictures that differ only where they are transparent are painted alike."""
    photo, alpha = toy_photo(), np.zeros((48, 64), np.uint8)
    alpha[10:40, 12:50] = 255
    for name, hidden in (("black", 0), ("green", (0, 255, 0))):
        colors = np.where(alpha[:, :, None] > 0, photo, np.uint8(hidden))
        (tmp_path / name).mkdir()
        picture = np.dstack([colors[:, :, ::-1], alpha])
        assert cv2.imwrite(str(tmp_path / name / "a1.png"), picture)
        for way in ("keep", "style"):
            stylize(tmp_path / name, tmp_path / f"{name}-{way}", alpha=way)

    def result(folder: str) -> np.ndarray:
        image = cv2.imread(str(tmp_path / folder / "a1.png"), cv2.IMREAD_UNCHANGED)
        assert image is not None
        return image

    seen = alpha > 0
    assert not np.array_equal(result("black-keep")[seen], result("green-keep")[seen])
    assert np.array_equal(result("black-style")[seen], result("green-style")[seen])
    assert not result("black-style")[~seen].any()
    assert (result("green-style")[~seen] == (0, 255, 0, 0)).all()


# -- jumps --------------------------------------------------------------------------------------


def test_nothing_moves_across_a_gap(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 11))
    (source / "shot_0005.png").unlink()
    (source / "shot_0006.png").unlink()
    summary = stylize(source, tmp_path / "out")
    assert len(summary.warnings) == 1 and "5–6" in summary.warnings[0]
    stylize(source, tmp_path / "after", frames="7-")
    after = contents(tmp_path / "after")
    assert len(after) == 4
    assert after.items() <= contents(tmp_path / "out").items()


def test_chosen_frames(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 11))
    summary = stylize(source, tmp_path / "out", frames="2-3,9")
    assert sorted(contents(tmp_path / "out")) == [f"shot_000{n}.png" for n in (2, 3, 9)]
    assert summary.warnings == ()
    summary = stylize(source, tmp_path / "out", frames="2-3,9-12")
    assert [warning for warning in summary.warnings if "11–12" in warning]


def test_listed_cuts(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(101, 109))
    stylize(source, tmp_path / "alone", temporal=ALONE)
    (tmp_path / "cuts.txt").write_text("#3\n0.24\n")  # frames 104 and, at 25 a second, 107
    stylize(source, tmp_path / "out", temporal=TemporalOptions(cuts=tmp_path / "cuts.txt"), fps=25)
    alone, cut = contents(tmp_path / "alone"), contents(tmp_path / "out")
    fresh = [int(name[5:9]) for name in cut if cut[name] == alone[name]]
    assert fresh == [101, 104, 107]
    with pytest.raises(InputError, match=r"no\.txt"):
        stylize(source, tmp_path / "new", temporal=TemporalOptions(cuts=tmp_path / "no.txt"))


# -- bad frames ---------------------------------------------------------------------------------


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Ten frames; the fifth is half-written."""
    source = write_shot(tmp_path / "in", range(1, 11))
    bad = source / "shot_0005.png"
    bad.write_bytes(bad.read_bytes()[:2000])
    return source


def test_a_damaged_frame_stops_the_run(damaged: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"shot_0005\.png: .*--on-error skip"):
        stylize(damaged, tmp_path / "out")
    assert len(contents(tmp_path / "out")) <= 4
    write_image(damaged / "shot_0005.png", pan(4))
    stylize(damaged, tmp_path / "out")
    stylize(damaged, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_damaged_frame_is_skipped(damaged: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the second time, nothing is left to do
        summary = stylize(damaged, tmp_path / "out", on_error="skip")
        assert any("shot_0005.png" in warning for warning in summary.warnings)
        assert len(contents(tmp_path / "out")) == 9
    assert summary.frames == 0
    stylize(damaged, tmp_path / "after", frames="6-")
    assert contents(tmp_path / "after").items() <= contents(tmp_path / "out").items()
    with pytest.raises(InputError, match="shot_0005"):
        stylize(damaged, tmp_path / "out")
    write_image(damaged / "shot_0005.png", pan(4))
    stylize(damaged, tmp_path / "out")
    stylize(damaged, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_damaged_frame_is_copied(damaged: Path, tmp_path: Path) -> None:
    for _ in range(2):
        summary = stylize(damaged, tmp_path / "out", on_error="copy")
        assert any("copied" in warning for warning in summary.warnings)
        results = contents(tmp_path / "out")
        assert len(results) == 10
        assert results["shot_0005.png"] == (damaged / "shot_0005.png").read_bytes()
    with pytest.raises(OptionError, match=r"not be copied to '\.tif'"):
        stylize(damaged, tmp_path / "other" / "%04d.tif", on_error="copy")


def test_sizes_that_change(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 7))
    write_image(source / "shot_0004.png", pan(3, width=80))
    for on_error in ("stop", "skip", "copy"):
        output = tmp_path / on_error
        with pytest.raises(InputError, match=r"shot_0004\.png: is 80×64, but shot_0003\.png is 96"):
            stylize(source, output, on_error=on_error)
        with pytest.raises(InputError, match=r"shot_0004\.png: is 80×64"):  # and when resumed
            stylize(source, output, on_error=on_error)


def test_depths_that_change(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 4))
    assert cv2.imwrite(str(source / "shot_0004.png"), np.zeros((64, 96, 3), np.uint16))
    with pytest.raises(InputError, match=r"shot_0004\.png: has more than 8 bits"):
        stylize(source, tmp_path / "out")


def test_nothing_matches(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 4))
    with pytest.raises(InputError, match=r"shot_#.*1–3|shot_"):
        stylize(source / "shto_%04d.png", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# -- bad output ---------------------------------------------------------------------------------


def test_inputs_are_never_overwritten(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 4))
    before = contents(source)
    for output in (source, source / "shot_%04d.png"):
        with pytest.raises(OutputError, match="input"):
            stylize(source, output, overwrite=True)
    assert contents(source) == before


def test_passes_never_replace_inputs(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 4))
    before = contents(source)
    for folder in (source, tmp_path / "in" / ".." / "in"):
        with pytest.raises(OutputError, match="one of the inputs"):
            stylize(source, tmp_path / "out", write_occlusion=folder, overwrite=True)
    with pytest.raises(OutputError, match="another place for passes"):
        stylize(source, tmp_path / "out", write_occlusion=tmp_path / "out")
    mattes = write_shot(tmp_path / "mattes", range(1, 4))
    for more in ({"write_occlusion": mattes}, {}):
        output = tmp_path / "out" if more else mattes
        with pytest.raises(OutputError, match="one of the inputs"):
            stylize(source, output, mattes=(mattes,), overwrite=True, **more)
    assert contents(source) == contents(mattes) == before


def test_output_that_cannot_be(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 4))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        stylize(source, tmp_path / "file" / "out")
    with pytest.raises(OutputError):
        stylize(source, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "in the way"


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Larger files fail as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 21))
    stylize(source, tmp_path / "whole")
    for size in (8_000, 100_000):  # room for no picture, and for no checkpoint
        with files_up_to(size), pytest.raises(OutputError, match=r"[Tt]oo large"):
            stylize(source, tmp_path / "out")
        hidden = [p for p in (tmp_path / "out").rglob(".*") if p.is_file()]
        assert hidden == []
    stylize(source, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


# -- options ------------------------------------------------------------------------------------


def test_options_that_make_no_sense() -> None:
    for bad in (
        {"alpha": "no"},
        {"on_error": "no"},
        {"watch_timeout": 0},
        {"fps": 0},
    ):
        with pytest.raises(OptionError):
            FrameOptions(**bad)  # type: ignore[arg-type]


def test_rates() -> None:
    assert str(exact_rate(24.0)) == "24" and str(exact_rate(12.5)) == "25/2"
    assert str(exact_rate(23.976)) == "24000/1001" and str(exact_rate(29.97)) == "30000/1001"
    assert str(exact_rate(59.94)) == "60000/1001" and str(exact_rate(1)) == "1"


# -- memory -------------------------------------------------------------------------------------

MEASURED = """
import resource, sys
from vidstyle.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_sequence(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR")
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(1, 201):
        light = np.dstack([pan(number, 160, 96), np.full((96, 160), 255, np.uint8)]) / 255
        layers = {"RGBA": light.astype(np.float16), "Z": np.ones((96, 160), np.float32)}
        exr.File({"compression": exr.ZIP_COMPRESSION}, layers).write(
            str(folder / f"a.{number:04d}.exr")
        )
    peaks = []
    for frames in ("1-40", "1-200"):
        output = tmp_path / frames
        command = [sys.executable, "-c", MEASURED, "frames", folder, output, "--frames", frames]
        quick = ("--device", "cpu", "--precision", "fp32", "--progress", "none")
        done = subprocess.run([*map(str, command), *quick], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stderr.split()[-1]) / 1024)
    assert len(contents(tmp_path / "1-200")) == 200
    # A frame takes 0.5 MB with all of its copies.
    assert peaks[1] - peaks[0] < 30
    assert read_picture(tmp_path / "1-200" / "a.0200.exr").layers == ("Z",)


def test_a_file_is_one_frame(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 2))
    stylize(source / "shot_0001.png", tmp_path / "out")
    assert list(contents(tmp_path / "out")) == ["shot_0001.png"]
    assert SequenceFile(source / "shot_0001.png", 1).number == 1
