"""The web page: where it listens, who may see it, and what it accepts."""

from dataclasses import dataclass
from pathlib import Path

from vidstyle.errors import OptionError
from vidstyle.options.base import BASIC, LIMITS, Options


def parse_login(text: str) -> tuple[str, str]:
    """User and password from ``USER:PASSWORD``. Raises OptionError when either is missing."""
    user, _, password = text.partition(":")
    if not user or not password:
        raise OptionError(f"'{user}' with its password must be USER:PASSWORD, neither empty")
    return user, password


@dataclass(frozen=True)
class WebOptions(Options):
    """How the page is served, and how large a file may be that a visitor brings."""

    host: str = BASIC.option(
        "127.0.0.1",
        "Address to listen at; 0.0.0.0 lets other computers in.",
        metavar="ADDRESS",
    )
    port: int = BASIC.option(7860, "Port to listen at.", metavar="N", min=1, max=65535)
    auth: tuple[str, str] | None = BASIC.option(
        None,
        "Ask visitors for this name and password.",
        metavar="USER:PASSWORD",
        unset="everybody is let in",
        parse=parse_login,
    )
    photos: Path | None = BASIC.option(
        None,
        "A folder of photos to learn new styles on.",
        metavar="DIR",
        unset="visitors bring theirs, or the sample clip serves",
    )
    open: bool = BASIC.option(False, "Open the page in the browser of this computer.")
    max_megabytes: int = LIMITS.option(
        500, "Largest file that can be uploaded.", metavar="MB", min=1, unit="MB"
    )
    max_minutes: float = LIMITS.option(
        10.0, "Longest clip that is painted.", metavar="MINUTES", above=0, unit="minutes"
    )
    max_megapixels: float = LIMITS.option(
        50.0,
        "Largest picture, or picture of a clip, that is painted.",
        metavar="MEGAPIXELS",
        above=0,
        unit="megapixels",
    )
    max_waiting: int = LIMITS.option(
        20, "Jobs that may wait while one is at work.", metavar="N", min=1
    )
