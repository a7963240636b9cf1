"""Sound that travels beside live pictures, packet for packet."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from vidstyle.live.clock import StreamClock

# FFmpeg puts any other into a transport stream, too, as data that nobody plays.
_IN_TRANSPORT_STREAMS = {"aac", "ac3", "dts", "eac3", "mp2", "mp3", "opus"}


@dataclass(frozen=True)
class AudioPacket:
    """Some milliseconds of coded sound, on the clock of the stream's pictures.

    Attributes:
        data: as the codec wrote it.
        pts, dts, duration: in units of ``time_base``; time 0 is the first picture's.
    """

    data: bytes
    pts: int
    dts: int
    duration: int
    time_base: Fraction

    @classmethod
    def of(cls, packet: Packet, clock: StreamClock) -> AudioPacket | None:
        """None for what comes before the first picture, or has no place in time."""
        if packet.pts is None or packet.dts is None:
            return None
        time = clock.shifted(float(packet.pts * packet.time_base))
        if time is None or time < 0:
            return None
        pts = round(time / packet.time_base)
        dts = packet.dts + pts - packet.pts
        return cls(bytes(packet), pts, dts, packet.duration or 0, packet.time_base)

    @property
    def begins(self) -> float:
        """In seconds."""
        return float(self.dts * self.time_base)

    @property
    def ends(self) -> float:
        """In seconds."""
        return float((self.dts + max(self.duration, 1)) * self.time_base)

    def packet(self, stream: AudioStream) -> Packet:
        """A packet to mux into an output's stream; each output needs its own."""
        packet = Packet(self.data)
        packet.pts, packet.dts, packet.duration = self.pts, self.dts, self.duration
        packet.time_base = self.time_base
        packet.stream = stream
        return packet


class AudioTemplate:
    """A description of sound that outlives the connection it came through.

    Attributes:
        codec: FFmpeg's name of it.
        rate: samples a second.

    Raises:
        FFmpegError, ValueError: it is of no kind that can be described, or too little is known.
    """

    def __init__(self, stream: AudioStream) -> None:
        self.codec = stream.codec_context.codec.canonical_name
        self.rate = stream.codec_context.sample_rate
        if not self.rate:
            raise ValueError("sound of an unknown rate")
        # NUT holds every codec, and its header all that add_stream_from_template asks for; but
        # without a packet it counts as no file.
        memory = io.BytesIO()
        with av.open(memory, "w", format="nut") as output:
            packet = Packet(bytes(16))
            packet.pts = packet.dts = 0
            packet.stream = output.add_stream_from_template(stream)
            output.mux(packet)
        memory.seek(0)
        self._container = av.open(memory, format="nut")

    def add_to(self, output: OutputContainer) -> AudioStream:
        """A new stream of an output for this sound.

        Raises:
            ValueError, FFmpegError: its format does not hold such sound.
        """
        return output.add_stream_from_template(self._container.streams.audio[0])

    def fits(self, container: str) -> bool:
        """Whether a container, by FFmpeg's name of it, holds such sound."""
        if container == "mpegts":
            return self.codec in _IN_TRANSPORT_STREAMS
        # Some muxers find out when they write the header.
        try:
            with av.open(io.BytesIO(), "w", format=container) as trial:
                self.add_to(trial)
                trial.start_encoding()
        except (ValueError, FFmpegError):
            return False
        return True
