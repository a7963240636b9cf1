"""Runs that are killed at random moments: never a broken file, always a way to go on."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import av
import pytest
from clips import Recipe, Sound, frame_times, packets, write_clip
from pipeline.test_resume_video import moving, names, same
from programs import start
from toys import write_toy

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
KILLS = 50
FRAMES = 150
OPTIONS = "--device cpu --precision fp32 --batch-size 2 --preset ultrafast --progress none"


class Runs:
    """Runs of the program."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log.txt"
        self.style = write_toy(folder / "toy.safetensors")

    def start(self, source: Path, output: Path) -> BaseProcess:
        paths = [str(source), "-o", str(output), "--style", str(self.style), "--resume"]
        return start(["run", *paths, *OPTIONS.split()], self.log)

    def finish(self, source: Path, output: Path) -> float:
        """Seconds that a whole run takes."""
        began = time.monotonic()
        process = self.start(source, output)
        process.join()
        assert process.exitcode == 0, self.log.read_text()
        return time.monotonic() - began


def finished(work: Path) -> int:
    """Frames in the segments that are recorded, none of them damaged."""
    records = work / "segments.jsonl"
    lines = records.read_text().splitlines(keepends=True) if records.exists() else []
    frames = [json.loads(line)["frames"] for line in lines if line.endswith("\n")]
    for before, end in zip([0, *frames], frames, strict=False):
        with av.open(str(work / f"segment-{end:08d}.mp4")) as source:
            shown = sum(not frame.is_corrupt for frame in source.decode(video=0))
        assert shown == end - before
    return frames[-1] if frames else 0


@pytest.mark.slow
def test_killed_fifty_times(tmp_path: Path) -> None:
    sound = Sound(seconds=FRAMES / 24)
    recipe = Recipe(ticks=tuple(range(FRAMES)), size=(96, 64), image=moving, sounds=(sound,))
    source = write_clip(tmp_path / "in.mp4", recipe)
    whole, output = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    partial, work = tmp_path / "out.partial.mp4", tmp_path / ".out.mp4.work"
    runs, dice = Runs(tmp_path), random.Random(6)
    runs.finish(source, whole)
    seconds = runs.finish(source, output)
    output.unlink()
    kept = kills = advised = 0
    ways = set()
    while kills < KILLS:
        process = runs.start(source, output)
        process.join(dice.uniform(0, 0.9 * seconds))
        kind = dice.choice(SIGNALS)
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, kind)
            kills += 1
        process.join()
        if output.exists():
            same(output, whole)
            kept = 0
            output.unlink()
            continue
        message = runs.log.read_text()
        if process.exitcode == 130 and message:
            assert message.startswith("vidstyle: interrupted") and message.count("\n") == 1
        if "--resume" in message:
            kept_in = partial if str(partial) in message else work
            assert str(kept_in) in message and kept_in.exists()
            advised += 1
        ways.add(process.exitcode)
        now = finished(work)
        # The last segment has no checkpoint, and is made again.
        assert now >= kept - 24, "what was finished is lost"
        kept = max(now, kept - 24)
    runs.finish(source, output)
    same(output, whole)
    assert {130, -signal.SIGKILL} <= ways and advised
    assert names(tmp_path) == ["in.mp4", "log.txt", "out.mp4", "toy.safetensors", "whole.mp4"]
    assert frame_times(output) == frame_times(source)
    assert packets(output) == packets(source)
