"""What sound is transcoded to, where a container cannot hold it as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec import Codec, CodecContext
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

_PREFERRED = {
    **dict.fromkeys(("webm", "ogg", "ogv"), ("libopus",)),
    **dict.fromkeys(("mpeg", "vob", "svcd", "dvd", "vcd"), ("mp2", "ac3")),
    **dict.fromkeys(("mxf", "gxf", "dv"), ("pcm_s16le",)),
    "avi": ("libmp3lame", "ac3"),
    "asf": ("wmav2",),
}
"""What plays most widely from a container; elsewhere that is AAC."""
_ENCODERS = ("aac", "ac3", "libmp3lame", "mp2", "libopus", "flac", "pcm_s16le")
_TITLES = {"libopus": "Opus", "libmp3lame": "MP3", "wmav2": "Windows Media Audio"}
_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "quad", "5.0", "5.1", "6.1", "7.1")
_NOT_IN_AAC = {"quad", "6.1"}
"""AAC has no number for them, and what it has instead hardly any decoder reads."""
_ENOUGH = 5
"""A codec that keeps so many channels is as good as one that keeps more: players have no more."""
_USUAL_RATES = (48_000, 44_100)
_BITS_PER_CHANNEL = (96_000, 64_000, 32_000, 16_000, 8_000)
"""The first that an encoder takes is used."""


@dataclass(frozen=True)
class SoundEncoding:
    """What an encoder of sound is told.

    Attributes:
        codec: FFmpeg's name of the encoder.
        rate: samples a second.
        layout: FFmpeg's name of the channel layout.
        format: FFmpeg's name of the sample format.
        bit_rate: bits a second.
        kept: how many of the source's channels have a place of their own.
    """

    codec: str
    rate: int
    layout: str
    format: str
    bit_rate: int
    kept: int

    @property
    def title(self) -> str:
        """The codec's name as people know it."""
        return _TITLES.get(self.codec, self.codec.upper())

    def add_to(self, output: OutputContainer) -> AudioStream:
        """A new stream of a container, with its encoder set up but not yet open."""
        stream = output.add_stream(self.codec, self.rate)
        assert isinstance(stream, AudioStream)
        self.configure(stream.codec_context)
        return stream

    def configure(self, context: AudioCodecContext) -> None:
        """Tell an encoder that is not yet open."""
        context.sample_rate, context.bit_rate = self.rate, self.bit_rate
        context.layout, context.format = self.layout, self.format
        context.time_base = Fraction(1, self.rate)

    def can_be_opened(self) -> bool:
        """Whether the encoder takes this."""
        context = CodecContext.create(self.codec, "w")
        assert isinstance(context, AudioCodecContext)
        self.configure(context)
        try:
            context.open()
        except (FFmpegError, ValueError):
            return False
        return True


def sound_encodings(container: OutputContainer, source: AudioCodecContext) -> list[SoundEncoding]:
    """What sound may become in a container, best first: as many of its channels as can be kept,
    then the codec that plays most widely from there.

    Args:
        container: one to try with, which is not to be written.
    """
    preferred = _PREFERRED.get(container.format.name, ())
    codecs = dict.fromkeys((*preferred, *_ENCODERS))
    found = [e for codec in codecs if _fits(container, codec) for e in _with_codec(codec, source)]
    return sorted(found, key=lambda encoding: -min(encoding.kept, _ENOUGH))


def named_layout(layout: AudioLayout) -> AudioLayout:
    """A layout, or where it only counts channels, FFmpeg's default for so many.

    That it knows none for 9, 11, 13 and more is no error: the layout stays as it is then.
    """
    count = layout.nb_channels
    if layout.name != AudioLayout(f"{count}C").name:
        return layout
    with suppress(ValueError):
        return AudioLayout(f"{count}c")
    return layout


class Resampler:
    """Brings decoded sound to what an encoder takes, also where its format changes on the way."""

    def __init__(self, encoding: SoundEncoding) -> None:
        self._encoding = encoding
        self._resampler: AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None
        self._end = 0

    def __call__(self, frame: AudioFrame | None) -> Iterator[AudioFrame]:
        """What can be encoded after a frame, or after the last one with None."""
        unit = Fraction(1, self._encoding.rate)
        for part in self._parts(frame):
            if part is not None:
                # Of a packet that holds several frames, only the first may have a time.
                if part.pts is not None and part.time_base:
                    self._end = round(part.pts * part.time_base / unit)
                part.pts, part.time_base = self._end, unit
                self._end += part.samples
                yield part

    def _parts(self, frame: AudioFrame | None) -> Iterator[AudioFrame | None]:
        kind = None
        if frame is not None:
            kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self._kind:
            if self._resampler is not None:
                yield from self._resampler.resample(None)
            encoding, self._kind = self._encoding, kind
            self._resampler = AudioResampler(encoding.format, encoding.layout, encoding.rate)
        if frame is not None and self._resampler is not None:
            yield from self._resampler.resample(frame)


def _fits(container: OutputContainer, codec: str) -> bool:
    try:
        container.add_stream(codec)
    except ValueError:
        return False
    return True


def _with_codec(codec: str, source: AudioCodecContext) -> Iterator[SoundEncoding]:
    """Of one codec: at the nearest rate that it has, then at the usual ones."""
    layout = named_layout(source.layout)
    for rate in dict.fromkeys((_nearest_rate(codec, source.sample_rate), *_USUAL_RATES)):
        names = sorted(
            _layouts(codec, layout), key=lambda name: (-_kept(layout, name), _count(name))
        )
        for name in names:
            if found := _opened(codec, rate, name, _kept(layout, name)):
                yield found
                break


def _opened(codec: str, rate: int, layout: str, kept: int) -> SoundEncoding | None:
    """With as many bits as the encoder takes; None when it takes none of it."""
    format = (Codec(codec, "w").audio_formats or [])[0].name
    for bits in _BITS_PER_CHANNEL:
        encoding = SoundEncoding(codec, rate, layout, format, bits * _count(layout), kept)
        if encoding.can_be_opened():
            return encoding
    return None


def _layouts(codec: str, own: AudioLayout) -> list[str]:
    if codec == "aac":
        return [name for name in _LAYOUTS if name not in _NOT_IN_AAC]
    return [own.name, *_LAYOUTS]


def _nearest_rate(codec: str, rate: int) -> int:
    """The least of a codec's rates that keeps everything, or else its highest; Opus has but one."""
    if codec == "libopus":
        return 48_000
    rates = sorted(Codec(codec, "w").audio_rates or [rate])
    return next((known for known in rates if known >= rate), rates[-1])


def _count(layout: str) -> int:
    return AudioLayout(layout).nb_channels


def _kept(source: AudioLayout, target: str) -> int:
    """How many channels of one layout have a place of their own in another."""
    if source.name == target:
        return source.nb_channels
    return len(_places(source) & _places(AudioLayout(target)))


def _places(layout: AudioLayout) -> set[str]:
    """Names of channels; those at the sides count as those behind where there are no others."""
    names = {channel.name for channel in layout.channels}
    if not names & {"BL", "BR"}:
        names = {{"SL": "BL", "SR": "BR"}.get(name, name) for name in names}
    return names


def adts_coding(packet: Packet) -> bytes:
    """Profile, rate and channels in the ADTS header of an AAC packet; empty without one."""
    head = bytes(memoryview(packet)[:4])
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return b""
    return bytes((head[2] & 0xFD, head[3] & 0xC0))
