"""Live pictures: sources, sinks, and a stylizer that can be steered while it draws."""

from vidstyle.live.controls import LiveControls
from vidstyle.live.sound import AudioPacket
from vidstyle.live.source import LiveFrame, LiveSource, SourceOptions, open_live
from vidstyle.live.stylizer import LiveStylizer

__all__ = [
    "AudioPacket",
    "LiveControls",
    "LiveFrame",
    "LiveSource",
    "LiveStylizer",
    "SourceOptions",
    "open_live",
]
