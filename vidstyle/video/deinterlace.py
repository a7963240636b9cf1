"""Interlaced frames become progressive ones, one for one."""

from __future__ import annotations

from collections.abc import Iterator

from av.error import BlockingIOError as Waiting
from av.error import EOFError as Ended
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

_BWDIF = "mode=send_frame:parity=auto:deint=interlaced"


class Deinterlacer:
    """Passes decoded frames through FFmpeg's bwdif, from the first that is flagged interlaced on.

    Timestamps and the number of frames stay. Frames that are not flagged come out as they went in.
    What comes out of an interlaced frame depends on those before and after it.

    Args:
        stream: the frames' own.
    """

    found: bool
    """Whether an interlaced frame was among them."""

    def __init__(self, stream: VideoStream) -> None:
        self.found = False
        self._stream = stream
        self._graph: Graph | None = None
        self._like: tuple[int, int, str] | None = None

    def __call__(self, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        for frame in frames:
            self.found = self.found or frame.interlaced_frame
            if not self.found:
                yield frame
                continue
            like = (frame.width, frame.height, frame.format.name)
            if like != self._like:
                yield from self._rest()
                self._graph, self._like = self._new_graph(frame), like
            assert self._graph is not None
            self._graph.push(frame)
            yield from self._filtered(self._graph)
        yield from self._rest()

    def _rest(self) -> Iterator[VideoFrame]:
        """The last frame, which waits for another."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._filtered(self._graph)
            self._graph = None

    def _new_graph(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        nodes = (
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=self._stream.time_base,
            ),
            graph.add("bwdif", _BWDIF),
            graph.add("buffersink"),
        )
        graph.link_nodes(*nodes).configure()
        return graph

    def _filtered(self, graph: Graph) -> Iterator[VideoFrame]:
        while True:
            try:
                frame = graph.pull()
            except (Waiting, Ended):
                return
            assert isinstance(frame, VideoFrame) and frame.pts is not None
            # bwdif's unit of time is half of its input's.
            frame.pts, frame.duration = frame.pts // 2, frame.duration // 2
            frame.time_base = self._stream.time_base
            yield frame
