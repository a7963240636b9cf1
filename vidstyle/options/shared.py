"""Options that several records have."""

from typing import Any

from vidstyle.options.base import BASIC, SPEED


def strength() -> Any:
    return BASIC.option(
        1.0,
        "How strongly to apply the style: 0 leaves the picture as it is, 1 is the full style.",
        min=0,
        max=1,
    )


def max_side() -> Any:
    return BASIC.option(
        None,
        "Scale down so that the longer side has at most this many pixels.",
        metavar="PIXELS",
        min=2,
        unit="pixels",
    )


def device() -> Any:
    return SPEED.option("auto", "auto, cpu, cuda, cuda:N or mps.")


def overwrite() -> Any:
    return BASIC.option(False, "Replace existing output.", results=False)
