"""The records of options: what they refuse, and that no run goes on with other ones."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any

import pytest
from clips import Recipe, write_clip
from sequences.shots import FAST, contents, pan, write_shot
from toys import toy_photo, toy_style, toy_vgg

from vidstyle import options
from vidstyle.errors import Interrupted, OptionError
from vidstyle.image import write_image
from vidstyle.models.vgg import VGG19
from vidstyle.options import (
    ClipOptions,
    FastOptions,
    FrameOptions,
    OptimizeOptions,
    Option,
    Options,
    ReadOptions,
    TemporalOptions,
    VideoOptions,
    WriteOptions,
)
from vidstyle.options.base import PANELS, about, choices, words
from vidstyle.pipeline.frames import stylize_frames
from vidstyle.pipeline.optimized import optimize_video
from vidstyle.pipeline.settings import drawing_settings
from vidstyle.pipeline.summary import Progress
from vidstyle.pipeline.video import stylize_video
from vidstyle.stylizers import FastStylizer

RECORDS = [
    record
    for record in vars(options).values()
    if isinstance(record, type) and issubclass(record, Options) and record is not Options
]

OTHER: dict[str, Any] = {
    "precision": "bf16",
    "batch_size": 2,
    "tile": 64,
    "stroke_size": 2.0,
    "cuts": "none",
    "start": 0.5,
    "end": 1.5,
    "max_side": 64,
    "scale": 0.5,
    "codec": "libx265",
    "crf": 30,
    "preset": "slow",
    "pix_fmt": "yuv444p",
    "layer": "beauty",
    "content_layers": (("relu1_1", 1.0),),
    "style_layers": (("relu1_2", 1.0),),
    "init": "noise",
    "learning_rate": 0.5,
    "scales": 1,
    "style_size": 40,
    "long_term": (1, 2),
    "fps": 25,
    "frames": "1-30",
}
"""Other values of options whose type does not suggest one."""


def another(one: Field) -> Any:
    """A value that a field does not have unless given. A new option may have to be added above."""
    default, details = one.default, about(one)
    if one.name in OTHER:
        return OTHER[one.name]
    if known := choices(one.type):
        return [value for value in known if value != default][-1]
    if isinstance(default, bool):
        return not default
    assert isinstance(default, int | float), f"name another value of {one.name} in OTHER"
    near = (type(default)(default / 2), default + 1)
    return next(value for value in near if value != default and details.admits(value))


def deciding(*records: type[Options], without: tuple[str, ...] = ()) -> list[Any]:
    """Each field that results depend on, with its record; ``without`` are tested elsewhere."""
    return [
        pytest.param(record, one, id=f"{record.__name__}.{one.name}")
        for record in records
        for one in fields(record)  # type: ignore[arg-type]
        if about(one).results and one.name not in without
    ]


# -- the records ----------------------------------------------------------------------------


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_says_what_it_is(record: type[Options]) -> None:
    for one in fields(record):  # type: ignore[arg-type]
        details = about(one)
        assert isinstance(details, Option) and details.help.endswith((".", "…"))
        assert details.panel is None or details.panel in PANELS
        assert one.default is not dataclasses.MISSING


@pytest.mark.parametrize(
    ("record", "values", "message"),
    [
        (FastOptions, {"strength": 1.5}, "strength must be from 0 to 1, not 1.5"),
        (FastOptions, {"strength": float("nan")}, "strength must be from 0 to 1, not nan"),
        (FastOptions, {"batch_size": 0}, "batch size must be at least 1, not 0"),
        (FastOptions, {"quality": "best"}, "quality must be draft, standard or fine, not 'best'"),
        (ReadOptions, {"max_side": 1}, "max side must be at least 2 pixels, not 1"),
        (ReadOptions, {"scale": 0}, "scale must be more than 0, not 0"),
        (ReadOptions, {"bit_depth": 9}, "bit depth must be auto, 8 or 10, not 9"),
        (VideoOptions, {"temporal_weight": float("inf")}, "temporal weight must be finite"),
        (FrameOptions, {"watch_timeout": 0}, "watch timeout must be more than 0 seconds, not 0"),
    ],
)
def test_refusals_name_option_value_and_range(
    record: type[Options], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=f"^{message}"):
        record(**values)


def test_they_import_nothing_heavy() -> None:
    script = "import sys, vidstyle.options; print({'torch', 'cv2', 'av', 'numpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


# -- runs that are continued with another option ------------------------------------------------


def stop_after(count: int) -> Any:
    def listener(progress: Progress) -> None:
        if progress.frames >= count:
            raise KeyboardInterrupt

    return listener


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Pictures, and what a run has made of the first two."""
    folder = tmp_path_factory.mktemp("sequence")
    source = write_shot(folder / "in", range(1, 4))
    frames = FrameOptions(frames="1-2")
    stylize_frames(source, folder / "out", toy_style(), fast=FAST, frames=frames)
    return source, folder / "out"


