"""Where live pictures go: a window, a virtual camera, a URL, a file."""

from __future__ import annotations

from vidstyle.errors import OptionError
from vidstyle.live.sinks.base import KeySink, Sink, SinkFormat
from vidstyle.live.sinks.branch import Branch, BranchOptions
from vidstyle.live.sinks.camera import VirtualCamera
from vidstyle.live.sinks.recording import SUFFIXES, RecordingSink, RecordOptions
from vidstyle.live.sinks.url import STDOUT, SendOptions, UrlSink
from vidstyle.live.sinks.window import PreviewWindow

__all__ = [
    "Branch",
    "BranchOptions",
    "KeySink",
    "PreviewWindow",
    "RecordOptions",
    "RecordingSink",
    "SendOptions",
    "Sink",
    "SinkFormat",
    "UrlSink",
    "VirtualCamera",
    "open_sink",
]


def open_sink(
    name: str, send: SendOptions = SendOptions(), record: RecordOptions = RecordOptions()
) -> Sink:
    """The sink of that name, not opened yet.

    Args:
        name: ``window``, ``camera`` or ``camera:DEVICE``, a URL or ``-`` (stdout), or a file.

    Raises:
        OptionError: it is none of these.
    """
    if name == "window":
        return PreviewWindow()
    if name == "camera" or name.startswith("camera:"):
        return VirtualCamera(name.partition(":")[2] or None)
    if name == STDOUT or "://" in name:
        return UrlSink(name, send)
    if name.lower().endswith(SUFFIXES):
        return RecordingSink(name, record)
    raise OptionError(
        f"{name}: is no place for a stream; there are window, camera, URLs as udp://host:port, "
        f"and files that end in {', '.join(SUFFIXES)}"
    )
