"""The boxes of MP4 and QuickTime files, looked at before FFmpeg makes an index of them.

A few bytes may claim any number of samples, and FFmpeg allocates 70 bytes for each.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vidstyle.errors import InputError

MOST_SAMPLES = 2**24
"""The most samples of all tracks together: three days of video at 60 frames a second."""
MOST_EDITED = 2**26
"""Samples times edits of a track, as each edit may go through all of them."""
_MOST_BOXES = 10**6
_FIRST = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"sidx", b"moof"}
_PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf"}
_PIECE = 1024
"""Samples of PCM that FFmpeg's index takes together, if each is as long as a tick."""


@dataclass
class _Track:
    """The counts in one track's tables."""

    sound: bool = False
    samples: int = 0
    edits: int = 0
    ticks: tuple[int, int] = (0, 0)
    """Entries of the table of durations, and the duration in the first."""

    @property
    def entries(self) -> int:
        """Entries of FFmpeg's index."""
        pieces = self.sound and self.ticks == (1, 1)
        return -(-self.samples // _PIECE) if pieces else self.samples


def check_index(path: Path) -> None:
    """See whether an MP4 or QuickTime file claims more samples than any film has.

    Raises:
        InputError: it does, or it hides how many.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END) if path.is_file() else 0
            if _kind(file) in _FIRST:
                _check(file, size)
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _kind(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(8)[4:]


def _check(file: BinaryIO, size: int) -> None:
    tracks: list[_Track] = []
    runs = 0
    for number, (kind, start, end) in enumerate(_boxes(file, 0, size)):
        if number > _MOST_BOXES:
            raise ValueError("is made of more boxes than any video; is it damaged?")
        if kind == b"trak":
            tracks.append(_Track())
        elif kind == b"cmov":
            raise ValueError("its header is compressed; copy it to a new file with FFmpeg first")
        elif kind == b"trun":
            runs += _numbers(file, start, end, 4, 1)[0]
        elif tracks:
            _count(file, kind, start, end, tracks[-1])
    if runs + sum(track.entries for track in tracks) > MOST_SAMPLES:
        raise ValueError("claims more samples than any film has; is it damaged?")
    if any(track.entries * track.edits > MOST_EDITED for track in tracks):
        raise ValueError("claims more edits than any film has; is it damaged?")


def _count(file: BinaryIO, kind: bytes, start: int, end: int, track: _Track) -> None:
    if kind == b"hdlr" and not track.sound:
        track.sound = _numbers(file, start, end, 8, 1) == _SOUND
    elif kind in (b"stsz", b"stz2"):
        track.samples = max(track.samples, _numbers(file, start, end, 8, 1)[0])
    elif kind == b"stts":
        entries, _, duration = _numbers(file, start, end, 4, 3)
        track.ticks = entries, duration
    elif kind == b"elst":
        track.edits = max(track.edits, _numbers(file, start, end, 4, 1)[0])


_SOUND = struct.unpack(">I", b"soun")


def _numbers(file: BinaryIO, start: int, end: int, offset: int, count: int) -> tuple[int, ...]:
    """Numbers of 32 bits in a box's content; zeros where it ends before them."""
    file.seek(start + offset)
    data = file.read(max(min(4 * count, end - start - offset), 0))
    return struct.unpack(f">{count}I", data.ljust(4 * count, b"\0"))


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box, with those inside it."""
    ends = [end]
    place = start
    while ends:
        if place + 8 > ends[-1]:
            place = ends.pop()
            continue
        file.seek(place)
        size, kind = struct.unpack(">I4s", file.read(8).ljust(8, b"\0"))
        head = 8
        if size == 1:
            size, head = int.from_bytes(file.read(8), "big"), 16
        stop = min(place + size, ends[-1]) if size else ends[-1]
        if stop < place + head:
            place = ends.pop()
            continue
        yield kind, place + head, stop
        if kind in _PARENTS:
            ends.append(stop)
            place += head
        else:
            place = stop
