"""A long job's finished frames, kept beside its output so that it can go on after a crash."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vidstyle.disk import sync
from vidstyle.errors import InputError, OptionError, OutputError
from vidstyle.image import read_image, write_image

SETTINGS = "settings.json"


class WorkFolder:
    """Pictures by pass and frame, lossless, each complete or not there at all.

    It is made when the first picture comes, with the settings that all of them depend on. A run
    that keeps something else in it calls ``begin`` before.

    Args:
        output: of the job, whose folder and name it shares.
        settings: JSON values by names that a user knows.
        resume: go on with the pictures of an earlier run, if there are any.
        overwrite: remove them instead.

    Raises:
        OptionError: to resume, settings have changed since.
        OutputError: there are pictures of an earlier run, and neither was asked for; or what is
            there is something else.
    """

    def __init__(
        self, output: Path, settings: Mapping[str, Any], *, resume: bool, overwrite: bool
    ) -> None:
        self.output = output
        self.path = output.with_name(f".{output.name}.work")
        self._settings = json.dumps(settings, indent=1)
        if not self.path.exists():
            return
        if resume:
            self._compare(json.loads(self._settings))
        elif overwrite or not self.begun:  # or ended before anything was kept
            self.remove()
        else:
            raise OutputError(
                f"{output}: an earlier run left finished frames in {self.path}; "
                "go on with --resume, or begin anew with --overwrite"
            )

    def load(self, number: int, index: int) -> np.ndarray | None:
        """The picture of a pass and a frame; None when it is not there."""
        try:
            return read_image(self._place(number, index))
        except InputError:
            return None

    def get(self, number: int, index: int) -> np.ndarray:
        """The same, of what must be there; OutputError when it is not."""
        picture = self.load(number, index)
        if picture is None:
            raise OutputError(f"{self.path}: frame {index} is missing; run again with --resume")
        return picture

    def save(self, number: int, index: int, picture: np.ndarray) -> None:
        """Raises OutputError when the disk is full or so."""
        self.begin()
        place = self._place(number, index)
        try:
            place.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror or error}") from error
        write_image(place, picture)

    @property
    def begun(self) -> bool:
        """Whether there is something of an earlier run, or of this one."""
        return self._note.exists()

    def begin(self) -> None:
        """Note the settings, before anything is kept that depends on them.

        Raises OutputError when the disk is full or so.
        """
        if self.begun:
            return
        try:
            self.path.mkdir(exist_ok=True)
            temporary = self._note.with_suffix(".part")
            temporary.write_text(self._settings)
            sync(temporary)
            temporary.replace(self._note)
            sync(self.path.parent)
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror or error}") from error

    def remove(self) -> None:
        """Remove the folder, if it is one of ours.

        Raises:
            OutputError: it is not, or cannot be removed.
        """
        if not self.path.exists():
            return
        self._check()
        try:
            for path in self.path.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path != self._note:  # the last, as it says whose folder it is
                    path.unlink()
            shutil.rmtree(self.path)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be removed ({error.strerror})") from error

    @property
    def _note(self) -> Path:
        return self.path / SETTINGS

    def _place(self, number: int, index: int) -> Path:
        return self.path / str(number) / f"{index:08d}.png"

    def _check(self) -> None:
        """Raises OutputError when somebody else made what is there."""
        if not self.path.is_dir() or (any(self.path.iterdir()) and not self._known()):
            raise OutputError(f"{self.path}: is no work folder of vidstyle; remove it yourself")

    def _known(self) -> bool:
        names = {path.name for path in self.path.iterdir()}
        return SETTINGS in names or all(name.isdigit() or name.endswith(".part") for name in names)

    def _compare(self, settings: Mapping[str, Any]) -> None:
        self._check()
        if not self._note.exists():  # ended before the first picture
            return
        try:
            before = dict(json.loads(self._note.read_text()))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise OutputError(
                f"{self._note}: cannot be read; begin anew with --overwrite"
            ) from error
        change = describe_change(before, settings)
        if change:
            raise OptionError(
                f"{self.output}: was begun with {change}; go on with the same, or begin anew with "
                "--overwrite"
            )


def describe_change(before: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """``strength 0.5, not 1.0; color style, not keep``: what has changed; None when nothing has."""
    changed = [
        f"{name} {_words(before.get(name))}, not {_words(settings.get(name))}"
        for name in {**before, **settings}
        if before.get(name) != settings.get(name)
    ]
    return "; ".join(changed) or None


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
