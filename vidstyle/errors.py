"""Every error that vidstyle raises on purpose.

Each message names the file or the value at fault and, where there is one, the remedy.
The command line prints it as one line and exits with the error's ``exit_code``.
"""

from __future__ import annotations

from pathlib import Path


class VidstyleError(Exception):
    """Base of all errors that a caller of vidstyle may want to catch."""

    exit_code = 1


class OptionError(VidstyleError, ValueError):
    """An option has a value that makes no sense, alone or beside another option."""

    exit_code = 2


class InputError(VidstyleError):
    """A file or stream cannot be read, or holds no video."""


class OutputError(VidstyleError):
    """The result cannot be written where or how it was asked for."""


class StyleError(VidstyleError):
    """A style is unknown, damaged, or made for another network."""


class DeviceError(VidstyleError):
    """The asked-for device or precision is not to be had on this machine."""


class TrainingError(VidstyleError):
    """Training cannot start or go on: no photos, no VGG19 weights, a foreign checkpoint."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run, after what was finished has been kept.

    Attributes:
        partial: the playable file that holds it; None when nothing was finished yet.
    """

    def __init__(self, partial: Path | None) -> None:
        super().__init__(f"interrupted; {partial or 'nothing'} kept")
        self.partial = partial
