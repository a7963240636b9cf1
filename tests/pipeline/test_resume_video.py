"""Runs that end early and go on: the file is the one of an uninterrupted run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import (
    Recipe,
    Sound,
    Subtitle,
    frame_times,
    images,
    number_of,
    packet_times,
    packets,
    write_clip,
)
from toys import toy_style

from vidstyle.errors import InputError, Interrupted, OptionError, OutputError
from vidstyle.frame import ColorTags, Frame, VideoInfo
from vidstyle.pipeline.summary import Progress, Summary
from vidstyle.pipeline.video import stylize_video
from vidstyle.stylizers import FastOptions
from vidstyle.temporal.motion import TemporalOptions
from vidstyle.video import ReadOptions, VideoReader, VideoWriter, WriteOptions, plan_output
from vidstyle.video.writer import OutputFile

QUICK = {"libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "12"}


def moving(index: int, width: int, height: int) -> np.ndarray:
    """A textured picture that drifts: the past matters."""
    texture = np.random.default_rng(5).integers(0, 255, (height // 8 + 9, width // 8 + 40, 3))
    large = np.kron(texture, np.ones((8, 8, 1))).astype(np.uint8)
    return np.ascontiguousarray(large[index % 40 : index % 40 + height, 2 * index :][:, :width])


def clip(path: Path, frames: int = 80, **changes: Any) -> Path:
    recipe = {
        "ticks": tuple(range(frames)),
        "size": (96, 64),
        "image": moving,
        "sounds": (Sound(seconds=frames / 24),),
    }
    return write_clip(path, Recipe(**{**recipe, **changes}))


def run(source: Path, output: Path, stop: int | None = None, **changes: Any) -> Summary:
    """In a toy style; with ``stop``, Ctrl-C after so many frames."""

    def listen(progress: Progress) -> None:
        if stop is not None and progress.frames >= stop:
            raise KeyboardInterrupt

    options = {"fast": FastOptions(device="cpu", precision="fp32", batch_size=2), **changes}
    return stylize_video(source, output, toy_style(), listener=listen, **options)


def interrupted(source: Path, output: Path, stop: int, **changes: Any) -> Interrupted:
    with pytest.raises(Interrupted) as caught:
        run(source, output, stop, **changes)
    return caught.value


def video(path: Path) -> list[tuple[int | None, int | None, int | None, bool, bytes]]:
    """All that a demuxer tells of the pictures' packets."""
    with av.open(str(path)) as source:
        found = [p for p in source.demux(source.streams.video[0]) if p.size]
        return [(p.pts, p.dts, p.duration, p.is_keyframe, bytes(p)) for p in found]


RANDOM = (".mkv", ".webm", ".mxf", ".ogv")
"""Containers with a number that is drawn by lot."""


def same(first: Path, second: Path) -> None:
    assert video(first) == video(second)
    with av.open(str(first)) as a, av.open(str(second)) as b:
        kinds = [stream.type for stream in a.streams]
        assert kinds == [stream.type for stream in b.streams]
        sounds = kinds.count("audio")
    for index in range(sounds):
        assert packets(first, "audio", index) == packets(second, "audio", index)
    assert first.read_bytes() == second.read_bytes() or first.suffix in RANDOM


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- going on -----------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [30, 50, 79])
def test_the_file_is_that_of_an_uninterrupted_run(tmp_path: Path, stop: int) -> None:
    source = clip(tmp_path / "in.mp4")
    run(source, tmp_path / "whole.mp4")
    end = interrupted(source, tmp_path / "out.mp4", stop)
    assert end.partial == tmp_path / "out.partial.mp4"
    assert end.advice == "continue with --resume"
    assert names(tmp_path) == [".out.mp4.work", "in.mp4", "out.partial.mp4", "whole.mp4"]
    kept = len(images(tmp_path / "out.partial.mp4"))
    assert kept in (24, 48, 72) and kept > stop - 48
    summary = run(source, tmp_path / "out.mp4", resume=True)
    assert (summary.frames, summary.skipped) == (80, kept)
    assert names(tmp_path) == ["in.mp4", "out.mp4", "whole.mp4"]
    same(tmp_path / "out.mp4", tmp_path / "whole.mp4")
    assert frame_times(tmp_path / "out.mp4") == frame_times(source)
    assert packets(tmp_path / "out.mp4") == packets(source)


