"""The fast engine: arrays in, arrays out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from toys import identity, toy_photo, toy_style

from vidstyle.device import has_int8
from vidstyle.errors import DeviceError, OptionError, StyleError
from vidstyle.models.transformer import TransformerNet
from vidstyle.styles import Style, load_style
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.stylizers.fast import TILE, WHOLE_PIXELS

PRECISIONS = ("fp32", "bf16", "fp16")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
needs_int8 = pytest.mark.skipif(not has_int8(), reason="no 8-bit convolutions here")


def engine(style: str | Style | None = None, **options: object) -> FastStylizer:
    """On the CPU, by torch and in fp32 unless told otherwise."""
    chosen = {"device": "cpu", "precision": "fp32", "backend": "torch", **options}
    return FastStylizer(style or toy_style(), FastOptions(**chosen))  # type: ignore[arg-type]


def difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


@pytest.mark.parametrize("shape", [(48, 64, 3), (1, 1, 3), (33, 47, 3), (2, 20, 31, 3)])
def test_the_shape_stays(shape: tuple[int, ...]) -> None:
    result = engine()(np.zeros(shape, np.uint8))
    assert result.shape == shape
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous


def test_the_input_stays_as_it_was() -> None:
    photo = toy_photo()
    engine()(photo)
    np.testing.assert_array_equal(photo, toy_photo())


def test_any_memory_layout_will_do() -> None:
    photo = toy_photo()
    mirrored = np.asfortranarray(photo)[:, ::-1]
    stylizer = engine()
    expected = stylizer(np.ascontiguousarray(mirrored))
    np.testing.assert_array_equal(stylizer(mirrored), expected)
    read_only = photo.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(stylizer(read_only), stylizer(photo))


def test_it_is_the_network_rounded() -> None:
    style, photo = toy_style(), toy_photo()
    pixels = torch.from_numpy(photo).permute(2, 0, 1)[None].double() / 255
    exact = style.network.double()(pixels, style.vector.double()[None])[0]
    expected = (255 * exact).round().clamp(0, 255).permute(1, 2, 0).byte().numpy()
    assert len(np.unique(expected)) > 50
    result = engine(toy_style())(photo)
    assert difference(result, expected) <= 1
    assert (result == expected).mean() > 0.99


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_deep_pictures_pass_through_with_all_their_bits(precision: str) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (21, 34, 3), np.uint16)
    photo = deep.astype(np.float32) / 257
    result = engine(strength=0.0, precision=precision)(photo)
    assert result.dtype == np.float32
    np.testing.assert_array_equal((result * 257).round().astype(np.uint16), deep)


def test_deep_pictures_look_like_shallow_ones() -> None:
    photo, stylizer = toy_photo(), engine()
    deep = stylizer(photo.astype(np.float32))
    assert difference(deep.round().astype(np.uint8), stylizer(photo)) <= 1
    assert len(np.unique(deep)) > 2 * len(np.unique(stylizer(photo)))
    assert deep.min() >= 0 and deep.max() <= 255


def test_the_style_stays_fit_for_another_stylizer() -> None:
    style, photo = toy_style(), toy_photo()
    before = engine(style)(photo)
    engine(style, precision="bf16")(photo)
    np.testing.assert_array_equal(engine(style)(photo), before)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_company_does_not_matter(batch_size: int, precision: str) -> None:
    photos = np.stack([toy_photo(seed=seed) for seed in range(5)])
    stylizer = engine(batch_size=batch_size, precision=precision)
    together = stylizer(photos)
    alone = np.stack([stylizer(photo) for photo in photos])
    assert difference(together, alone) <= 1
    assert difference(alone[0], alone[1]) > 50


def test_it_repeats_itself() -> None:
    photo, stylizer = toy_photo(), engine()
    first = stylizer(photo)
    stylizer(toy_photo(seed=1))
    np.testing.assert_array_equal(stylizer(photo), first)


# -- strength -------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_strength_returns_the_photo(precision: str) -> None:
    photo = toy_photo(61, 47)
    result = engine("scream", strength=0.0, precision=precision)(photo)
    assert difference(result, photo) <= 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_grey_comes_back(precision: str) -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    assert difference(engine(identity(), precision=precision)(greys), greys) <= 1


def test_strength_goes_from_photo_to_style_in_small_steps() -> None:
    photo = toy_photo(96, 64)
    steps = [engine("wave", strength=s)(photo).astype(float) for s in np.linspace(0, 1, 21)]
    jumps = [np.abs(a - b).mean() for a, b in pairwise(steps)]
    whole = np.abs(steps[-1] - steps[0]).mean()
    assert whole > 10
    assert max(jumps) < whole / 3


# -- colour ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1.0), ("bf16", 3.0)])
def test_kept_colours_are_the_photos(precision: str, tolerance: float) -> None:
    photo = 64 + toy_photo(96, 64) // 2
    result = engine("scream", color="keep", precision=precision)(photo)
    red, green, blue = np.moveaxis(result.astype(float) - photo, -1, 0)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    inside = ((result > 0) & (result < 255)).all(axis=-1)
    assert inside.mean() > 0.5
    assert np.abs((blue - luma) / 1.8556)[inside].max() <= tolerance  # Cb after BT.709
    assert np.abs((red - luma) / 1.5748)[inside].max() <= tolerance  # Cr
    assert np.abs(luma).mean() > 5


def test_kept_colours_take_the_luma_of_the_style() -> None:
    photo = 64 + toy_photo(96, 64) // 2
    weights = np.array([0.2126, 0.7152, 0.0722])
    kept, styled = (engine("wave", color=color)(photo) for color in ("keep", "style"))
    inside = ((kept > 0) & (kept < 255)).all(axis=-1)
    assert inside.mean() > 0.5
    assert np.abs(kept @ weights - styled @ weights)[inside].max() <= 1.01


# -- precision and devices ------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bf16", pytest.param("int8", marks=needs_int8)])
@pytest.mark.parametrize("name", ["scream", "wave", "rain_princess"])
def test_fewer_bits_look_like_fp32(name: str, precision: str) -> None:
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 256, (9, 13, 3), np.uint8)
    photo = cv2.resize(patches, (320, 180), interpolation=cv2.INTER_CUBIC)
    # Smooth patches are the hardest: their contrast is all that normalization has.
    assert psnr(engine(name, precision=precision)(photo), engine(name)(photo)) > 36


@needs_int8
def test_int8_draws_pictures_of_all_sizes_and_flat_ones() -> None:
    stylizer, reference = engine("wave", precision="int8"), engine("wave")
    for width, height in ((64, 48), (161, 121), (1, 1), (320, 180)):
        photo = toy_photo(width, height)
        assert psnr(stylizer(photo), reference(photo)) > 35
    grey = np.full((48, 64, 3), 128, np.uint8)
    assert np.abs(stylizer(grey).astype(int) - reference(grey)).max() <= 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_network_computes_in_the_asked_precision(precision: str) -> None:
    stylizer = engine(precision=precision)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    seen: list[torch.dtype] = []
    stylizer.network.conv_in.register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
    stylizer(toy_photo())
    assert set(seen) == {dtype}


@needs_cuda
@pytest.mark.parametrize(("precision", "decibels"), [("fp32", 50), ("bf16", 35), ("fp16", 45)])
def test_a_gpu_draws_what_the_processor_draws(precision: str, decibels: float) -> None:
    photos = np.stack([toy_photo(160, 96, seed) for seed in range(5)])
    expected = engine("scream")(photos)
    result = engine("scream", device="cuda", precision=precision, batch_size=3)(photos)
    assert psnr(result, expected) > decibels


def test_batches_have_a_size_that_suits_the_device() -> None:
    assert engine().batch_size == min(torch.get_num_threads(), 4)
    assert engine(batch_size=3).batch_size == 3


# -- large pictures -------------------------------------------------------------------------


@pytest.mark.parametrize("color", ["style", "keep"])
@pytest.mark.parametrize("tile", [8, 30, 500])
def test_tiles_do_not_show(tile: int, color: str) -> None:
    photos = np.stack([toy_photo(96, 130, seed) for seed in range(2)])
    expected = engine(color=color, tile=0)(photos)
    result = engine(color=color, tile=tile)(photos)
    assert difference(result, expected) <= 1
    assert (result == expected).mean() > 0.999


def test_deep_pictures_come_in_tiles_too() -> None:
    deep = toy_photo(96, 130).astype(np.float32) * 0.99 + 0.25
    result = engine(tile=32)(deep)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, engine(tile=0)(deep), rtol=0, atol=0.01)
    np.testing.assert_allclose(engine(tile=32, strength=0.0)(deep), deep, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_only_large_pictures_come_in_tiles_by_themselves() -> None:
    heights: list[int] = []
    stylizer = engine(stroke_size=1)
    stylizer.network.conv_in.register_forward_hook(lambda _m, x, _y: heights.append(x[0].shape[2]))
    stylizer(toy_photo(300, 400))
    assert heights == [464]
    heights.clear()
    wide = stylizer(toy_photo(WHOLE_PIXELS // 400 + 1, 400))
    assert len(heights) > 1 and max(heights) == TILE + 8
    assert (
        difference(wide, engine(tile=0, stroke_size=1)(toy_photo(WHOLE_PIXELS // 400 + 1, 400)))
        <= 1
    )


def test_of_large_pictures_fewer_come_at_once() -> None:
    stylizer = engine(batch_size=4)
    for size, expected in (((1920, 1080), 4), ((3840, 2160), 2), ((7680, 4320), 1), ((64, 48), 4)):
        stylizer.configure_size(*size)
        assert stylizer.batch_size == expected


def test_to_little_memory_fewer_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidstyle.stylizers.fast.memory_size", lambda device: 2**30)
    stylizer = engine(batch_size=4, precision="fp32")
    stylizer.configure_size(640, 360)  # 37 MB each
    assert stylizer.batch_size == 4
    stylizer.configure_size(1920, 1080)  # 332 MB
    assert stylizer.batch_size == 1


MEMORY_OF_TILES = """
import re, sys
import numpy as np, torch
from vidstyle import FastOptions, FastStylizer

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) * 1024

