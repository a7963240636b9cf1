"""A stream to a URL: low-latency H.264 over UDP, TCP, RTMP, RTSP, HTTP, or to stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from vidstyle.errors import OptionError, OutputError
from vidstyle.live.sinks.base import SinkFormat, even
from vidstyle.live.sinks.sender import Settings
from vidstyle.options import SendOptions
from vidstyle.video.color import LIMITED

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.video.stream import VideoStream

    from vidstyle.live.sound import AudioPacket, AudioTemplate
    from vidstyle.live.source import LiveFrame

STDOUT = "-"
_PIX_FMT = "yuv420p"
TIME_BASE = Fraction(1, 90_000)
"""Of MPEG-TS; finer than what any other container here keeps."""

_CONTAINERS = {
    "udp": "mpegts",
    "tcp": "mpegts",
    "srt": "mpegts",
    "http": "mpegts",
    "https": "mpegts",
    "rtmp": "flv",
    "rtmps": "flv",
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    STDOUT: "mpegts",
}
_MUXER = {
    "mpegts": {"muxdelay": "0", "muxpreload": "0", "omit_video_pes_length": "0"},
    "flv": {"flvflags": "no_duration_filesize"},
    "rtsp": {"rtsp_transport": "tcp"},
}
_DATAGRAM = 1316  # seven packets of MPEG-TS, within the 1500 bytes of Ethernet
_BITS_PER_PIXEL = 0.2
_LEAST_BITRATE = 3_000_000
_BURST = 0.25
"""Seconds of the highest bit rate that one picture may take: more would not fit into the
receivers' buffers at once, and UDP has no other."""
_CLOSING = 3.0


class UrlSink:
    """Sends H.264, and the source's audio, to a URL; ``-`` is stdout.

    The encoder and the network are in a process of their own (``sender``), which gets raw pictures
    through a pipe. A receiver that hangs then holds up this sink alone, and ``cancel`` ends it.

    Raises:
        OptionError: FFmpeg would not know what to do with the URL.
    """

    takes_audio = True

    def __init__(self, url: str, options: SendOptions = SendOptions()) -> None:
        self.name = "stdout" if url == STDOUT else url
        self.options = options
        scheme = url if url == STDOUT else url.partition("://")[0].lower()
        if scheme not in _CONTAINERS:
            known = ", ".join(f"{name}://" for name in _CONTAINERS if name != STDOUT)
            raise OptionError(f"{url}: streams go to {known}")
        self._container_format = _CONTAINERS[scheme]
        self._url = "pipe:1" if url == STDOUT else url
        if scheme == "udp":
            self._url = with_option(url, "pkt_size", _DATAGRAM)
        self.comes_back = url != STDOUT
        self.may_wait = "listen" in url.partition("?")[2]
        self._reformatter = VideoReformatter()
        self._cancelled = False
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: OutputContainer | None = None
        self._video: VideoStream | None = None
        self._audio: AudioStream | None = None

    def open(self, shape: SinkFormat) -> None:
        """Start the sender; whether it gets through shows in ``write``.

        Raises:
            OutputError: the protocol has no place for such sound.
        """
        self._cancelled = False
        if shape.audio is not None and not self._holds(shape.audio):
            raise OutputError(
                f"{self.name}: cannot carry {shape.audio.codec} sound; "
                "leave it out with --audio none"
            )
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-P", str(Path(__file__).with_name("sender.py"))),
                json.dumps(asdict(self._settings(shape))),
            ],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=None if self._url == "pipe:1" else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **_APART,
        )
        self._pipe = av.open(
            _Pipe(self._process.stdin),
            "w",
            format="nut",
            buffer_size=1 << 20,
            container_options={"flush_packets": "1", "max_interleave_delta": "1"},
        )
        self._video = self._pipe.add_stream("rawvideo", round(shape.rate) or 1)
        context = self._video.codec_context
        context.width, context.height = shape.width // 2 * 2, shape.height // 2 * 2
        context.pix_fmt, context.time_base = _PIX_FMT, TIME_BASE
        if shape.audio is not None:
            self._audio = shape.audio.add_to(self._pipe)

    def write(self, frame: LiveFrame) -> None:
        """Hand a picture over, waiting while the sender has not taken the one before."""
        assert self._pipe is not None and self._video is not None
        picture = self._reformatter.reformat(
            VideoFrame.from_ndarray(even(frame.image), format="rgb24"),
            format=_PIX_FMT,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=LIMITED,
        )
        picture.pts, picture.time_base = frame.pts, frame.time_base
        with self._translated():
            self._pipe.mux(self._video.encode(picture))

    def write_audio(self, packet: AudioPacket) -> None:
        """Hand a packet over."""
        assert self._pipe is not None and self._audio is not None
        with self._translated():
            self._pipe.mux(packet.packet(self._audio))

    def close(self) -> None:
        """Let the sender finish, for three seconds at most."""
        process, pipe = self._process, self._pipe
        self._pipe = self._video = self._audio = None
        if pipe is not None:
            with suppress(FFmpegError, OSError, ValueError):
                pipe.close()
        if process is None:
            return
        assert process.stdin is not None and process.stderr is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_CLOSING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stderr.close()
        self._process = None

    def cancel(self) -> None:
        """End the sender at once."""
        process = self._process
        if process is not None:
            self._cancelled = True
            process.kill()

    def _holds(self, audio: AudioTemplate) -> bool:
        # RTSP's muxer would call the server to find out.
        return self._container_format == "rtsp" or audio.fits(self._container_format)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the end of the sender into an OutputError that gives its reason."""
        try:
            yield
        except (FFmpegError, OSError, ValueError) as error:
            raise OutputError(f"{self.name}: {self._reason()}") from error

    def _reason(self) -> str:
        process = self._process
        if process is None:
            return "closed"
        if self._cancelled:
            return "takes no pictures any more"
        try:
            _nothing, printed = process.communicate(timeout=_CLOSING)
        except (subprocess.TimeoutExpired, ValueError):
            return "does not answer"
        lines = printed.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "the sender was ended"

    def _settings(self, shape: SinkFormat) -> Settings:
        usual = int(_BITS_PER_PIXEL * shape.width * shape.height * shape.rate)
        highest = self.options.bitrate or max(_LEAST_BITRATE, usual)
        encoder = {
            "preset": self.options.preset,
            "tune": "zerolatency",
            "maxrate": str(highest),
            "bufsize": str(int(highest * _BURST)),
            "bf": "0",
            "g": str(round(20 * self.options.keyframes * max(shape.rate, 1))),
            "forced-idr": "1",
            "x264-params": "repeat-headers=1:scenecut=0:log-level=error",
        }
        if self.options.bitrate is None:
            encoder["crf"] = "23"
        return Settings(
            url=self._url,
            format=self._container_format,
            rate=shape.rate,
            encoder=encoder,
            keyframes=self.options.keyframes,
            bitrate=self.options.bitrate,
            muxer=_MUXER[self._container_format],
        )


class _Pipe:
    """What PyAV wants of a file: ``write`` that takes all."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        while left:
            left = left[self._pipe.write(left) :]
        return len(data)


# Ctrl-C in the terminal is for us; we tell the sender when to end.
_APART: dict[str, Any] = (
    {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    if sys.platform == "win32"
    else {"start_new_session": True}
)


def with_option(url: str, name: str, value: object) -> str:
    """A URL with an option of FFmpeg's, unless it has it already."""
    if f"{name}=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}{name}={value}"
