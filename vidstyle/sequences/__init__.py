"""Sequences of picture files, as editors and renderers exchange them."""

from vidstyle.sequences.pattern import (
    Sequence,
    SequenceFile,
    find_sequence,
    is_pattern,
    output_path,
    output_paths,
)
from vidstyle.sequences.picture import Picture, PictureOptions, read_picture, write_picture
from vidstyle.sequences.ranges import FrameRanges, parse_frames
from vidstyle.sequences.raster import write_exr_channels

__all__ = [
    "FrameRanges",
    "Picture",
    "PictureOptions",
    "Sequence",
    "SequenceFile",
    "find_sequence",
    "is_pattern",
    "output_path",
    "output_paths",
    "parse_frames",
    "read_picture",
    "write_exr_channels",
    "write_picture",
]
