"""Passes for compositing: motion vectors as Nuke has them, and occlusion."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from sequences.shots import contents, pan, write_shot
from toys import toy_photo, toy_style

from vidstyle.errors import OutputError
from vidstyle.image import read_image, write_image
from vidstyle.pipeline.frames import FrameOptions, stylize_frames
from vidstyle.pipeline.passes import motion_channels, occlusion_picture
from vidstyle.stylizers import FastOptions
from vidstyle.temporal.flow import warp
from vidstyle.temporal.motion import Motion, TemporalOptions

FAST = FastOptions(device="cpu", precision="fp32")
EXR = pytest.importorskip("OpenEXR")
COUNT = 6
U, V = 6, 4  # pixels a frame, to the right and up


def view(index: int) -> np.ndarray:
    """What is seen moves to the right and up."""
    photo = cv2.GaussianBlur(toy_photo(260, 200), (0, 0), 1)
    left, top = 8 * U - U * index, V * index
    return np.ascontiguousarray(photo[top : top + 128, left : left + 160])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(COUNT):
        write_image(folder / f"shot_{11 + index:04d}.png", view(index))
    return folder


def stylize(source: Path, output: Path, temporal: float = 0.6, **more):  # type: ignore[no-untyped-def]
    return stylize_frames(
        source,
        output,
        toy_style(),
        fast=FAST,
        temporal=TemporalOptions(temporal),
        frames=FrameOptions(**more),
    )


def vectors(path: Path) -> dict[str, np.ndarray]:
    with EXR.File(str(path), separate_channels=True) as file:
        return {name: channel.pixels.copy() for name, channel in file.channels().items()}


def test_vectors_point_to_the_other_frames(source: Path, tmp_path: Path) -> None:
    stylize(source, tmp_path / "out", write_flow=tmp_path / "flow")
    names = sorted(path.name for path in (tmp_path / "flow").iterdir())
    assert names == [f"shot_{11 + n:04d}.exr" for n in range(COUNT)]
    for index in range(COUNT):
        found = vectors(tmp_path / "flow" / f"shot_{11 + index:04d}.exr")
        assert sorted(found) == ["backward.u", "backward.v", "forward.u", "forward.v"]
        assert {(p.shape, p.dtype.name) for p in found.values()} == {((128, 160), "float32")}
        medians = {name: float(np.median(plane[20:-20, 20:-20])) for name, plane in found.items()}
        forward = (U, V) if index < COUNT - 1 else (0, 0)
        backward = (-U, -V) if index > 0 else (0, 0)
        assert (medians["forward.u"], medians["forward.v"]) == pytest.approx(forward, abs=0.3)
        assert (medians["backward.u"], medians["backward.v"]) == pytest.approx(backward, abs=0.3)


def test_the_other_frame_warped_gives_this_one(source: Path, tmp_path: Path) -> None:
    """As a compositor warps: picks at each pixel what lies (u, v) away, v up."""
    stylize(source, tmp_path / "out", write_flow=tmp_path / "flow")
    found = vectors(tmp_path / "flow" / "shot_0013.exr")
    for layer, other in (("forward", 3), ("backward", 1)):
        offsets = np.dstack([found[f"{layer}.u"], -found[f"{layer}.v"]])
        moved = warp(view(other), offsets).astype(int)[20:-20, 20:-20]
        here, there = (view(n).astype(int)[20:-20, 20:-20] for n in (2, other))
        assert np.abs(moved - here).mean() < 0.25 * np.abs(there - here).mean()


def test_large_pictures_have_vectors_in_their_own_pixels() -> None:
    flow = np.zeros((4, 8, 2), np.float32)
    flow[:] = (1, -2)  # right and up, rows counted from the top
    channels = motion_channels(flow, None, 16, 12)
    assert {channel.shape for channel in channels.values()} == {(12, 16)}
    assert (channels["forward.u"] == 2).all() and (channels["forward.v"] == 6).all()
    assert not channels["backward.u"].any()


def test_occlusion(tmp_path: Path) -> None:
    """A bar moves over a scene; what it uncovers was hidden."""
    source = tmp_path / "in"
    source.mkdir()
    photo = cv2.GaussianBlur(toy_photo(200, 120), (0, 0), 1)
    bar = cv2.GaussianBlur(toy_photo(40, 120, seed=4), (0, 0), 1)
    for index in range(4):
        image = photo.copy()
        image[:, 40 + 10 * index : 80 + 10 * index] = bar
        write_image(source / f"{index}.png", image)
    stylize(source, tmp_path / "out", write_occlusion=tmp_path / "hidden")
    first = read_image(tmp_path / "hidden" / "0.png")
    assert first.shape == (120, 200, 3) and (first == 255).all()
    mask = read_image(tmp_path / "hidden" / "2.png").mean(axis=(0, 2)) / 255
    assert mask[52:58].mean() > 0.6
    assert mask[120:190].mean() < 0.1


def test_soft_masks() -> None:
    visible = np.array([[0, 0.25], [0.5, 1]], np.float32)
    motion = Motion(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 2), np.float32), visible)
    assert occlusion_picture(motion, 2, 2)[:, :, 0].tolist() == [[255, 191], [128, 0]]


def test_none_across_a_gap(source: Path, tmp_path: Path) -> None:
    (source / "shot_0013.png").unlink()
    stylize(source, tmp_path / "out", write_flow=tmp_path / "flow")
    before, after = (vectors(tmp_path / "flow" / f"shot_{n:04d}.exr") for n in (12, 14))
    assert not before["forward.u"].any() and before["backward.u"].any()
    assert not after["backward.u"].any() and after["forward.u"].any()


def test_a_frame_that_is_repaired_has_a_frame_before(source: Path, tmp_path: Path) -> None:
    whole = (source / "shot_0013.png").read_bytes()
    (source / "shot_0013.png").write_bytes(whole[:3000])
    options = {"on_error": "skip", "write_flow": tmp_path / "flow"}
    stylize(source, tmp_path / "out", **options)
    assert not vectors(tmp_path / "flow" / "shot_0012.exr")["forward.u"].any()
    (source / "shot_0013.png").write_bytes(whole)
    stylize(source, tmp_path / "out", **options)
    stylize(source, tmp_path / "whole", write_flow=tmp_path / "whole-flow")
    assert contents(tmp_path / "flow") == contents(tmp_path / "whole-flow")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert stylize(source, tmp_path / "out", **options).frames == 0


def test_vectors_lead_to_the_frame_that_was_rendered_again(source: Path, tmp_path: Path) -> None:
    stylize(source, tmp_path / "out", write_flow=tmp_path / "flow")
    write_image(source / "shot_0014.png", np.roll(view(3), 5, axis=0))
    stylize(source, tmp_path / "out", write_flow=tmp_path / "flow")
    stylize(source, tmp_path / "whole", write_flow=tmp_path / "whole-flow")
    assert contents(tmp_path / "flow") == contents(tmp_path / "whole-flow")


@pytest.mark.parametrize("temporal", [0.6, 0.0])
def test_passes_are_resumed(source: Path, tmp_path: Path, temporal: float) -> None:
    def both(name: str, frames: str | None = None) -> dict[str, bytes]:
        folder = tmp_path / name
        stylize(
            source,
            folder,
            temporal,
            frames=frames,
            write_flow=folder / "flow",
            write_occlusion=folder / "hidden",
        )
        return (
            contents(folder)
            | contents(folder / "flow")
            | {f"hidden {k}": v for k, v in contents(folder / "hidden").items()}
        )

    whole = both("whole")
    assert len(whole) == 3 * COUNT
    both("out", "11-13")  # the last knows nothing of the next yet
    assert both("out") == whole
    (tmp_path / "out" / "flow" / "shot_0013.exr").unlink()
    (tmp_path / "out" / "hidden" / "shot_0015.png").unlink()
    (tmp_path / "out" / "shot_0012.png").unlink()
    assert both("out") == whole
    # Passes that are wanted later leave the pictures alone.
    stylize(source, tmp_path / "late", temporal)
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "late").glob("*.png")}
    assert both("late") == whole
    assert times == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "late").glob("*.png")}


def test_passes_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    source = write_shot(tmp_path / "in", range(1, 3))
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow" / "shot_0002.exr").write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"flow/shot_0002\.exr: exists already"):
        stylize(source, tmp_path / "out", write_flow=tmp_path / "flow")
    assert (tmp_path / "flow" / "shot_0002.exr").read_bytes() == b"precious"
    assert np.array_equal(read_image(source / "shot_0001.png"), pan(0))
