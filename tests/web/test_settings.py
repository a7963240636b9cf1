"""What is chosen on the page, as the command line would say it."""

from __future__ import annotations

from typing import Any

import pytest

from vidstyle.errors import OptionError, StyleError
from vidstyle.options import FastOptions, ReadOptions
from vidstyle.web.settings import VideoSettings

PLAIN: dict[str, Any] = {
    "style": "wave",
    "strength": 1.0,
    "temporal": 0.6,
    "color": "style",
    "quality": "standard",
    "max_side": 0,
    "start": "",
    "end": "",
}


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({}, ""),
        ({"strength": 0.35}, " --strength 0.35"),
        ({"strength": 1}, ""),
        ({"temporal": 0}, " --temporal 0"),
        ({"color": "keep", "quality": "fine"}, " --color keep --quality fine"),
        ({"max_side": 640}, " --max-side 640"),
        ({"start": "1:02:03.4567", "end": " 4000 "}, " --start 3723.4567 --end 4000"),
    ],
)
def test_the_command_line_names_what_differs(changes: dict[str, Any], flags: str) -> None:
    choice = VideoSettings.of(**{**PLAIN, **changes})
    assert choice.command("clip.mp4") == f"vidstyle run clip.mp4 --style wave{flags}"


def test_names_are_quoted() -> None:
    command = VideoSettings.of(**PLAIN).command("my clip; rm *.mp4")
    assert command == "vidstyle run 'my clip; rm *.mp4' --style wave"


def test_the_records_are_those_of_the_command_line() -> None:
    choice = VideoSettings.of(**{**PLAIN, "strength": 0.5, "end": "0:30"})
    assert choice.fast == FastOptions(strength=0.5)
    assert choice.read == ReadOptions(end=30)


@pytest.mark.parametrize("style", ["/etc/passwd", "nosuch", "../wave", "photo", "", "a:1,b:2"])
def test_only_styles_of_the_catalogue_can_be_named(style: str) -> None:
    with pytest.raises(StyleError, match="unknown style"):
        VideoSettings.of(**{**PLAIN, "style": style})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strength": 2}, "strength must be from 0 to 1"),
        ({"quality": "best"}, "quality must be"),
        ({"start": "soon"}, "'soon' is not a time"),
        ({"start": "5", "end": "4"}, "is not after"),
        ({"max_side": 1}, "max side must be at least 2"),
    ],
)
def test_values_that_make_no_sense_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        VideoSettings.of(**{**PLAIN, **changes})
