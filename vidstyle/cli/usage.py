"""Wrong usage in one plain line, and the new spelling where an old one was used."""

from __future__ import annotations

import re
from typing import Any

from typer.exceptions import TyperException

RENAMED = {
    ("image", "--preset"): "--recipe",
    ("texture", "--layers"): "--style-layers",
    ("reconstruct", "--layer"): "--content-layer",
}
"""New spellings by command and old one."""


def usage_message(error: TyperException) -> str:
    """What to print for an error that typer found in the arguments."""
    command: Any = getattr(getattr(error, "ctx", None), "info_name", None)
    option: Any = getattr(error, "option_name", None)
    if new := RENAMED.get((command, option)):
        return f"{option} is now {new}"
    parameter = getattr(getattr(error, "param", None), "name", None)
    if (command, parameter) == ("frames", "quality") and re.search(r"'\d+'", str(error)):
        return "--quality is draft, standard or fine; the quality of JPEG files is --jpeg-quality"
    return error.format_message().replace("Value error, ", "")  # pydantic's, which typer uses