@pytest.mark.parametrize(
    ("record", "one"),
    deciding(FastOptions, TemporalOptions, FrameOptions, without=("device", "fps")),
)
def test_a_sequence_is_not_continued_with_another_option(
    sequence: tuple[Path, Path], tmp_path: Path, record: type[Options], one: Field
) -> None:
    source, output = sequence
    matte = write_image(tmp_path / "matte.png", pan(0))
    value = (matte,) if one.name == "mattes" else another(one)
    records = {FastOptions: FAST, TemporalOptions: TemporalOptions(), FrameOptions: FrameOptions()}
    records[record] = replace(records[record], **{one.name: value})
    before = contents(output)
    with pytest.raises(OptionError, match=f"was begun with .*{words(one.name)} .*, not "):
        stylize_frames(
            source,
            output,
            toy_style(),
            fast=records[FastOptions],
            temporal=records[TemporalOptions],
            frames=records[FrameOptions],
        )
    assert contents(output) == before


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip, and what an interrupted run has left."""
    folder = tmp_path_factory.mktemp("video")
    source = write_clip(folder / "in.mp4", Recipe(ticks=tuple(range(60))))
    with pytest.raises(Interrupted):
        stylize_video(source, folder / "out.mp4", toy_style(), fast=FAST, listener=stop_after(50))
    return folder


@pytest.mark.parametrize(
    ("record", "one"),
    deciding(FastOptions, TemporalOptions, ReadOptions, WriteOptions, without=("device",)),
)
def test_a_video_is_not_continued_with_another_option(
    video: Path, tmp_path: Path, record: type[Options], one: Field
) -> None:
    folder = shutil.copytree(video, tmp_path / "video", copy_function=shutil.copy2)
    source = video / "in.mp4"
    records: dict[type[Options], Any] = {
        FastOptions: FAST,
        TemporalOptions: TemporalOptions(),
        ReadOptions: ReadOptions(),
        WriteOptions: WriteOptions(),
    }
    records[record] = replace(records[record], **{one.name: another(one)})
    with pytest.raises(OptionError, match=f"was begun with .*{words(one.name)} .*, not "):
        stylize_video(
            source,
            folder / "out.mp4",
            toy_style(),
            fast=records[FastOptions],
            temporal=records[TemporalOptions],
            read=records[ReadOptions],
            write=records[WriteOptions],
            resume=True,
        )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, and what an interrupted run has left of a video."""
    folder = tmp_path_factory.mktemp("clip")
    write_shot(folder / "in", range(1, 33))
    with pytest.raises(Interrupted):
        film(folder, listener=stop_after(26))
    return folder


def film(folder: Path, clip: ClipOptions = ClipOptions(fps=24), **more: Any) -> None:
    stylize_video(folder / "in", folder / "out.mp4", toy_style(), fast=FAST, clip=clip, **more)


@pytest.mark.parametrize(("record", "one"), deciding(ClipOptions, without=("layer",)))
def test_a_video_of_pictures_is_not_continued_with_another_option(
    clip: Path, record: type[Options], one: Field
) -> None:
    changed = replace(ClipOptions(fps=24), **{one.name: another(one)})
    with pytest.raises(OptionError, match=f"was begun with .*{words(one.name)} .*, not "):
        film(clip, changed, resume=True)


def test_the_device_is_among_the_settings() -> None:
    """There may be no other device here to continue on."""
    stylizer = FastStylizer(toy_style(), FAST)
    assert drawing_settings([stylizer], TemporalOptions())["device"] == "cpu"


STILL = OptimizeOptions(
    content_layers=(("relu2_1", 1.0),),
    style_layers=(("relu1_1", 1.0),),
    iterations=2,
    device="cpu",
    precision="fp32",
)


def optimized(source: Path, output: Path, **more: Any) -> None:
    given = {"optimize": STILL, "video": VideoOptions(iterations=1), **more}
    paintings = [(toy_photo(50, 50), 1.0)]
    optimize_video(source, output, paintings, vgg=VGG19(toy_vgg(), "relu2_1"), **given)


@pytest.fixture(scope="module")
def optimization(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("optimization")
    source = write_clip(folder / "in.mp4", Recipe(ticks=tuple(range(60))))
    with pytest.raises(Interrupted):
        optimized(source, folder / "out.mp4", listener=stop_after(1))
    return folder


@pytest.mark.parametrize(
    ("record", "one"),
    deciding(
        *(OptimizeOptions, VideoOptions, TemporalOptions, ReadOptions),
        # The engine paints in 8 bits, and refresh wants a fast engine.
        without=("device", "bit_depth", "refresh"),
    ),
)
def test_an_optimization_is_not_continued_with_another_option(
    optimization: Path, record: type[Options], one: Field
) -> None:
    records: dict[type[Options], Any] = {
        OptimizeOptions: STILL,
        VideoOptions: VideoOptions(iterations=1),
        TemporalOptions: TemporalOptions(),
        ReadOptions: ReadOptions(),
    }
    records[record] = replace(records[record], **{one.name: another(one)})
    with pytest.raises(OptionError, match=f"was begun with .*{words(one.name)} .*, not "):
        optimized(
            optimization / "in.mp4",
            optimization / "out.mp4",
            optimize=records[OptimizeOptions],
            video=records[VideoOptions],
            temporal=records[TemporalOptions],
            read=records[ReadOptions],
            resume=True,
        )
