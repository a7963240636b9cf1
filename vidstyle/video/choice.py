"""Which streams of the source an output carries beside the pictures, and as what."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import DataStream, Stream

from vidstyle.errors import OutputError
from vidstyle.video.clock import ContinuousClock
from vidstyle.video.containers import ANIMATIONS, FASTSTART
from vidstyle.video.output import OutputPlan
from vidstyle.video.sound import SoundEncoding, sound_encodings
from vidstyle.video.source import find_video, open_source
from vidstyle.video.subtitles import SubtitleEncoding, subtitle_encoding
from vidstyle.video.tracks import TrackPlan, codec_name, label
from vidstyle.video.trial import Trials

# FFmpeg would write these into MP4, but hardly anything else plays them from there.
_UNPLAYABLE = {("mp4", "vorbis")}
_THREE_LETTERS = {*FASTSTART, "3gp", "3g2", "mpegts"}
"""Containers that hold ISO 639-2's codes of languages and no others."""
_NO_LANGUAGES = {"avi", "flv", "mpeg", "svcd", "dvd", "mxf"}


def with_tracks(plan: OutputPlan, audio: bool) -> OutputPlan:
    """A plan with all that its container can hold of the source, as a trial has shown.

    Args:
        audio: whether sound is wanted.

    Raises:
        OutputError: not even the pictures can be written.
        InputError: the source cannot be opened.
    """
    with Trials() as trials:
        if plan.source is None:
            _check(plan, trials)
            return plan
        with open_source(plan.source) as source:
            return _Choice(plan, source, audio, trials).plan()


