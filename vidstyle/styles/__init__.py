"""Styles: the registry, and the files they live in."""

from vidstyle.styles.file import StyleFile, StyleInfo, read_style_file, write_style_file
from vidstyle.styles.paintings import Paintings, has_pictures, load_paintings
from vidstyle.styles.registry import Style, StyleEntry, available_styles, load_style

__all__ = [
    "Paintings",
    "Style",
    "StyleEntry",
    "StyleFile",
    "StyleInfo",
    "available_styles",
    "has_pictures",
    "load_paintings",
    "load_style",
    "read_style_file",
    "write_style_file",
]
