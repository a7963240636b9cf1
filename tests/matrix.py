"""Containers × video codecs × sound codecs: what becomes of each clip that FFmpeg can write.

    python tests/matrix.py --targets mp4 mkv            # every combination, printed
    python tests/matrix.py --sources avi mpegts         # of two containers alone

Each clip lasts a second: numbered pictures, and a beep after half of it. It is read and written
by vidstyle without being drawn, and looked at with plain PyAV: every frame, its time, the sound's
beginning and length. Whatever differs must be named in the notices.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.frame import Frame
from av.stream import Stream

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from clips import number_of, numbered
from toys import identity

from vidstyle.errors import VidstyleError
from vidstyle.options import TemporalOptions, WriteOptions
from vidstyle.pipeline.video import stylize_video

FRAMES, RATE = 25, 25
SOUND_RATE = 48_000
BEEP = (0.5, 0.7)
"""When the beep begins and ends, in seconds."""
TOLERANCE = 0.02
"""Seconds that the beep may move by."""

CONTAINERS = {
    "mp4": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm", "avi": "avi", "ts": "mpegts",
    "m2ts": "mpegts", "mpg": "mpeg", "vob": "vob", "wmv": "asf", "flv": "flv", "mxf": "mxf",
    "3gp": "3gp", "ogv": "ogg", "gif": "gif", "apng": "apng",
}  # fmt: skip
"""Extensions, and FFmpeg's name of the muxer."""
VIDEO = {
    "h264": "libx264", "hevc": "libx265", "mpeg2": "mpeg2video", "mpeg4": "mpeg4",
    "mjpeg": "mjpeg", "vp8": "libvpx", "vp9": "libvpx-vp9", "av1": "libaom-av1", "ffv1": "ffv1",
    "prores": "prores_ks", "dv": "dvvideo", "wmv2": "wmv2", "gif": "gif", "apng": "apng",
}  # fmt: skip
SOUND = {
    "none": "", "aac": "aac", "mp3": "libmp3lame", "mp2": "mp2", "ac3": "ac3", "eac3": "eac3",
    "dts": "dca", "opus": "libopus", "vorbis": "libvorbis", "flac": "flac", "alac": "alac",
    "s16": "pcm_s16le", "s24": "pcm_s24le", "u8": "pcm_u8", "f32": "pcm_f32le",
    "adpcm": "adpcm_ima_wav", "wma": "wmav2", "truehd": "truehd",
}  # fmt: skip
_PIX_FMTS = {"mjpeg": "yuvj420p", "prores": "yuv422p10le", "gif": "rgb8", "apng": "rgb24"}
_OPTIONS = {"libx265": {"x265-params": "log-level=none"}, "libaom-av1": {"cpu-used": "8"}}
_BARE = ("gif", "apng")


@dataclass(frozen=True)
class Case:
    """A clip: an extension of ``CONTAINERS``, and names of codecs."""

    suffix: str
    video: str
    sound: str

    def __str__(self) -> str:
        return f"{self.suffix} {self.video} {self.sound}"


@dataclass(frozen=True)
class Clip:
    """What an independent reader finds in a file; times in seconds from the first frame."""

    numbers: list[int]
    times: list[float]
    beep: float | None
    sound: float | None
    """How long the sound lasts."""
    first: float
    """When the first frame comes, as the file tells it."""


def cases(sources: list[str]) -> Iterator[Case]:
    """All combinations."""
    for suffix in sources:
        videos, sounds = _codecs(suffix)
        yield from (Case(suffix, video, sound) for video in videos for sound in sounds)


def thinned_cases(suffix: str, folder: Path) -> list[Case]:
    """So few of a container that each codec that can be written there is met once."""
    path = folder / f"trial.{suffix}"
    videos, sounds = _codecs(suffix)
    videos = [name for name in videos if write(Case(suffix, name, "none"), path)]
    sounds = [name for name in sounds if write(Case(suffix, videos[0], name), path)]
    count = max(len(videos), len(sounds))
    return [
        Case(suffix, video, sound)
        for _, video, sound in zip(range(count), cycle(videos), cycle(sounds), strict=False)
    ]


def _codecs(suffix: str) -> tuple[list[str], list[str]]:
    if suffix in _BARE:
        return [suffix], ["none"]
    return [name for name in VIDEO if name not in _BARE], list(SOUND)


def write(case: Case, path: Path) -> bool:
    """Whether FFmpeg can write that clip, and read back what it wrote."""
    try:
        _write(case, path)
        return len(look(path).numbers) == FRAMES
    except (av.FFmpegError, ValueError, OSError, IndexError):  # IndexError: no picture is found
        return False


def _write(case: Case, path: Path) -> None:
    with av.open(str(path), "w", format=CONTAINERS[case.suffix]) as output:
        name = VIDEO[case.video]
        video = output.add_stream(name, RATE, options={"strict": "-2", **_OPTIONS.get(name, {})})
        context = video.codec_context
        context.width, context.height = (720, 576) if case.video == "dv" else (160, 128)
        context.pix_fmt = _PIX_FMTS.get(case.video, "yuv420p")
        context.time_base = Fraction(1, RATE)
        packets = []
        if codec := SOUND[case.sound]:
            sound = output.add_stream(codec, SOUND_RATE, options={"strict": "-2"})
            sound.codec_context.layout = "stereo"
            packets = _sound(sound)
        output.start_encoding()
        packets += _pictures(video)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)