@pytest.mark.slow
def test_the_past_is_remembered(tmp_path: Path) -> None:
    """Were it not, the frame after the interruption would be drawn anew."""
    source = clip(tmp_path / "in.mp4")
    run(source, tmp_path / "whole.mp4")
    run(source, tmp_path / "later.mp4", read=ReadOptions(start=1.0))
    with_past = images(tmp_path / "whole.mp4")[24].astype(int)
    without = images(tmp_path / "later.mp4")[0].astype(int)
    assert np.abs(with_past - without).mean() > 1
    interrupted(source, tmp_path / "out.mp4", 40)
    run(source, tmp_path / "out.mp4", resume=True)
    assert np.array_equal(images(tmp_path / "out.mp4")[24], with_past)


@pytest.mark.slow
def test_interrupted_again_and_again(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4", 130)
    run(source, tmp_path / "whole.mp4")
    for stop in (20, 30, 40, 60, 110):
        interrupted(source, tmp_path / "out.mp4", stop, resume=True)
    run(source, tmp_path / "out.mp4", resume=True)
    same(tmp_path / "out.mp4", tmp_path / "whole.mp4")


CODECS = [
    (".mp4", "libx264", "yuv420p"),
    (".mov", "prores_ks", "yuv422p10le"),
    (".mkv", "ffv1", "yuv420p"),
    (".mp4", "libx265", "yuv420p10le"),
    (".webm", "libvpx-vp9", "yuv420p"),
    (".ts", "libx264", "yuv420p"),
    (".avi", "mpeg4", "yuv420p"),
    (".gif", "gif", "rgb8"),
    *(
        pytest.param(*values, marks=pytest.mark.slow)
        for values in [
            (".mp4", "libsvtav1", "yuv420p"),
            (".mkv", "libx264", "yuv444p"),
            (".mkv", "mjpeg", "yuvj420p"),
            (".avi", "utvideo", "yuv420p"),
            (".avi", "libx264", "yuv420p"),
            (".flv", "libx264", "yuv420p"),
            (".nut", "ffv1", "yuv420p"),
            (".mov", "rawvideo", "rgb24"),
            (".apng", "apng", "keep"),
            (".wmv", "wmv2", "yuv420p"),
            (".mpg", "mpeg2video", "yuv420p"),
            (".y4m", "rawvideo", "yuv420p"),
            (".mxf", "mpeg2video", "yuv420p"),
            (".ogv", "libvpx", "yuv420p"),
            (".h264", "libx264", "yuv420p"),
        ]
    ),
]
SILENT = (".webm", ".gif")


@pytest.mark.parametrize(("suffix", "codec", "pix_fmt"), CODECS)
def test_codecs(tmp_path: Path, suffix: str, codec: str, pix_fmt: str) -> None:
    size = (82, 64)
    changes: dict[str, Any] = {"sounds": ()} if suffix in SILENT else {}
    source = clip(tmp_path / "in.mkv", 60, size=size, **changes)
    write = WriteOptions(codec, preset=QUICK.get(codec), pix_fmt=pix_fmt)
    temporal = TemporalOptions(0)
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    run(source, whole, write=write, temporal=temporal)
    interrupted(source, out, 40, write=write, temporal=temporal)
    assert len(images(tmp_path / f"out.partial{suffix}")) == 24
    run(source, out, write=write, temporal=temporal, resume=True)
    same(out, whole)
    assert len(images(out)) == 60


def test_alpha(tmp_path: Path) -> None:
    """VP9 keeps it beside its packets."""
    info = VideoInfo(
        64, 48, Fraction(1, 24), Fraction(24), 60, None, "", "rgba", alpha=True,
        color=ColorTags(1, 1, 1, 1),
    )  # fmt: skip
    source = tmp_path / "in.mov"
    with VideoWriter(
        plan_output(source, info, alpha=True, options=WriteOptions("prores_ks"))
    ) as writer:
        for index in range(60):
            opacity = np.full((48, 64), 1000 * index, np.uint16)
            writer.write(Frame(moving(index, 64, 48), index, Fraction(1, 24), 1, opacity))
    run(source, tmp_path / "whole.webm")
    interrupted(source, tmp_path / "out.webm", 40)
    run(source, tmp_path / "out.webm", resume=True)
    same(tmp_path / "out.webm", tmp_path / "whole.webm")
    with VideoReader(tmp_path / "out.webm") as reader:
        alphas = [frame.alpha for frame in reader]
    means = [alpha.mean() / 255 for alpha in alphas if alpha is not None]
    assert means == pytest.approx([1000 * index / 65535 for index in range(60)], abs=0.02)


UNEVEN = (0, 2, 3, 7, 7, 30, 31, 32, 60, 100, 101, 130, *range(200, 420, 3))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_uneven_times(tmp_path: Path, suffix: str) -> None:
    """Variable rate, equal timestamps, B-frames across the seams."""
    base = Fraction(1, 90)
    ticks = tuple(1000 * t for t in dict.fromkeys(UNEVEN))
    source = clip(tmp_path / "in.mp4", ticks=ticks, time_base=base / 1000, last_duration=2000)
    write = WriteOptions(crf=30)
    run(source, tmp_path / f"whole{suffix}", write=write)
    interrupted(source, tmp_path / f"out{suffix}", 60, write=write)
    run(source, tmp_path / f"out{suffix}", write=write, resume=True)
    same(tmp_path / f"out{suffix}", tmp_path / f"whole{suffix}")
    if suffix == ".mp4":
        assert frame_times(tmp_path / "out.mp4") == frame_times(source)


def test_a_window_of_a_damaged_file(tmp_path: Path) -> None:
    # Threads of a decoder may hide damage otherwise each time; with key frames alone they do not.
    recipe = {"codec": "mjpeg", "pix_fmt": "yuvj420p"}
    data = bytearray(clip(tmp_path / "whole.mkv", 120, **recipe).read_bytes())
    for place in range(len(data) // 4, len(data), len(data) // 9):
        data[place : place + 40] = bytes(40)
    source = tmp_path / "in.mkv"
    source.write_bytes(data)
    read = ReadOptions(start=0.5, end=4.5)
    summary = run(source, tmp_path / "whole.mp4", read=read)
    interrupted(source, tmp_path / "out.mp4", 60, read=read)
    again = run(source, tmp_path / "out.mp4", read=read, resume=True)
    same(tmp_path / "out.mp4", tmp_path / "whole.mp4")
    assert summary.warnings and again.warnings == summary.warnings


def test_companions_come_from_the_source(tmp_path: Path) -> None:
    texts = (Subtitle("first", 0.5, 1.0), Subtitle("second", 2.0, 1.0))
    tracks = (Sound(seconds=3.3), Sound(frequency=880, seconds=3.3, metadata={"language": "fra"}))
    chapters = (("one", 0.0, 1.0), ("two", 1.0, 3.3))
    source = clip(tmp_path / "in.mkv", subtitles=texts, sounds=tracks, chapters=chapters)
    run(source, tmp_path / "whole.mkv")
    interrupted(source, tmp_path / "out.mkv", 40)
    run(source, tmp_path / "out.mkv", resume=True)
    same(tmp_path / "out.mkv", tmp_path / "whole.mkv")
    assert packets(tmp_path / "out.mkv", "subtitles") == packets(source, "subtitles")
    with av.open(str(tmp_path / "out.mkv")) as out, av.open(str(source)) as given:
        assert len(out.chapters()) == len(given.chapters()) == 2
        assert out.streams.audio[1].language == "fra"


# ---- what was finished plays ----------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_partial_file_is_the_beginning_of_the_whole(tmp_path: Path, suffix: str) -> None:
    source = clip(tmp_path / f"in{suffix}", 130)
    end = interrupted(source, tmp_path / f"out{suffix}", 110)
    assert end.partial is not None
    run(source, tmp_path / f"whole{suffix}")
    kept, whole = video(end.partial), video(tmp_path / f"whole{suffix}")
    assert kept[:-2] == whole[: len(kept) - 2]
    assert [entry[4] for entry in kept] == [entry[4] for entry in whole[: len(kept)]]
    sound, seconds = packets(end.partial), len(kept) / 24
    assert sound == packets(source)[: len(sound)]
    assert float(packet_times(end.partial)[-1]) == pytest.approx(seconds, abs=0.05)


def test_each_segment_plays(tmp_path: Path, leftovers: tuple[Path, Path]) -> None:
    _, work = leftovers
    whole = images(tmp_path / "whole.mp4")
    parts = [images(path) for path in segments(work)]
    assert [len(part) for part in parts] == [24, 24, 24]
    shown = [image for part in parts for image in part]
    assert all(np.array_equal(a, b) for a, b in zip(shown, whole[:72], strict=True))


def test_a_partial_file_is_replaced_by_a_longer_one(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4", 130)
    lengths = []
    for stop in (40, 110):
        end = interrupted(source, tmp_path / "out.mp4", stop, resume=True)
        assert end.partial is not None
        lengths.append(len(images(end.partial)))
    assert lengths[0] == 24 and lengths[1] in (72, 96)
    assert names(tmp_path) == [".out.mp4.work", "in.mp4", "out.partial.mp4"]


def test_a_partial_file_without_its_source(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4")

    def vanish(progress: Progress) -> None:
        if progress.frames >= 60:
            source.unlink()
            raise KeyboardInterrupt

    fast = FastOptions(device="cpu", precision="fp32", batch_size=2)
    with pytest.raises(Interrupted) as caught:
        stylize_video(source, tmp_path / "out.mp4", toy_style(), fast=fast, listener=vanish)
    assert caught.value.partial == tmp_path / "out.partial.mp4"
    assert len(images(tmp_path / "out.partial.mp4")) in (24, 48)


# ---- what a crash may leave ---------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that ended early, and the file of one that did not."""
    folder = tmp_path_factory.mktemp("stopped")
    source = clip(folder / "in.mp4")
    run(source, folder / "whole.mp4")
    interrupted(source, folder / "out.mp4", 79)
    return folder


@pytest.fixture
def leftovers(stopped: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The source and the work folder of such a run, in a folder of the test's own."""
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    source, work = tmp_path / "in.mp4", tmp_path / ".out.mp4.work"
    note = json.loads((work / "settings.json").read_text())
    (work / "settings.json").write_text(json.dumps(note | {"input": str(source)}))
    return source, work


def segments(work: Path) -> list[Path]:
    return sorted(work.glob("segment-*"))


def a_segment_without_its_record(folder: Path, work: Path) -> None:
    (work / "segment-00000096.mp4").write_bytes(os.urandom(900))


def half_a_line(folder: Path, work: Path) -> None:
    with (work / "segments.jsonl").open("a") as file:
        file.write('{"frames": 96, "byt')


def a_state_cut_short(folder: Path, work: Path) -> None:
    latest = max(work.glob("state-*.npz"), key=lambda path: int(path.stem[6:]))
    latest.write_bytes(latest.read_bytes()[:1000])


def no_states(folder: Path, work: Path) -> None:
    for path in work.glob("state-*.npz"):
        path.unlink()


def no_records(folder: Path, work: Path) -> None:
    (work / "segments.jsonl").unlink()


def no_partial_file(folder: Path, work: Path) -> None:
    (folder / "out.partial.mp4").unlink()


def only_settings(folder: Path, work: Path) -> None:
    for path in work.iterdir():
        if path.name != "settings.json":
            path.unlink()


def a_segment_in_the_making(folder: Path, work: Path) -> None:
    (work / "new.part.mp4").write_bytes(b"half")


@pytest.mark.parametrize(
    "crash",
    [
        a_segment_without_its_record,
        half_a_line,
        a_state_cut_short,
        no_states,
        no_records,
        no_partial_file,
        only_settings,
        a_segment_in_the_making,
    ],
)
def test_crashes(
    tmp_path: Path, leftovers: tuple[Path, Path], crash: Callable[[Path, Path], None]
) -> None:
    source, work = leftovers
    crash(tmp_path, work)
    run(source, tmp_path / "out.mp4", resume=True)
    same(tmp_path / "out.mp4", tmp_path / "whole.mp4")
    assert names(tmp_path) == ["in.mp4", "out.mp4", "whole.mp4"]


@pytest.mark.parametrize("change", [lambda path: os.truncate(path, 500), Path.unlink])
def test_a_segment_that_is_damaged_or_missing_is_refused(
    tmp_path: Path, leftovers: tuple[Path, Path], change: Callable[[Path], None]
) -> None:
    source, work = leftovers
    change(segments(work)[1])
    left = names(work)
    with pytest.raises(OutputError, match=r"segment-00000048\.mp4: .*--overwrite"):
        run(source, tmp_path / "out.mp4", resume=True)
    assert names(work) == left
    run(source, tmp_path / "out.mp4", write=WriteOptions(overwrite=True))
    same(tmp_path / "out.mp4", tmp_path / "whole.mp4")


@pytest.mark.parametrize("record", ["[]", "{}", '{"frames": 24}'])
def test_records_that_make_no_sense_are_refused(
    tmp_path: Path, leftovers: tuple[Path, Path], record: str
) -> None:
    source, work = leftovers
    (work / "segments.jsonl").write_text(record + "\n")
    with pytest.raises(OutputError, match=r"segments\.jsonl: cannot be read.*--overwrite"):
        run(source, tmp_path / "out.mp4", resume=True)


def test_no_room_for_the_finished_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = clip(tmp_path / "in.mp4")
    run(source, tmp_path / "whole.mp4")
    nearly_full = shutil.disk_usage(tmp_path)._replace(free=1000)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: nearly_full)
        words = r"no space left.*\.out\.mp4\.work; continue with --resume"
        with pytest.raises(OutputError, match=words):
            run(source, tmp_path / "out.mp4")
    assert names(tmp_path) == [".out.mp4.work", "in.mp4", "whole.mp4"]
    assert run(source, tmp_path / "out.mp4", resume=True).skipped == 72
    same(tmp_path / "out.mp4", tmp_path / "whole.mp4")


def test_a_disk_that_fills_up_while_segments_are_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = clip(tmp_path / "in.mp4")
    run(source, tmp_path / "whole.mp4")

    def full(*arguments: object) -> None:
        raise OutputError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(OutputFile, "copy_until", full)
        with pytest.raises(OutputError, match=r"No space.*\.work; continue with --resume"):
            run(source, tmp_path / "out.mp4")
    assert names(tmp_path) == [".out.mp4.work", "in.mp4", "whole.mp4"]
    assert run(source, tmp_path / "out.mp4", resume=True).skipped == 72
    same(tmp_path / "out.mp4", tmp_path / "whole.mp4")


# ---- what is refused ----------------------------------------------------------------------


def test_leftovers_are_not_passed_over(tmp_path: Path, leftovers: tuple[Path, Path]) -> None:
    source, work = leftovers
    before = {path: path.read_bytes() for path in work.iterdir()}
    with pytest.raises(OutputError, match=r"out\.mp4: an earlier run .*--resume.*--overwrite"):
        run(source, tmp_path / "out.mp4")
    assert before == {path: path.read_bytes() for path in work.iterdir()}
    run(source, tmp_path / "out.mp4", write=WriteOptions(overwrite=True))
    assert names(tmp_path) == ["in.mp4", "out.mp4", "whole.mp4"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"write": WriteOptions(crf=30)}, "crf null, not 30"),
        ({"write": WriteOptions("libx265")}, "codec null, not libx265"),
        ({"temporal": TemporalOptions(0.3)}, r"temporal 0\.6, not 0\.3"),
        ({"read": ReadOptions(max_side=64)}, "max side null, not 64"),
        ({"compare": True}, "compare false, not true"),
        (
            {"fast": FastOptions(0.5, device="cpu", precision="fp32", batch_size=1)},
            r"strength 1\.0, not 0\.5; batch size 2, not 1; continue",
        ),
    ],
)
def test_changed_settings_are_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    source = clip(tmp_path / "in.mp4", 60)
    interrupted(source, tmp_path / "out.mp4", 55)
    with pytest.raises(OptionError, match=words):
        run(source, tmp_path / "out.mp4", resume=True, **changes)


def test_another_style_or_input_is_refused(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4", 60)
    interrupted(source, tmp_path / "out.mp4", 55)
    fast = FastOptions(device="cpu", precision="fp32", batch_size=2)
    with pytest.raises(OptionError, match="style file"):
        stylize_video(source, tmp_path / "out.mp4", toy_style(3), fast=fast, resume=True)
    clip(source, 61)
    with pytest.raises(OptionError, match="bytes of input"):
        run(source, tmp_path / "out.mp4", resume=True)


def test_a_source_that_decodes_differently_is_refused(
    tmp_path: Path, leftovers: tuple[Path, Path]
) -> None:
    source, work = leftovers
    other = clip(tmp_path / "other.mp4", image=lambda i, w, h: 255 - moving(i, w, h))
    source.write_bytes(other.read_bytes())
    status = source.stat()
    note = json.loads((work / "settings.json").read_text())
    note |= {"bytes of input": status.st_size, "time of input": status.st_mtime_ns}
    (work / "settings.json").write_text(json.dumps(note))
    with pytest.raises(InputError, match="does not decode as before"):
        run(source, tmp_path / "out.mp4", resume=True)


def test_somebody_elses_files_are_left_alone(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4", 30)
    (tmp_path / "out.partial.mp4").write_bytes(b"precious")
    for resume in (False, True):
        with pytest.raises(OutputError, match=r"out\.partial\.mp4: exists already"):
            run(source, tmp_path / "out.mp4", resume=resume)
    assert (tmp_path / "out.partial.mp4").read_bytes() == b"precious"
    own = clip(tmp_path / "film.partial.mp4", 30)
    with pytest.raises(OutputError, match="is the input itself"):
        run(own, tmp_path / "film.mp4", write=WriteOptions(overwrite=True))
    assert len(images(own)) == 30


def test_two_at_once(tmp_path: Path) -> None:
    source, messages = clip(tmp_path / "in.mp4", 60), []

    def second(progress: Progress) -> None:
        if progress.frames == 40:
            with pytest.raises(OutputError) as caught:
                run(source, tmp_path / "out.mp4", resume=True)
            messages.append(str(caught.value))

    fast = FastOptions(device="cpu", precision="fp32", batch_size=2)
    stylize_video(source, tmp_path / "out.mp4", toy_style(), fast=fast, listener=second)
    assert messages == [f"{tmp_path}/out.mp4: another run is writing it"]
    assert len(images(tmp_path / "out.mp4")) == 60
    assert names(tmp_path) == ["in.mp4", "out.mp4"]


def test_resume_with_nothing_to_go_on_with(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4", 30, image=Recipe.image, size=(64, 48))
    assert interrupted(source, tmp_path / "out.mp4", 6).partial is None
    assert names(tmp_path) == ["in.mp4"]
    style = toy_style()
    fast = FastOptions(0.0, device="cpu", precision="fp32")
    stylize_video(source, tmp_path / "out.mp4", style, fast=fast, resume=True)
    assert [number_of(image) for image in images(tmp_path / "out.mp4")] == list(range(30))


@pytest.mark.parametrize("quality", ["standard", "draft"])
@pytest.mark.parametrize("backend", ["torch", "openvino"])
@pytest.mark.slow
def test_drawn_by_any_backend_in_any_quality(tmp_path: Path, backend: str, quality: str) -> None:
    fast = FastOptions(
        device="cpu",
        precision="fp32",
        batch_size=2,
        backend=backend,  # type: ignore[arg-type]
        quality=quality,  # type: ignore[arg-type]
    )
    source, whole, parts = clip(tmp_path / "a.mp4"), tmp_path / "whole.mp4", tmp_path / "b.mp4"

    def stop(progress: Progress) -> None:
        if progress.frames >= 50:
            raise KeyboardInterrupt

    stylize_video(source, whole, "wave", fast=fast)
    with pytest.raises(Interrupted):
        stylize_video(source, parts, "wave", fast=fast, listener=stop)
    summary = stylize_video(source, parts, "wave", fast=fast, resume=True)
    assert summary.skipped >= 24
    same(whole, parts)
    painted = images(whole)
    assert len(painted) == 80
    assert all(picture.shape == (64, 96, 3) for picture in painted)
