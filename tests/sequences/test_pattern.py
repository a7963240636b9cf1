"""Sequences: directories, patterns and globs in the order of their numbers, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidstyle.errors import InputError, OptionError, OutputError
from vidstyle.sequences import (
    SequenceFile,
    find_sequence,
    is_pattern,
    output_path,
    output_paths,
    parse_frames,
)


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def numbers(source: Path, frames: str | None = None) -> list[int]:
    return [file.number for file in find_sequence(source, frames).files]


def names(source: Path) -> list[str]:
    return [file.path.name for file in find_sequence(source).files]


def test_a_directory_is_sorted_by_number_not_by_text(tmp_path: Path) -> None:
    fill(tmp_path, "shot.10.png", "shot.9.png", "shot.100.png", "shot.1.png")
    assert numbers(tmp_path) == [1, 9, 10, 100]
    assert names(tmp_path)[1] == "shot.9.png"


def test_the_last_digits_of_the_stem_are_the_number(tmp_path: Path) -> None:
    fill(tmp_path, "s01_v2.0007.exr", "s01_v2.0008.exr")
    assert numbers(tmp_path) == [7, 8]


def test_hidden_files_folders_and_others_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, "a_1.png", ".a_2.png", "._a_1.png", "notes.txt", "a_3.mov")
    (tmp_path / "a_4.png").mkdir()
    assert names(tmp_path) == ["a_1.png"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("shot_%04d.png", [7, 10000]),
        ("shot_####.png", [7, 10000]),
        ("shot_%d.png", [7, 8, 10000]),
        ("shot_#.png", [7, 8, 10000]),
        ("shot_##.png", [7, 10000]),
        ("shot_*.png", [7, 8, 10000]),
        ("shot_000[0-9].png", [7]),
        ("shot_?.png", [8]),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, expected: list[int]) -> None:
    fill(
        tmp_path, "shot_0007.png", "shot_8.png", "shot_10000.png", "shotb_0007.png", "shot_0007.jpg"
    )
    assert is_pattern(pattern)
    assert numbers(tmp_path / pattern) == expected


def test_other_characters_of_a_pattern_mean_themselves(tmp_path: Path) -> None:
    fill(tmp_path, "a+(b).1.png", "a+(b)x1.png", "aab.1.png")
    assert names(tmp_path / "a+(b).#.png") == ["a+(b).1.png"]


def test_files_without_number_are_sorted_by_name(tmp_path: Path) -> None:
    fill(tmp_path, "pear.jpg", "apple.jpg", "fig.jpg")
    sequence = find_sequence(tmp_path)
    assert [(file.path.name, file.number) for file in sequence.files] == [
        ("apple.jpg", 0),
        ("fig.jpg", 1),
        ("pear.jpg", 2),
    ]
    assert sequence.gaps == ()


def test_a_single_file_is_a_sequence(tmp_path: Path) -> None:
    fill(tmp_path, "matte_0003.png", "matte_0004.png", "still.png")
    assert numbers(tmp_path / "matte_0003.png") == [3]
    assert numbers(tmp_path / "still.png") == [0]


def test_gaps_and_missing_numbers(tmp_path: Path) -> None:
    fill(tmp_path, *(f"a.{number:04d}.png" for number in (1, 2, 5, 6, 20240101)))
    sequence = find_sequence(tmp_path)
    assert sequence.gaps == ((2, 5), (6, 20240101))
    assert sequence.missing == (range(3, 5), range(7, 20240101))


@pytest.mark.parametrize(
    ("frames", "expected", "missing"),
    [
        ("1001-1003", [1001, 1002, 1003], ()),
        ("1003,1001", [1001, 1003], ()),
        ("1001-1002, 1005", [1001, 1002, 1005], ()),
        ("1004-", [1005, 1006], (range(1004, 1005),)),
        ("-1002", [1001, 1002], ()),
        ("1006-1008", [1006], (range(1007, 1009),)),
        ("999-1001", [1001], (range(999, 1001),)),
        ("1002-1003,1002", [1002, 1003], ()),
        ("1001-1006x2", [1001, 1003, 1005], ()),
        ("1000-1006x3", [1003, 1006], (range(1000, 1003, 3),)),
        ("1002-x2", [1002, 1006], (range(1004, 1006, 2),)),
    ],
)
def test_frames(
    tmp_path: Path, frames: str, expected: list[int], missing: tuple[range, ...]
) -> None:
    fill(tmp_path, *(f"a.{number}.png" for number in (1001, 1002, 1003, 1005, 1006)))
    assert numbers(tmp_path, frames) == expected
    assert find_sequence(tmp_path, frames).missing == missing


@pytest.mark.parametrize(
    "text", ["", "a", "1-2-3", "5-1", "1,,2", "-", "1 2", "1-9x0", "-9x2", "5x2", "1-9x"]
)
def test_frames_that_cannot_be_read(text: str) -> None:
    with pytest.raises(OptionError, match="--frames"):
        parse_frames(text)


def test_where_the_frames_end() -> None:
    assert parse_frames("3-5,9,7").last == 9
    assert parse_frames("3-").last is None
    assert parse_frames("1001-1100x10").last == 1091
    assert parse_frames(None).last is None
    assert 10**9 in parse_frames(None)


@pytest.mark.parametrize("text", ["3-17x4", "3-x5", "-12", "7", "5-9"])
def test_the_next_of_a_range(text: str) -> None:
    (span,) = parse_frames(text).spans
    for number in range(25):
        later = [other for other in range(number + 1, 40) if other in span]
        assert span.after(number) == (later[0] if later else None)


def test_frames_that_are_not_there_show_what_is(tmp_path: Path) -> None:
    fill(tmp_path, "a.1.png", "a.2.png", "a.7.png")
    with pytest.raises(InputError, match=r"none of the frames 3-5; it has 1-2, 7"):
        find_sequence(tmp_path, "3-5")


@pytest.mark.parametrize(
    ("files", "listed"),
    [
        (["a_1.png", "a_2.png", "b_1.png"], [r"a_#\.png \(1-2\)", r"b_#\.png \(1\)"]),
        (["a_1.png", "a_2.jpg"], [r"a_#\.png", r"a_#\.jpg"]),
        (["a_1.png", "title.png"], [r"a_#\.png", r"\*\.png \(1 without number\)"]),
    ],
)
def test_several_sequences_are_listed(tmp_path: Path, files: list[str], listed: list[str]) -> None:
    fill(tmp_path, *files)
    for pattern in listed:
        with pytest.raises(InputError, match=f"several sequences: .*{pattern}"):
            find_sequence(tmp_path)


def test_two_files_of_one_number_are_named(tmp_path: Path) -> None:
    fill(tmp_path, "a_1.png", "a_01.png")
    with pytest.raises(InputError, match=r"a_01\.png and a_1\.png have the same number"):
        find_sequence(tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("shut_%04d.png", r"shot_#\.png \(1-2\); did you mean shot_#\.png\?"),
        ("shot_0003.png", r"did you mean shot_000[12]\.png\?"),
        ("*.exr", r"shot_#\.png \(1-2\)"),
        ("missing/a_%d.png", "there is no directory .*missing"),
        ("%d_%d.png", "several places"),
        ("empty", "there are no pictures in .*empty"),
    ],
)
def test_no_match_shows_what_is_there(tmp_path: Path, source: str, message: str) -> None:
    fill(tmp_path, "shot_0001.png", "shot_0002.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        find_sequence(tmp_path / source)


def test_outputs(tmp_path: Path) -> None:
    file = SequenceFile(fill(tmp_path, "shot_0012.png") / "shot_0012.png", 12)
    out = tmp_path / "out"
    assert output_path(file, out) == out / "shot_0012.png"
    assert output_path(file, out / "new.####.exr") == out / "new.0012.exr"
    assert output_path(file, out / "%d.tif") == out / "12.tif"
    assert output_path(file, tmp_path / "v1.5") == tmp_path / "v1.5" / "shot_0012.png"


@pytest.mark.parametrize("output", ["", "shot_####.png", "shot_%04d.png"])
def test_inputs_are_not_overwritten(tmp_path: Path, output: str) -> None:
    file = SequenceFile(fill(tmp_path, "shot_0012.png") / "shot_0012.png", 12)
    with pytest.raises(OutputError, match="is the input itself"):
        output_path(file, tmp_path / output)


def test_inputs_behind_links_are_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    fill(folder, "a_1.png")
    (tmp_path / "out").symlink_to(folder)
    with pytest.raises(OutputError, match="is the input itself"):
        output_paths(find_sequence(folder), tmp_path / "out")


def test_no_output_is_another_input(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    fill(source, "a_1.png", "a_2.png")
    sequence = find_sequence(source)
    assert output_paths(sequence, out) == (out / "a_1.png", out / "a_2.png")
    (out / "a_1.png").symlink_to(source / "a_2.png")
    with pytest.raises(OutputError, match="is one of the inputs"):
        output_paths(sequence, out)


@pytest.mark.parametrize("output", ["*.png", "a.png", "%d_%d.png", "shot_%04d.mov"])
def test_outputs_that_name_no_sequence(tmp_path: Path, output: str) -> None:
    file = SequenceFile(fill(tmp_path, "x_1.png") / "x_1.png", 1)
    with pytest.raises(OutputError):
        output_path(file, tmp_path / output)
