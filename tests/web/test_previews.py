"""Quick drawings are what the engine draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from toys import toy_photo

from vidstyle.errors import StyleError
from vidstyle.options import FastOptions
from vidstyle.stylizers import FastStylizer
from vidstyle.web.catalog import style_titles
from vidstyle.web.previews import PreviewRenderer


def test_a_drawing_does_not_depend_on_those_before() -> None:
    previews, photo = PreviewRenderer(), toy_photo(96, 64)
    chosen: list[dict[str, Any]] = [{}, {"strength": 0.4}, {"color": "keep"}, {"quality": "draft"}]
    for changes in chosen:
        fast = FastOptions(**changes)
        for style in ("wave", "scream"):
            expected = FastStylizer(style, fast)(photo)
            assert np.array_equal(previews.paint(photo, style, fast), expected)


def test_the_sheet_has_all_styles_but_the_photo_itself() -> None:
    sheet = PreviewRenderer().sheet(toy_photo(640, 480))
    assert list(sheet) == list(style_titles()) and "photo" not in sheet
    assert {picture.shape for picture in sheet.values()} == {(336, 448, 3)}


@pytest.mark.parametrize("style", ["photo", "/etc/passwd", "wave,scream"])
def test_other_styles_are_refused(style: str) -> None:
    with pytest.raises(StyleError, match="unknown style"):
        PreviewRenderer().paint(toy_photo(), style, FastOptions())