def _pictures(stream: av.VideoStream) -> list[av.Packet]:
    context, packets = stream.codec_context, []
    for index in range(FRAMES):
        image = numbered(index, context.width, context.height)
        frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=context.pix_fmt)
        frame.pts, frame.time_base = index, Fraction(1, RATE)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _sound(stream: av.AudioStream) -> list[av.Packet]:
    time = np.arange(SOUND_RATE * FRAMES // RATE) / SOUND_RATE
    wave = np.where((time >= BEEP[0]) & (time < BEEP[1]), 0.5 * np.sin(6283.2 * time), 0)
    stereo = np.stack([wave, wave]).astype(np.float32)
    whole = av.AudioFrame.from_ndarray(stereo, "fltp", "stereo")
    whole.sample_rate, whole.pts, whole.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
    context = stream.codec_context
    context.open()
    resampler = av.AudioResampler(
        context.format, "stereo", SOUND_RATE, frame_size=context.frame_size or 1024
    )
    frames = [*resampler.resample(whole), *resampler.resample(None)]
    return [packet for frame in [*frames, None] for packet in stream.encode(frame)]


def look(path: Path) -> Clip:
    """Read a clip with plain PyAV."""
    numbers, times, heard, end = [], [], None, None
    with av.open(str(path)) as source:
        sounds = source.streams.audio[:1]
        for frame in _decoded(source, source.streams.video[0], *sounds):
            began = math.nan if frame.pts is None else float(frame.pts * frame.time_base)
            if isinstance(frame, av.VideoFrame):
                numbers.append(number_of(frame.to_ndarray(format="rgb24")))
                times.append(began)
                continue
            end = began + frame.samples / frame.sample_rate
            if heard is None and (onset := _onset(frame)) is not None:
                heard = began + onset / frame.sample_rate
    first = times[0] if times else math.nan
    return Clip(
        numbers,
        [time - first for time in times],
        None if heard is None else heard - first,
        None if end is None else end - first,
        first,
    )


def _decoded(source: InputContainer, *streams: Stream) -> Iterator[Frame]:
    # At the end, PyAV 18 looks for streams that a file has begun in the middle.
    with suppress(IndexError):
        yield from source.decode(*streams)


def _onset(frame: av.AudioFrame) -> int | None:
    """The first loud sample of a frame."""
    planar = av.AudioResampler("fltp", "mono", frame.sample_rate).resample(frame)
    loud = np.flatnonzero(np.abs(np.concatenate([p.to_ndarray()[0] for p in planar])) > 0.1)
    return int(loud[0]) if len(loud) else None


def rewrite(source: Path, target: Path) -> list[str]:
    """Send a clip through vidstyle in the style that changes nothing; returns all notices."""
    summary = stylize_video(
        source,
        target,
        identity(),
        temporal=TemporalOptions(temporal=0),
        write=WriteOptions(effort="draft"),
    )
    return list(summary.warnings)


def faults(before: Clip, after: Clip, notices: list[str]) -> list[str]:
    """What differs and is not named in the notices."""
    found = []
    if after.numbers != list(range(FRAMES)):
        found.append(f"frames {after.numbers}")
    elif not _same_times(before.times, after.times):
        found.append(f"times {[round(time, 3) for time in after.times]}")
    named = "audio" in " ".join(notices)
    if before.sound is not None and after.sound is None:
        found += [] if named else ["sound lost"]
    elif before.sound is not None:
        if before.beep is not None and not _same_beep(before, after.beep):
            found.append(f"beep at {after.beep} for {before.beep}")
        if abs(after.sound - before.sound) > 0.1:
            found.append(f"sound ends at {after.sound} for {before.sound}")
    return found


def _same_times(before: list[float], after: list[float]) -> bool:
    """Whether the frames have the file's own times; even ones where it tells none in order."""
    gaps = np.diff(before)
    if not (gaps >= 0).all():
        gaps = np.full(FRAMES - 1, 1 / RATE)
        gaps[0] = after[1] - after[0]  # FFmpeg's muxers let the second frame wait for the sound
    return bool(np.abs(np.diff(after) - gaps).max() < 0.0015)


def _same_beep(before: Clip, after: float | None) -> bool:
    """Whether a beep comes when it came, or, of files without presentation times, as it should.

    Those begin at 0, though FFmpeg counts how long a decoder waits for the frames after it.
    """
    assert before.beep is not None
    right = (before.beep, before.beep + before.first, BEEP[0])
    return after is not None and any(abs(after - time) <= TOLERANCE for time in right)


def check(case: Case, target_suffix: str, folder: Path) -> list[str] | None:
    """The faults of one cell; None if FFmpeg cannot make the clip."""
    source, target = folder / f"in.{case.suffix}", folder / f"out.{target_suffix}"
    if not source.exists() and not write(case, source):
        source.unlink(missing_ok=True)
        return None
    before = look(source)
    try:
        notices = rewrite(source, target)
    except VidstyleError as error:
        return [str(error)]
    return faults(before, look(target), notices)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", nargs="*", choices=CONTAINERS, default=list(CONTAINERS))
    parser.add_argument("--targets", nargs="*", default=["mp4", "mkv"])
    options = parser.parse_args()
    counts = {"ok": 0, "faults": 0, "not written by FFmpeg": 0}
    for case in cases(options.sources):
        with tempfile.TemporaryDirectory() as folder:
            for suffix in options.targets:
                found = check(case, suffix, Path(folder))
                if found is None:
                    counts["not written by FFmpeg"] += 1
                    break
                counts["faults" if found else "ok"] += 1
                print(f"{case} -> {suffix}: {'; '.join(found) or 'ok'}", flush=True)
    print(counts)


if __name__ == "__main__":
    main()
