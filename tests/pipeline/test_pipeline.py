"""From file to file: order, times, batches, and what is left when something goes wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from clips import (
    Recipe,
    Sound,
    corners,
    frame_times,
    images,
    number_of,
    packets,
    write_clip,
)
from toys import identity, toy_style, write_toy

from vidstyle.errors import InputError, Interrupted, OutputError, StyleError
from vidstyle.pipeline.summary import Progress, Summary
from vidstyle.pipeline.video import default_output, stylize_video
from vidstyle.styles import Style
from vidstyle.stylizers import FastOptions
from vidstyle.temporal.motion import TemporalOptions
from vidstyle.video import ReadOptions, WriteOptions

UNEVEN = (0, 3, 4, 9, 10, 11, 20, 21, 29, 30, 31, 40)
"""Times of frames of a variable rate, in 24ths of a second."""


def fast(batch_size: int | None = None) -> FastOptions:
    return FastOptions(device="cpu", precision="fp32", batch_size=batch_size)


def stylize(
    source: Path, output: Path | None = None, style: Style | None = None, **more
) -> Summary:
    more = {"fast": fast(), "write": WriteOptions(preset="ultrafast"), **more}
    return stylize_video(source, output, style or identity(), **more)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert not [t for t in threading.enumerate() if t not in before and t.is_alive()]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- what comes out -------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_frames_keep_their_order_and_times(tmp_path: Path, batch_size: int) -> None:
    source = write_clip(tmp_path / "a.mp4", ticks=UNEVEN)
    summary = stylize(source, tmp_path / "b.mp4", fast=fast(batch_size))
    assert summary.frames == len(UNEVEN)
    assert [number_of(image) for image in images(tmp_path / "b.mp4")] == list(range(len(UNEVEN)))
    assert frame_times(tmp_path / "b.mp4") == [Fraction(tick, 24) for tick in UNEVEN]


def test_sound_comes_along(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", sounds=(Sound(),))
    stylize(source, tmp_path / "b.mp4")
    assert packets(tmp_path / "b.mp4") == packets(source)
    stylize(source, tmp_path / "c.mp4", write=WriteOptions(preset="ultrafast", audio="none"))
    with pytest.raises(IndexError):
        packets(tmp_path / "c.mp4")


def test_batches_give_the_same_pictures(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Recipe(ticks=tuple(range(7))))
    results = []
    for size in (1, 3):
        output = tmp_path / f"{size}.mkv"
        lossless = WriteOptions(codec="ffv1", pix_fmt="bgr0")
        stylize(source, output, toy_style(), fast=fast(size), write=lossless)
        results.append(np.stack(images(output)).astype(int))
    assert results[0].std() > 10
    assert np.abs(results[0] - results[1]).max() <= 1


def test_compare_puts_both_side_by_side(tmp_path: Path) -> None:
    source = write_clip(
        tmp_path / "a.mp4", Recipe(ticks=(0, 1, 2), image=lambda _n, *s: corners(*s))
    )
    alone, both = tmp_path / "alone.mp4", tmp_path / "both.mp4"
    stylize(source, alone, toy_style())
    stylize(source, both, toy_style(), compare=True)
    for photo, result, pair in zip(images(source), images(alone), images(both), strict=True):
        assert pair.shape == (48, 128, 3)
        left, right = pair[:, :60].astype(int), pair[:, 68:].astype(int)
        assert np.abs(left - photo[:, :60]).mean() < 6
        assert np.abs(right - result[:, 4:]).mean() < 6
        assert np.abs(left - result[:, :60]).mean() > 20


def test_a_part_at_another_size(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4")
    read = ReadOptions(start=0.25, end=0.75, scale=0.5)
    summary = stylize(source, tmp_path / "b.mp4", read=read)
    assert summary.frames == 12
    assert [number_of(image) for image in images(tmp_path / "b.mp4")] == list(range(6, 18))
    assert images(tmp_path / "b.mp4")[0].shape == (24, 32, 3)


def test_odd_sizes(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", size=(61, 43), codec="ffv1", pix_fmt="bgr0")
    summary = stylize(source, tmp_path / "b.mp4")
    assert images(tmp_path / "b.mp4")[0].shape == (44, 62, 3)
    assert any("61×43" in warning for warning in summary.warnings)


# -- the past -------------------------------------------------------------------------------


def shot(number: int, width: int, height: int) -> np.ndarray:
    """A still scene with a camera's noise; another one from number 6 on."""
    patches = np.random.default_rng((0, number // 6)).random((12, 16, 3), np.float32)
    still = 40 + 160 * cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng((1, number)).normal(0, 6, still.shape)
    return np.clip(still + noise, 0, 255).astype(np.uint8)


def noisy_clip(folder: Path, count: int = 12, first: int = 0) -> Path:
    """24 frames a second, lossless, the first one at tick ``first``."""
    return write_clip(
        folder / "noisy.mkv",
        Recipe(ticks=range(first, first + count), image=shot, codec="ffv1", pix_fmt="bgr0"),
    )


def lossless(source: Path, output: Path, **more) -> list[np.ndarray]:  # type: ignore[no-untyped-def]
    """Stylize and read back."""
    stylize(source, output, write=WriteOptions(codec="ffv1", pix_fmt="bgr0"), **more)
    return images(output)


def begins(steadied: list[np.ndarray], alone: list[np.ndarray]) -> list[int]:
    """Frames that show nothing of the past."""
    pairs = zip(steadied, alone, strict=True)
    return [index for index, (one, other) in enumerate(pairs) if np.array_equal(one, other)]


def test_batches_share_one_memory(tmp_path: Path) -> None:
    source, style = noisy_clip(tmp_path), toy_style()
    videos = []
    for size in (1, 16):
        off = TemporalOptions(0)
        video = lossless(source, tmp_path / f"{size}.mkv", style=style, fast=fast(size))
        alone = lossless(
            source, tmp_path / f"{size}.off.mkv", style=style, fast=fast(size), temporal=off
        )
        assert begins(video, alone) == [0, 6]
        videos.append(np.stack(video).astype(int))
    # With a frame for each core, sums are added up in another order than with all on one frame.
    assert np.abs(videos[0] - videos[1]).max() <= 2
    assert np.abs(videos[0] - videos[1]).mean() < 0.01


def test_a_noisy_still_scene_is_steadier_with_memory(tmp_path: Path) -> None:
    source = noisy_clip(tmp_path, 6)
    alone = lossless(source, tmp_path / "0.mkv", style=toy_style(), temporal=TemporalOptions(0))
    steadied = lossless(source, tmp_path / "1.mkv", style=toy_style())

    def change(video: list[np.ndarray]) -> float:
        return float(np.abs(np.diff(np.stack(video).astype(float), axis=0)).mean())

    assert change(alone) > 1
    assert change(steadied) < change(alone) / 2
    assert np.std(steadied[-1]) > 0.95 * np.std(alone[-1])


def test_compare_shows_the_input_untouched_by_memory(tmp_path: Path) -> None:
    source = noisy_clip(tmp_path)
    pairs = lossless(source, tmp_path / "both.mkv", style=toy_style(), compare=True)
    alone = lossless(source, tmp_path / "alone.mkv", style=toy_style())
    assert np.array_equal([pair[:, :64] for pair in pairs], images(source))
    assert np.array_equal([pair[:, 64:] for pair in pairs], alone)


@pytest.mark.parametrize("first", [0, 240])
def test_listed_cuts_are_on_the_clips_own_clock(tmp_path: Path, first: int) -> None:
    source, listed = noisy_clip(tmp_path, 24, first), tmp_path / "cuts.txt"
    listed.write_text("0.125\n0.75\n")
    read = ReadOptions(start=0.5)
    alone = lossless(source, tmp_path / "0.mkv", temporal=TemporalOptions(0), read=read)
    assert np.array_equal(alone, images(source)[12:])
    options = TemporalOptions(cuts=listed)
    steadied = lossless(source, tmp_path / "1.mkv", temporal=options, read=read)
    assert begins(steadied, alone) == [0, 6]
    whole = lossless(source, tmp_path / "2.mkv", temporal=options)
    assert begins(whole, images(source)) == [0, 3, 18]


# -- names ----------------------------------------------------------------------------------


def test_the_output_is_named_after_source_and_style(tmp_path: Path) -> None:
    assert default_output("dir/clip.mov", "scream") == Path("dir/clip.scream.mp4")
    source = write_clip(tmp_path / "my.clip.mkv")
    assert stylize(source).output == tmp_path / "my.clip.none.mp4"
    style = write_toy(tmp_path / "two.safetensors", ["alpha", "beta"])
    blend = stylize_video(source, style=f"{style}#alpha:0.7,{style}#beta:0.3", fast=fast())
    assert blend.output == tmp_path / "my.clip.alpha+beta.mp4"
    assert blend.output.is_file()


# -- progress -------------------------------------------------------------------------------


def test_the_listener_hears_of_every_batch(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Recipe(ticks=tuple(range(10))))
    heard: list[Progress] = []
    summary = stylize(source, tmp_path / "b.mp4", fast=fast(4), listener=heard.append)
    assert [progress.frames for progress in heard] == [4, 8, 10]
    assert {progress.total for progress in heard} == {10}
    seconds = [progress.seconds for progress in heard]
    assert seconds == sorted(seconds)
    assert heard[-1].rate == pytest.approx(10 / seconds[-1])
    assert summary.seconds >= seconds[-1] > 0
    assert summary.rate == pytest.approx(10 / summary.seconds)


def test_the_time_to_the_first_frame(tmp_path: Path) -> None:
    """From the call, that of loading the model included."""
    source = write_clip(tmp_path / "a.mp4", Recipe(ticks=tuple(range(10))))
    began = time.perf_counter()
    summary = stylize(source, tmp_path / "b.mp4", fast=fast(2))
    first = summary.first_frame
    assert first is not None and 0 < first < time.perf_counter() - began
    assert first > summary.stages["encode"].seconds / 10
    assert Summary(source, 0, 0.0).first_frame is None


def test_no_time_is_no_rate() -> None:
    assert Progress(0, None, 0.0).rate == Summary(Path("a"), 0, 0.0).rate == 0


# -- when something goes wrong --------------------------------------------------------------


class Trouble(Exception):
    pass


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4")

    def fail(progress: Progress) -> None:
        if progress.frames == 10:
            raise Trouble("listening")

    with pytest.raises(Trouble, match="listening"):
        stylize(source, tmp_path / "b.mp4", listener=fail)
    assert names(tmp_path) == ["a.mp4"]


def test_damage_found_late_ends_a_strict_run(tmp_path: Path) -> None:
    whole = write_clip(
        tmp_path / "whole.mkv", Recipe(ticks=tuple(range(96)), options={"g": "12"})
    ).read_bytes()
    source = tmp_path / "cut.mkv"
    source.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(InputError, match=r"cut\.mkv"):
        stylize(source, tmp_path / "b.mp4", read=ReadOptions(strict=True))
    assert "b.mp4" not in names(tmp_path)
    summary = stylize(source, tmp_path / "b.mp4", resume=True)
    assert summary.frames == len(images(tmp_path / "b.mp4")) < 96
    assert any("truncated" in warning for warning in summary.warnings)


def test_what_is_asked_wrongly_is_told_before_any_work(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4")
    with pytest.raises(StyleError):
        stylize_video(source, style="nosuch", fast=fast())
    with pytest.raises(InputError):
        stylize(tmp_path / "missing.mp4", tmp_path / "b.mp4")
    with pytest.raises(OutputError):
        stylize(source, source)
    with pytest.raises(OutputError):
        stylize(source, tmp_path / "b.xyz")
    with pytest.raises(InputError, match="nosuch"):
        stylize(source, tmp_path / "b.mp4", temporal=TemporalOptions(cuts=tmp_path / "nosuch"))
    assert names(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize("tile", [0, 64])
def test_frames_for_which_memory_ran_out_are_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tile: int
) -> None:
    style = toy_style()
    source = write_clip(tmp_path / "a.mp4", Recipe(ticks=tuple(range(20))))
    lossless = WriteOptions(codec="ffv1", pix_fmt="bgr0")
    plain = TemporalOptions(temporal=0)
    stylize(source, tmp_path / "b.mkv", style, fast=fast(1), write=lossless, temporal=plain)
    count = 0

    def run_out(module: object, inputs: tuple[torch.Tensor, ...]) -> None:
        nonlocal count
        count += 1
        if count >= 5 and inputs[0].shape[2] > 64:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    style.network.conv_in.register_forward_pre_hook(run_out)  # goes along when it is copied
    options = replace(fast(4), tile=tile, backend="torch")
    summary = stylize(
        source, tmp_path / "c.mkv", style, fast=options, write=lossless, temporal=plain
    )
    notes = [warning for warning in summary.warnings if "memory" in warning]
    assert notes == ["cpu ran out of memory: continued with 1 frame at once, in strips of 32 rows"]
    before, after = images(tmp_path / "b.mkv"), images(tmp_path / "c.mkv")
    assert len(after) == summary.frames == 20
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(before, after, strict=True))


def test_an_existing_output_survives_a_failure(tmp_path: Path) -> None:
    source, output = write_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    output.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        stylize(source, output)

    def fail(progress: Progress) -> None:
        raise Trouble

    with pytest.raises(Trouble):
        stylize(source, output, write=WriteOptions(overwrite=True), listener=fail)
    assert output.read_bytes() == b"precious"


def interrupt_at(frame: int):  # type: ignore[no-untyped-def]
    def listen(progress: Progress) -> None:
        if progress.frames >= frame:
            raise KeyboardInterrupt

    return listen


def test_ctrl_c_keeps_what_was_finished(tmp_path: Path) -> None:
    source = write_clip(
        tmp_path / "a.mp4", Recipe(ticks=tuple(range(96)), sounds=(Sound(seconds=4),))
    )
    with pytest.raises(Interrupted) as caught:
        stylize(source, tmp_path / "b.mp4", listener=interrupt_at(60))
    partial = tmp_path / "b.partial.mp4"
    assert caught.value.partial == partial
    assert names(tmp_path) == [".b.mp4.work", "a.mp4", "b.partial.mp4"]
    kept = [number_of(image) for image in images(partial)]
    assert 40 < len(kept) <= 60
    assert kept == list(range(len(kept)))
    assert 0 < len(packets(partial)) < len(packets(source))


def test_ctrl_c_before_the_first_frame_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_clip(tmp_path / "a.mp4")

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vidstyle.pipeline.video.process", interrupted)
    with pytest.raises(Interrupted) as caught:
        stylize(source, tmp_path / "b.mp4")
    assert caught.value.partial is None
    assert names(tmp_path) == ["a.mp4"]
