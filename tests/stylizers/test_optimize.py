"""The optimization engine: what it minimizes, how it goes there, and what can go wrong."""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from toys import exact_features, toy_photo, toy_vgg

from vidstyle.errors import InputError, OptimizationError, OptionError
from vidstyle.image import read_image, resize, resize_short_side, write_image
from vidstyle.models.layers import layer_names
from vidstyle.models.losses import gram_matrix
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.stylizers import (
    Anchor,
    Losses,
    OptimizeOptions,
    OptimizeStylizer,
    Step,
    reconstruct,
    synthesize_texture,
)
from vidstyle.stylizers.objective import Measure, Objective, Target
from vidstyle.stylizers.optimize import bytes_per_pixel, scale_sizes

Paintings = Sequence[tuple[np.ndarray, float]]

NORMALIZATIONS = ("relative", "gatys", "mean")
STATE = toy_vgg()
LUMA = np.array([0.2126, 0.7152, 0.0722])


@pytest.fixture(scope="module")
def vgg() -> VGG19:
    return VGG19(STATE)


def options(**changes: Any) -> OptimizeOptions:
    """Quick, on the CPU and in fp32 unless told otherwise."""
    usual = {
        "style_weight": 1.0,
        "tv_weight": 0.0,
        "style_layers": tuple((f"relu{block}_1", 1.0) for block in range(1, 6)),
        "pooling": "max",
        "iterations": 12,
        "scales": 1,
        "tolerance": 0.0,
        "device": "cpu",
        "precision": "fp32",
    }
    return OptimizeOptions(**{**usual, **changes})


def painting(seed: int = 100) -> np.ndarray:
    """Coloured stripes with grain: nothing like the photos."""
    rng = np.random.default_rng(seed)
    stripes = np.where(np.arange(48) % 8 < 4, 210, 60)
    picture = stripes[None, :, None] * rng.uniform(0.4, 1.0, 3) + rng.normal(0, 20, (56, 48, 3))
    return picture.clip(0, 255).astype(np.uint8)


def engine(vgg: VGG19, paintings: Paintings | None = None, **changes: Any) -> OptimizeStylizer:
    return OptimizeStylizer(paintings or [(painting(), 1.0)], options(**changes), vgg)


def losses_of(steps: Sequence[Step]) -> list[float]:
    return [step.losses.total for step in steps]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.square(a.astype(float) - b).mean(), 1e-9)))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.astype(float).ravel(), b.astype(float).ravel())[0, 1])


# -- what is minimized ----------------------------------------------------------------------


def exact(
    image: torch.Tensor, photo: torch.Tensor, paintings: Paintings, o: OptimizeOptions
) -> dict[str, torch.Tensor]:
    """The terms of the loss from the formulas of the docstring, in double precision."""
    found, wanted = (exact_features(STATE, picture, o.pooling) for picture in (image, photo))
    content = style = torch.zeros((), dtype=torch.float64)
    for layer, weight in o.content_layers:
        f, p = found[layer], wanted[layer]
        if o.normalization != "relative":
            f, p = f / p.mean(), p / p.mean()
        divided = {
            "relative": ((f - p) ** 2).sum() / (p**2).sum(),
            "gatys": ((f - p) ** 2).sum() / 2,
            "mean": ((f - p) ** 2).mean(),
        }
        content = content + weight * divided[o.normalization]
    side = o.style_size or min(image.shape[2:])
    total = sum(weight for _, weight in paintings)
    features = [
        (exact_features(STATE, as_tensor(resize_short_side(p, side)), o.pooling), weight / total)
        for p, weight in paintings
    ]
    for layer, weight in o.style_layers:
        channels, positions = found[layer].shape[1], found[layer][0, 0].numel()

        def gram(f: torch.Tensor) -> torch.Tensor:
            return torch.einsum("ihw,jhw->ij", f[0], f[0]) / f[0].numel()

        mean = sum(share * f[layer].mean() for f, share in features)
        if o.normalization == "relative":
            mean = torch.ones(())
        g = gram(found[layer] / mean)
        a = sum(share * gram(f[layer] / mean) for f, share in features)
        times = channels * positions
        divided = {
            "relative": ((g - a) ** 2).sum() / (a**2).sum(),
            "gatys": ((g - a) ** 2).sum() / 4,
            "mean": ((g * times - a * times) ** 2).mean() / times,
        }
        style = style + weight * divided[o.normalization]
    corner = image.double()[:, :, :-1, :-1]
    across, down = image.double()[:, :, :-1, 1:] - corner, image.double()[:, :, 1:, :-1] - corner
    tv = ((across**2 + down**2) ** (o.tv_exponent / 2)).mean()
    tv = tv * (image.numel() if o.normalization == "gatys" else 1)
    return {
        "content": o.content_weight * content,
        "style": o.style_weight * style,
        "tv": o.tv_weight * tv,
    }