torch.set_num_threads(1)
chosen = dict(device="cpu", precision="fp32", backend="torch", tile=int(sys.argv[1]))
stylizer = FastStylizer("wave", FastOptions(**chosen))
photo = np.random.default_rng(0).integers(0, 256, (1200, 2000, 3), np.uint8)
stylizer(photo[:64, :64])
before = peak()
stylizer(photo)
print((peak() - before) / (1200 * 2000))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="no /proc here")
def test_tiles_take_less_memory() -> None:
    whole, tiles = (
        float(subprocess.check_output([sys.executable, "-c", MEMORY_OF_TILES, tile], text=True))
        for tile in ("0", "64")
    )
    assert 20 < tiles < 70  # bytes a pixel
    assert whole > 1.7 * tiles


# -- memory that runs out -------------------------------------------------------------------


def run_out(stylizer: FastStylizer, fits: Callable[[Tensor], bool]) -> list[int]:
    """Let the memory run out for inputs of the network that do not fit; how often it did."""
    times = [0]

    def allocate(_module: object, inputs: tuple[Tensor, ...]) -> None:
        if not fits(inputs[0]):
            times[0] += 1
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    stylizer.network.conv_in.register_forward_pre_hook(allocate)
    return times


def test_fewer_come_at_once_when_memory_runs_out() -> None:
    photos = np.stack([toy_photo(64, 48, seed) for seed in range(7)])
    expected = engine()(photos)
    stylizer = engine(batch_size=5)
    times = run_out(stylizer, lambda _: stylizer.batch_size <= 2)
    np.testing.assert_array_equal(stylizer(photos), expected)
    assert times[0] >= 1  # each frame of a batch may notice
    assert stylizer.batch_size == 2
    assert stylizer.notices == ["cpu ran out of memory: continued with 2 frames at once"]


