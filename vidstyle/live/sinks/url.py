"""Sends low-latency H.264 to a URL, over UDP, TCP, SRT, RTMP, RTSP or HTTP, or to stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import av
from av.error import FFmpegError

from vidstyle.errors import OptionError, OutputError
from vidstyle.live.sinks.base import Sink, SinkFormat
from vidstyle.live.sinks.h264 import H264Muxer
from vidstyle.live.sinks.sender import NEVER_WAIT
from vidstyle.options import SendOptions

if TYPE_CHECKING:
    from av.container import OutputContainer

    from vidstyle.live.audio import AudioPacket
    from vidstyle.live.source import LiveFrame

STDOUT = "-"
_CONTAINERS = {
    **dict.fromkeys(("udp", "tcp", "srt", "http", "https", STDOUT), "mpegts"),
    **dict.fromkeys(("rtmp", "rtmps"), "flv"),
    **dict.fromkeys(("rtsp", "rtsps"), "rtsp"),
}
"""By scheme."""
_MUXER_OPTIONS = {
    "mpegts": {"muxdelay": "0", "muxpreload": "0", "omit_video_pes_length": "0"},
    "flv": {"flvflags": "no_duration_filesize"},
    "rtsp": {"rtsp_transport": "tcp"},
}
_DATAGRAM = 1316
"""Bytes: seven packets of MPEG-TS, which fit into one Ethernet frame."""
_BITS_PER_PIXEL = 0.2
_LEAST_BITRATE = 3_000_000
_BURST = 0.25
"""Seconds of the maximum bit rate that one frame may take: UDP has no flow control, and more would
overflow the buffers of receivers."""
_CLOSING = 3.0
"""Seconds that the sender has to finish."""


class UrlSink(Sink):
    """Sends H.264 and the source's audio to a URL; ``-`` is stdout.

    The network connection is in a process of its own (``sender``), which receives the packets
    through a pipe. A receiver that hangs blocks this sink alone, until ``cancel`` kills it.

    Raises:
        OptionError: the URL's protocol is not supported.
    """

    takes_audio = True

    def __init__(self, url: str, options: SendOptions = SendOptions()) -> None:
        self.name = "stdout" if url == STDOUT else url
        self.options = options
        scheme = url if url == STDOUT else url.partition("://")[0].lower()
        if scheme not in _CONTAINERS:
            known = ", ".join(f"{name}://" for name in _CONTAINERS if name != STDOUT)
            raise OptionError(f"{url}: the protocol is not supported; use {known}")
        self._container = _CONTAINERS[scheme]
        self._url = "pipe:1" if url == STDOUT else url
        if scheme == "udp" and "pkt_size=" not in url:
            self._url = f"{url}{'&' if '?' in url else '?'}pkt_size={_DATAGRAM}"
        self.can_reconnect = url != STDOUT
        self.may_block = "listen" in url.partition("?")[2]
        self._cancelled = False
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: OutputContainer | None = None
        self._muxer: H264Muxer | None = None

    def open(self, format: SinkFormat) -> None:
        """Start the sender; whether it can connect shows in ``write``.

        Raises:
            OutputError: the protocol cannot carry the audio.
        """
        audio = format.audio
        # The trial of RTSP's muxer would call the server.
        if audio and self._container != "rtsp" and not audio.fits(self._container):
            raise OutputError(
                f"{self.name}: cannot carry {audio.codec} audio; omit it with --audio none"
            )
        self._cancelled = False
        self._process = self._start_sender()
        assert self._process.stdin is not None
        self._pipe = av.open(
            _Pipe(self._process.stdin),
            "w",
            format="nut",
            buffer_size=1 << 20,
            container_options=NEVER_WAIT,
        )
        self._muxer = H264Muxer(
            self._pipe,
            format,
            self._encoder_options(format),
            bitrate=self.options.bitrate,
            keyframes=self.options.keyframes,
        )

    def write(self, frame: LiveFrame) -> None:
        """Encode a frame and hand it over; waits while the sender is behind."""
        assert self._muxer is not None
        with self._named_errors():
            self._muxer.write(frame)

    def write_audio(self, packet: AudioPacket) -> None:
        assert self._muxer is not None
        with self._named_errors():
            self._muxer.write_audio(packet)

    def close(self) -> None:
        """Let the sender finish; kill it after three seconds."""
        pipe, self._pipe, self._muxer = self._pipe, None, None
        if pipe is not None:
            with suppress(FFmpegError, OSError, ValueError):
                pipe.close()  # the encoder holds nothing back
        if self._process is not None:
            _end(self._process)
            self._process = None

    def cancel(self) -> None:
        """Kill the sender."""
        process = self._process
        if process is not None:
            self._cancelled = True
            process.kill()

    def _start_sender(self) -> subprocess.Popen[bytes]:
        options = json.dumps(_MUXER_OPTIONS[self._container])
        sender = str(Path(__file__).with_name("sender.py"))
        return subprocess.Popen(
            [sys.executable, "-P", sender, self._url, self._container, options],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=None if self._url == "pipe:1" else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **_DETACHED,
        )

    def _encoder_options(self, format: SinkFormat) -> dict[str, str]:
        usual = int(_BITS_PER_PIXEL * format.width * format.height * format.rate)
        maximum = self.options.bitrate or max(_LEAST_BITRATE, usual)
        options = {
            "preset": self.options.preset,
            "tune": "zerolatency",
            "maxrate": str(maximum),
            "bufsize": str(int(maximum * _BURST)),
            "bf": "0",
            # Key frames are forced by time, as frames may come at any rate.
            "g": str(round(20 * self.options.keyframes * max(format.rate, 1))),
            "forced-idr": "1",
            "x264-params": "repeat-headers=1:scenecut=0:log-level=error",
        }
        return options if self.options.bitrate else options | {"crf": "23"}

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Turn a broken pipe into an OutputError with the sender's reason."""
        try:
            yield
        except (FFmpegError, OSError, ValueError) as error:
            raise OutputError(f"{self.name}: {self._reason()}") from error

    def _reason(self) -> str:
        process = self._process
        if process is None:
            return "closed"
        if self._cancelled:
            return "the receiver does not read"
        try:
            _, printed = process.communicate(timeout=_CLOSING)
        except (subprocess.TimeoutExpired, ValueError):
            return "does not respond"
        lines = printed.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "the sender process was killed"


class _Pipe:
    """What PyAV needs of a file: a ``write`` that takes all."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        while left:
            left = left[self._pipe.write(left) :]
        return len(data)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process whose input ends here."""
    assert process.stdin is not None and process.stderr is not None
    with suppress(OSError):
        process.stdin.close()
    try:
        process.wait(_CLOSING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stderr.close()


# Ctrl-C in the terminal is for us; the sender ends with its input.
_DETACHED: dict[str, Any] = (
    {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    if sys.platform == "win32"
    else {"start_new_session": True}
)
