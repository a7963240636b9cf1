"""Writing a video so that a run that is killed can go on, to the same file (docs/resume.md).

Frames go in segments into a growing file, which plays. After each of them a line of a journal says
how far that file is whole, and a checkpoint is kept of what the next frame depends on. At the end,
the packets are put beside their other streams, under the final name.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import BaseFileLock, FileLock, Timeout

from vidstyle.checkpoints import Checkpoint, Checkpoints
from vidstyle.disk import sync
from vidstyle.errors import OutputError
from vidstyle.frame import Frame
from vidstyle.video.encode import NUDGED, OutputClock, VideoWriter, sweep_temporaries
from vidstyle.video.growing import GrowingFile, PreviewSound, SegmentWriter
from vidstyle.work import WorkFolder

SECONDS = 1.0
"""Of video in a segment: what may be lost."""
JOURNAL = "segments.jsonl"
_USUAL_RATE = 25


@dataclass(frozen=True)
class Mark:
    """A place where the growing file is whole: the end of a segment.

    Attributes:
        frames: up to there.
        bytes: of the growing file.
        shift: what is subtracted from the source's timestamps.
        last: timestamp of the last frame, on the output's clock.
        nudged: whether timestamps were moved apart.
        end: when the last frame is over, on the source's clock.
        tail, delay: see ``SegmentWriter``.
        times: of the segment's packets: pts, dts, duration on the output's clock.
    """

    frames: int
    bytes: int
    shift: int
    last: int
    nudged: bool
    end: int
    tail: list[int]
    delay: int
    times: list[tuple[int, int, int]] = field(repr=False)


class ResumableWriter:
    """Writes frames to a video file that gets its name only when it is complete.

    As a context manager it finishes; after any exception the segments so far stay, for another
    run with ``resume``. Frames must all come from one thread, and after each that ends a segment,
    a checkpoint is to be kept.

    Args:
        model: a discarded writer of the final file; says how.
        path: where the file grows (``growing_path``).
        settings: all that the result depends on, JSON values by names that a user knows.
        resume: go on where an earlier run ended, if one did.
        group: frames that are made together; a segment ends with a group.

    Raises:
        OptionError: to resume, settings have changed since.
        OutputError: an earlier run has left something, and nothing was said of it; or what it left
            is damaged; or another process writes the same file.
    """

    partial: Path | None
    """The growing file, if there is something in it that a run with ``resume`` goes on with."""
    notices: list[str]

    def __init__(
        self,
        model: VideoWriter,
        path: Path,
        settings: Mapping[str, Any],
        *,
        resume: bool = False,
        group: int = 1,
    ) -> None:
        self._model = model
        self.notices = model.notices
        self.alpha = model.alpha
        rate = model._info.average_rate or _USUAL_RATE
        self.every = max(round(rate * SECONDS / group), 1) * group
        """Frames in a segment."""
        overwrite = model._options.overwrite
        if model._source and path.exists() and path.samefile(model._source):
            raise OutputError(f"{path}: is the input itself; choose another output")
        self._work = WorkFolder(model.path, settings, resume=resume, overwrite=overwrite)
        if path.exists() and not (overwrite or self._work.begun):
            raise OutputError(
                f"{path}: exists already, and is where {model.path.name} would grow; rename it, "
                "or replace it with --overwrite"
            )
        self._lock = self._hold()
        sweep_temporaries(model.path)
        self._growing = GrowingFile(path)
        self._checkpoints = Checkpoints(self._work.path)
        self._segment: SegmentWriter | None = None
        self._count = 0
        self._clock = OutputClock(model._start is not None)
        self._end = 0
        self._mark: Mark | None = None
        self._rest: list[tuple[int, int, int]] = []
        self.checkpoint: Checkpoint | None = None
        """What the first frame to be written depends on."""
        try:
            self._go_on()
            self._sound = self._open_sound()
        except BaseException:
            self._lock.release()
            raise
        self.partial = path if self._mark else None

    @property
    def done(self) -> int:
        """Frames that are in the growing file for good."""
        return self._mark.frames if self._mark else 0

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
        ticks = self._model._info.time_base / frame.time_base
        pts, duration = round(frame.pts / ticks), round(frame.duration / ticks)
        if self._clock.shift is None:
            self._clock.begin(pts)
        if self._segment is None:
            self._segment = self._new_segment()
        base = self._model._info.time_base
        self._segment.write(replace(frame, pts=self._clock(pts), time_base=base, duration=duration))
        self._end = pts + duration
        self._count += 1

    def keep(self, checkpoint: Checkpoint) -> None:
        """End the segment, so that another run can go on from here.

        Args:
            checkpoint: what the next frame depends on.

        Raises:
            OutputError: the disk is full.
        """
        segment = self._append()
        self._checkpoints.save(str(self._count), checkpoint)
        assert segment.tail is not None and segment.delay is not None
        assert self._clock.shift is not None and self._clock.last is not None
        self._mark = Mark(
            frames=self._count,
            bytes=self._growing.size,
            shift=self._clock.shift,
            last=self._clock.last,
            nudged=self._clock.nudged,
            end=self._end,
            tail=segment.tail,
            delay=segment.delay,
            times=segment.times,
        )
        self._note(self._mark)
        self.partial = self._growing.path

    # ---- segments -------------------------------------------------------------------------

    def _new_segment(self) -> SegmentWriter:
        return SegmentWriter(
            self._making / f"segment{self._growing.path.suffix}",
            self._model,
            self._sound if self._sound and self._sound.stream else None,
            self._mark.tail if self._mark else None,
            self._mark.delay if self._mark else None,
        )

    def _append(self) -> SegmentWriter:
        """Finish the segment, and let the file grow by it."""
        segment, self._segment = self._segment, None
        assert segment is not None and self._clock.shift is not None
        base = self._model._info.time_base
        shift = self._clock.shift * base
        sounds = self._sound.until(self._end * base, shift) if self._sound else []
        path = segment.close(sounds)
        self._work.begin()
        self._growing.append(path)
        return segment

    # ---- the journal ----------------------------------------------------------------------

    def _note(self, mark: Mark) -> None:
        try:
            with self._journal.open("a", encoding="ascii") as file:
                file.write(json.dumps(asdict(mark)) + "\n")
                file.flush()
                os.fsync(file.fileno())
            sync(self._work.path)
        except OSError as error:
            raise OutputError(f"{self._journal}: {error.strerror or error}") from error

    def _marks(self) -> Iterator[tuple[Mark, int]]:
        """Those that were noted, each with where its line ends."""
        if not self._journal.exists():
            return
        with self._journal.open("rb") as file:
            while (line := file.readline()).endswith(b"\n"):
                yield Mark(**json.loads(line)), file.tell()

    def _go_on(self) -> None:
        """From the last mark that has its checkpoint; what came after it is forgotten."""
        place = 0
        try:
            # Without the growing file, the earlier run was finished and about to tidy up.
            for mark, end in self._marks() if self._growing.size else ():
                if not self._checkpoints.has(str(mark.frames)):
                    continue
                checkpoint = self._checkpoints.load(str(mark.frames))
                if checkpoint is not None:
                    self._mark, self.checkpoint, place = mark, checkpoint, end
            if self._journal.exists():
                os.truncate(self._journal, place)
        except (OSError, ValueError, TypeError) as error:
            raise OutputError(f"{self._journal}: cannot be read; use --overwrite") from error
        self._growing.cut(self._mark.bytes if self._mark else 0)
        if self._mark:
            self._count, self._end = self._mark.frames, self._mark.end
            self._clock.shift, self._clock.last = self._mark.shift, self._mark.last
            self._clock.nudged = self._mark.nudged

    @property
    def _journal(self) -> Path:
        return self._work.path / JOURNAL

    @property
    def _making(self) -> Path:
        return self._work.path / "new.part"

    # ---- beginning and end ----------------------------------------------------------------

    def _hold(self) -> BaseFileLock:
        """Raises OutputError while another process writes the same file."""
        lock = FileLock(self._making / "lock", timeout=0, thread_local=False)
        try:
            self._making.mkdir(parents=True, exist_ok=True)
            lock.acquire()
            return lock
        except Timeout as error:
            raise OutputError(f"{self._model.path}: another run is writing it") from error
        except OSError as error:
            raise OutputError(f"{self._work.path}: {error.strerror or error}") from error

    def _open_sound(self) -> PreviewSound | None:
        if self._model._source is None or self._model._options.audio != "copy":
            return None
        sound = PreviewSound(self._model._source, self._growing.path.suffix[1:])
        if self._mark:
            sound.skip_to(self._mark.end * self._model._info.time_base)
        return sound

    def _finish(self) -> None:
        """Put the packets beside the source's other streams, and give the file its name."""
        if self._segment is not None:
            self._rest = self._append().times
        if self._clock.last is None:
            raise OutputError(f"{self._model.path}: not written, there was not one frame")
        if self._clock.nudged:
            self.notices.append(NUDGED)
        target = self._model.path
        try:
            whole = self._assemble(self._making / target.name)
            sync(whole)
            os.replace(whole, target)
            sync(target.parent)
        except OSError as error:
            raise OutputError(f"{target}: {error.strerror or error}") from error
        self.partial, self._mark = None, None

    def _assemble(self, path: Path) -> Path:
        model, shift = self._model, self._clock.shift
        assert shift is not None
        with VideoWriter(
            path,
            model._info,
            source=model._source,
            size=model._size,
            start=model._start,
            end=model._end,
            alpha=model.alpha,
            extradata=self._growing.extradata(),
            options=replace(model._options, pix_fmt=model.pix_fmt, overwrite=True),
        ) as writer:
            writer.named = model.path
            writer.begin(shift)
            packets = self._growing.packets()
            for pts, dts, duration in self._times():
                packet = next(packets, None)
                if packet is None:
                    raise OutputError(f"{self._growing.path}: is damaged; use --overwrite")
                packet.pts, packet.dts, packet.duration = pts, dts, duration
                packet.time_base = model._info.time_base
                writer.write_packet(packet, self._end)
        return path

    def _times(self) -> Iterator[tuple[int, int, int]]:
        for mark, _ in self._marks():
            yield from mark.times
        yield from self._rest

    def _leave(self) -> None:
        """Close everything; remove what no other run can go on with."""
        if self._segment is not None:
            self._segment.discard()
        if self._sound is not None:
            self._sound.close()
        self._lock.release()
        if self._mark is None:
            self.partial = None
            self._growing.cut(0)
            self._work.remove()
        else:
            shutil.rmtree(self._making, ignore_errors=True)
