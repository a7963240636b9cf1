"""Importing Gradio in half the time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def no_stubs() -> Iterator[None]:
    """Keep Gradio from writing type stubs beside its modules while it is imported.

    Gradio 6 parses the source of each of its components to do so, which takes 2 s. It leaves out
    classes that have no source file, so in this block its components have none.
    """
    getfile = inspect.getfile

    def refuse_gradio(subject: Any) -> str:
        if getattr(subject, "__module__", "").startswith("gradio."):
            raise OSError("no stub is wanted")
        return getfile(subject)

    inspect.getfile = refuse_gradio  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = getfile
