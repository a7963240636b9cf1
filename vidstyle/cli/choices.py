"""Values of options that several commands share."""

from __future__ import annotations

from enum import StrEnum


class Flow(StrEnum):
    """Presets of the optical flow, from quick to exact."""

    ultrafast = "ultrafast"
    fast = "fast"
    medium = "medium"
