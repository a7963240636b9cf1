"""The ring of styles."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from toys import toy_style, write_toy

from vidstyle.errors import StyleError
from vidstyle.live.palette import Palette
from vidstyle.styles import available_styles, load_style

NAMES = ("scream", "wave", "udnie")


def test_steps_go_round() -> None:
    palette = Palette("wave", NAMES)
    assert palette.style.label == "wave"
    assert [palette.step(1).label for _ in range(3)] == ["udnie", "scream", "wave"]
    assert [palette.step(-1).label for _ in range(3)] == ["scream", "udnie", "wave"]


def test_parts_of_a_step_are_blends() -> None:
    palette = Palette("scream", NAMES)
    style = palette.step(0.25)
    assert torch.allclose(style.vector, load_style("scream:3,wave:1").vector, atol=1e-6)
    assert style.label == "scream 0.75 + wave 0.25"
    for _ in range(3):
        style = palette.step(0.25)
    assert style.label == "wave" and palette.step(-0.1).label == "scream 0.1 + wave 0.9"


def test_from_a_blend_the_next_whole_step_ends_at_a_style() -> None:
    palette = Palette("scream", NAMES)
    palette.step(0.3)
    assert palette.step(1).label == "wave"
    palette.step(0.3)
    assert palette.step(-1).label == "wave"
    palette.choose("udnie")
    assert palette.step(0.5).label == "udnie 0.5 + scream 0.5"  # round the ring


def test_numbers_are_those_of_the_list() -> None:
    palette = Palette("scream")
    names = list(available_styles())
    assert palette.choose(2).label == names[1]
    assert palette.choose(99).label == names[-1]


def test_what_is_not_in_the_ring_joins_it(tmp_path: Path) -> None:
    palette = Palette("scream:0.5,wave:0.5", NAMES)
    assert palette.style.label == "scream+wave"
    assert palette.step(1).label == "scream" and palette.step(-1).label == "scream+wave"
    file = write_toy(tmp_path / "own.safetensors")
    assert palette.choose(file).label == "alpha"
    toy = toy_style()
    assert palette.choose(toy) is toy and palette.step(-1).label == "alpha"
    assert palette.choose(toy) is toy and palette.step(1).label == "scream"


def test_an_unknown_style_changes_nothing() -> None:
    palette = Palette("wave", NAMES)
    with pytest.raises(StyleError, match="unknown style"):
        palette.choose("wavy")
    assert palette.style.label == "wave" and palette.step(1).label == "udnie"
    with pytest.raises(StyleError):
        Palette("nosuch", NAMES)


def test_between_backbones_there_are_no_blends() -> None:
    palette = Palette("scream", ())
    palette.choose(toy_style())
    assert palette.step(0.4).label == "toy" and palette.step(0.2).label == "scream"
