"""How work that goes on is shown."""

from __future__ import annotations

import numpy as np
import pytest

from vidstyle.pipeline.summary import Progress
from vidstyle.web.status import JobView, duration, loss_curve, progress_view


@pytest.mark.parametrize(
    ("progress", "words", "share"),
    [
        (Progress(50, 200, 10.0), "50 of 200 frames · 5.0 frames/s · 30 s left", 0.25),
        (Progress(50, 200, 10.0, skipped=40), "50 of 200 frames · 1.0 frames/s · 2 min 30 s", 0.25),
        (Progress(50, None, 10.0), "50 frames · 5.0 frames/s", None),
        (Progress(50, 40, 10.0), "50 of 50 frames · 5.0 frames/s · 0 s left", 1.0),
        (Progress(0, 9, 0.0), "0 of 9 frames · 0.0 frames/s", 0.0),
    ],
)
def test_a_run_says_how_far_it_is(progress: Progress, words: str, share: float | None) -> None:
    view = progress_view(progress)
    assert view.words.startswith(words) and view.share == share


def test_words_cannot_become_tags_and_deep_colours_are_shown() -> None:
    picture = np.full((4, 6, 3), 255.4, np.float32)
    shown = JobView("<script>", 0.426, picture, [3.0, 2.0]).html()
    assert "&lt;script&gt;" in shown and "<script>" not in shown
    assert 'aria-valuenow="43"' in shown and "data:image/jpeg;base64," in shown


def test_losses_fall_from_the_top_to_the_bottom() -> None:
    assert 'points="0.0,6.0 150.0,30.0 300.0,54.0"' in loss_curve([100.0, 10.0, 1.0])
    assert loss_curve([]) == loss_curve([1.0]) == ""
    assert "nan" not in loss_curve([1.0, 1.0])


@pytest.mark.parametrize(
    ("seconds", "words"), [(7.6, "8 s"), (125, "2 min 5 s"), (3840, "1 h 4 min")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
