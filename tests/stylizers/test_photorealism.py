"""The optimization engine with the photorealism term: a photo remains one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import toy_photo, toy_vgg

from vidstyle.errors import OptionError
from vidstyle.image import fit, read_image
from vidstyle.models.losses import edge_correlation
from vidstyle.models.matting import matting_laplacian, photorealism_loss
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.options import PHOTOGRAPHS, PhotorealismOptions
from vidstyle.stylizers import OptimizeOptions, OptimizeStylizer, Photorealism, Regions, Step

VGG = VGG19(toy_vgg(), "relu2_1")
PHOTO, STYLE = toy_photo(48, 40, seed=1), toy_photo(40, 44, seed=2) // 3


def engine(look: Photorealism | None, **changes: Any) -> OptimizeStylizer:
    options = OptimizeOptions(
        **{
            "content_layers": (("relu2_1", 1.0),),
            "style_layers": (("relu1_1", 1.0), ("relu2_1", 1.0)),
            "style_weight": 20.0,
            "tv_weight": 0.0,
            "iterations": 20,
            "scales": 1,
            "device": "cpu",
            "precision": "fp32",
            **changes,
        }
    )
    return OptimizeStylizer([(STYLE, 1.0)], options, VGG, look)


def edges(result: np.ndarray) -> float:
    return float(edge_correlation(as_tensor(result), as_tensor(PHOTO), 2))


def test_the_second_stage_has_the_term_and_the_first_has_not() -> None:
    steps: list[Step] = []
    engine(Photorealism(1e4))(PHOTO, listener=steps.append)
    assert [step.losses.photorealism > 0 for step in steps] == [False] * 20 + [True] * 20
    assert steps[-1].total == len(steps) == 40
    assert {step.scales for step in steps} == {2}


def test_shapes_stay_and_colours_become_those_of_the_style() -> None:
    plain, kept = engine(None)(PHOTO), engine(Photorealism(1e4))(PHOTO)
    assert edges(kept) > 2 * edges(plain)
    assert abs(kept.mean() - STYLE.mean()) < abs(PHOTO.mean() - STYLE.mean()) / 2
    laplacian = matting_laplacian(as_tensor(PHOTO))
    bent = [float(photorealism_loss(as_tensor(r), laplacian)) for r in (kept, plain)]
    assert bent[0] < bent[1] / 3


def halves(height: int, width: int, *, below: str) -> Regions:
    """Two regions, of which one is below."""
    masks = np.zeros((2, height, width), np.float32)
    masks[0, : height // 2], masks[1, height // 2 :] = 1, 1
    return Regions(("a", "b"), masks if below == "b" else masks[::-1].copy())


@pytest.mark.parametrize("below", ["a", "b"])
def test_each_region_takes_the_colours_of_its_own(below: str) -> None:
    style = np.full((44, 40, 3), 40, np.uint8)
    style[:22, :, 0], style[22:, :, 2] = 220, 220
    look = Photorealism(1e3, (halves(40, 48, below="b"), halves(44, 40, below=below)))
    stylizer = OptimizeStylizer([(style, 1.0)], engine(None).options, VGG, look)
    grey = np.repeat(toy_photo(48, 40, seed=1)[:, :, :1] // 4 + 90, 3, axis=2)
    red_less_blue = stylizer(grey)[:, :, [0, 2]].astype(int) @ [1, -1]
    top, bottom = red_less_blue[:18].mean(), red_less_blue[22:].mean()
    assert (top > bottom) == (below == "b")
    assert abs(top - bottom) > 20


def test_one_region_of_all_is_no_region() -> None:
    def one(height: int, width: int) -> Regions:
        return Regions(("all",), np.ones((1, height, width), np.float32))

    look = Photorealism(1e3, (one(40, 48), one(44, 40)))
    first, second = (
        engine(look, iterations=4)(PHOTO),
        engine(Photorealism(1e3), iterations=4)(PHOTO),
    )
    assert np.abs(first.astype(int) - second).max() <= 1


def test_a_start_takes_the_place_of_the_first_stage() -> None:
    steps: list[Step] = []
    engine(Photorealism(1e4))(PHOTO, start=PHOTO // 2, listener=steps.append)
    assert len(steps) == 20
    assert all(step.losses.photorealism > 0 or step.iteration == 1 for step in steps)


def test_all_scales_come_before_the_second_stage() -> None:
    steps: list[Step] = []
    engine(Photorealism(1e4), scales=2, iterations=2)(PHOTO, listener=steps.append)
    assert [step.picture().shape[1] for step in steps] == [24, 24, 48, 48, 48, 48]


@pytest.mark.parametrize("size", [(2, 40), (40, 1)])
def test_pictures_without_a_window_are_refused(size: tuple[int, int]) -> None:
    stylizer = engine(Photorealism(1.0), style_layers=(("relu1_1", 1.0),), content_weight=0.0)
    with pytest.raises(OptionError, match=f"{size[0]}×{size[1]} pixels"):
        stylizer(toy_photo(*size))


def test_precision_of_the_term_does_not_depend_on_the_network() -> None:
    result = engine(Photorealism(1e4), precision="bf16", iterations=5)(PHOTO)
    assert edges(result) > edges(engine(None, iterations=10)(PHOTO))


# -- real photos ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.data
def test_a_sunset_on_a_beach(data: Path) -> None:
    """The colours of the sunset, and the shapes of the photo, where plain Gatys bends them."""
    paths = [data / "photos" / f"{name}.jpg" for name in ("osie_1164", "osie_1058")]
    photo, style = (fit(read_image(path), 160) for path in paths)
    vgg = load_vgg19(data / "vgg19" / "vgg19-imagenet-oxford-features.safetensors", "relu4_2")
    options = replace(PHOTOGRAPHS, iterations=30)
    plain, kept = (
        OptimizeStylizer([(style, 1.0)], options, vgg, look)(photo)
        for look in (None, Photorealism(PhotorealismOptions.photorealism_weight))
    )
    laplacian = matting_laplacian(as_tensor(photo))
    bent = [float(photorealism_loss(as_tensor(r), laplacian)) for r in (kept, plain)]
    assert bent[0] < bent[1] / 10
    edge, other = (
        float(edge_correlation(as_tensor(r), as_tensor(photo), 1)) for r in (kept, plain)
    )
    assert edge > 0.85 > 0.7 > other
    means = [picture.mean(axis=(0, 1)) for picture in (kept, photo, style)]
    assert np.abs(means[0] - means[2]).mean() < np.abs(means[1] - means[2]).mean() / 3
