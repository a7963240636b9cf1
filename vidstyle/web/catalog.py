"""The styles that a visitor may choose from."""

from __future__ import annotations

from vidstyle.errors import StyleError, suggestion
from vidstyle.styles import available_styles
from vidstyle.styles.header import IDENTITY


def style_titles() -> dict[str, str]:
    """Title of each style by its name; the one that returns the photo is left out."""
    styles = available_styles()
    return {name: entry.info.title or name for name, entry in styles.items() if name != IDENTITY}


def check_style(name: str) -> None:
    """Raises StyleError unless it is the name of a style; files cannot be named."""
    known = style_titles()
    if name not in known:
        raise StyleError(f"unknown style '{name}'; {suggestion(str(name), known)}")
