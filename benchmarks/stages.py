"""Each stage of `vidstyle run` alone on the whole machine, one after another over the same frames.

    python benchmarks/stages.py CLIP [OPTIONS of vidstyle run]

Prints as JSON the frames, seconds and seconds of processors of each: ``decode`` (to RGB pictures),
``flow`` (thumbnails, flow and masks, on as many threads as there are cores), ``inference`` (in the
batches of a run), ``blend``, ``encode`` (without joining segments). All frames are held in memory.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from machine import cores

from vidstyle.cli.main import main as program
from vidstyle.frame import Frame
from vidstyle.pipeline import video as pipeline
from vidstyle.pipeline.process import FrameStylizer, Store, Writer, batches
from vidstyle.temporal.motion import MotionTracker, TrackedFrame

Times = dict[str, dict[str, float]]


@contextmanager
def measure(stages: Times, name: str) -> Iterator[None]:
    """Of this process, in which nothing else runs."""
    began, busy = time.perf_counter(), time.process_time()
    yield
    stages[name] = {
        "seconds": time.perf_counter() - began,
        "processor": time.process_time() - busy,
    }


def tracker_apart(stages: Times) -> type[MotionTracker]:
    """A ``MotionTracker`` that decodes all frames before it tracks them."""

    class Tracker(MotionTracker):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **(options | {"threads": cores()}))

        def __call__(self, frames: Iterable[Frame]) -> Iterator[TrackedFrame]:
            with measure(stages, "decode"):
                decoded = list(frames)
            with measure(stages, "flow"):
                tracked = list(super().__call__(decoded))
                for frame in tracked:
                    frame.motion.result()
            return iter(tracked)

    return Tracker


def process_apart(stages: Times) -> Callable[..., int]:
    """``process`` with one step at a time."""

    def process(
        frames: Iterable[TrackedFrame],
        stylizer: FrameStylizer,
        writer: Writer,
        store: Store | None = None,
        **options: Any,
    ) -> int:
        tracked = list(frames)
        groups = list(batches(tracked, stylizer.batch_size))
        stylizer.draw(groups[0])  # to warm up
        with measure(stages, "inference"):
            drawn = [drawing for group in groups for drawing in stylizer.draw(group)]
        finished = []
        with measure(stages, "blend"):
            for frame, drawing in zip(tracked, drawn, strict=True):
                done = stylizer.finish(frame, drawing)
                finished.append((done, store.state_after(done) if store else None))
        with measure(stages, "encode"):
            for done, state in finished:
                writer.write(done)
                if store and state:
                    store.keep(done, state)
        for spent in stages.values():
            spent["frames"] = len(tracked)
        return len(tracked)

    return process


def main() -> None:
    clip, *options = sys.argv[1:]
    stages: Times = {}
    # The command line makes the options and opens everything, as it does for users.
    pipeline.MotionTracker = tracker_apart(stages)
    pipeline.process = process_apart(stages)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        output = ["-o", str(Path(folder) / "out.mp4"), "--progress", "none"]
        try:
            program(["run", clip, *output, *options])
        except SystemExit as end:
            if end.code:
                raise
    print(json.dumps(stages))


if __name__ == "__main__":
    main()
