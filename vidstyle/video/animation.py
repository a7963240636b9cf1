"""Animated GIF and PNG: made at the end, from a lossless file of all the frames.

The 256 colours of a GIF are chosen from the whole clip, so that they do not change on the way, and
the chunks of an animated PNG are numbered through: neither can be joined from segments.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidstyle.video.containers import SHORTEST_FRAME

_TICK = Fraction(1, 100)
"""Seconds: what GIF counts in."""


def animate(source: Path, target: Path, container: str) -> None:
    """Make an animation that repeats for ever of a video file's frames.

    Args:
        source: the file; its alpha counts.
        target: where it is written.
        container: gif or apng, FFmpeg's name of both format and encoder.

    Raises:
        FFmpegError, OSError: the disk is full or so.
    """
    with (
        av.open(str(source)) as frames,
        av.open(f"file:{target}", "w", format=container) as output,
    ):
        own = frames.streams.video[0]
        stream = output.add_stream(container, own.average_rate)
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height = own.width, own.height
        if container == "gif":
            context.pix_fmt, context.time_base = "pal8", _TICK
            pictures = _paletted(source, _spaced(frames.decode(own)))
        else:
            context.pix_fmt = "rgba" if own.codec_context.pix_fmt == "bgra" else "rgb24"
            context.time_base = own.time_base or _TICK
            context.options = {"pred": "mixed"}
            output.container_options["plays"] = "0"
            pictures = frames.decode(own)
        for picture in pictures:
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))


def _spaced(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """Frames in GIF's time, without those that come sooner than players can show."""
    least = 0
    for frame in frames:
        assert frame.pts is not None and frame.time_base is not None
        tick = round(frame.pts * frame.time_base / _TICK)
        if tick >= least:
            frame.pts, frame.time_base, least = tick, _TICK, tick + SHORTEST_FRAME
            yield frame


def _paletted(source: Path, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """Frames in the 256 colours that suit the whole file best."""
    palette, graph = _palette(source), Graph()
    mix = graph.add("paletteuse", "dither=sierra2_4a:diff_mode=rectangle")
    colors = _linked(graph, palette, mix, 1)
    sink = graph.add("buffersink")
    mix.link_to(sink)
    pictures: FilterContext | None = None
    for frame in frames:
        if pictures is None:
            pictures = _linked(graph, frame, mix, 0)
            graph.configure()
            colors.push(palette)
            colors.push(None)
        pictures.push(frame)
        yield from _pulled(sink)
    if pictures is not None:
        pictures.push(None)
        yield from _pulled(sink)


def _palette(source: Path) -> VideoFrame:
    """The colours of a file, as a picture."""
    graph, pictures = Graph(), None
    choose, sink = graph.add("palettegen", "stats_mode=full"), graph.add("buffersink")
    choose.link_to(sink)
    with av.open(str(source)) as frames:
        for frame in frames.decode(video=0):
            if pictures is None:
                pictures = _linked(graph, frame, choose, 0)
                graph.configure()
            pictures.push(frame)
    assert pictures is not None
    pictures.push(None)
    palette = next(_pulled(sink))
    palette.pts, palette.time_base = 0, _TICK
    return palette


def _linked(graph: Graph, frame: VideoFrame, filter: FilterContext, pad: int) -> FilterContext:
    """A source of frames like one, linked to an input of a filter."""
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    source.link_to(filter, 0, pad)
    return source


def _pulled(sink: FilterContext) -> Iterator[VideoFrame]:
    """The frames that a graph gives away for now."""
    with suppress(BlockingIOError, EOFError):
        while True:
            frame = sink.pull()
            assert isinstance(frame, VideoFrame)
            yield frame
