"""A trial of an output: its first second, written with the source's own packets and read back.

FFmpeg tells only then whether a container holds a stream, and some of its muxers end the process
instead of telling. Those that are not in everyday use are therefore tried in another process.
"""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from threading import Timer
from typing import Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from vidstyle.disk import scratch_folder
from vidstyle.errors import OutputError, VidstyleError
from vidstyle.frame import Frame
from vidstyle.video.encoders import Encoding
from vidstyle.video.frame_encoder import FrameEncoder
from vidstyle.video.output import OutputPlan, writing
from vidstyle.video.tracks import Track
from vidstyle.video.writer import OutputFile

_TRUSTED = {"mp4", "mov", "matroska", "webm"}
"""Their muxers raise errors; others end the process for some streams."""
_TIMEOUT = 60.0
_DISK = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EACCES}
"""What the system says when a disk is full or may not be written to."""
_LENGTH = Fraction(1)
_FEW, _MANY = 2, 12
"""Pictures that are encoded; with few, FFmpeg does not know an MPEG transport stream again."""
_PROGRAM = "from vidstyle.video.trial import main; main()"


class Trials:
    """Tries one plan after the other, as a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()

    def failure_of(self, plan: OutputPlan) -> str | None:
        """Why a file of a plan cannot be written and read back; None when it can.

        Raises:
            OutputError: nothing can be written where the output is to be.
        """
        attempt = _attempt if plan.encoding.container in _TRUSTED else self._attempt_elsewhere
        with writing(plan.path), scratch_folder(plan.path) as folder:
            answer = attempt(replace(plan, start=None, end=None), folder)
        if isinstance(answer, OutputError):
            raise answer
        return answer

    def _attempt_elsewhere(self, plan: OutputPlan, folder: Path) -> str | OutputError | None:
        process = self._process = self._process or _start()
        assert process.stdin and process.stdout
        watch = Timer(_TIMEOUT, process.kill)
        watch.start()
        try:
            pickle.dump((plan, folder), process.stdin)
            process.stdin.flush()
            answer: str | OutputError | None = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            self._end()
            return "FFmpeg breaks off"
        finally:
            watch.cancel()
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def main() -> None:
    """The process of trials: plans come as pickles, and so goes back why each of them fails."""
    while True:
        try:
            plan, folder = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(_attempt(plan, folder), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _attempt(plan: OutputPlan, folder: Path) -> str | OutputError | None:
    """Why a trial in a folder fails; an error where the disk is to blame."""
    try:
        with writing(plan.path):
            path = folder / f"trial{plan.path.suffix}"
            return _failure(path, _write(path, plan))
    except (VidstyleError, ValueError) as error:
        if isinstance(error, OutputError) and getattr(error.__cause__, "errno", 0) in _DISK:
            return OutputError(str(error))
        return str(error).removeprefix(f"{plan.path}: ")


def _write(path: Path, plan: OutputPlan) -> list[Track]:
    """Write the beginning of the file; the tracks beside its pictures."""
    file = OutputFile(path.with_stem("unfinished"), plan)
    try:
        shift = plan.first_tick or 0
        file.begin(shift)
        file.mux(_pictures(file, plan.encoding))
        file.complete(path, shift + round(_LENGTH / plan.encoding.time_base))
    finally:
        file.discard()
    return file.tracks


def _pictures(file: OutputFile, encoding: Encoding) -> list[Packet]:
    encoder = FrameEncoder(file.stream, encoding)
    width, height = encoding.size
    image = np.zeros((height, width, 3), np.float32 if encoding.deep else np.uint8)
    ticks = max(round(1 / (encoding.rate * encoding.time_base)), 1)
    frame = Frame(image, 0, encoding.time_base, ticks)
    count = _FEW if encoding.container in _TRUSTED else _MANY
    packets = [encoder(frame, index * ticks, ticks) for index in range(count)]
    return [*chain.from_iterable(packets), *encoder.flush()]


def _failure(path: Path, tracks: list[Track]) -> str | None:
    """What of the file is missing; None when all of it can be read back."""
    if refused := next((track for track in tracks if track.left_out > track.count), None):
        return f"{refused.label} is not taken"
    wanted: Counter[str] = Counter([track.kind for track in tracks if track.count] + ["video"])
    found: Counter[str] = Counter()
    with suppress(FFmpegError, ValueError), av.open(str(path)) as container:
        streams = [s for s in container.streams if s.codec_context is not None]
        found.update(stream.type for stream in streams if _told(stream))
    lost = wanted - found
    return f"{next(iter(lost))} cannot be read back" if lost else None


def _told(stream: Stream) -> bool:
    """Whether enough is known of a stream to play it."""
    return not isinstance(stream, AudioStream) or stream.codec_context.sample_rate > 0
