"""What earlier results say of a frame, on pictures whose motion is known."""

from __future__ import annotations

import numpy as np
import pytest
from toys import toy_photo

from vidstyle.temporal.history import History, WarpedFrame, blend, long_term_weights, trusted
from vidstyle.temporal.motion import Motion, estimate_motion

WIDE = toy_photo(200, 96, seed=3)
SIZE = 96, 128


def view(left: int) -> np.ndarray:
    """Part of a scene, as a panning camera would see it."""
    return np.ascontiguousarray(WIDE[:, left : left + SIZE[1]])


def pan(image: np.ndarray, pixels: int) -> Motion:
    """The exact motion to a frame from one that lay so many pixels to the left."""
    flow = np.zeros((*SIZE, 2), np.float32)
    flow[..., 0] = pixels
    visible = np.ones(SIZE, np.float32)
    visible[:, SIZE[1] - pixels :] = 0
    return Motion(image, flow, visible)


def painting(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def test_a_shift_by_whole_pixels_is_exact() -> None:
    past, drawn = History(4, "medium"), painting(0)
    past.add(view(0), drawn)
    (only,) = past(pan(view(5), 5), (1, 2, 4))
    assert np.array_equal(only.image[:, :-5], drawn[:, 5:].astype(np.float32))
    assert only.trust[:, :100].min() > 0.98
    assert only.trust[:, -3:].max() < 0.2


def test_results_may_be_larger_than_thumbnails() -> None:
    def large(image: np.ndarray) -> np.ndarray:
        return np.repeat(np.repeat(image, 2, 0), 2, 1)

    past = History(1, "medium")
    past.add(view(0), large(view(0)))
    (only,) = past(pan(view(4), 4), (1,))
    assert only.image.shape == (192, 256, 3)
    assert only.trust.shape == (192, 256)
    assert (
        np.abs(
            only.image[4:-4, 4:-20] - np.repeat(np.repeat(view(4), 2, 0), 2, 1)[4:-4, 4:-20]
        ).mean()
        < 1
    )


def test_what_was_hidden_for_a_moment_is_found_further_back() -> None:
    """A grey square stands before a still scene in one frame alone."""
    hidden = view(0).copy()
    hidden[30:66, 40:90] = 128
    past, before, between = History(4, "medium"), painting(1), painting(2)
    past.add(view(0), before)
    past.add(hidden, between)
    near, far = past(estimate_motion(hidden, view(0), "medium", False), (1, 2))
    behind = np.s_[38:58, 48:82]
    assert near.trust[behind].mean() < 0.2
    assert far.trust[behind].mean() > 0.75
    assert np.abs(far.image[behind] - before[behind]).mean() < 3
    outside = np.s_[:16]
    assert near.trust[outside].mean() > 0.95
    assert far.trust[outside].mean() < 0.05
    assert (near.trust + far.trust).max() <= 1.0001


def test_nothing_is_known_when_a_shot_begins() -> None:
    past = History(4, "medium")
    past.add(view(0), painting(0))
    assert past(Motion(view(0)), (1, 2, 4)) == []
    past.forget()
    assert past(pan(view(0), 0), (1, 2, 4)) == []


def test_only_as_many_are_kept_as_asked_for() -> None:
    past = History(2, "ultrafast")
    for seed in range(6):
        past.add(view(0), painting(seed))
    latest, older = past(pan(view(0), 0), (1, 2, 4))
    assert np.array_equal(latest.image, painting(5))
    assert np.array_equal(older.image, painting(4))


def test_what_looks_unlike_is_not_trusted() -> None:
    still = pan(view(0), 0)
    assert trusted(still, view(0)).min() > 0.99
    assert trusted(still, 255 - view(0)).mean() < 0.3
    noisy = view(0) + np.random.default_rng(0).normal(0, 4, (*SIZE, 3))
    assert trusted(still, noisy.clip(0, 255).astype(np.uint8)).min() > 0.95


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_long_term_weights_against_the_paper_written_out(count: int) -> None:
    rng = np.random.default_rng(count)
    trusts = [rng.random((5, 7)).astype(np.float32) for _ in range(count)]
    weights = long_term_weights(trusts)
    for j in range(count):
        for y in range(5):
            for x in range(7):
                closer = sum(float(trusts[k][y, x]) for k in range(j))
                assert weights[j][y, x] == pytest.approx(
                    max(float(trusts[j][y, x]) - closer, 0.0), abs=1e-6
                )
    assert sum(weights).max() <= 1 + 1e-6
    assert long_term_weights([]) == []


def test_a_blend_of_past_and_present() -> None:
    fill = np.full((2, 2, 3), 100, np.uint8)
    trust = np.array([[0, 0.5], [1, 1]], np.float32)
    past = [WarpedFrame(np.full((2, 2, 3), 200, np.float32), trust)]
    assert blend(fill, past, 1.0)[..., 0].tolist() == [[100, 150], [200, 200]]
    assert blend(fill, past, 0.5)[..., 0].tolist() == [[100, 125], [150, 150]]
    assert np.array_equal(blend(fill, [], 1.0), fill)
