"""Where live frames go: a window, a virtual camera, a URL, a file."""

from __future__ import annotations

from vidstyle.errors import OptionError
from vidstyle.live.sinks.base import KeySink, Sink, SinkFormat
from vidstyle.live.sinks.camera import VirtualCamera
from vidstyle.live.sinks.recording import SUFFIXES, RecordingSink
from vidstyle.live.sinks.url import STDOUT, UrlSink
from vidstyle.live.sinks.window import PreviewWindow
from vidstyle.live.sinks.worker import SinkWorker
from vidstyle.options import RecordOptions, SendOptions

__all__ = [
    "KeySink",
    "PreviewWindow",
    "RecordOptions",
    "RecordingSink",
    "SendOptions",
    "Sink",
    "SinkFormat",
    "SinkWorker",
    "UrlSink",
    "VirtualCamera",
    "open_sink",
]


def open_sink(
    name: str, send: SendOptions = SendOptions(), record: RecordOptions = RecordOptions()
) -> Sink:
    """The sink that a name stands for, not opened yet.

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
        f"{name}: not a sink; use window, camera, a URL such as udp://host:port, "
        f"or a file that ends in {', '.join(SUFFIXES)}"
    )
