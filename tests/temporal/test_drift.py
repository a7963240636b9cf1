"""Colours stay, unless the source's own change."""

from __future__ import annotations

import numpy as np
import pytest
from toys import toy_photo

from vidstyle.temporal.drift import DriftGuard
from vidstyle.temporal.motion import Motion

SIZE = 64, 96
SCENE = (40 + 0.6 * toy_photo(200, 64)).astype(np.uint8)


def motion(image: np.ndarray, pixels: int = 0) -> tuple[Motion, np.ndarray]:
    flow = np.zeros((*SIZE, 2), np.float32)
    flow[..., 0] = pixels
    trust = np.ones(SIZE, np.float32)
    trust[:, SIZE[1] - pixels :] = 0
    return Motion(image, flow, trust), trust


def view(left: int = 0, darker: float = 0.0) -> np.ndarray:
    return (SCENE[:, left : left + SIZE[1]] - darker).clip(0, 255).round().astype(np.uint8)


def course(
    guard: DriftGuard, sources: list[np.ndarray], step: np.ndarray, speed: int = 0
) -> list[np.ndarray]:
    """Results that are the source, but take a step away from it in each frame."""
    drift, results = np.zeros(3), []
    for number, source in enumerate(sources):
        if number:
            guard.move(*motion(source, speed))
        drawn = (source + drift).round().clip(0, 255).astype(np.uint8)
        result = guard.correct(source, drawn)
        guard.keep(source, result)
        results.append(result)
        # The next frame starts from this one.
        drift = (result.astype(float) - source).mean((0, 1)) + step
    return results


def shifts(results: list[np.ndarray], sources: list[np.ndarray]) -> np.ndarray:
    pairs = zip(results, sources, strict=True)
    return np.array([(r.astype(float) - s).mean((0, 1)) for r, s in pairs])


STEP = np.array([-1.5, 0.8, 0.0])


def test_a_still_scene_does_not_darken() -> None:
    sources = [view()] * 40
    free = shifts(course(DriftGuard(np.inf), sources, STEP), sources)
    held = shifts(course(DriftGuard(1.0), sources, STEP), sources)
    assert free[-1] == pytest.approx(39 * STEP, abs=8)
    assert np.abs(held).max() < 1.6


def test_a_pan_is_held_as_well() -> None:
    sources = [view(2 * n) for n in range(40)]
    held = shifts(course(DriftGuard(1.0), sources, STEP, speed=2), sources)
    assert np.abs(held).max() < 3


def test_what_the_source_does_is_allowed() -> None:
    """A fade to dark goes through, though results leave their first colours by far."""
    sources = [view(darker=n) for n in range(30)]
    results = course(DriftGuard(1.0), sources, np.zeros(3))
    assert all(np.array_equal(a, b) for a, b in zip(results, sources, strict=True))


def test_little_changes_pass() -> None:
    guard = DriftGuard(2.0)
    guard.keep(view(), view())
    guard.move(*motion(view()))
    drawn = (view() + 2).astype(np.uint8)
    assert guard.correct(view(), drawn) is drawn


def test_less_than_a_level_is_taken_away_too() -> None:
    guard = DriftGuard(0.6)
    guard.keep(view(), view())
    guard.move(*motion(view()))
    drawn = (view() + 1).astype(np.uint8)
    result = guard.correct(view(), drawn)
    assert (result.astype(float) - view()).mean((0, 1)) == pytest.approx([0.6] * 3, abs=0.02)
    assert np.array_equal(guard.correct(view(), drawn), result)


def test_another_shot_owes_nothing_to_the_last() -> None:
    guard = DriftGuard(1.0)
    guard.keep(view(), view())
    guard.forget()
    drawn = (view() + 40).astype(np.uint8)
    assert guard.correct(view(), drawn) is drawn


def test_what_is_not_known_has_no_say() -> None:
    guard = DriftGuard(1.0)
    guard.keep(view(), view())
    guard.move(motion(view())[0], np.zeros(SIZE, np.float32))
    drawn = (view() + 40).astype(np.uint8)
    assert guard.correct(view(), drawn) is drawn
