"""What the name of a live source means to FFmpeg: protocol or device, and low-latency options."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import av
from av.error import FFmpegError

from vidstyle.errors import InputError
from vidstyle.video.boxes import check_index
from vidstyle.video.source import local_options, size_options

TEST = "test"
"""Name of the test pattern."""
CAMERA = "camera:"
"""Prefix of a camera's name."""

_DEVICES = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
_PROBED = {"probesize": "200000", "analyzeduration": "500000"}
_LOW_LATENCY = {"fflags": "nobuffer", "flags": "low_delay", **_PROBED}
_RTMP = _LOW_LATENCY | {"rtmp_live": "live"}
_RTSP = _LOW_LATENCY | {"rtsp_flags": "prefer_tcp", "max_delay": "100000"}
_BY_SCHEME = {
    "udp": _LOW_LATENCY | {"overrun_nonfatal": "1"},
    **dict.fromkeys(("rtp", "tcp"), _LOW_LATENCY),
    **dict.fromkeys(("rtmp", "rtmps"), _RTMP),
    **dict.fromkeys(("rtsp", "rtsps"), _RTSP),
}
_NETWORK = (
    *("http", "https", "httpproxy", "tls", "tcp", "udp", "udplite", "rtp", "srtp", "rtsp", "rtsps"),
    *("rtmp", "rtmps", "rtmpt", "rtmpts", "rtmpe", "rtmpte", "srt", "rist", "mms", "mmsh", "mmst"),
    *("crypto", "data", "sctp", "gopher", "gophers", "ftp", "sftp"),
)
"""Protocols that a network source, such as a playlist, may open in turn: none for local files."""


class Kind(Enum):
    """How a source behaves."""

    FILE = "file"
    """Has an end, and must be played in real time."""
    PIPE = "pipe"
    """Has an end, and is read as fast as it is written."""
    TEST = "test"
    CAMERA = "camera"
    NETWORK = "network"


@dataclass(frozen=True)
class Address:
    """How to open a source.

    Attributes:
        name: as the user wrote it, for messages.
        kind: how it behaves.
        url, format, options: for ``av.open``.
    """

    name: str
    kind: Kind
    url: str
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)


def resolve(source: str, size: tuple[int, int] | None = None, rate: float | None = None) -> Address:
    """Parse the name of a source.

    Args:
        source: ``test``; a camera as ``0``, ``/dev/video0``, ``camera:NAME``; a URL; a file; ``-``.
        size, rate: to request from cameras and the test pattern.

    Raises:
        InputError: there is no such file or camera.
    """
    if source == TEST:
        width, height = size or (640, 360)
        pattern = f"testsrc2=size={width}x{height}:rate={rate or 30:g},realtime"
        return Address(source, Kind.TEST, pattern, "lavfi")
    if source == "-":
        options = _PROBED | local_options() | {"protocol_whitelist": "pipe"}
        return Address("standard input", Kind.PIPE, "pipe:0", options=options)
    if "://" in source:
        return Address(source, Kind.NETWORK, source, options=_network_options(source))
    if source.isdecimal() or source.startswith((CAMERA, "/dev/video")):
        return _camera(source, size, rate)
    path = Path(source)
    if path.is_fifo():
        return Address(source, Kind.PIPE, f"file:{source}", options=_PROBED | local_options())
    if path.is_file():
        check_index(path)
        return Address(source, Kind.FILE, f"file:{source}", options=local_options())
    if path.exists():
        raise InputError(f"{source}: neither a video file nor a camera")
    raise InputError(
        f"{source}: no such file; give a camera by its number or as {CAMERA}NAME, "
        f"a network source with its protocol, such as udp://…"
    )


def _network_options(url: str) -> dict[str, str]:
    """Options of the scheme; nothing found there may open files of this machine."""
    scheme = re.split("[+,:]", url, maxsplit=1)[0].lower()
    if scheme == "file":
        return local_options()
    allowed = ",".join(dict.fromkeys([scheme, *_NETWORK]))
    return {**_BY_SCHEME.get(scheme, {}), "protocol_whitelist": allowed, **size_options()}


def _camera(source: str, size: tuple[int, int] | None, rate: float | None) -> Address:
    device = _DEVICES.get(sys.platform)
    if device is None:
        raise InputError(f"{source}: cameras are not supported on {sys.platform}; use a URL")
    options = {"video_size": f"{size[0]}x{size[1]}"} if size else {}
    if rate:
        options["framerate"] = f"{rate:g}"
    name = source.removeprefix(CAMERA)
    if device == "v4l2":
        url = f"/dev/video{name}" if name.isdecimal() else name
    elif device == "avfoundation":
        # Cameras that do not offer FFmpeg's default rate, 29.97, refuse to open.
        options.setdefault("framerate", "30")
        url = f"{name}:none"
    else:
        url = f"video={_directshow_name(int(name)) if name.isdecimal() else name}"
    return Address(source, Kind.CAMERA, url, device, options)


def _directshow_name(number: int) -> str:
    """The name of a camera on Windows, where FFmpeg does not take numbers."""
    try:
        devices = av.enumerate_input_devices("dshow")
    except FFmpegError as error:
        raise InputError(f"{number}: cameras cannot be listed ({error.strerror})") from error
    cameras = [device.name for device in devices if "video" in device.media_types]
    if number >= len(cameras):
        known = ", ".join(cameras) or "none"
        raise InputError(f"{number}: no such camera; available: {known}")
    return cameras[number]
