"""Values of options from the text of the command line. All functions raise OptionError."""

from typing import Literal

from vidstyle.errors import OptionError

StrokeSize = float | Literal["auto"]


def parse_time(text: str) -> float:
    """Seconds from ``12.5``, ``1:02`` or ``hh:mm:ss.s``."""
    seconds = 0.0
    try:
        parts = [float(part) for part in text.split(":")]
        if len(parts) > 3 or not all(0 <= part < float("inf") for part in parts):
            raise ValueError
    except ValueError as error:
        raise OptionError(f"'{text}' is not a time; use seconds or hh:mm:ss") from error
    for part in parts:
        seconds = seconds * 60 + part
    return seconds


def parse_size(text: str) -> tuple[int, int]:
    """Width and height from ``640x480``, or one number for both."""
    try:
        sides = [int(side) for side in text.lower().split("x")]
        if len(sides) > 2 or min(sides) < 1:
            raise ValueError
    except ValueError as error:
        raise OptionError(f"'{text}' is not a size; use WIDTHxHEIGHT or one number") from error
    return sides[0], sides[-1]


def parse_bitrate(text: str) -> int:
    """Bits per second from ``4M``, ``800k`` or ``4000000``."""
    factor = {"k": 1000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    try:
        return round(float(text[:-1] if factor > 1 else text) * factor)
    except (ValueError, OverflowError) as error:
        raise OptionError(f"'{text}' is not a bit rate; use 4M or 800k") from error


def parse_stroke_size(text: str) -> StrokeSize:
    """A number, or ``auto``."""
    try:
        return "auto" if text == "auto" else float(text)
    except ValueError as error:
        raise OptionError(f"must be auto or a number, not '{text}'") from error


def parse_names(text: str) -> tuple[str, ...]:
    """``a,b,c`` as names."""
    return tuple(name for name in text.split(",") if name)
