"""The stylizer for live pictures: steadied, steered, at a working size."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from toys import toy_photo, toy_style

from vidstyle.errors import OptionError, StyleError
from vidstyle.live.stylizer import LiveStylizer
from vidstyle.live.transition import Transition
from vidstyle.styles import Style, load_style
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.temporal import TemporalOptions

FP32 = FastOptions(precision="fp32")
ALONE = TemporalOptions(temporal=0)
PHOTO = toy_photo(128, 96)


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def difference(image: np.ndarray, other: np.ndarray) -> float:
    """Mean, in levels."""
    return float(np.abs(image.astype(float) - other).mean())


def drawn(style: str | Style, image: np.ndarray = PHOTO, strength: float = 1.0) -> np.ndarray:
    return FastStylizer(style, replace(FP32, strength=strength))(image)


def without_gain(name: str) -> Style:
    """A bundled style through which nothing of the picture itself passes."""
    style = load_style(name)
    vector = style.vector.clone()
    vector.split(style.network.architecture.style_splits())[-2].zero_()
    return replace(style, vector=vector)


def grainy(count: int) -> list[np.ndarray]:
    """A still picture with grain that changes."""
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(toy_photo(160, 120), (0, 0), 1.5)
    return [
        (smooth + rng.normal(0, 4, smooth.shape)).clip(0, 255).astype(np.uint8)
        for _ in range(count)
    ]


# -- pictures ---------------------------------------------------------------------------------


def test_by_itself_it_draws_as_the_fast_engine_does() -> None:
    with LiveStylizer("scream", fast=FP32, temporal=ALONE) as stylizer:
        for _ in range(2):
            assert np.array_equal(stylizer(PHOTO), drawn("scream"))


def test_the_first_picture_owes_nothing_to_the_past() -> None:
    with LiveStylizer("wave", fast=FP32) as stylizer:
        assert np.array_equal(stylizer(PHOTO), drawn("wave"))
        stylizer(255 - PHOTO)
        stylizer.forget()
        assert np.array_equal(stylizer(PHOTO), drawn("wave"))


def test_the_past_steadies() -> None:
    flicker = {}
    for temporal in (0.0, 0.6):
        with LiveStylizer("scream", fast=FP32, temporal=TemporalOptions(temporal)) as stylizer:
            results = [stylizer(image) for image in grainy(8)]
        flicker[temporal] = difference(results[-1], results[-2])
    assert flicker[0.6] < 0.4 * flicker[0.0]


def test_temporal_can_be_changed() -> None:
    with LiveStylizer("scream", fast=FP32) as stylizer:
        stylizer(PHOTO)
        stylizer.set_temporal(0)
        assert stylizer.temporal == 0
        assert np.array_equal(stylizer(PHOTO[::-1]), drawn("scream", PHOTO[::-1]))
        with pytest.raises(OptionError, match="from 0 to 1, not 2"):
            stylizer.set_temporal(2)
        assert stylizer.temporal == 0


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (97, 33)])
def test_any_size(shape: tuple[int, int]) -> None:
    image = toy_photo(shape[1], shape[0])
    with LiveStylizer(toy_style(), fast=FP32, working_side=64) as stylizer:
        for _ in range(2):
            assert stylizer(image).shape == (*shape, 3)


def test_pictures_of_another_size_begin_anew() -> None:
    with LiveStylizer("scream", fast=FP32) as stylizer:
        stylizer(PHOTO)
        other = toy_photo(80, 80)
        assert np.array_equal(stylizer(other), drawn("scream", other))


def test_what_is_no_live_picture() -> None:
    with LiveStylizer(toy_style(), fast=FP32) as stylizer:
        for wrong in (PHOTO.astype(np.float32), PHOTO[..., :2], PHOTO[None]):
            with pytest.raises(OptionError, match="live frames are uint8"):
                stylizer(wrong)
    with pytest.raises(OptionError, match="cuts must be auto or none"):
        LiveStylizer(toy_style(), temporal=TemporalOptions(cuts="list.txt"))
    with pytest.raises(StyleError):
        LiveStylizer("screm")


def test_its_input_stays_as_it_is_and_its_output_is_its_own() -> None:
    image = PHOTO.copy()
    with LiveStylizer("photo", fast=FP32) as stylizer:
        result = stylizer(image)
        assert result is not image and np.array_equal(result, image)
        stylizer.set_style("scream", 0)
        stylizer(image)
    assert np.array_equal(image, PHOTO)


# -- working size -----------------------------------------------------------------------------


def test_it_draws_at_the_working_size_and_enlarges() -> None:
    image, style = toy_photo(320, 240), without_gain("scream")
    with LiveStylizer(style, fast=FP32, temporal=ALONE, working_side=128) as stylizer:
        assert stylizer.working_size(320, 240) == (128, 96)
        small = cv2.resize(image, (128, 96), interpolation=cv2.INTER_AREA)
        smooth = cv2.GaussianBlur(drawn(style, small), (3, 3), 0.6)
        expected = cv2.resize(smooth, (320, 240), interpolation=cv2.INTER_CUBIC)
        assert np.array_equal(stylizer(image), expected)
        stylizer.working_side = 1000
        assert stylizer.working_size(320, 240) == (320, 240)


def test_what_passes_of_the_picture_stays_sharp() -> None:
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (60, 80, 3), np.uint8), (320, 240), interpolation=0)
    with LiveStylizer("scream", fast=replace(FP32, strength=0.1), working_side=64) as stylizer:
        result = stylizer(image)
    whole = drawn("scream", image, strength=0.1)
    blurred = cv2.resize(cv2.resize(whole, (64, 48), interpolation=cv2.INTER_AREA), (320, 240))
    assert difference(result, whole) < 0.5 * difference(blurred, whole)


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_kept_chroma_stays_sharp(strength: float) -> None:
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(60, 200, (60, 80, 3), np.uint8), (320, 240), interpolation=0)
    options = replace(FP32, color="keep", strength=strength)
    with LiveStylizer("scream", fast=options, working_side=64) as stylizer:
        result = stylizer(image).astype(np.float32)
    whole = FastStylizer("scream", options)(image).astype(np.float32)
    chroma = [
        cv2.cvtColor(x, cv2.COLOR_RGB2YUV)[..., 1:]
        for x in (result, whole, image.astype(np.float32))
    ]
    assert difference(chroma[0], chroma[1]) < 3
    assert difference(chroma[0], chroma[2]) < 3


def test_another_working_size_makes_no_jump() -> None:
    images = grainy(8)
    steps = {}
    for name in ("carried over", "begun anew"):
        with LiveStylizer("scream", fast=FP32, working_side=144) as stylizer:
            for image in images[:6]:
                before = stylizer(image)
            if name == "begun anew":
                stylizer.forget()
            stylizer.working_side = 128
            steps[name] = difference(stylizer(images[6]), before)
            assert stylizer(images[7]).shape == images[7].shape
    assert steps["carried over"] < 0.5 * steps["begun anew"]


# -- steering ---------------------------------------------------------------------------------


def test_a_morph_is_smooth() -> None:
    start, end = torch.zeros(3), torch.tensor([1.0, 2.0, 4.0])
    morph = Transition(start, end, began=10, seconds=2)
    assert torch.equal(morph.at(9), start) and torch.equal(morph.at(12.5), end)
    assert torch.allclose(morph.at(11), end / 2)
    path = [float(morph.at(10 + n / 50)[0]) for n in range(101)]
    steps = np.diff(path)
    assert steps.min() >= 0 and steps.max() < 0.016 and steps[0] < 0.001 > steps[-1]
    assert torch.equal(Transition(start, end, 10, 0).at(10), end)


def test_a_morph_lets_the_past_go_at_any_frame_rate() -> None:
    vector = torch.zeros(1)
    for rate in (5, 30):
        morph = Transition(vector, vector, began=0, seconds=1)
        times = np.arange(-1, 3, 1 / rate)
        kept = np.prod([morph.kept(a, b) for a, b in itertools.pairwise(times)])
        assert kept == pytest.approx(np.exp(-8))
        assert morph.kept(-1, 0) == morph.kept(2, 3) == 1
    at_once = Transition(vector, vector, began=0, seconds=0)
    assert at_once.kept(-0.1, 0.1) == 0 and at_once.kept(0.1, 0.2) == 1


def test_a_style_is_reached_in_the_time_given() -> None:
    clock = Clock()
    with LiveStylizer("scream", fast=FP32, temporal=ALONE, clock=clock) as stylizer:
        stylizer.set_style("wave", seconds=2)
        assert stylizer.style.label == "wave"
        assert np.array_equal(stylizer(PHOTO), drawn("scream"))
        clock.now += 1
        assert difference(stylizer(PHOTO), drawn("scream:0.5,wave:0.5")) < 0.1
        clock.now += 1
        assert np.array_equal(stylizer(PHOTO), drawn("wave"))


def test_the_way_there_has_no_jumps() -> None:
    clock = Clock()
    with LiveStylizer("scream", fast=FP32, clock=clock) as stylizer:
        stylizer(PHOTO)
        stylizer.set_style("wave", seconds=1)
        results = []
        for _ in range(24):
            clock.now += 1 / 12
            results.append(stylizer(PHOTO))
    steps = [difference(a, b) for a, b in itertools.pairwise(results)]
    whole = difference(drawn("scream"), drawn("wave"))
    assert max(steps) < whole / 3
    # And it is there soon after: the past does not hold it back.
    assert difference(results[-1], drawn("wave")) < whole / 8


def test_a_change_of_mind_begins_where_one_is() -> None:
    clock = Clock()
    with LiveStylizer("scream", fast=FP32, temporal=ALONE, clock=clock) as stylizer:
        stylizer.set_style("wave", seconds=1)
        clock.now += 0.5
        halfway = stylizer(PHOTO)
        stylizer.set_style("udnie", seconds=1)
        assert np.array_equal(stylizer(PHOTO), halfway)
        clock.now += 1
        assert np.array_equal(stylizer(PHOTO), drawn("udnie"))


def test_strength_and_blend() -> None:
    clock = Clock()
    with LiveStylizer("scream", fast=FP32, temporal=ALONE, clock=clock) as stylizer:
        stylizer.set_strength(0.5, 0)
        assert stylizer.strength == 0.5
        assert np.array_equal(stylizer(PHOTO), drawn("scream", strength=0.5))
        stylizer.set_blend({"wave": 3, "udnie": 1}, 0)
        assert np.array_equal(stylizer(PHOTO), drawn("wave:3,udnie:1", strength=0.5))
        stylizer.set_strength(0, 0)
        assert np.array_equal(stylizer(PHOTO), PHOTO)


def test_a_style_of_another_backbone_is_reached_by_way_of_the_photo() -> None:
    clock = Clock()
    own, foreign = load_style("scream"), toy_style()
    with LiveStylizer(own, fast=FP32, temporal=ALONE, clock=clock) as stylizer:
        stylizer.set_style(foreign, seconds=2)
        assert np.array_equal(stylizer(PHOTO), drawn(own))
        clock.now += 1
        assert difference(stylizer(PHOTO), PHOTO) < 0.1
        clock.now += 1
        assert np.array_equal(stylizer(PHOTO), drawn(foreign))
        stylizer.set_style(own, seconds=0)
        assert np.array_equal(stylizer(PHOTO), drawn(own))


def test_what_cannot_be_done_changes_nothing() -> None:
    with LiveStylizer("scream", fast=FP32, temporal=ALONE) as stylizer:
        for style in ("wav", "scream:-1,wave:2"):
            with pytest.raises((StyleError, OptionError)):
                stylizer.set_style(style)
        with pytest.raises(OptionError, match="strength is from 0 to 1"):
            stylizer.set_strength(1.5)
        with pytest.raises(OptionError, match="0 seconds or more"):
            stylizer.set_style("wave", -1)
        assert (stylizer.style.label, stylizer.strength) == ("scream", 1.0)
        assert np.array_equal(stylizer(PHOTO), drawn("scream"))


def test_threads_may_steer_while_it_draws() -> None:
    with LiveStylizer("scream", fast=FP32, working_side=48) as stylizer:
        failures: list[BaseException] = []
        over = threading.Event()

        def steer() -> None:
            try:
                number = 0
                while not over.wait(0.001):
                    number += 1
                    stylizer.set_style(("wave", "udnie", "scream")[number % 3], 0.01 * (number % 2))
                    stylizer.set_strength(number % 5 / 4, 0.01)
                    stylizer.set_temporal(number % 2 / 2)
                    stylizer.working_side = 32 + number % 40
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=steer)
        thread.start()
        for _ in range(60):
            assert stylizer(PHOTO).shape == PHOTO.shape
        over.set()
        thread.join()
    assert failures == []
