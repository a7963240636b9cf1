from .file import StyleFile, read_style_file, write_style_file
from .header import StyleHeader, StyleInfo, read_header
from .paintings import Paintings, has_pictures, load_paintings, picture_paths, style_label
from .registry import Style, StyleEntry, available_styles, load_style

__all__ = [
    "Paintings",
    "Style",
    "StyleEntry",
    "StyleFile",
    "StyleHeader",
    "StyleInfo",
    "available_styles",
    "has_pictures",
    "load_paintings",
    "load_style",
    "picture_paths",
    "read_header",
    "read_style_file",
    "style_label",
    "write_style_file",
]