def all_terms(normalization: str, **changes: Any) -> OptimizeOptions:
    """Every term counts, with weights of its own."""
    return options(
        normalization=normalization,
        content_weight=0.7,
        style_weight=3.0,
        tv_weight=0.4,
        content_layers=(("relu3_2", 1.0), ("relu4_2", 0.5)),
        style_layers=(("relu1_1", 1.0), ("relu2_2", 0.3), ("relu4_1", 2.0)),
        **changes,
    )


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize(
    "changes",
    [{}, {"pooling": "average", "tv_exponent": 2.5}, {"style_size": 64}],
    ids=["plain", "average", "size"],
)
def test_the_loss_is_that_of_the_formulas(
    vgg: VGG19, normalization: str, changes: dict[str, Any]
) -> None:
    o = all_terms(normalization, iterations=1, **changes)
    photo, start, steps = toy_photo(40, 33), toy_photo(40, 33, seed=7), []
    two = [(painting(), 1.0), (painting(3), 3.0), (painting(5), 0.0)]
    OptimizeStylizer(two, o, vgg)(photo, start=start, listener=steps.append)
    expected = exact(as_tensor(start), as_tensor(photo), two, o)
    found = steps[0].losses
    for term, value in expected.items():
        assert getattr(found, term) == pytest.approx(value.item(), rel=2e-3), term
    assert found.temporal == 0
    assert found.total == pytest.approx(sum(expected.values()).item(), rel=2e-3)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("terms", ["content", "style", "tv", "all"])
def test_gradients_are_finite_differences(
    vgg: VGG19, normalization: str, pooling: str, terms: str
) -> None:
    o = all_terms(normalization, pooling=pooling)
    weights = {name: getattr(o, f"{name}_weight") for name in ("content", "style", "tv")}
    kept = {f"{k}_weight": w if terms in (k, "all") else 0.0 for k, w in weights.items()}
    kept["content_weight"] = kept["content_weight"] or 1e-30  # nothing but variation is refused
    o = replace(o, **kept)
    photo, style = as_tensor(toy_photo(36, 33)), painting()
    network = vgg.fitted(torch.device("cpu"), torch.float32, o.pooling)
    painted = network(as_tensor(resize_short_side(style, 33)), [n for n, _ in o.style_layers])
    objective = Objective(
        network,
        Measure(o.active_content, o.active_style, o.tv_weight, o.tv_exponent, o.normalization),
        {n: Target.content(f) for n, f in network(photo, o.active_content).items()},
        {n: Target.style(painted[n]) for n in o.active_style},
    )
    generator = torch.Generator().manual_seed(0)
    # Nothing saturated: max pooling has no one gradient where neighbours are equal.
    image = 0.25 + 0.5 * as_tensor(toy_photo(36, 33, seed=4))
    image = (image + 0.02 * torch.randn(image.shape, generator=generator)).requires_grad_()
    torch.stack(list(objective(image).values())).sum().backward()
    assert image.grad is not None
    for _ in range(4):
        direction = torch.randn(image.shape, generator=generator, dtype=torch.float64)
        step = 1e-6
        ahead, behind = (
            sum(exact(image.detach().double() + s * direction, photo, [(style, 1.0)], o).values())
            for s in (step, -step)
        )
        slope = ((ahead - behind) / (2 * step)).item()
        size = image.grad.double().norm() * direction.norm()
        assert abs((image.grad.double() * direction).sum().item() - slope) < 1e-4 * size


def test_gradients_go_to_the_picture_alone(vgg: VGG19) -> None:
    stylizer = engine(vgg)
    stylizer(toy_photo())
    assert not any(p.requires_grad or p.grad is not None for p in stylizer.vgg.parameters())


def test_terms_without_weight_are_not_computed(vgg: VGG19) -> None:
    steps: list[Step] = []
    stylizer = engine(vgg, style_layers=(("relu1_1", 1.0), ("relu5_1", 0.0)), iterations=1)
    deepest = []
    stylizer.vgg.convolutions[-1].register_forward_hook(lambda *_: deepest.append(1))
    stylizer(toy_photo(), listener=steps.append)
    stylizer = engine(vgg, style_weight=0.0, iterations=1)
    stylizer(toy_photo(), start=toy_photo(seed=1), listener=steps.append)
    assert steps[1].losses.style == steps[1].losses.tv == 0 < steps[1].losses.content
    assert not deepest


