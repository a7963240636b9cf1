"""Each stage of `vidstyle run` alone on the whole machine, one after another over the same frames.

    python benchmarks/stages.py CLIP [OPTIONS of vidstyle run]

Prints as JSON the frames, seconds and seconds of processors of each: ``decode`` (to RGB pictures),
``flow`` (thumbnails, flow and masks, on as many threads as there are cores), ``inference`` (in the
batches of a run), ``blend``, ``encode`` (to the finished file). All frames are held in memory.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
from machine import cores

from vidstyle import pipeline
from vidstyle.checkpoints import Checkpoint
from vidstyle.cli.main import main as program
from vidstyle.consistency import TemporalMemory
from vidstyle.frame import Frame
from vidstyle.pipeline import Listener, Summary, batches
from vidstyle.stages import StageTimes
from vidstyle.stylizers import FastStylizer
from vidstyle.temporal import MotionTracker, TemporalOptions
from vidstyle.video import ResumableWriter, VideoReader, VideoWriter

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


def taken_apart(stages: Times) -> Callable[..., Summary]:
    """``pipeline.restyle`` with one stage at a time."""

    def restyle(
        reader: VideoReader,
        tracked: object,
        stylizer: FastStylizer,
        temporal: TemporalOptions,
        finish: Callable[[Frame, np.ndarray], Frame],
        writer: VideoWriter | ResumableWriter,
        target: Path,
        listener: Listener,
        times: StageTimes,
    ) -> Summary:
        with measure(stages, "decode"):
            frames = list(reader)
        with MotionTracker(temporal, threads=cores()) as tracker, measure(stages, "flow"):
            motions = [motion.result() for _, motion in list(tracker(frames))]
        groups = [
            np.stack([frame.image for frame in group])
            for group in batches(frames, stylizer.batch_size)
        ]
        stylizer.draw(groups[0])  # to warm up
        with measure(stages, "inference"):
            drawn = [image for group in groups for image in stylizer.draw(group)]
        kept = writer if isinstance(writer, ResumableWriter) else None
        memory, finished, states = TemporalMemory(temporal), [], {}
        with measure(stages, "blend"):
            for number, (frame, image, motion) in enumerate(
                zip(frames, drawn, motions, strict=True)
            ):
                drawing = stylizer.enlarge(frame.image, memory(image, motion))
                finished.append(finish(frame, drawing))
                if kept and kept.ends_segment(number):
                    states[number] = Checkpoint(motion.thumbnail, (memory.state(),))
        with measure(stages, "encode"), writer:
            for number, frame in enumerate(finished):
                writer.write(frame)
                if kept and number in states:
                    kept.keep(states[number])
        for spent in stages.values():
            spent["frames"] = len(frames)
        return Summary(target, len(frames), sum(spent["seconds"] for spent in stages.values()))

    return restyle


def main() -> None:
    clip, *options = sys.argv[1:]
    stages: Times = {}
    # The command line makes the options and opens everything, as it does for users.
    pipeline.restyle = taken_apart(stages)
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
