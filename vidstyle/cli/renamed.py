"""Options that were spelled otherwise once: one line tells the new spelling."""

from __future__ import annotations

from typing import Any

from typer.exceptions import TyperException

RENAMED = {
    ("image", "--preset"): "--recipe",
    ("texture", "--layers"): "--style-layers",
    ("reconstruct", "--layer"): "--content-layer",
}
"""By command and old spelling."""


def new_spelling(error: TyperException) -> str | None:
    """What to say in place of an error that an old spelling has caused; None if none has."""
    command: Any = getattr(getattr(error, "ctx", None), "info_name", None)
    option: Any = getattr(error, "option_name", None)
    if new := RENAMED.get((command, option)):
        return f"{option} is now {new}"
    parameter = getattr(getattr(error, "param", None), "name", None)
    if command == "frames" and parameter == "quality":
        return f"{error.format_message()} JPEG quality is now --jpeg-quality"
    return None
