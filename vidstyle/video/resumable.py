"""Writing a video so that a run that is killed can go on, to the same file (docs/resume.md).

Frames are written in segments: closed, playable files of about a second in a folder beside the
output. A record follows each of them, and a checkpoint of what the next frame depends on. At the
end the packets of all segments are joined, beside the source's other streams.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vidstyle.disk import OutputLock, sync
from vidstyle.errors import InputError, OutputError
from vidstyle.frame import Frame
from vidstyle.store import Checkpoint, Checkpoints, RecordLog, RunFolder
from vidstyle.video.frame_encoder import NUDGED, OutputClock, in_ticks
from vidstyle.video.output import OutputPlan, partial_path, writing
from vidstyle.video.segments import Segment, SegmentWriter
from vidstyle.video.writer import OutputFile

SECONDS = 1.0
"""Length of a segment: what a killed run may lose."""
RECORDS = "segments.jsonl"


class ResumableWriter:
    """Writes frames to a video file that gets its name only when it is complete.

    As a context manager it finishes; after any exception it joins the segments so far into a
    playable file, and they stay, for another run with ``resume``. Frames must all come from one
    thread, and after each that ends a segment, a checkpoint is to be kept.

    Args:
        settings: all that the result depends on, JSON values by names that a user knows.
        resume: go on where an earlier run ended, if one did.
        group: frames that are made together; a segment ends with a group.

    Raises:
        OptionError: to resume, settings have changed since.
        OutputError: an earlier run has left something, and nothing was said of it; or what it left
            is damaged; or another process writes the same file; or the encoder cannot be opened.
    """

    partial: Path | None
    """What a run that ended early has kept: a playable file, or where there was no room for it the
    folder of segments. None when it has kept nothing."""
    checkpoint: Checkpoint | None
    """What the first frame to be written depends on."""
    done: int
    """Frames in finished segments."""

    def __init__(
        self,
        plan: OutputPlan,
        settings: Mapping[str, Any],
        *,
        resume: bool = False,
        group: int = 1,
    ) -> None:
        self.notices = list(plan.notices)
        self.alpha = plan.encoding.alpha
        self.every = max(round(plan.encoding.rate * SECONDS / group), 1) * group
        """Frames in a segment."""
        self.partial, self.checkpoint, self.done = None, None, 0
        self._plan, self._partial = plan, partial_path(plan.path)
        self._last: Segment | None = None
        self._end = 0
        self._clock = OutputClock(plan.first_tick)
        self._lock = OutputLock(plan.path, overwrite=plan.overwrite)
        try:
            self._folder = self._open_folder(settings, resume)
            self._records = RecordLog(self._folder.path / RECORDS)
            self._checkpoints = Checkpoints(self._folder.path)
            self._restore()
            # What the encoder refuses is to be known before the first frame.
            self._writer: SegmentWriter | None = self._open_segment()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc_type is None:
                self._finish()
        except BaseException:
            self._keep_partial()
            raise
        else:
            if exc_type is not None:
                self._keep_partial()
        finally:
            self._leave()

    def ends_segment(self, index: int) -> bool:
        """Whether a checkpoint is wanted after a frame."""
        return (index + 1) % self.every == 0

    def write(self, frame: Frame) -> None:
        """Encode one frame.

        Raises:
            OutputError: the disk is full, or the encoder failed.
        """
        pts, duration = in_ticks(frame, self._plan.encoding.time_base)
        if self._writer is None:
            self._writer = self._open_segment()
        self._writer.write(frame, self._clock(pts), duration)
        self._end = pts + duration

    def keep(self, checkpoint: Checkpoint) -> None:
        """End the segment, so that another run can go on from here.

        Args:
            checkpoint: what the next frame depends on.

        Raises:
            OutputError: the disk is full.
        """
        assert self._writer is not None
        self._folder.begin()
        self._checkpoints.save(str(self.done + self._writer.count), checkpoint)
        self._end_segment(self._writer)

    # ---- segments -------------------------------------------------------------------------

    def _open_segment(self) -> SegmentWriter:
        new = not self._folder.path.exists()
        try:
            with writing(self._folder.path):
                self._folder.path.mkdir(exist_ok=True)
            return SegmentWriter(self._new_path, self._plan)
        except BaseException:
            if new:
                shutil.rmtree(self._folder.path, ignore_errors=True)
            raise

    def _end_segment(self, writer: SegmentWriter) -> None:
        """Close the segment and note it."""
        self._folder.begin()
        times, tail = writer.close(self._last.tail if self._last else None)
        self._writer = None
        assert self._clock.shift is not None and self._clock.last is not None
        frames = self.done + writer.count
        segment = Segment(
            name=f"segment-{frames:08d}{self._plan.suffix}",
            size=self._new_path.stat().st_size,
            frames=frames,
            shift=self._clock.shift,
            last=self._clock.last,
            nudged=self._clock.nudged,
            end=self._end,
            tail=tail,
            times=times,
        )
        os.replace(self._new_path, self._folder.path / segment.name)
        if self._last is None:  # what cannot be read back must not be known at the end only
            deque(segment.packets(self._folder.path), maxlen=0)
        self._records.append(asdict(segment))
        self._last, self.done = segment, frames

    def _segments(self) -> Iterator[Segment]:
        """Those that are finished, as their records tell."""
        for record in self._records:
            try:
                yield Segment(**record)
            except TypeError as error:
                raise self._records.damaged() from error

    @property
    def _new_path(self) -> Path:
        """Where the current segment is written."""
        return self._folder.path / f"new.part{self._plan.suffix}"

    # ---- beginning ------------------------------------------------------------------------

    def _open_folder(self, settings: Mapping[str, Any], resume: bool) -> RunFolder:
        plan, partial = self._plan, self._partial
        if plan.source and partial.exists() and partial.samefile(plan.source):
            raise OutputError(f"{partial}: is the input itself; choose another output")
        folder = RunFolder(plan.path, settings, resume=resume, overwrite=plan.overwrite)
        if partial.exists() and not (plan.overwrite or folder.begun):
            raise OutputError(
                f"{partial}: exists already, and is where an interrupted {plan.path.name} "
                "would be kept; rename it, or replace it with --overwrite"
            )
        return folder

    def _restore(self) -> None:
        """Go on after the last segment that has its checkpoint; forget what came after it."""
        segments = list(self._segments())
        while segments and self.checkpoint is None:
            self.checkpoint = self._checkpoints.load(str(segments[-1].frames))
            if self.checkpoint is None:
                segments.pop()
        for segment in segments:
            segment.check(self._folder.path)
        self._records.truncate(len(segments))
        finished = {segment.name for segment in segments}
        for path in self._folder.path.glob("segment-*"):
            if path.name not in finished:
                path.unlink()
        if segments:
            last = self._last = segments[-1]
            self.done, self._end = last.frames, last.end
            self._clock.shift, self._clock.last = last.shift, last.last
            self._clock.nudged = last.nudged

    # ---- end ------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Join the segments beside the source's other streams, and give the file its name."""
        if self._writer and self._writer.count:
            self._end_segment(self._writer)
        if self._last is None:
            raise OutputError(f"{self._plan.path}: no frames were decoded; nothing was written")
        if self._clock.nudged:
            self.notices.append(NUDGED)
        end = None if self._plan.end is None else self._end
        self.notices += self._join(self._plan, self._plan.path, self._last, end)
        self.done = 0

    def _keep_partial(self) -> None:
        """Join what there is, with as much of the sound as goes with it."""
        if self._last is None:
            return
        self.partial = self._folder.path
        for source in dict.fromkeys((self._plan.source, None)):
            with suppress(InputError, OutputError):
                plan = replace(self._plan, source=source)
                self._join(plan, self._partial, self._last, self._last.end)
                self.partial = self._partial
                return

    def _join(self, plan: OutputPlan, target: Path, last: Segment, end: int | None) -> list[str]:
        """Write the packets of all segments into one file; what a user should know of it.

        Args:
            last: of the segments.
            end: where the other streams are cut, on the source's clock, if they are.
        """
        self._check_room()
        folder = self._folder.path
        extradata = next(self._segments()).extradata(folder)
        file = OutputFile(folder / f"joined.part{plan.suffix}", plan, extradata=extradata)
        try:
            file.begin(last.shift)
            for segment in self._segments():
                for packet in segment.packets(folder):
                    assert packet.pts is not None
                    time = packet.pts + last.shift
                    packet.stream, packet.time_base = file.stream, plan.encoding.time_base
                    file.mux(packet)
                    file.copy_until(time)
            file.complete(target, end)
        finally:
            file.discard()
        with writing(target):
            sync(target)
            sync(target.parent)
        return file.notices

    def _check_room(self) -> None:
        """Raises OutputError when the disk has no room for the segments once more."""
        needed = sum(path.stat().st_size for path in self._folder.path.glob("segment-*"))
        free = shutil.disk_usage(self._folder.path).free
        if needed > free:
            raise OutputError(
                f"{self._plan.path}: no space left on the disk: needs {needed >> 20} MiB, "
                f"{free >> 20} MiB are free"
            )

    def _leave(self) -> None:
        """Close everything; remove what no other run can continue."""
        if self._writer is not None:
            self._writer.discard()
        try:
            if not self.done:  # the folder last, as it says whose the partial file is
                self._partial.unlink(missing_ok=True)
                self._folder.remove()
        finally:
            self._lock.release()