# -- how it goes there ----------------------------------------------------------------------


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("init", ["content", "noise"])
def test_the_loss_goes_down(vgg: VGG19, normalization: str, optimizer: str, init: str) -> None:
    steps: list[Step] = []
    weight = {"relative": 1.0, "gatys": 1e4, "mean": 1e-1}[normalization]
    stylizer = engine(
        vgg,
        normalization=normalization,
        style_weight=weight,
        optimizer=optimizer,
        init=init,
        iterations=40,
    )
    result = stylizer(toy_photo(), listener=steps.append)
    assert result.shape == toy_photo().shape
    assert result.dtype == np.uint8
    assert min(losses_of(steps)) < 0.7 * steps[0].losses.total


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_network_that_responds_more_strongly_draws_the_same(normalization: str) -> None:
    """Twice the first layer's weights and all biases are twice the responses, in all layers."""
    strong = {
        name: 2 * tensor if name.endswith("bias") or name == "features.0.weight" else tensor
        for name, tensor in STATE.items()
    }
    results = [
        engine(VGG19(state), normalization=normalization)(toy_photo()) for state in (STATE, strong)
    ]
    assert psnr(*results) > 40


def test_the_scale_of_the_loss_does_not_matter(vgg: VGG19) -> None:
    photo = toy_photo()
    small, large = (
        engine(vgg, content_weight=scale, style_weight=scale)(photo) for scale in (1e-9, 1e6)
    )
    assert psnr(small, large) > 40


def test_every_iteration_is_told(vgg: VGG19) -> None:
    steps: list[Step] = []
    engine(vgg, iterations=5)(toy_photo(), listener=steps.append)
    assert [step.iteration for step in steps] == [1, 2, 3, 4, 5]
    assert {(step.total, step.scale, step.scales) for step in steps} == {(5, 1, 1)}
    assert all(a.seconds <= b.seconds for a, b in pairwise(steps))
    np.testing.assert_array_equal(steps[0].picture(), toy_photo())  # made from what it was then


def test_the_picture_with_the_lowest_loss_comes_back(vgg: VGG19) -> None:
    steps: list[Step] = []
    stylizer = engine(vgg, optimizer="adam", learning_rate=0.5, iterations=15)
    result = stylizer(toy_photo(), listener=steps.append)
    losses = losses_of(steps)
    assert losses[-1] > 1.02 * min(losses)
    np.testing.assert_array_equal(result, steps[int(np.argmin(losses))].picture())


def test_it_stays_where_nothing_is_to_be_gained(vgg: VGG19) -> None:
    photo = toy_photo(48, 48)
    result = engine(vgg, [(photo, 1.0)], iterations=20)(photo)
    assert np.abs(result.astype(int) - photo).max() <= 1


