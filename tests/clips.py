"""Tiny real clips, written with PyAV when a test wants them, and looking into results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.stream import Disposition

BITS = 8


def numbered(index: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A picture that shows its number as eight black or white bars, the lowest bit left."""
    bits = [(index >> bit) & 1 for bit in range(BITS)]
    columns = np.array([bits[x * BITS // width] for x in range(width)])
    grey = (16 + columns * 219).astype(np.uint8)
    return np.repeat(np.broadcast_to(grey, (height, width))[..., None], 3, axis=2).copy()


def number_of(image: np.ndarray) -> int:
    """Read the number back from a picture of any size."""
    width = image.shape[1]
    centres = [int((bit + 0.5) * width / BITS) for bit in range(BITS)]
    middle = image[image.shape[0] // 2, :, 1]
    return sum(1 << bit for bit, x in enumerate(centres) if middle[x] > 125)


def corners(width: int = 64, height: int = 48) -> np.ndarray:
    """Red, green, blue, white from the top left, clockwise: tells all orientations apart."""
    image = np.zeros((height, width, 3), np.uint8)
    top, left = slice(0, height // 2), slice(0, width // 2)
    bottom, right = slice(height // 2, None), slice(width // 2, None)
    image[top, left] = (220, 30, 30)
    image[top, right] = (30, 220, 30)
    image[bottom, right] = (30, 30, 220)
    image[bottom, left] = (225, 225, 225)
    return image


@dataclass(frozen=True)
class Sound:
    """One track: a sine in soft noise. ``start`` and ``seconds`` are its place in the clip."""

    codec: str = "aac"
    frequency: float = 440.0
    seconds: float = 1.0
    start: float = 0.0
    rate: int = 48_000
    layout: str = "stereo"
    metadata: dict[str, str] = field(default_factory=dict)
    disposition: Disposition | None = None


@dataclass(frozen=True)
class Subtitle:
    """One text, shown for a while; times in seconds."""

    text: str
    start: float
    seconds: float


@dataclass(frozen=True)
class Recipe:
    """What ``write_clip`` writes. ``ticks`` are the frames' pts in units of ``time_base``."""

    ticks: Sequence[int] = tuple(range(24))
    time_base: Fraction = Fraction(1, 24)
    last_duration: int = 1
    rate: int | Fraction = 24
    size: tuple[int, int] = (64, 48)
    image: Callable[[int, int, int], np.ndarray] = numbered
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    color: tuple[int, int, int, int] = (0, 2, 2, 2)
    """range, matrix, primaries, transfer"""
    aspect: Fraction | None = None
    rotation: int | None = None
    hflip: bool = False
    options: dict[str, str] = field(default_factory=dict)
    sounds: Sequence[Sound] = ()
    subtitles: Sequence[Subtitle] = ()
    cover: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    video_metadata: dict[str, str] = field(default_factory=dict)
    chapters: Sequence[tuple[str, float, float]] = ()
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)


def write_clip(path: Path, recipe: Recipe | None = None, **changes: Any) -> Path:
    """Write a clip and return its path."""
    recipe = recipe or Recipe(**changes)
    with av.open(str(path), "w", container_options=recipe.container_options) as output:
        output.metadata.update(recipe.metadata)
        video = _add_video(output, recipe)
        sounds = [_add_sound(output, sound) for sound in recipe.sounds]
        texts = _add_subtitles(output, path) if recipe.subtitles else None
        cover = _add_cover(output) if recipe.cover else None
        for name, content in recipe.attachments.items():
            output.add_attachment(name, "application/x-truetype-font", content)
        if recipe.chapters:
            output.set_chapters([_chapter(*c, i) for i, c in enumerate(recipe.chapters, 1)])
        packets = _video_packets(video, recipe)
        for stream, sound in zip(sounds, recipe.sounds, strict=True):
            packets += _sound_packets(stream, sound)
        packets += _subtitle_packets(texts, recipe.subtitles, path)
        if cover is not None:
            output.mux(cover.encode(_cover_frame()))
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            output.mux(packet)
    return path


def write_audio(path: Path, sound: Sound) -> Path:
    """Write a file with sound only."""
    with av.open(str(path), "w") as output:
        stream = _add_sound(output, sound)
        output.mux(_sound_packets(stream, sound))
    return path


# -- looking into results -------------------------------------------------------------------


def packets(path: Path, kind: str = "audio", index: int = 0) -> list[bytes]:
    """The payloads of one stream."""
    return [bytes(packet) for packet in _demux(path, kind, index)]


def packet_times(path: Path, kind: str = "audio", index: int = 0) -> list[Fraction]:
    """When the packets of one stream begin, in seconds."""
    return [packet.pts * packet.time_base for packet in _demux(path, kind, index)]


def frame_times(path: Path) -> list[Fraction]:
    """When the decoded frames begin, in seconds, read without vidstyle."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        return [frame.pts * stream.time_base for frame in source.decode(stream)]


def images(path: Path) -> list[np.ndarray]:
    """The decoded frames as RGB, read without vidstyle."""
    with av.open(str(path)) as source:
        return [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]


def video_end(path: Path) -> Fraction:
    """When the last frame's time is over, in seconds, as the container tells."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        return (stream.start_time + stream.duration) * stream.time_base


def peak_frequency(path: Path, index: int = 0) -> float:
    """The loudest frequency of an audio track, in Hz."""
    with av.open(str(path)) as source:
        stream = source.streams.audio[index]
        resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
        chunks = [
            resampled.to_ndarray()[0]
            for frame in source.decode(stream)
            for resampled in resampler.resample(frame)
        ]
    samples = np.concatenate(chunks)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / 16_000)[spectrum.argmax()])


def _demux(path: Path, kind: str, index: int) -> list[Any]:
    with av.open(str(path)) as source:
        stream = getattr(source.streams, kind)[index]
        return [packet for packet in source.demux(stream) if packet.dts is not None]


# -- writing --------------------------------------------------------------------------------


def _add_video(output: Any, recipe: Recipe) -> Any:
    stream = output.add_stream(recipe.codec, recipe.rate, options=recipe.options)
    context = stream.codec_context
    context.width, context.height = recipe.size
    context.pix_fmt = recipe.pix_fmt
    context.time_base = recipe.time_base
    context.flags |= Flags.frame_duration
    context.color_range, context.colorspace = recipe.color[:2]
    context.color_primaries, context.color_trc = recipe.color[2:]
    if recipe.aspect:
        context.sample_aspect_ratio = recipe.aspect
    if recipe.rotation is not None or recipe.hflip:
        stream.set_display_rotation(recipe.rotation or 0, hflip=recipe.hflip)
    stream.metadata.update(recipe.video_metadata)
    return stream


def _video_packets(stream: Any, recipe: Recipe) -> list[Any]:
    packets = []
    ends = [*recipe.ticks[1:], recipe.ticks[-1] + recipe.last_duration]
    for index, (pts, end) in enumerate(zip(recipe.ticks, ends, strict=True)):
        picture = av.VideoFrame.from_ndarray(recipe.image(index, *recipe.size), format="rgb24")
        picture = _to_yuv(picture, recipe)
        picture.pts, picture.time_base, picture.duration = pts, recipe.time_base, end - pts
        packets += stream.encode(picture)
    return packets + stream.encode(None)


def _to_yuv(picture: Any, recipe: Recipe) -> Any:
    swscale = {1: 1, 9: 9}.get(recipe.color[1], 5)
    return picture.reformat(
        format=recipe.pix_fmt,
        dst_colorspace=swscale,
        dst_color_range=2 if recipe.color[0] == 2 else 1,
    )


def _add_sound(output: Any, sound: Sound) -> Any:
    options = {"strict": "experimental"} if sound.codec == "vorbis" else {}
    stream = output.add_stream(sound.codec, sound.rate, options=options)
    stream.codec_context.time_base = Fraction(1, sound.rate)
    stream.codec_context.layout = sound.layout
    if sound.codec.startswith("wma"):
        stream.codec_context.bit_rate = 128_000
    stream.metadata.update(sound.metadata)
    if sound.disposition is not None:
        stream.disposition = sound.disposition
    return stream


def _sound_packets(stream: Any, sound: Sound) -> list[Any]:
    count = int(sound.seconds * sound.rate)
    wave = 0.4 * np.sin(2 * np.pi * sound.frequency * np.arange(count) / sound.rate)
    wave += np.random.default_rng(0).normal(0, 0.01, count)  # makes every packet unique
    channels = av.AudioLayout(sound.layout).nb_channels
    samples = np.stack([wave] * channels).astype(np.float32)
    packets = []
    for first in range(0, count, 960):
        # PyAV cannot fill more than eight planes.
        chunk = np.ascontiguousarray(samples[:, first : first + 960].T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(chunk, format="flt", layout=sound.layout)
        frame.sample_rate, frame.time_base = sound.rate, Fraction(1, sound.rate)
        frame.pts = first + round(sound.start * sound.rate)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _add_subtitles(output: Any, path: Path) -> Any:
    codec = "subrip" if path.suffix == ".mkv" else "mov_text"
    return output.add_mux_stream(codec, time_base=Fraction(1, 1000))


def _subtitle_packets(stream: Any, subtitles: Iterable[Subtitle], path: Path) -> list[Any]:
    packets = []
    for subtitle in subtitles:
        text = subtitle.text.encode()
        payload = text if path.suffix == ".mkv" else len(text).to_bytes(2, "big") + text
        packet = av.Packet(payload)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = round(subtitle.start * 1000)
        packet.duration = round(subtitle.seconds * 1000)
        packets.append(packet)
    return packets


def _add_cover(output: Any) -> Any:
    stream = output.add_stream("png", 1)
    stream.codec_context.width, stream.codec_context.height = 16, 16
    stream.codec_context.pix_fmt = "rgb24"
    stream.disposition = Disposition.attached_pic
    return stream


def _cover_frame() -> Any:
    frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 99, np.uint8), format="rgb24")
    frame.pts, frame.time_base = 0, Fraction(1, 1)
    return frame


def _chapter(title: str, start: float, end: float, number: int) -> Any:
    return {
        "id": number,
        "start": round(start * 1000),
        "end": round(end * 1000),
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }
