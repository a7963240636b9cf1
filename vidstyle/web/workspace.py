"""Temporary folders: one for each thing that a visitor brings or gets, gone after an hour."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

KEPT_SECONDS = 3600
LONGEST_NAME = 60


class Workspace:
    """A folder that holds all files of all visitors, each in a folder with a name none can guess.

    Gradio keeps uploads and pictures in it as well, which ``GRADIO_TEMP_DIR`` tells it to.
    """

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="vidstyle-web-")).resolve()
        os.environ["GRADIO_TEMP_DIR"] = str(self.root)

    def folder(self) -> Path:
        """A new folder."""
        folder = self.root / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        return folder

    def adopt(self, upload: Path) -> Path:
        """Give an upload a folder and a harmless name of its own, so that it outlives its first."""
        path = self.folder() / safe_name(upload.name)
        os.link(upload, path)
        return path

    def sweep(self, kept: Collection[Path] = (), seconds: float = KEPT_SECONDS) -> None:
        """Remove the folders in which nothing has changed for some time.

        Args:
            kept: folders to leave alone, as somebody works in them.
        """
        oldest = time.time() - seconds
        for folder in self.root.iterdir():
            if folder not in kept and newest_change(folder) < oldest:
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.root, ignore_errors=True)


def newest_change(folder: Path) -> float:
    """When anything in a folder was last changed, in seconds since 1970."""
    times = [folder.stat().st_mtime]
    for path in folder.rglob("*"):
        try:
            times.append(path.stat().st_mtime)
        except OSError:  # it is being replaced or removed
            times.append(time.time())
    return max(times)


def safe_name(name: str) -> str:
    """The name of an upload without anything that a shell, a header or a page could misread."""
    stem, suffix = os.path.splitext(os.path.basename(name))
    stem = re.sub(r"[^\w-]+", "_", stem).strip("_-")[:LONGEST_NAME] or "upload"
    return stem + re.sub(r"[^.\w]", "", suffix.lower())[:8]
