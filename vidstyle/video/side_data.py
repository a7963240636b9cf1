"""What a decoder tells of a frame beside its pixels."""

from __future__ import annotations

from typing import Any

from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame


def side_data(frame: VideoFrame, kind: SideDataType) -> bytes | None:
    """The data of one kind as FFmpeg lays it out in memory; None where the frame has none."""
    every: Any = frame.side_data  # PyAV 18 fails to iterate over it
    found = (every[index] for index in range(len(every)))
    return next((bytes(data) for data in found if data.type == kind), None)


def _unnamed(cls: type[SideDataType], value: int) -> SideDataType:
    member = object.__new__(cls)
    vars(member).update(_name_=f"UNNAMED_{value}", _value_=value)
    return member


# PyAV 18 has no names for what FFmpeg has added since (Exif data, to begin with), and would refuse
# all side data of a frame for a single one that it cannot name.
setattr(SideDataType, "_missing_", classmethod(_unnamed))  # noqa: B010
