"""Which files make a sequence: a directory, a pattern or a glob, in the order of their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from vidstyle.errors import InputError, OutputError
from vidstyle.sequences.formats import KNOWN, SUFFIXES
from vidstyle.sequences.ranges import parse_frames

_PLACEHOLDER = re.compile(r"%(?:0(\d{1,2}))?d|(#+)", re.ASCII)
_WILD = re.compile(r"[*?\[]")
_LAST_DIGITS = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL | re.ASCII)


@dataclass(frozen=True)
class SequenceFile:
    """One picture of a sequence and its number."""

    path: Path
    number: int


@dataclass(frozen=True)
class Sequence:
    """The pictures to work on, in the order of their numbers.

    Attributes:
        files: at least one; the numbers rise.
        missing: the numbers that were asked for, or lie between others, and have no file.
    """

    files: tuple[SequenceFile, ...]
    missing: tuple[range, ...] = ()

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Each jump in the numbering, as the numbers before and after it."""
        numbers = [file.number for file in self.files]
        return tuple((first, second) for first, second in pairwise(numbers) if second != first + 1)


def is_pattern(name: str | Path) -> bool:
    """Whether a file name has a place for the number, ``%04d`` or ``####``, or is a glob."""
    last = Path(name).name
    return bool(_PLACEHOLDER.search(last) or _WILD.search(last))


def find_sequence(source: str | Path, frames: str | None = None) -> Sequence:
    """The pictures that a directory, a pattern, a glob or a single file name stands for.

    ``%04d`` and ``####`` stand for a number of at least four digits, ``%d`` and ``#`` for any. The
    number of a file found otherwise is the last group of digits in its stem. Files without number
    are sorted by name and numbered from 0. Hidden files and other than pictures are passed over.

    Args:
        source: where the pictures are; only the file name may be a pattern.
        frames: which numbers, as ``1001-1100,1150`` or ``1001-1100x10``; all of them when None.

    Raises:
        InputError: nothing matches, or what matches is not one sequence.
        OptionError: ``frames`` cannot be read.
    """
    ranges = parse_frames(frames)
    source = Path(source)
    files = _numbered(source, _matching(source))
    numbers = [file.number for file in files]
    chosen = tuple(file for file in files if file.number in ranges)
    if not chosen:
        raise InputError(f"{source}: has none of the frames {frames}; it has {_spans(numbers)}")
    return Sequence(chosen, ranges.absent(numbers))


def output_path(file: SequenceFile, output: str | Path) -> Path:
    """Where the restyled picture goes: the same name in a directory, or a pattern's name.

    The suffix of a pattern may be another than the input's, which changes the format.

    Raises:
        OutputError: the output is the input itself, is a glob, or is a single picture's name.
    """
    output = Path(output)
    if output.is_dir() or not (is_pattern(output) or output.suffix.lower() in SUFFIXES):
        path = output / file.path.name
    else:
        path = output.with_name(_filled(output, file.number))
        if path.suffix.lower() not in SUFFIXES:
            raise OutputError(f"{output}: no picture format '{path.suffix}'; use {KNOWN}")
    if path.exists() and path.samefile(file.path):
        raise OutputError(f"{path}: is the input itself; choose another output")
    return path


def output_paths(sequence: Sequence, output: str | Path) -> tuple[Path, ...]:
    """``output_path`` of every picture of a sequence, none of which may be one of its inputs.

    Raises OutputError as ``output_path`` does.
    """
    paths = tuple(output_path(file, output) for file in sequence.files)
    inputs = {file.path.resolve() for file in sequence.files}
    for path in paths:
        if path.resolve() in inputs:
            raise OutputError(f"{path}: is one of the inputs; choose another output")
    return paths


def _filled(pattern: Path, number: int) -> str:
    places = _PLACEHOLDER.findall(pattern.name)
    if len(places) != 1:
        raise OutputError(
            f"{pattern}: needs one place for the frame's number, as in shot_%04d.png or "
            "shot.####.exr; or give a directory"
        )
    return _PLACEHOLDER.sub(lambda match: f"{number:0{_width(match)}d}", pattern.name)


