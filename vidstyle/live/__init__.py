"""Live streams: sources, sinks, a stylizer that can be adjusted while it draws, and their loop."""

from vidstyle.live.audio import AudioPacket
from vidstyle.live.controls import LiveControls
from vidstyle.live.session import stream
from vidstyle.live.source import LiveFrame, LiveSource, open_live
from vidstyle.live.status import StreamNotice, StreamStatus, StreamSummary
from vidstyle.live.stylizer import LiveStylizer
from vidstyle.options import SourceOptions, StreamOptions

__all__ = [
    "AudioPacket",
    "LiveControls",
    "LiveFrame",
    "LiveSource",
    "LiveStylizer",
    "SourceOptions",
    "StreamNotice",
    "StreamOptions",
    "StreamStatus",
    "StreamSummary",
    "open_live",
    "stream",
]
