"""Following a directory while a renderer fills it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from vidstyle.errors import InputError
from vidstyle.sequences.pattern import SequenceFile, find_sequence
from vidstyle.sequences.ranges import parse_frames

POLL = 0.25
"""Seconds between two looks at the directory."""
SETTLED = 0.75
"""Seconds for which a file must not have changed."""


class Watch:
    """Yields the files of a sequence in the order of their numbers, as they are completed.

    A file is complete when it has not changed for a while and can be read. A number that is not
    there yet is waited for, even when higher ones are, until nothing new has come for ``timeout``
    seconds; then what is left is yielded, with its gaps. It ends then, or with the last number that
    was asked for. It begins with the first that was asked for, or else the lowest that is there.

    Args:
        readable: whether a file can be read as a whole.
        timeout: seconds.
    """

    def __init__(
        self,
        source: str | Path,
        frames: str | None,
        timeout: float,
        readable: Callable[[Path], bool],
    ) -> None:
        self.source = source
        self.frames = frames
        self.timeout = timeout
        self.readable = readable
        self.late: list[str] = []
        """Files that came after the run had gone past their numbers."""
        ranges = parse_frames(frames)
        self._end = ranges.last
        self._wanted = ranges
        starts = [span.first for span in ranges.spans if span.first is not None]
        self._last = min(starts) - 1 if len(starts) == len(ranges.spans) else None
        """Number up to which all is done; None when any may be the first."""
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}
        """State of each file, and since when it has been so."""

    def __call__(self) -> Iterator[list[SequenceFile]]:
        """Those that have been completed since the last, at least one; waits in between."""
        news = time.monotonic()
        while not self._ended():
            files, changed = self._look()
            if changed:
                news = time.monotonic()
            ready = self._ready(files)
            if ready:
                yield ready
                news = time.monotonic()  # what came while these were worked on is news, too
            elif time.monotonic() - news >= self.timeout:
                if files:
                    yield files
                elif not self._seen:
                    find_sequence(self.source, self.frames)  # says what there is instead
                return
            else:
                time.sleep(POLL)

    def missing(self, gaps: Iterable[tuple[int, int]]) -> tuple[range, ...]:
        """The numbers in these jumps that were wanted."""
        jumps = [(first, second) for first, second in gaps if self._misses(first, second)]
        return tuple(range(first + 1, second) for first, second in jumps)

    def _ended(self) -> bool:
        return self._end is not None and self._last is not None and self._last >= self._end

    def _look(self) -> tuple[list[SequenceFile], bool]:
        """The files still to do, by number, and whether any is new or has grown."""
        try:
            found = find_sequence(self.source, self.frames).files
        except InputError:
            if not Path(self.source).parent.is_dir():
                raise
            return [], False
        changed, now = False, time.monotonic()
        for file in found:
            try:
                status = file.path.stat()
            except OSError:  # renamed meanwhile
                continue
            state = status.st_size, status.st_mtime_ns
            if file.path in self._seen and self._seen[file.path][0] == state:
                continue
            if file.path not in self._seen and self._last is not None and file.number <= self._last:
                self.late.append(file.path.name)
            self._seen[file.path] = state, now
            changed = True
        return [f for f in found if self._last is None or f.number > self._last], changed

    def _ready(self, files: list[SequenceFile]) -> list[SequenceFile]:
        """The complete ones that follow the last without a number missing in between."""
        ready: list[SequenceFile] = []
        now = time.monotonic()
        for file in files:
            if self._last is not None and self._misses(self._last, file.number):
                break
            seen = self._seen.get(file.path)
            if seen is None or now - seen[1] < SETTLED or not self.readable(file.path):
                break
            ready.append(file)
            self._last = file.number
        return ready

    def _misses(self, last: int, number: int) -> bool:
        """Whether a number is wanted between the two."""
        following = (span.after(last) for span in self._wanted.spans)
        return any(wanted is not None and wanted < number for wanted in following)
