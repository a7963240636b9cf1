"""Videos in the look of a photo: shots, key frames, what is kept, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from clips import Recipe, frame_times, images, write_clip
from toys import toy_photo, toy_vgg

from vidstyle.errors import Interrupted, OptionError, OutputError
from vidstyle.evaluate.metrics import valid_mask, warping_error
from vidstyle.frame import Frame
from vidstyle.image import read_image
from vidstyle.models.losses import edge_correlation
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.options import (
    PHOTOGRAPHS,
    OptimizeOptions,
    PhotorealismOptions,
    TemporalOptions,
    WriteOptions,
)
from vidstyle.pipeline import photorealistic
from vidstyle.pipeline.photorealistic import Look, LookStylizer, photorealistic_video, steadied
from vidstyle.pipeline.summary import Progress, Summary
from vidstyle.stylizers.bilateral_grid import BilateralGrid
from vidstyle.temporal.flow import dense_flow
from vidstyle.video import ReadOptions, VideoReader

SIZE = 96, 64
VGG = VGG19(toy_vgg(), "relu4_1")
NIGHT = toy_photo(50, 60, seed=9) // 4
QUICK = OptimizeOptions(
    content_layers=(("relu2_1", 1.0),),
    style_layers=(("relu1_1", 1.0),),
    tv_weight=0.0,
    style_weight=50.0,
    iterations=8,
    scales=1,
    device="cpu",
    precision="fp32",
)
LOSSLESS = WriteOptions(codec="ffv1", pix_fmt="bgr0")


def two_shots(number: int, width: int, height: int) -> np.ndarray:
    """A pan, and from the fifth frame on another one."""
    wide = toy_photo(3 * width, height, seed=1 if number < 5 else 2)
    return np.ascontiguousarray(wide[:, 2 * number : 2 * number + width])


def clip(path: Path, count: int = 10, **changes: Any) -> Path:
    usual = {
        "ticks": tuple(range(count)),
        "size": SIZE,
        "codec": "ffv1",
        "pix_fmt": "bgr0",
        "image": two_shots,
    }
    return write_clip(path, Recipe(**{**usual, **changes}))


def restyle(source: Path, output: Path, **more: Any) -> Summary:
    given = {"optimize": QUICK, "write": LOSSLESS, "vgg": VGG, **more}
    return photorealistic_video(source, output, [(NIGHT, 1.0)], **given)


def test_frames_keep_their_shapes_and_take_the_light(tmp_path: Path) -> None:
    source, output = clip(tmp_path / "in.mkv"), tmp_path / "out.mkv"
    heard: list[Progress] = []
    longer = replace(QUICK, iterations=20)
    summary = restyle(source, output, listener=heard.append, optimize=longer)
    before, after = images(source), images(output)
    assert summary.frames == len(after) == 10
    assert frame_times(output) == frame_times(source)
    assert (heard[-1].frames, heard[-1].total) == (20, 20)
    for old, new in zip(before, after, strict=True):
        assert new.mean() < 0.8 * old.mean()
        assert np.corrcoef(old.mean(axis=2).ravel(), new.mean(axis=2).ravel())[0, 1] > 0.9


def test_each_shot_has_its_look_and_long_ones_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Look] = []

    def stylizer(looks: list[Look], *rest: Any) -> LookStylizer:
        found.extend(looks)
        return LookStylizer(looks, *rest)

    monkeypatch.setattr(photorealistic, "LookStylizer", stylizer)
    source = clip(tmp_path / "in.mkv")
    times = frame_times(source)
    look = PhotorealismOptions(key_interval=float(3 * (times[1] - times[0])) - 1e-3)
    cuts = tmp_path / "cuts.txt"
    cuts.write_text("#5\n")
    listed = TemporalOptions(cuts=str(cuts))
    restyle(source, tmp_path / "out.mkv", photorealism=look, temporal=listed)
    keys = [float(times[n]) for n in (0, 3, 5, 8)]
    assert [look.time for look in found] == pytest.approx(keys)
    assert [look.first for look in found] == [True, False, True, False]


def flat(level: float) -> BilateralGrid:
    transforms = torch.zeros((2, 2, 2, 12))
    transforms[..., 9:] = level
    return BilateralGrid(transforms)


@pytest.mark.parametrize(
    ("time", "level"), [(0.0, 0.2), (0.5, 0.3), (1.0, 0.4), (1.9, 0.4), (2.0, 0.8), (9.0, 0.8)]
)
def test_looks_are_mixed_within_a_shot_and_not_across_a_cut(time: float, level: float) -> None:
    looks = [Look(0.0, True, flat(0.2)), Look(1.0, False, flat(0.4)), Look(2.0, True, flat(0.8))]
    stylizer = LookStylizer(looks, lambda frame, image: frame)
    assert float(stylizer.grid_at(time).transforms[0, 0, 0, 9]) == pytest.approx(level)


def test_looks_are_smoothed_along_time_within_a_shot() -> None:
    levels = {0.0: 0.0, 1.0: 0.4, 2.0: 0.0, 3.0: 0.8}
    looks = [Look(time, time in (0.0, 3.0), flat(level)) for time, level in levels.items()]
    smooth = [float(look.grid.transforms[0, 0, 0, 9]) for look in steadied(looks)]
    assert smooth == pytest.approx([0.4 / 3, 0.2, 0.4 / 3, 0.8])
    assert [(look.time, look.first) for look in steadied(looks)] == [
        (look.time, look.first) for look in looks
    ]


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    def ramp(number: int, width: int, height: int) -> np.ndarray:
        return np.linspace(40, 200, width * height * 3).reshape(height, width, 3).astype(np.uint8)

    source = clip(tmp_path / "in.mkv", 3, pix_fmt="yuv420p10le", image=ramp)
    write = WriteOptions(codec="ffv1")
    restyle(source, tmp_path / "out.mkv", write=write, read=ReadOptions(bit_depth="auto"))
    with av.open(str(tmp_path / "out.mkv")) as container:
        frame = next(container.decode(video=0))
        assert "10" in frame.format.name
        assert len(np.unique(frame.to_ndarray())) > 256


def test_an_interrupted_run_goes_on_and_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = clip(tmp_path / "in.mkv", 60)
    whole, parts = tmp_path / "whole.mkv", tmp_path / "parts.mkv"
    look = PhotorealismOptions(key_interval=100.0)
    restyle(source, whole, photorealism=look)
    finish, seen = LookStylizer.finish, []

    def stop(self: LookStylizer, *given: Any) -> Frame:
        seen.append(given)
        if len(seen) == 40:
            raise KeyboardInterrupt
        return finish(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(LookStylizer, "finish", stop)
        with pytest.raises(Interrupted):
            restyle(source, parts, photorealism=look)
    assert not parts.exists()
    with pytest.raises(OptionError, match="photorealism weight"):
        other = PhotorealismOptions(key_interval=100.0, photorealism_weight=5.0)
        restyle(source, parts, photorealism=other, resume=True)
    summary = restyle(source, parts, photorealism=look, resume=True)
    assert summary.skipped > 0
    for first, second in zip(images(whole), images(parts), strict=True):
        np.testing.assert_array_equal(first, second)


def test_an_interruption_while_learning_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    source, output = clip(tmp_path / "in.mkv"), tmp_path / "out.mkv"

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as interrupt:
        restyle(source, output, listener=stop)
    assert interrupt.value.partial is None
    assert not output.exists()
    restyle(source, output)
    assert len(images(output)) == 10


def test_regions_are_found_in_key_frames(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mkv", 6)
    restyle(source, tmp_path / "out.mkv", photorealism=PhotorealismOptions(auto_regions=2))
    assert len(images(tmp_path / "out.mkv")) == 6


def test_what_makes_no_sense_is_refused_before_the_work(tmp_path: Path) -> None:
    source, output = clip(tmp_path / "in.mkv", 2), tmp_path / "out.mkv"

    def refused(**more: Any) -> None:
        restyle(source, output, listener=lambda progress: pytest.fail("worked"), **more)

    with pytest.raises(OptionError, match="still pictures"):
        refused(photorealism=PhotorealismOptions(regions=(tmp_path, tmp_path)))
    with pytest.raises(OptionError, match="one style"):
        two = [(NIGHT, 1.0), (NIGHT, 1.0)]
        look = PhotorealismOptions(auto_regions=2)
        photorealistic_video(source, output, two, photorealism=look, vgg=VGG)
    with pytest.raises(OutputError):
        restyle(source, tmp_path / "nowhere" / "out.mkv")
    assert not output.exists()


@pytest.mark.slow
@pytest.mark.data
def test_a_real_clip_does_not_flicker_and_keeps_its_edges(data: Path, tmp_path: Path) -> None:
    source, output = data / "clips" / "lofoten.mp4", tmp_path / "out.mkv"
    read = ReadOptions(max_side=256, end=2.5)
    photorealistic_video(
        source,
        output,
        [(read_image(data / "photos" / "osie_1058.jpg"), 1.0)],
        photorealism=PhotorealismOptions(photorealistic=True, key_interval=1.0),
        optimize=replace(PHOTOGRAPHS, iterations=20),
        read=read,
        write=replace(LOSSLESS, audio="none"),
        vgg=load_vgg19(data / "vgg19" / "vgg19-imagenet-oxford-features.safetensors", "relu4_2"),
    )
    with VideoReader(source, read) as reader:
        before = [frame.image for frame in reader]
    after = images(output)
    errors = []
    for n in range(1, len(before)):
        flow = dense_flow(before[n], before[n - 1])
        mask = valid_mask(flow, dense_flow(before[n - 1], before[n]))
        pairs = ((v[n], v[n - 1]) for v in (before, after))
        errors.append([warping_error(*pair, flow, mask) for pair in pairs])
    floor, error = np.nanmean(errors, axis=0)
    contrasts = [np.mean([frame.var() for frame in frames]) for frames in (before, after)]
    assert error / contrasts[1] < 1.05 * floor / contrasts[0]
    for old, new in zip(before[::10], after[::10], strict=True):
        assert edge_correlation(as_tensor(new), as_tensor(old), 1) > 0.95
        assert np.abs(new.mean(axis=(0, 1)) - old.mean(axis=(0, 1))).max() > 20