@pytest.mark.parametrize("init", ["content", "noise"])
def test_two_runs_are_the_same(vgg: VGG19, init: str) -> None:
    first, second = (engine(vgg, init=init, scales=2)(toy_photo()) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_calls_do_not_depend_on_those_before(vgg: VGG19) -> None:
    stylizer = engine(vgg, init="noise")
    first = stylizer(toy_photo())
    stylizer(toy_photo(seed=1))
    np.testing.assert_array_equal(stylizer(toy_photo()), first)


def test_another_seed_is_another_noise(vgg: VGG19) -> None:
    first, second = (engine(vgg, init="noise", seed=seed)(toy_photo()) for seed in (0, 1))
    assert psnr(first, second) < 30


def test_noise_has_the_asked_for_spread(vgg: VGG19) -> None:
    steps: list[Step] = []
    engine(vgg, init="noise", noise=0.1, iterations=1)(toy_photo(), listener=steps.append)
    picture = steps[0].picture() / 255
    assert picture.std(axis=(0, 1)) == pytest.approx([0.1] * 3, rel=0.05)
    assert picture.mean(axis=(0, 1)) == pytest.approx([0.485, 0.456, 0.406], abs=0.01)


def test_a_picture_to_start_from(vgg: VGG19, tmp_path: Path) -> None:
    steps: list[Step] = []
    path = write_image(tmp_path / "start.png", toy_photo(32, 24, seed=3))
    engine(vgg, init=path)(toy_photo(), listener=steps.append)
    expected = resize(read_image(path), 64, 48)
    np.testing.assert_array_equal(steps[0].picture(), expected)
    with pytest.raises(InputError, match="nothing"):
        engine(vgg, init=tmp_path / "nothing.png")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_start_takes_the_place_of_init(vgg: VGG19, dtype: type) -> None:
    steps: list[Step] = []
    start = toy_photo(96, 80, seed=5)
    engine(vgg, init="noise", scales=3)(
        toy_photo(96, 80), start=start.astype(dtype), iterations=3, listener=steps.append
    )
    assert [(step.scale, step.scales, step.total) for step in steps] == [(1, 1, 3)] * 3
    np.testing.assert_array_equal(steps[0].picture(), start)


def test_a_good_start_needs_fewer_iterations(vgg: VGG19) -> None:
    steps: list[Step] = []
    stylizer, photo = engine(vgg, iterations=40), toy_photo()
    result = stylizer(photo, listener=steps.append)
    again: list[Step] = []
    stylizer(photo, start=result, iterations=5, listener=again.append)
    assert min(losses_of(again)) < losses_of(steps)[20]


# -- scales ---------------------------------------------------------------------------------


def test_sizes_of_the_scales() -> None:
    assert scale_sizes(101, 76, options(scales=1)) == [(101, 76)]
    assert scale_sizes(161, 128, options(scales=3)) == [(40, 32), (80, 64), (161, 128)]
    assert scale_sizes(101, 76, options(scales=5)) == [(50, 38), (101, 76)]  # relu5_1 needs 32
    assert scale_sizes(640, 480, options(scales=None)) == [(160, 120), (320, 240), (640, 480)]
    assert scale_sizes(100, 90, options(scales=None)) == [(100, 90)]


def test_coarse_to_fine(vgg: VGG19) -> None:
    steps: list[Step] = []
    result = engine(vgg, scales=2, iterations=4)(toy_photo(97, 70), listener=steps.append)
    assert [step.iteration for step in steps] == list(range(1, 9))
    assert [step.scale for step in steps] == [1] * 4 + [2] * 4
    assert {(step.total, step.scales) for step in steps} == {(8, 2)}
    assert [step.picture().shape for step in steps] == [(35, 48, 3)] * 4 + [(70, 97, 3)] * 4
    assert result.shape == (70, 97, 3)


@pytest.mark.parametrize("init", ["content", "noise"])
def test_a_finer_scale_goes_on_from_the_coarser_one(vgg: VGG19, init: str) -> None:
    steps: list[Step] = []
    photo = toy_photo(96, 80)
    engine(vgg, scales=2, iterations=15, init=init)(photo, listener=steps.append)
    coarse = steps[int(np.argmin(losses_of(steps[:15])))].picture()
    first = steps[15].picture()
    shrunk = cv2.GaussianBlur(resize(first, 48, 40), (3, 3), 0)
    assert psnr(shrunk, cv2.GaussianBlur(coarse, (3, 3), 0)) > 25
    added, detail = (
        image.astype(float) - cv2.GaussianBlur(image, (0, 0), 2) for image in (first, photo)
    )
    assert (correlation(added, detail) > 0.5) == (init == "content")


# -- stopping early -------------------------------------------------------------------------


def test_it_stops_when_little_is_gained(vgg: VGG19) -> None:
    def course(tolerance: float) -> list[float]:
        steps: list[Step] = []
        engine(vgg, iterations=80, tolerance=tolerance)(toy_photo(), listener=steps.append)
        return losses_of(steps)

    whole, early = course(0.0), course(0.3)
    assert len(whole) == 80
    assert 11 <= len(early) < 80
    assert early == whole[: len(early)]
    lowest = np.minimum.accumulate(early)
    gains = 1 - lowest[10:] / lowest[:-10]
    assert gains[-1] < 0.3
    assert (gains[:-1] >= 0.3).all()


# -- anchors --------------------------------------------------------------------------------


def test_an_anchor_draws_where_it_is_trusted(vgg: VGG19) -> None:
    photo, anchor = toy_photo(), toy_photo(seed=9)
    trust = np.zeros((48, 64), np.float32)
    trust[:, :32] = 1
    stylizer, steps = engine(vgg, iterations=30), []
    free = stylizer(photo)
    anchors = [Anchor(anchor.astype(np.float32), trust, 1000.0)]
    held = stylizer(photo, anchors=anchors, listener=steps.append)
    assert psnr(held[:, :32], anchor[:, :32]) > 30 > psnr(free[:, :32], anchor[:, :32])
    assert psnr(held[:, 44:], anchor[:, 44:]) < 20
    gap = (photo.astype(float) - anchor) / 255
    expected = 1000 * (trust[:, :, None] * gap**2).mean()
    assert steps[0].losses.temporal == pytest.approx(expected, rel=1e-4)


def test_anchors_add_up_and_shrink_with_the_scales(vgg: VGG19) -> None:
    photo, anchor = toy_photo(96, 80), toy_photo(96, 80, seed=9)
    trust = np.full((80, 96), 0.5, np.float32)
    one = Anchor(anchor.astype(np.float32), trust, 2.0)
    single: list[Step] = []
    double: list[Step] = []
    stylizer = engine(vgg, scales=2, iterations=1)
    stylizer(photo, anchors=[one], listener=single.append)
    stylizer(photo, anchors=[one, one], listener=double.append)
    for a, b in zip(single, double, strict=True):
        assert b.losses.temporal == pytest.approx(2 * a.losses.temporal, rel=1e-5)
    assert single[0].losses.temporal == pytest.approx(single[1].losses.temporal, rel=0.2)


# -- colours --------------------------------------------------------------------------------


def test_luma_leaves_the_photo_its_chroma(vgg: VGG19) -> None:
    photo = 64 + toy_photo() // 2
    result = engine(vgg, color="keep", iterations=25)(photo)
    red, green, blue = np.moveaxis(result.astype(float) - photo, -1, 0)
    moved = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    inside = ((result > 0) & (result < 255)).all(axis=-1)
    assert inside.mean() > 0.5
    assert np.abs((blue - moved) / 1.8556)[inside].max() <= 1.0  # Cb after BT.709
    assert np.abs((red - moved) / 1.5748)[inside].max() <= 1.0  # Cr
    assert np.abs(moved).mean() > 5


def test_luma_does_not_see_colours(vgg: VGG19) -> None:
    """The photo in other colours of the same luma, and the painting in grey, change no loss."""
    photo = 80 + toy_photo() // 3
    tint = np.array([0.0722, 0.0, -0.2126]) * 200
    tinted = (photo + tint).round().astype(np.uint8)
    greyed = np.repeat((painting() @ LUMA).round().astype(np.uint8)[:, :, None], 3, axis=2)
    courses = []
    for picture, style in ((photo, painting()), (tinted, painting()), (photo, greyed)):
        steps: list[Step] = []
        stylizer = engine(vgg, [(style, 1.0)], color="keep", iterations=6)
        stylizer(picture, listener=steps.append)
        courses.append(losses_of(steps))
    assert courses[1] == pytest.approx(courses[0], rel=0.02)
    assert courses[2] == pytest.approx(courses[0], rel=0.02)


@pytest.mark.slow
def test_histogram_gives_the_painting_the_photos_colours(vgg: VGG19) -> None:
    photo, stylizer = toy_photo(), engine(vgg, color="histogram", iterations=60)
    kept, free = stylizer(photo), engine(vgg, iterations=60)(photo)

    def gap(picture: np.ndarray) -> float:
        return float(np.abs(picture.mean(axis=(0, 1)) - photo.mean(axis=(0, 1))).max())

    assert gap(kept) < gap(free) / 2
    first: list[Step] = []
    stylizer(photo, iterations=1, listener=first.append)
    np.testing.assert_array_equal(first[0].picture(), photo)


# -- paintings ------------------------------------------------------------------------------


def test_paintings_without_weight_do_not_count(vgg: VGG19) -> None:
    one = engine(vgg)(toy_photo())
    two = engine(vgg, [(painting(), 2.0), (painting(3), 0.0)])(toy_photo())
    np.testing.assert_array_equal(one, two)


def test_the_heavier_painting_shows_more(vgg: VGG19) -> None:
    first, second = painting(), painting(3)
    results = [
        engine(vgg, [(first, 1 - share), (second, share)], iterations=30)(toy_photo())
        for share in (0.1, 0.9)
    ]

    def distance(picture: np.ndarray, style: np.ndarray) -> float:
        steps: list[Step] = []
        engine(vgg, [(style, 1.0)], iterations=1)(toy_photo(), start=picture, listener=steps.append)
        return steps[0].losses.style

    assert distance(results[0], first) < distance(results[1], first)
    assert distance(results[1], second) < distance(results[0], second)


def test_larger_paintings_are_other_textures(vgg: VGG19) -> None:
    small, large = (engine(vgg, style_size=size)(toy_photo()) for size in (32, 96))
    assert psnr(small, large) < 40


# -- textures and reconstructions -----------------------------------------------------------


def test_textures_of_two_seeds_have_like_grams_and_unlike_pixels(vgg: VGG19) -> None:
    style = painting()
    shallow = (("relu1_1", 1.0), ("relu1_2", 1.0), ("relu2_1", 1.0))
    o = options(iterations=150, style_layers=shallow, style_size=48)
    textures = [
        synthesize_texture([(style, 1.0)], 64, 48, replace(o, seed=seed), vgg=vgg)
        for seed in (0, 1)
    ]

    def grams(picture: np.ndarray) -> list[torch.Tensor]:
        features = exact_features(STATE, as_tensor(picture))
        return [gram_matrix(features[layer]) for layer, _ in shallow]

    assert textures[0].shape == (48, 64, 3)
    wanted, noise = grams(style), grams(np.full((48, 64, 3), 120, np.uint8))
    for texture in textures:
        for gram, target, blank in zip(grams(texture), wanted, noise, strict=True):
            assert torch.norm(gram - target) < 0.2 * torch.norm(blank - target)
    pixels = [texture - texture.mean(axis=(0, 1)) for texture in textures]
    assert abs(correlation(*pixels)) < 0.3


def test_reconstructions_of_two_seeds_have_like_features(vgg: VGG19) -> None:
    photo, layer = toy_photo(), "relu3_1"
    o = options(iterations=150, content_layers=((layer, 1.0),))
    results = [reconstruct(photo, replace(o, seed=seed), vgg=vgg) for seed in (0, 1)]
    wanted = exact_features(STATE, as_tensor(photo))[layer]
    for result in results:
        found = exact_features(STATE, as_tensor(result))[layer]
        assert torch.norm(found - wanted) < 0.15 * torch.norm(wanted)
    assert 5 < psnr(*results) < 40


def test_a_shallow_reconstruction_is_the_photo(vgg: VGG19) -> None:
    o = options(iterations=100, content_layers=(("relu1_1", 1.0),))
    assert psnr(reconstruct(toy_photo(), o, vgg=vgg), toy_photo()) > 25


def test_they_tell_their_steps_and_need_no_other_terms(vgg: VGG19) -> None:
    steps: list[Step] = []
    reconstruct(toy_photo(), options(iterations=2), vgg=vgg, listener=steps.append)
    assert steps[0].losses.style == 0 < steps[0].losses.content
    steps.clear()
    o = options(iterations=2)
    synthesize_texture([(painting(), 1.0)], 40, 36, o, vgg=vgg, listener=steps.append)
    assert steps[0].losses.content == 0 < steps[0].losses.style
    assert steps[-1].picture().shape == (36, 40, 3)


# -- precision and memory -------------------------------------------------------------------


@pytest.mark.slow
def test_bf16_comes_close_to_fp32(vgg: VGG19) -> None:
    """Within 10 %, judged in fp32; a random network forgives less than the real one."""
    results = {p: engine(vgg, precision=p, iterations=40)(toy_photo()) for p in ("fp32", "bf16")}
    losses = {}
    for precision, result in results.items():
        steps: list[Step] = []
        engine(vgg, iterations=1)(toy_photo(), start=result, listener=steps.append)
        losses[precision] = steps[0].losses.total
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.1)
    assert psnr(results["bf16"], results["fp32"]) > 20