def test_tiles_shrink_when_memory_runs_out() -> None:
    photos = np.stack([toy_photo(64, 400, seed) for seed in range(3)])
    expected = engine()(photos)
    stylizer = engine(batch_size=2)
    times = run_out(stylizer, lambda x: x.shape[2] <= 128)
    result = stylizer(photos)
    assert difference(result, expected) <= 1
    assert times[0] > 1
    seen = times[0]
    assert stylizer.notices == [
        "cpu ran out of memory: continued with 1 frame at once, in strips of 64 rows"
    ]
    stylizer(photos)
    assert times[0] == seen
    assert len(stylizer.notices) == 1


def test_given_tiles_shrink_as_well() -> None:
    photo = toy_photo(64, 400)
    stylizer = engine(tile=256)
    run_out(stylizer, lambda x: x.shape[2] <= 80)
    assert difference(stylizer(photo), engine(tile=0)(photo)) <= 1
    assert stylizer.tile == 64


def test_at_last_it_says_that_memory_is_too_small() -> None:
    stylizer = engine(batch_size=4)
    run_out(stylizer, lambda _: False)
    with pytest.raises(DeviceError, match=r"64×48 pixels.*strips of 32 rows.*--max-side"):
        stylizer(np.stack([toy_photo()] * 3))


def test_other_errors_are_not_taken_for_it() -> None:
    stylizer = engine(batch_size=4)

    def fail(_module: object, _inputs: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    stylizer.network.conv_in.register_forward_pre_hook(fail)
    with pytest.raises(DeviceError, match="illegal memory access"):
        stylizer(toy_photo())
    assert stylizer.batch_size == 4 and not stylizer.notices


# -- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"strength": -0.1},
        {"strength": 1.5},
        {"strength": float("nan")},
        {"color": "grey"},
        {"batch_size": 0},
        {"tile": -1},
    ],
)
def test_senseless_options(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=str(next(iter(options.values())))):
        FastOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((48, 64, 3), np.float64),
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((1, 1, 48, 64, 3), np.uint8),
    ],
)
def test_senseless_arrays(images: np.ndarray) -> None:
    with pytest.raises(OptionError, match="uint8"):
        engine()(images)


def test_errors_of_its_parts_come_through() -> None:
    with pytest.raises(StyleError, match="unknown style"):
        FastStylizer("nosuch")
    with pytest.raises(DeviceError, match="unknown device"):
        FastStylizer(toy_style(), FastOptions(device="abacus"))
    with pytest.raises(DeviceError, match="unknown precision"):
        FastStylizer(toy_style(), FastOptions(precision="int4"))


def test_a_style_may_come_as_name_blend_or_object() -> None:
    photo, style = toy_photo(), load_style("scream:1,wave:1")
    assert isinstance(style.network, TransformerNet)
    np.testing.assert_array_equal(engine("scream:1,wave:1")(photo), engine(style)(photo))