def _width(place: re.Match[str]) -> int:
    digits, hashes = place.groups()
    return int(digits or 1) if hashes is None else len(hashes)


def _matching(source: Path) -> list[Path]:
    """The files that a source stands for, in no order; at least one."""
    if source.is_file():
        return [source]
    folder = source if source.is_dir() else source.parent
    present = _pictures(folder, source)
    if source.is_dir():
        chosen = present
    elif _PLACEHOLDER.search(source.name):
        expression = _expression(source)
        chosen = [path for path in present if expression.fullmatch(path.name)]
    elif _WILD.search(source.name):
        chosen = [path for path in present if fnmatchcase(path.name, source.name)]
    else:
        chosen = []
    if not chosen:
        raise InputError(f"{source}: {_nothing(source, folder, present)}")
    return chosen


def _pictures(folder: Path, source: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{source}: there is no directory {folder}")
    try:
        return [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
        ]
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from error


def _expression(source: Path) -> re.Pattern[str]:
    if len(_PLACEHOLDER.findall(source.name)) > 1:
        raise InputError(f"{source}: has several places for the frame's number; keep one")
    place = _PLACEHOLDER.search(source.name)
    assert place is not None
    before, after = source.name[: place.start()], source.name[place.end() :]
    return re.compile(rf"{re.escape(before)}(\d{{{_width(place)},}}){re.escape(after)}", re.ASCII)


def _numbered(source: Path, paths: Iterable[Path]) -> tuple[SequenceFile, ...]:
    """The files by their numbers.

    Raises InputError when they are several sequences, or two have one number.
    """
    if not source.is_file() and not source.is_dir() and _PLACEHOLDER.search(source.name):
        expression = _expression(source)
        numbers = [
            (path, int(match[1])) for path in paths if (match := expression.fullmatch(path.name))
        ]
        files = tuple(SequenceFile(path, number) for path, number in numbers)
    else:
        groups = _groups(paths)
        if len(groups) > 1:
            raise InputError(
                f"{source}: holds several sequences: {_listed(groups)}; "
                "give one of them as a pattern"
            )
        files = tuple(next(iter(groups.values())))
    files = tuple(sorted(files, key=lambda file: (file.number, file.path.name)))
    for first, second in pairwise(files):
        if first.number == second.number:
            raise InputError(
                f"{source}: {first.path.name} and {second.path.name} have the same number"
            )
    return files


def _groups(paths: Iterable[Path]) -> dict[str, list[SequenceFile]]:
    """Sequences by their patterns, ``shot_#.png``; all without number make one a suffix."""
    groups: dict[str, list[SequenceFile]] = {}
    for path in sorted(paths, key=lambda path: path.name):
        last = _LAST_DIGITS.fullmatch(path.stem)
        if last:
            name = f"{last[1]}#{last[3]}{path.suffix}"
            groups.setdefault(name, []).append(SequenceFile(path, int(last[2])))
        else:
            group = groups.setdefault(f"*{path.suffix}", [])
            group.append(SequenceFile(path, len(group)))
    return groups


def _listed(groups: dict[str, list[SequenceFile]], most: int = 4) -> str:
    names = [
        f"{name} ({_spans(sorted(file.number for file in files))})"
        if "#" in name
        else f"{name} ({len(files)} without number)"
        for name, files in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _nothing(source: Path, folder: Path, present: list[Path]) -> str:
    if not present:
        return f"there are no pictures in {folder} ({KNOWN})"
    if source.is_dir():
        return "holds no pictures"
    groups = _groups(present)
    single = not is_pattern(source)
    names = [path.name for path in present] if single else list(groups)
    near = get_close_matches(_PLACEHOLDER.sub("#", source.name), sorted(names), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"matches none of the pictures there: {_listed(groups)}{hint}"


def _spans(numbers: list[int], most: int = 3) -> str:
    """``1001-1100, 1150``, cut short when there are many."""
    spans = list(_runs(numbers))
    more = f" and {len(spans) - most} more" if len(spans) > most else ""
    return (
        ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans[:most])
        + more
    )


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    start = previous = numbers[0]
    for number in numbers[1:]:
        if number != previous + 1:
            yield start, previous
            start = number
        previous = number
    yield start, previous