def test_responses_are_in_the_asked_precision_and_losses_in_fp32(vgg: VGG19) -> None:
    stylizer = engine(vgg, precision="bf16", iterations=1)
    seen: set[torch.dtype] = set()
    for conv in stylizer.vgg.convolutions:
        conv.register_forward_hook(lambda _m, _i, out: seen.add(out.dtype))
    stylizer(toy_photo())
    assert seen == {torch.bfloat16}
    assert {
        gram.value.dtype for grams in stylizer.style.cached.values() for gram in grams.values()
    } == {torch.float32}


def tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


@pytest.mark.slow
def test_nothing_is_left_of_a_call(vgg: VGG19) -> None:
    stylizer = engine(vgg, iterations=3, scales=2)
    photo, anchor = toy_photo(96, 80), toy_photo(96, 80, seed=1).astype(np.float32)
    anchors = [Anchor(anchor, np.ones((80, 96), np.float32), 1.0)]
    counts = []
    for _ in range(4):
        stylizer(photo, start=anchor, anchors=anchors)
        stylizer(photo)
        counts.append(tensors())
    assert counts[1:] == counts[:1] * 3


def test_paintings_are_looked_at_once_a_size(vgg: VGG19) -> None:
    stylizer = engine(vgg, iterations=2)
    runs: list[int] = []
    stylizer.vgg.register_forward_hook(lambda *_: runs.append(1))
    for _ in range(3):
        stylizer(toy_photo())
    assert len(runs) == 1 + 3 * (1 + 2)  # the painting, and for each photo itself and two rounds
    for height in range(40, 60):
        stylizer(toy_photo(64, height), iterations=1)
    assert len(stylizer.style.cached) <= 8


