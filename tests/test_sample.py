"""The harbour clip: its script draws the same frames every time and knows their exact flow."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
SIZE = {"width": 240, "height": 136}


def warp(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """``image`` of frame t - 1, moved onto frame t by the backward ``flow``.

    Linear on purpose: OpenCV rounds the positions of its longer kernels to 1/32 pixel.
    """
    h, w = flow.shape[:2]
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    x, y = x + flow[..., 0], y + flow[..., 1]
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)


@pytest.mark.slow
def test_render_is_deterministic(harbour):
    first = harbour.render(40, **SIZE)
    harbour._scene.cache_clear()  # repaint the plates as well
    assert first.shape == (136, 240, 3) and first.dtype == np.uint8
    assert np.array_equal(first, harbour.render(40, **SIZE))
    assert not np.array_equal(first, harbour.render(40, **SIZE, grain=False))


def test_grain_is_slight_and_changes_from_frame_to_frame(harbour):
    def grain(t):
        clean = harbour.render(t, **SIZE, grain=False).astype(int)
        return harbour.render(t, **SIZE).astype(int) - clean

    a, b = grain(10), grain(11)
    assert 0.3 < a.std() < 3
    assert not np.array_equal(a, b)


@pytest.mark.slow
def test_sizes_show_the_same_scene(harbour):
    large = harbour.render(30, width=480, height=270, grain=False)
    small = harbour.render(30, width=240, height=135, grain=False)
    shrunk = cv2.resize(large, (240, 135), interpolation=cv2.INTER_AREA)
    dry = slice(0, 75)  # ripples are drawn as fine as the pixels allow
    assert np.abs(small[dry].astype(int) - shrunk[dry]).mean() < 3
    assert harbour.render(30, width=90, height=160).shape == (160, 90, 3)


@pytest.mark.parametrize("t", [1, 74, 149])
def test_flow_warps_the_previous_frame_onto_this_one(harbour, t):
    size = {"width": 480, "height": 270}
    flow, valid = harbour.flow(t, **size)
    assert flow.shape == (270, 480, 2) and flow.dtype == np.float32
    assert valid.shape == (270, 480) and valid.dtype == bool
    assert 0.5 < valid.mean() < 0.7  # the rest is water, above all

    now, before = (harbour.render(s, **size, grain=False).astype(np.float32) for s in (t, t - 1))
    assert np.abs(warp(before, flow) - now)[valid].mean() < 0.6
    # Smoothed pictures can be resampled almost without loss: what is left is the flow's error.
    now, before = (cv2.GaussianBlur(image, (0, 0), 1.2) for image in (now, before))
    inner = cv2.erode(valid.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=0) > 0
    moved, still = (np.abs(image - now)[inner].mean() for image in (warp(before, flow), before))
    assert moved < 0.12
    assert moved < 0.5 * still


def test_flow_is_exact_for_each_layer(harbour):
    view = harbour.View(**SIZE)
    flow, valid = harbour.flow(60, **SIZE)
    owner, _ = harbour._owners(view, 60)
    sky = flow[valid & (owner == 0)]
    pan = harbour._parallax(harbour.HORIZON) * harbour.PAN * view.scale
    assert np.allclose(sky, (pan, 0), atol=1e-4)
    shift = [np.median(flow[owner == i][:, 0]) for i in (0, 1, 2, 3, 4)]
    assert shift == sorted(shift)  # nearer layers pan faster
    assert not valid[owner == -1].any()  # water


def test_the_flash_is_not_valid_flow(harbour):
    view = harbour.View(**SIZE)
    lamp = [int(np.abs(axis - c).argmin()) for axis, c in zip(
        (view.y, view.x), harbour.LAMP[::-1], strict=True)]  # fmt: skip
    for frame in harbour.FLASHES:
        dark, lit = (harbour.render(t, **SIZE, grain=False).mean() for t in (frame - 1, frame))
        assert lit > dark + 0.5
        near = harbour.flow(frame, **SIZE)[1][lamp[0] - 4 : lamp[0] + 5, lamp[1] - 4 : lamp[1] + 5]
        assert not near.any()


def test_sound(harbour):
    sound = harbour.sound()
    assert sound.shape == (2, 48_000 * 6) and sound.dtype == np.float32
    assert 0.2 < np.abs(sound).max() < 0.95
    assert np.abs(sound[:, :100]).max() < 1e-3 and np.abs(sound[:, -100:]).max() < 1e-3
    # The bell's own tone sets in with the flash, and not before.
    tone = np.exp(-2j * np.pi * 523 * np.arange(4800) / 48_000)
    for frame in harbour.FLASHES:
        at = frame * 48_000 // 25
        before, after = (abs(tone @ sound[0, s : s + 4800]) for s in (at - 4800, at))
        assert after > 2.5 * before


@pytest.mark.slow
def test_committed_clip(harbour):
    path = SAMPLES / "harbour.mp4"
    assert path.stat().st_size < 2_000_000
    with av.open(str(path)) as clip:
        assert clip.metadata["title"] == harbour.TITLE
        video, audio = clip.streams.video[0], clip.streams.audio[0]
        c = video.codec_context
        assert (c.name, c.pix_fmt, c.width, c.height) == ("h264", "yuv420p", 960, 540)
        assert c.colorspace == Colorspace.ITU709 and c.color_range == ColorRange.MPEG
        assert c.color_primaries == ColorPrimaries.BT709 and c.color_trc == ColorTrc.BT709
        assert video.average_rate == 25
        assert audio.codec_context.name == "aac"
        assert (audio.layout.name, audio.rate) == ("stereo", 48_000)
        assert abs(audio.duration * audio.time_base - 6) <= Fraction(1, 25)
        frames = list(clip.decode(video))
    assert [f.pts * f.time_base for f in frames] == [Fraction(i, 25) for i in range(150)]
    picture = frames[75].to_ndarray(format="rgb24").astype(int)
    assert np.abs(picture - harbour.render(75)).mean() < 4


def test_clip_starts_fast():
    data = (SAMPLES / "harbour.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