class _Choice:
    """Copies what can be copied, transcodes what sound cannot, and names what is left out."""

    def __init__(
        self, plan: OutputPlan, source: InputContainer, audio: bool, trials: Trials
    ) -> None:
        assert plan.source is not None
        self._container = plan.encoding.becomes or plan.encoding.container
        self._video = find_video(source, plan.source)
        self._from_zero = "mp4" in source.format.name or ContinuousClock(source).needed
        chapters = len(source.chapters())
        self._streams = [
            s for s in source.streams if s is not self._video and not _is_of_chapters(s, chapters)
        ]
        self._audio, self._trials = audio, trials
        self._notices: list[str] = []
        self._wanted = [stream for stream in self._streams if self._is_wanted(stream)]
        self._bare = replace(plan, origin=self._origin(self._wanted))

    def plan(self) -> OutputPlan:
        wanted = self._wanted
        tracks = tuple(TrackPlan(stream.index) for stream in wanted)
        if any(self._is_unplayable(stream) for stream in wanted) or self._failure(tracks):
            _check(self._bare, self._trials)
            found = [self._track(stream) for stream in wanted]
            tracks = tuple(track for track in found if track is not None)
            while tracks and self._failure(tracks):  # there may be no room for all of them
                tracks = tracks[:-1]
        carried = {track.index for track in tracks}
        self._notices += [
            f"audio stream {stream.index} left out: none of it can be heard"
            for stream in self._streams
            if self._audio and isinstance(stream, AudioStream) and _is_silent(stream)
        ]
        left_out = [s for s in self._streams if s.index not in carried and self._is_missed(s)]
        if names := ", ".join(map(label, left_out)):
            self._notices.insert(0, f"not carried into {self._container}: {names}")
        self._notices += filter(None, map(self._lost_language, [self._video, *wanted]))
        return replace(
            self._bare,
            tracks=tracks,
            origin=self._origin([s for s in wanted if s.index in carried]),
            notices=(*self._bare.notices, *self._notices),
        )

    def _is_wanted(self, stream: Stream) -> bool:
        if self._container in ANIMATIONS:
            return False
        if isinstance(stream, AudioStream):
            return self._audio and not _is_silent(stream)
        if stream.type == "attachment":
            return self._container == "matroska"  # WebM's muxer would take it and drop it
        return stream.type == "subtitle"

    def _is_missed(self, stream: Stream) -> bool:
        """Whether a user is to be told that a stream is left out."""
        if isinstance(stream, AudioStream):
            return self._audio and not _is_silent(stream)
        return "timecode" not in stream.metadata

    def _is_unplayable(self, stream: Stream) -> bool:
        return (self._container, codec_name(stream)) in _UNPLAYABLE

    def _track(self, stream: Stream) -> TrackPlan | None:
        """The first way in which a stream can be carried; None when there is none."""
        for track in self._ways(stream):
            if self._failure((track,)) is None:
                if track.encoding is not None:
                    self._notices.append(self._told(stream, track.encoding))
                return track
        return None

    def _ways(self, stream: Stream) -> Iterator[TrackPlan]:
        if not self._is_unplayable(stream):
            yield TrackPlan(stream.index)
        if isinstance(stream, AudioStream):
            with av.open(io.BytesIO(), "w", format=self._container) as scratch:
                encodings = sound_encodings(scratch, stream.codec_context)
            yield from (TrackPlan(stream.index, encoding) for encoding in encodings)
        elif text := subtitle_encoding(self._container, stream):
            yield TrackPlan(stream.index, text)

    def _failure(self, tracks: tuple[TrackPlan, ...]) -> str | None:
        return self._trials.failure_of(replace(self._bare, tracks=tracks))

    def _told(self, stream: Stream, encoding: SoundEncoding | SubtitleEncoding) -> str:
        """What becomes of a stream that is transcoded, and what is lost by it."""
        if isinstance(encoding, SubtitleEncoding):
            became = f"{label(stream)} converted to {encoding.title}, its text alone"
            return f"{became}: {self._container} cannot hold it"
        assert isinstance(stream, AudioStream)
        source = stream.codec_context
        text = f"audio stream {stream.index} ({codec_name(stream)}) transcoded to {encoding.title}"
        count = source.layout.nb_channels
        if encoding.kept < count:
            text += f", its {count} channels ({source.layout.name}) mixed to {encoding.layout}"
        if encoding.rate < source.sample_rate:
            text += f", resampled from {source.sample_rate} to {encoding.rate} Hz"
        return f"{text}: {self._container} cannot hold it"

    def _lost_language(self, stream: Stream) -> str | None:
        """What to tell of a language that the container has no code for."""
        language, container = stream.metadata.get("language", "und"), self._container
        standard = re.fullmatch("[a-z]{3}", language)
        lost = container in _NO_LANGUAGES or (container in _THREE_LETTERS and not standard)
        if language == "und" or not lost:
            return None
        return f"language {language} of {label(stream)} left out: {container} has no code for it"

    def _origin(self, carried: list[Stream]) -> Fraction:
        """When the first of the carried streams begins, or zero where that is earlier.

        The tracks of MP4 lie on a timeline that begins at zero; most other clocks begin anywhere.
        """
        if self._from_zero:
            return Fraction(0)
        streams = [self._video, *carried]
        starts = [
            s.start_time * s.time_base for s in streams if s.start_time is not None and s.time_base
        ]
        return max(min(starts, default=Fraction(0)), Fraction(0))


def _is_silent(stream: AudioStream) -> bool:
    """Whether a stream names no channels or no rate, so that nothing of it can be heard."""
    codec = stream.codec_context
    return not (codec and codec.sample_rate and codec.layout.nb_channels)


def _is_of_chapters(stream: Stream, count: int) -> bool:
    """Whether a stream of MP4 has but the titles of so many chapters, which the muxer writes."""
    return bool(count) and isinstance(stream, DataStream) and stream.frames == count


def _check(plan: OutputPlan, trials: Trials) -> None:
    """Raises OutputError when the pictures alone cannot be written."""
    if reason := trials.failure_of(plan):
        raise OutputError(
            f"{plan.path}: {plan.path.suffix} cannot hold {plan.encoding.codec} ({reason}); "
            "choose another codec or extension"
        )
