"""The loop: a reader's frames go through a stylizer into a writer, three stages at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from vidstyle.errors import Interrupted
from vidstyle.frame import Frame
from vidstyle.styles.registry import Style
from vidstyle.stylizers import FastOptions, FastStylizer, Stylizer
from vidstyle.video import (
    BackgroundSink,
    Prefetch,
    ReadOptions,
    VideoReader,
    VideoWriter,
    WriteOptions,
)

QUEUED_BATCHES = 2
"""Batches that may wait between two stages: enough to overlap, little enough for 4K."""


@dataclass(frozen=True)
class Progress:
    """A run's state after some frames: an event for progress bars and programs.

    Attributes:
        total: frames expected in all; None when the file does not say.
        seconds: since the first frame went in.
    """

    frames: int
    total: int | None
    seconds: float

    @property
    def rate(self) -> float:
        """Frames a second so far."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class Summary:
    """A finished run."""

    output: Path
    frames: int
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        return self.frames / self.seconds if self.seconds > 0 else 0.0


Listener = Callable[[Progress], None]


def default_output(source: str | Path, label: str) -> Path:
    """``clip.mov`` in the style ``scream`` becomes ``clip.scream.mp4`` beside it."""
    source = Path(source)
    return source.with_name(f"{source.stem}.{label}.mp4")


def stylize_video(
    source: str | Path,
    output: str | Path | None = None,
    style: str | Path | Style = "scream",
    *,
    fast: FastOptions = FastOptions(),
    read: ReadOptions = ReadOptions(),
    write: WriteOptions = WriteOptions(),
    compare: bool = False,
    listener: Listener = lambda progress: None,
) -> Summary:
    """Restyle a video file, keeping its sound, timing and tags.

    Args:
        source: any video file that FFmpeg reads.
        output: by default ``SOURCE.<style>.mp4`` beside the source.
        style: a name, a style file, a blend such as ``scream:0.7,wave:0.3``, or a Style.
        compare: put input and output side by side in one picture.
        listener: called after every batch.

    Raises:
        VidstyleError: a subclass says what is wrong with the input, style, options or output.
        Interrupted: Ctrl-C; its ``partial`` names the playable file that was kept.
    """
    stylizer = FastStylizer(style, fast)
    target = Path(output) if output else default_output(source, stylizer.style.label)
    with VideoReader(source, read) as reader:
        size = (reader.info.width * (2 if compare else 1), reader.info.height)
        writer = VideoWriter(
            target,
            reader.info,
            source=Path(source),
            size=size,
            start=read.start,
            end=read.end,
            options=write,
        )
        draw = beside(stylizer) if compare else stylizer
        try:
            with writer:
                frames, seconds = run_stages(
                    reader, draw, stylizer.batch_size, writer.write, reader.info.frames, listener
                )
        except KeyboardInterrupt as interrupt:
            raise Interrupted(writer.partial) from interrupt
        return Summary(target, frames, seconds, (*reader.warnings, *writer.notices))


def run_stages(
    frames: Iterable[Frame],
    stylize: Callable[[np.ndarray], np.ndarray],
    batch_size: int,
    write: Callable[[Frame], None],
    total: int | None,
    listener: Listener,
) -> tuple[int, float]:
    """Decode, stylize and encode at the same time, in order; returns frames and seconds."""
    began, count = time.perf_counter(), 0
    with (
        Prefetch(batches(frames, batch_size), QUEUED_BATCHES) as fetched,
        BackgroundSink(write, QUEUED_BATCHES * batch_size) as sink,
    ):
        for batch in fetched:
            results = stylize(np.stack([frame.image for frame in batch]))
            for frame, image in zip(batch, results, strict=True):
                sink.put(replace(frame, image=image))
            count += len(batch)
            listener(Progress(count, total, time.perf_counter() - began))
    return count, time.perf_counter() - began


def batches(frames: Iterable[Frame], size: int) -> Iterator[Sequence[Frame]]:
    """Groups of ``size`` frames; the last may be smaller."""
    iterator = iter(frames)
    while batch := list(islice(iterator, size)):
        yield batch


def beside(stylizer: Stylizer) -> Callable[[np.ndarray], np.ndarray]:
    """A stylizer that puts the input to the left of its result."""
    return lambda images: np.concatenate([images, stylizer(images)], axis=2)
