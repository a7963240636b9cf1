"""The ring of styles."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from toys import toy_style, write_toy

from vidstyle.errors import StyleError
from vidstyle.live.style_ring import StyleRing
from vidstyle.styles import available_styles, load_style

NAMES = ("scream", "wave", "udnie")


def test_steps_go_round() -> None:
    ring = StyleRing("wave", NAMES)
    assert ring.style.label == "wave"
    assert [ring.step(1).label for _ in range(3)] == ["udnie", "scream", "wave"]
    assert [ring.step(-1).label for _ in range(3)] == ["scream", "udnie", "wave"]


def test_parts_of_a_step_are_blends() -> None:
    ring = StyleRing("scream", NAMES)
    style = ring.step(0.25)
    assert torch.allclose(style.vector, load_style("scream:3,wave:1").vector, atol=1e-6)
    assert style.label == "scream 0.75 + wave 0.25"
    for _ in range(3):
        style = ring.step(0.25)
    assert style.label == "wave" and ring.step(-0.1).label == "scream 0.1 + wave 0.9"


def test_from_a_blend_the_next_whole_step_ends_at_a_style() -> None:
    ring = StyleRing("scream", NAMES)
    ring.step(0.3)
    assert ring.step(1).label == "wave"
    ring.step(0.3)
    assert ring.step(-1).label == "wave"
    ring.choose("udnie")
    assert ring.step(0.5).label == "udnie 0.5 + scream 0.5"  # round the ring


def test_numbers_are_those_of_the_list() -> None:
    ring = StyleRing("scream")
    names = list(available_styles())
    assert ring.choose(2).label == names[1]
    assert ring.choose(99).label == names[-1]


def test_what_is_not_in_the_ring_joins_it(tmp_path: Path) -> None:
    ring = StyleRing("scream:0.5,wave:0.5", NAMES)
    assert ring.style.label == "scream+wave"
    assert ring.step(1).label == "scream" and ring.step(-1).label == "scream+wave"
    file = write_toy(tmp_path / "own.safetensors")
    assert ring.choose(file).label == "alpha"
    toy = toy_style()
    assert ring.choose(toy) is toy and ring.step(-1).label == "alpha"
    assert ring.choose(toy) is toy and ring.step(1).label == "scream"


def test_an_unknown_style_changes_nothing() -> None:
    ring = StyleRing("wave", NAMES)
    with pytest.raises(StyleError, match="unknown style"):
        ring.choose("wavy")
    assert ring.style.label == "wave" and ring.step(1).label == "udnie"
    with pytest.raises(StyleError):
        StyleRing("nosuch", NAMES)


def test_between_backbones_there_are_no_blends() -> None:
    ring = StyleRing("scream", ())
    ring.choose(toy_style())
    assert ring.step(0.4).label == "toy" and ring.step(0.2).label == "scream"
