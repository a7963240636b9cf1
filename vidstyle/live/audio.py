"""Compressed audio that is passed on beside live frames, packet by packet, without decoding."""

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

# FFmpeg writes any other codec into MPEG-TS as private data, which no player plays.
_MPEGTS_CODECS = {"aac", "ac3", "dts", "eac3", "mp2", "mp3", "opus"}


@dataclass(frozen=True)
class AudioPacket:
    """A packet of compressed audio, on the clock of the stream's frames.

    Attributes:
        data: as the codec wrote it.
        pts, dts, duration: in units of ``time_base``; time 0 is that of the first frame.
        time_base: seconds per unit.
    """

    data: bytes
    pts: int
    dts: int
    duration: int
    time_base: Fraction

    @classmethod
    def of(cls, packet: Packet, clock: StreamClock) -> AudioPacket | None:
        """None for a packet without timestamps, or from before the first frame."""
        if packet.pts is None or packet.dts is None:
            return None
        time = clock.shifted(float(packet.pts * packet.time_base))
        if time is None or time < 0:
            return None
        pts = round(time / packet.time_base)
        dts = packet.dts + pts - packet.pts
        return cls(bytes(packet), pts, dts, packet.duration or 0, packet.time_base)

    @property
    def start(self) -> float:
        """Decoding time in seconds."""
        return float(self.dts * self.time_base)

    @property
    def end(self) -> float:
        """Decoding time of the next packet, in seconds."""
        return float((self.dts + max(self.duration, 1)) * self.time_base)

    def packet(self, stream: AudioStream) -> Packet:
        """A packet to mux into an output's stream; each output needs its own."""
        packet = Packet(self.data)
        packet.pts, packet.dts, packet.duration = self.pts, self.dts, self.duration
        packet.time_base = self.time_base
        packet.stream = stream
        return packet


class AudioTemplate:
    """The codec parameters of an audio stream, kept when its connection is closed.

    Attributes:
        codec: FFmpeg's name for it.
        rate: samples per second.

    Raises:
        FFmpegError, ValueError: the stream does not say enough about itself.
    """

    def __init__(self, stream: AudioStream) -> None:
        self.codec = stream.codec_context.codec.canonical_name
        self.rate = stream.codec_context.sample_rate
        if not self.rate:
            raise ValueError("the sample rate is unknown")
        # PyAV can copy parameters from an open stream only. NUT stores any codec and all that
        # add_stream_from_template needs, but is not recognized without a packet.
        memory = io.BytesIO()
        with av.open(memory, "w", format="nut") as output:
            packet = Packet(bytes(16))
            packet.pts = packet.dts = 0
            packet.stream = output.add_stream_from_template(stream)
            output.mux(packet)
        memory.seek(0)
        self._container = av.open(memory, format="nut")

    def add_to(self, output: OutputContainer) -> AudioStream:
        """A new stream of an output for this audio.

        Raises:
            ValueError, FFmpegError: the output's container cannot hold it.
        """
        return output.add_stream_from_template(self._container.streams.audio[0])

    def fits(self, container: str) -> bool:
        """Whether a container, by FFmpeg's name, can hold this audio."""
        if container == "mpegts":
            return self.codec in _MPEGTS_CODECS
        try:
            with av.open(io.BytesIO(), "w", format=container) as trial:
                self.add_to(trial)
                trial.start_encoding()  # some muxers find out when they write the header
        except (ValueError, FFmpegError):
            return False
        return True
