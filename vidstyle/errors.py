"""Every error that vidstyle raises on purpose.

Each message names the file or the value at fault and, where there is one, the remedy.
The command line prints it as one line and exits with the error's ``exit_code``.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class ExitCode(IntEnum):
    """What the program ends with."""

    done = 0
    failed = 1
    usage = 2
    partial = 3
    """The output is there and whole in itself, but something of the input is not in it."""
    interrupted = 130


class VidstyleError(Exception):
    """Base of all errors that a caller of vidstyle may want to catch.

    Its text is one line that a terminal shows as it is, whatever a file's name or content.
    """

    exit_code = ExitCode.failed

    def __str__(self) -> str:
        return printable(super().__str__())


def printable(text: str) -> str:
    """Text from a file as one line, with control characters as escapes such as ``\\x1b``."""
    return "".join(c if c.isprintable() else " " if c.isspace() else repr(c)[1:-1] for c in text)


def suggestion(name: str, known: Iterable[str], count: int = 3) -> str:
    """A hint for an unknown name: the most similar known ones, or else all of them."""
    known = list(known)
    near = get_close_matches(name.lower(), known, n=count, cutoff=0.4)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"


class OptionError(VidstyleError, ValueError):
    """An option has a value that makes no sense, alone or beside another option."""

    exit_code = ExitCode.usage


class InputError(VidstyleError):
    """A file or stream cannot be read, or holds no video."""


class OutputError(VidstyleError):
    """The result cannot be written where or how it was asked for."""


class CutShortError(OutputError):
    """The result could not be finished, and what there was of it has been kept."""

    exit_code = ExitCode.partial


class StyleError(VidstyleError):
    """A style is unknown, damaged, or made for another network."""


class DeviceError(VidstyleError):
    """The asked-for device or precision is not to be had on this machine."""


class TrainingError(VidstyleError):
    """Training cannot start or go on: no photos, a foreign checkpoint."""


class WeightsError(VidstyleError):
    """VGG19's weights are not to be had, or lack a layer that is needed."""


class OptimizationError(VidstyleError):
    """The optimization of a picture cannot go on: the loss is no number, or memory ran out.

    Attributes:
        picture: the last good one, RGB uint8 H×W×3; None when there is none.
    """

    def __init__(self, message: str, picture: np.ndarray | None = None) -> None:
        super().__init__(message)
        self.picture = picture


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run, after what was finished has been kept.

    Attributes:
        partial: the playable file, or the folder, that holds it; None when nothing was finished.
        advice: how to go on, if one can.
    """

    def __init__(self, partial: Path | None, advice: str = "") -> None:
        super().__init__(f"interrupted; {partial or 'nothing'} kept")
        self.partial = partial
        self.advice = advice