def test_no_graph_is_kept(vgg: VGG19) -> None:
    steps: list[Step] = []
    engine(vgg, iterations=3)(toy_photo(), listener=steps.append)
    held = [c.cell_contents for c in steps[-1].picture.__closure__ or ()]
    assert not any(isinstance(t, torch.Tensor) and (t.requires_grad or t.grad_fn) for t in held)


# -- what can go wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content_weight": -1.0}, "content weight must be 0 or more, not -1"),
        ({"style_weight": math.nan}, "style weight must be 0 or more, not nan"),
        ({"tv_weight": math.inf}, "tv weight .* not inf"),
        ({"content_weight": 0.0, "style_weight": 0.0}, "nothing to optimize"),
        ({"style_layers": ()}, "no layers"),
        ({"style_layers": (("relu9_1", 1.0),)}, "no layer 'relu9_1'"),
        ({"content_layers": (("conv4_2", 1.0),)}, "must be spelled relu4_2"),
        ({"content_layers": (("relu4_2", 0.0),)}, "all zero"),
        ({"iterations": 0}, "iterations must be at least 1, not 0"),
        ({"scales": 0}, "scales must be at least 1"),
        ({"style_size": 0}, "style size must be at least 1"),
        ({"learning_rate": 0.0}, "learning rate must be more than 0"),
        ({"tv_exponent": 1.0}, "tv exponent must be at least 2"),
        ({"tolerance": -0.1}, "tolerance must be 0 or more"),
        ({"noise": -0.1}, "noise must be 0 or more"),
        ({"optimizer": "sgd"}, "lbfgs or adam, not 'sgd'"),
        ({"normalization": "sum"}, "not 'sum'"),
        ({"color": "luma"}, "not 'luma'"),
        ({"pooling": "none"}, "not 'none'"),
    ],
)
def test_senseless_options(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        options(**changes)


@pytest.mark.parametrize(
    ("paintings", "message"),
    [
        ([], "no painting"),
        ([(painting(), 0.0), (painting(), 0.0)], "paintings are all zero"),
        ([(painting(), -1.0)], "0 or more, not -1"),
        ([(painting().astype(np.float32), 1.0)], "painting must be uint8"),
    ],
)
def test_senseless_paintings(vgg: VGG19, paintings: Paintings, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        OptimizeStylizer(paintings, options(), vgg)


def test_senseless_pictures(vgg: VGG19) -> None:
    stylizer = engine(vgg)
    for picture in (np.zeros((48, 64, 3), np.float32), np.zeros((48, 64), np.uint8)):
        with pytest.raises(OptionError, match="picture must be uint8"):
            stylizer(picture)
    with pytest.raises(OptionError, match=r"shape \(48, 64, 3\), not \(40, 64, 3\)"):
        stylizer(toy_photo(), start=toy_photo(64, 40))
    anchor = Anchor(toy_photo().astype(np.float32), np.ones((24, 32), np.float32), 1.0)
    with pytest.raises(OptionError, match=r"trust .* \(48, 64\), not \(24, 32\)"):
        stylizer(toy_photo(), anchors=[anchor])


@pytest.mark.parametrize(
    ("size", "layer", "least"), [((64, 31), "relu5_1", 32), ((15, 64), "relu4_2", 16)]
)
def test_a_picture_too_small_for_the_layers(
    vgg: VGG19, size: tuple[int, int], layer: str, least: int
) -> None:
    style_layers = ((layer, 1.0),)
    message = rf"{size[0]}×{size[1]} pixels, but the layers need at least {least} on each side"
    with pytest.raises(OptionError, match=f"picture has {message}"):
        engine(vgg, style_layers=style_layers)(toy_photo(*size))
    with pytest.raises(OptionError, match=f"texture has {message}"):
        o = options(style_layers=style_layers)
        synthesize_texture([(painting(), 1.0)], *size, o, vgg=vgg)
    width, height = (max(side, least) for side in size)
    assert engine(vgg, style_layers=style_layers)(toy_photo(width, height)).any()


def test_a_network_that_ends_too_early() -> None:
    with pytest.raises(OptionError, match=r"ends with conv2_1, before relu"):
        engine(VGG19(STATE, "relu2_1"))(toy_photo())


def test_a_texture_has_no_photo_to_keep_the_colours_of(vgg: VGG19) -> None:
    with pytest.raises(OptionError, match="color keep"):
        synthesize_texture([(painting(), 1.0)], 64, 64, options(color="keep"), vgg=vgg)


def test_a_loss_that_is_no_number_ends_it(vgg: VGG19) -> None:
    steps: list[Step] = []
    stylizer = engine(vgg, optimizer="adam", learning_rate=1e37)
    with pytest.raises(OptimizationError, match=r"became .*lower the learning rate") as caught:
        stylizer(toy_photo(), listener=steps.append)
    assert steps
    best = steps[int(np.argmin(losses_of(steps)))].picture()
    np.testing.assert_array_equal(caught.value.picture, best)


def test_a_loss_that_never_was_a_number(vgg: VGG19) -> None:
    stylizer = engine(vgg)
    start = np.full((48, 64, 3), np.nan, np.float32)
    with pytest.raises(OptimizationError, match=r"became (nan|inf)") as caught:
        stylizer(toy_photo(), start=start)
    assert caught.value.picture is None


def test_ctrl_c_goes_through(vgg: VGG19) -> None:
    steps: list[Step] = []

    def listener(step: Step) -> None:
        steps.append(step)
        if step.iteration == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine(vgg)(toy_photo(), listener=listener)
    assert len(steps) == 3
    assert steps[-1].picture().shape == (48, 64, 3)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), MemoryError(), RuntimeError("DefaultCPUAllocator: x")]
)
def test_out_of_memory_says_what_would_fit(
    vgg: VGG19, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    o = options(scales=2, iterations=2)
    pixels = 96 * 80
    monkeypatch.setattr(
        "vidstyle.stylizers.optimize.memory_size",
        lambda device: int(1.5 * pixels * bytes_per_pixel(o, 4)),
    )

    def listener(step: Step) -> None:
        if step.scale == 2:
            raise error

    with pytest.raises(OptimizationError, match=r"cpu for 96×80.* 76×64 would fit") as caught:
        OptimizeStylizer([(painting(), 1.0)], o, vgg)(toy_photo(96, 80), listener=listener)
    assert caught.value.picture is not None
    assert caught.value.picture.shape == (40, 48, 3)


def test_what_cannot_fit_is_not_begun(vgg: VGG19, monkeypatch: pytest.MonkeyPatch) -> None:
    o, steps = options(), []
    monkeypatch.setattr(
        "vidstyle.stylizers.optimize.memory_size",
        lambda device: int(96 * 80 / 4 * bytes_per_pixel(o, 4)),
    )
    with pytest.raises(OptimizationError, match=r"about 48×40 would fit"):
        OptimizeStylizer([(painting(), 1.0)], o, vgg)(toy_photo(96, 80), listener=steps.append)
    assert not steps


def test_other_errors_are_not_taken_for_it(vgg: VGG19) -> None:
    def listener(step: Step) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        engine(vgg)(toy_photo(), listener=listener)


@pytest.mark.parametrize("layer", layer_names())
def test_deeper_layers_need_more_memory(layer: str) -> None:
    o = options(content_layers=((layer, 1.0),), style_layers=(("relu1_1", 1.0),))
    assert bytes_per_pixel(o, 4) > bytes_per_pixel(o, 2) > 500


def test_losses_add_up() -> None:
    assert Losses(1.0, 2.0, 3.0, 4.0).total == 10


# -- the real network -----------------------------------------------------------------------


@pytest.mark.data
def test_a_photo_becomes_a_painting(data: Path) -> None:
    network = load_vgg19(next((data / "vgg19").glob("*.safetensors")), last="relu5_1")
    photo = resize_short_side(read_image(data / "photos" / "bsds_241004.jpg"), 64)
    style = read_image(data / "paintings" / "starry_night.jpg")
    steps: list[Step] = []
    o = OptimizeOptions(iterations=30, scales=1, device="cpu")
    result = OptimizeStylizer([(style, 1.0)], o, network)(photo, listener=steps.append)
    assert steps[-1].losses.style < 0.25 * steps[0].losses.style
    assert steps[-1].losses.content < 1.0
    blurred = cv2.GaussianBlur(result, (0, 0), 4).astype(float)
    assert 10 < np.abs(blurred - cv2.GaussianBlur(photo, (0, 0), 4)).mean() < 100
