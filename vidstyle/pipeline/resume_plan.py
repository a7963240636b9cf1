"""Which frames of a sequence a run goes through, and where it takes up what another has left.

A frame depends on its own files and, through the memory, on those of the frames before it, back to
the last gap. Both together are its *link*. A finished frame whose link is still the same is passed
over, unless a frame after it needs the memory of it: then the run goes back to the latest place
where the memory is known (a checkpoint, a cut, a gap), and on from there without writing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidstyle.disk import complete_file
from vidstyle.errors import InputError, OptionError, OutputError
from vidstyle.frame import Frame
from vidstyle.options.sequences import OnError
from vidstyle.pipeline.journal import Entry, Journal, identity, link
from vidstyle.sequences.pattern import SequenceFile
from vidstyle.sequences.picture import Form, Picture, require_same_form
from vidstyle.store import Checkpoint, Checkpoints


@dataclass(frozen=True)
class FrameTask:
    """A frame that the run goes through.

    Attributes:
        index: in the sequence, from zero.
        target: where it is written.
        link: what its picture depends on.
        trail: what its passes depend on: the frames before it are always among it.
        write: its picture is to be written; else it is there, and gone through for the memory.
        passes: its passes are to be written.
        first: nothing goes before it: it follows a gap, or is the first of all.
        cut: an earlier run found that a shot begins with it.
        group: frames of the same number follow one another in time.
        start: the state to go on from, of the frame before a group.
    """

    file: SequenceFile
    index: int
    target: Path
    link: str
    trail: str
    write: bool = True
    passes: bool = False
    first: bool = False
    cut: bool = False
    group: int = 0
    start: Checkpoint | None = None


@dataclass(frozen=True, kw_only=True)
class SequenceFrame(Frame):
    """What the stylizer gets, and with it the file's picture and its place in the run.

    Attributes:
        mattes: H×W float32 from 0 to 1, one a region; none when there is one region, everywhere.
        cut: a shot was found to begin with it.
    """

    task: FrameTask
    picture: Picture
    mattes: tuple[np.ndarray, ...] = ()
    cut: bool = False


@dataclass(frozen=True)
class Rules:
    """What decides on the way.

    Attributes:
        target: where a file's picture goes.
        inputs: the files that its picture depends on: itself, its mattes.
        place: what else it depends on besides the settings, from its index.
        passes: the files of a frame's passes.
        open: reads a picture and its mattes, and makes it ready for the stylizer.
        linked: frames depend on those before.
        tracked: motion is estimated, for the memory or for passes.
        time_base: seconds a number.
    """

    target: Callable[[SequenceFile], Path]
    inputs: Callable[[SequenceFile], list[Path]]
    place: Callable[[SequenceFile, int], str]
    passes: Callable[[SequenceFile], list[Path]]
    open: Callable[[SequenceFile], tuple[Picture, np.ndarray, tuple[np.ndarray, ...]]]
    linked: bool
    tracked: bool
    on_error: OnError
    overwrite: bool
    time_base: Fraction


@dataclass
class Counts:
    """What became of the frames.

    Attributes:
        passed: were there already.
        again: of these, gone through again for the memory.
        renewed: were there, but of an input or frames before it that have changed.
        skipped, copied: could not be read.
        gaps: jumps in the numbering, as the numbers before and after.
    """

    passed: int = 0
    again: int = 0
    renewed: int = 0
    skipped: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)


class ResumePlan:
    """Turns the files of a sequence, in order, into the frames that must be gone through.

    It may be given them in several parts, as a renderer finishes them.

    Raises:
        InputError: a file cannot be read and ``on_error`` is 'stop', or has another size or depth
            than those before.
        OutputError: something that is not ours is in the way.
    """

    def __init__(self, rules: Rules, journal: Journal, checkpoints: Checkpoints) -> None:
        self.rules = rules
        self.journal = journal
        self.checkpoints = checkpoints
        self.counts = Counts()
        self._number: int | None = None
        """The last file's number; None before the first."""
        self._origin = 0
        self._index = 0
        self._group = 0
        self._trail: str | None = None
        """The trail of the previous frame."""
        self._follows = False
        """The next frame follows it, with no gap in between."""
        self._idle: list[FrameTask] = []
        """Finished frames since the last that was gone through."""
        self._extend = False
        """The last frame's passes want the next frame."""
        self._form: Form | None = None

    def check(self, files: Iterable[SequenceFile]) -> None:
        """Raises OutputError when anything in the way of these files is not ours."""
        for file in files:
            self._guard_all(file)

    def __call__(self, files: Iterable[SequenceFile]) -> Iterator[SequenceFrame]:
        """The frames to go through, read lazily."""
        for file in files:
            task = self._task(file)
            if task is None:
                continue
            if not task.first and self._leads_elsewhere(task):
                before = replace(self._idle.pop(), passes=True)
                self.counts.again += 1
                yield from self._go(before)
                self._extend = True
            needed = task.write or task.passes or self._extend
            self._extend = task.passes
            if not task.write:
                self.counts.passed += 1
            if not needed:
                self._idle.append(task)
                continue
            if not task.write:
                self.counts.again += 1
            yield from self._go(task)

    def _leads_elsewhere(self, task: FrameTask) -> bool:
        """Whether the passes of the frame before, if it is passed over, know of another frame after
        it, or of none."""
        if not self._idle:
            return False
        paths = self.rules.passes(self._idle[-1].file)
        entries = self.journal.entries
        return any(entries[pass_name(path)].next != task.trail for path in paths)

    def _go(self, task: FrameTask) -> Iterator[SequenceFrame]:
        """The frame, after those that its memory wants gone through again."""
        for each in self._restarted(task):
            frame = self._read(each)
            if frame is not None:
                yield frame

    # ---- what there is to do ---------------------------------------------------------------

    def _task(self, file: SequenceFile) -> FrameTask | None:
        """The next frame; None of a broken one that was dealt with already."""
        index, self._index = self._index, self._index + 1
        if self._number is None:
            self._origin = file.number
        elif file.number != self._number + 1:
            self.counts.gaps.append((self._number, file.number))
            self._break()
        self._number = file.number
        self._guard_all(file)
        target, passes = self.rules.target(file), self.rules.passes(file)
        first = not self._follows
        try:
            own = [*map(identity, self.rules.inputs(file)), self.rules.place(file, index)]
        except OSError as error:
            raise InputError(f"{error.filename}: {error.strerror or error}") from error
        trail = link(None if first else self._trail, *own)
        chain = trail if self.rules.linked else link(None, *own)
        self._trail, self._follows = trail, True
        entry = self.journal.entries.get(target.name)
        if entry is None or not self._is_done(entry, chain, target):
            self.counts.renewed += entry is not None and entry.link != chain
            return FrameTask(file, index, target, chain, trail, True, bool(passes), first)
        if entry.broken:
            self._note(file, entry.broken)
            self._break()
            return None
        if entry.size and entry.depth:
            self._form = Form(file.path.name, entry.size, entry.depth)
        due = not all(self._has_pass(path, trail) for path in passes)
        # Only a frame that is linked to those before knows that its cut is still there.
        cut = entry.cut and self.rules.linked
        return FrameTask(file, index, target, chain, trail, False, due, first, cut)

    def _has_pass(self, path: Path, trail: str) -> bool:
        entry = self.journal.entries.get(pass_name(path))
        return entry is not None and entry.link == trail and path.exists()

    def _is_done(self, entry: Entry, chain: str, target: Path) -> bool:
        if entry.link != chain:
            return False
        if entry.broken:
            return entry.broken == self.rules.on_error and (
                entry.broken == "skip" or target.exists()
            )
        return target.exists()

    def _guard_all(self, file: SequenceFile) -> None:
        """Raises OutputError when anything in the way of a frame is not ours."""
        target, passes = self.rules.target(file), self.rules.passes(file)
        inputs = [path for path in self.rules.inputs(file) if path.exists()]
        for path in (target, *passes):
            if path.exists() and any(path.samefile(other) for other in inputs):
                raise OutputError(f"{path}: is one of the inputs; choose another output")
        if target in passes:
            raise OutputError(f"{target}: is the frame itself; choose another place for passes")
        self._guard(target)
        for path in passes:
            self._guard(path, pass_name(path))

    def _guard(self, path: Path, name: str | None = None) -> None:
        """Raises OutputError when a file is in the way that no run of ours has written.

        When it is to be replaced, it is ours from now on, should this run not come so far.
        """
        name = name or path.name
        if not path.exists():
            return
        if name not in self.journal.begun and self.rules.overwrite:
            self.journal.start(name)
        if name not in self.journal.begun:
            raise OutputError(
                f"{path}: exists already, and not made by a run that could continue; "
                "choose another output, or replace it with --overwrite"
            )
        entry = self.journal.entries.get(name)
        if entry is not None and path.stat().st_size != entry.bytes:
            raise OutputError(
                f"{path}: has been changed since it was written; move it away to have it made "
                "again, or replace all with --overwrite"
            )

    def _break(self) -> None:
        """What comes does not follow what was."""
        self._follows = self._extend = False
        self._idle = []

    # ---- where to begin --------------------------------------------------------------------

    def _restarted(self, task: FrameTask) -> list[FrameTask]:
        """The frame, and before it those that its memory wants gone through again."""
        tasks, self._idle = [*self._idle, task], []
        for position in range(len(tasks) - 1, -1, -1):
            begin, state = tasks[position], None
            fresh = begin.first or begin.cut or not self.rules.tracked
            if not fresh and position > 0:
                state = self.checkpoints.load(tasks[position - 1].link)
            if fresh or state is not None:
                self._group += 1
                break
        self.counts.again += len(tasks) - 1 - position
        tasks = [replace(each, group=self._group) for each in tasks[position:]]
        return [replace(tasks[0], start=state), *tasks[1:]]

    # ---- reading ---------------------------------------------------------------------------

    def _read(self, task: FrameTask) -> SequenceFrame | None:
        """None when the file is broken and passed over."""
        try:
            picture, image, mattes = self.rules.open(task.file)
        except UnreadableFrame as error:
            if not task.write:
                raise
            self._give_up(task, error)
            return None
        self._form = require_same_form(task.file.path, picture, self._form)
        return SequenceFrame(
            image,
            task.file.number - self._origin,
            self.rules.time_base,
            1,
            task=task,
            picture=picture,
            mattes=mattes,
        )

    def _give_up(self, task: FrameTask, error: InputError) -> None:
        if self.rules.on_error == "stop":
            raise InputError(
                f"{error} (--on-error skip passes over such frames, copy copies them)"
            ) from error
        size = 0
        if self.rules.on_error == "copy":
            self.journal.start(task.target.name)
            size = copy_file(task.file.path, task.target)
        self.journal.finish(Entry(task.target.name, task.link, size, broken=self.rules.on_error))
        self._note(task.file, self.rules.on_error)
        self._break()

    def _note(self, file: SequenceFile, what: str) -> None:
        (self.counts.skipped if what == "skip" else self.counts.copied).append(file.path.name)


class UnreadableFrame(InputError):
    """A frame's own file is damaged, half-written or no picture; ``--on-error`` deals with it."""


def pass_name(path: Path) -> str:
    """A pass's name in the journal; passes may be called as the frames are."""
    return str(path.resolve())


def copy_file(source: Path, target: Path) -> int:
    """Copy under the final name only when complete; bytes.

    Raises:
        OptionError: the target has another suffix.
        OutputError: it cannot be written.
    """
    if source.suffix.lower() != target.suffix.lower():
        raise OptionError(
            f"{source}: cannot be read, and not be copied to '{target.suffix}'; "
            "use --on-error skip or stop"
        )
    with complete_file(target) as temporary:
        shutil.copyfile(source, temporary)
    return target.stat().st_size
