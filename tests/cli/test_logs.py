"""Exit codes, the log, and the summary as JSON."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from clips import Recipe, write_clip
from sequences.shots import write_shot
from toys import toy_photo, write_toy

from vidstyle.cli.main import main
from vidstyle.errors import ExitCode
from vidstyle.image import write_image
from vidstyle.stages import STAGES

QUICK = ("--device", "cpu", "--precision", "fp32", "--progress", "none")
VIDEO = ("--preset", "ultrafast")
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (ERROR|WARNING|INFO) vidstyle\S*: .+")
START = "from vidstyle.cli.main import main; main()"
Capture = pytest.CaptureFixture[str]


def vidstyle(*arguments: str | Path) -> int:
    """The exit code of ``vidstyle …``."""
    with pytest.raises(SystemExit) as left:
        main([*map(str, arguments)])
    return int(left.value.code or 0)


@pytest.fixture
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("style") / "toy.safetensors", ["alpha"])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", Recipe(ticks=tuple(range(8))))


def truncated(path: Path, share: float = 0.6) -> Path:
    """A Matroska file that ends too early."""
    write_clip(path, Recipe(ticks=tuple(range(96)), options={"g": "12"}))
    os.truncate(path, int(path.stat().st_size * share))
    return path


# -- exit codes -----------------------------------------------------------------------------


def test_the_codes() -> None:
    codes = {code.name: int(code) for code in ExitCode}
    assert codes == {"done": 0, "failed": 1, "usage": 2, "partial": 3, "interrupted": 130}


@pytest.mark.slow
def test_a_truncated_video_is_partial(tmp_path: Path, style: Path, capsys: Capture) -> None:
    source, output = truncated(tmp_path / "cut.mkv"), tmp_path / "out.mkv"
    assert vidstyle("run", source, "-o", output, "-s", style, "--json", *QUICK, *VIDEO) == 3
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert summary["complete"] is False and 0 < summary["frames"] < 96
    assert any("truncated" in warning for warning in summary["warnings"])
    assert "vidstyle: note: truncated" in printed.err
    assert output.is_file()
    strict = ("-o", tmp_path / "b.mkv", "--strict", "-s", style)
    assert vidstyle("run", source, *strict, *QUICK, *VIDEO) == 1


@pytest.mark.parametrize("what", ["skip", "copy"])
def test_frames_that_were_passed_over_are_partial(tmp_path: Path, style: Path, what: str) -> None:
    source = write_shot(tmp_path / "in", range(1, 5))
    (source / "shot_0003.png").write_bytes(b"no picture")
    arguments = ("frames", source, tmp_path / "out", "-s", style, *QUICK)
    assert vidstyle(*arguments) == 1
    assert vidstyle(*arguments, "--on-error", what) == 3
    # It stays partial when there is nothing left to do.
    assert vidstyle(*arguments, "--on-error", what) == 3


def test_figures_of_a_truncated_video_are_partial(
    tmp_path: Path, style: Path, capsys: Capture
) -> None:
    whole, cut = write_clip(tmp_path / "a.mkv"), truncated(tmp_path / "b.mkv")
    assert vidstyle("evaluate", cut, cut, "--json", "--progress", "none") == 3
    figures = json.loads(capsys.readouterr().out)
    assert figures["complete"] is False
    assert vidstyle("evaluate", whole, whole, "--json", "--progress", "none") == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True


# -- the summary as JSON ----------------------------------------------------------------------


def test_a_run_as_json(clip: Path, style: Path, capsys: Capture) -> None:
    assert vidstyle("run", clip, "-s", style, "--json", *QUICK, *VIDEO) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    summary = json.loads(printed.out)
    assert summary["event"] == "done" and summary["complete"] is True
    assert summary["output"] == str(clip.with_name("clip.alpha.mp4"))
    assert summary["frames"] == 8 and summary["warnings"] == []
    assert summary["first_frame"] > 0
    assert tuple(summary["stages"]) == STAGES
    for stage in summary["stages"].values():
        assert stage.keys() == {"items", "seconds", "starved", "blocked"}
    assert summary["stages"]["encode"]["items"] == 8


def test_events_end_with_the_same_summary(clip: Path, style: Path, capsys: Capture) -> None:
    arguments = ("run", clip, "-s", style, *QUICK, *VIDEO, "--progress", "json", "--overwrite")
    for more in ((), ("--json",)):
        assert vidstyle(*arguments, *more) == 0
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [event["event"] for event in events].count("done") == 1
        assert tuple(events[-1]["stages"]) == STAGES


def test_frames_and_pictures_as_json(tmp_path: Path, style: Path, capsys: Capture) -> None:
    source = write_shot(tmp_path / "in", range(1, 4))
    assert vidstyle("frames", source, tmp_path / "out", "-s", style, "--json", *QUICK) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["frames"] == 3 and summary["stages"]["inference"]["items"] == 3
    photo = tmp_path / "photo.png"
    write_image(photo, toy_photo())
    assert vidstyle("image", photo, "-s", style, "--json", *QUICK) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["output"] == str(tmp_path / "photo.alpha.png")
    assert list(summary["stages"]) == ["decode", "inference", "encode"]


def test_time_left_is_never_negative(tmp_path: Path, style: Path, capsys: Capture) -> None:
    tags = {"NUMBER_OF_FRAMES": "4"}  # there are 24
    source = write_clip(tmp_path / "a.mkv", video_metadata=tags)
    assert vidstyle("run", source, "-s", style, *QUICK, *VIDEO, "--progress", "json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    progress = [event for event in events if event["event"] == "progress"]
    assert any(event["frames"] > event["total"] for event in progress)
    assert all(event["eta"] >= 0 for event in progress)


# -- the log ----------------------------------------------------------------------------------


def test_no_log_unless_asked(tmp_path: Path, style: Path, capsys: Capture) -> None:
    source = truncated(tmp_path / "cut.mkv")
    assert vidstyle("run", source, "-s", style, *QUICK, *VIDEO) == 3
    lines = capsys.readouterr().err.splitlines()
    assert lines and all(line.startswith("vidstyle: note: ") for line in lines)


def test_a_log_tells_what_was_chosen(tmp_path: Path, style: Path, capsys: Capture) -> None:
    source, log = truncated(tmp_path / "cut.mkv"), tmp_path / "log.txt"
    assert vidstyle("--log-file", log, "run", source, "-s", style, *QUICK, *VIDEO) == 3
    lines = log.read_text().splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    for words in (
        *(
            "Python",
            "style alpha at 1, standard, on cpu in fp32",
            "h264 yuv420p, 64×48",
            "24 frames/s",
        ),
        *("libx264 yuv420p, 64×48", "a shot begins at 0.000 s", "inference: ", "frames in"),
        "the first frame was written after",
    ):
        assert any(words in line and " INFO " in line for line in lines), words
    assert any("truncated" in line and " WARNING " in line for line in lines)
    # Another run is added.
    assert vidstyle("--log-file", log, "styles") == 0
    assert log.read_text().splitlines()[: len(lines)] == lines
    capsys.readouterr()


def test_a_level_leaves_the_rest_out(tmp_path: Path, style: Path) -> None:
    source, log = truncated(tmp_path / "cut.mkv"), tmp_path / "log.txt"
    options = ("--log-file", log, "--log-level", "warning")
    assert vidstyle(*options, "run", source, "-s", style, *QUICK, *VIDEO) == 3
    lines = log.read_text().splitlines()
    assert lines and all(" WARNING " in line for line in lines)


def test_tracebacks_are_in_the_file_alone(tmp_path: Path, capsys: Capture) -> None:
    log = tmp_path / "log.txt"
    options = ("--log-file", log, "--log-level", "error")
    assert vidstyle(*options, "run", tmp_path / "nosuch.mp4") == 1
    assert capsys.readouterr().err == f"vidstyle: {tmp_path}/nosuch.mp4: no such file\n"
    written = log.read_text()
    assert "Traceback" in written and written.endswith("nosuch.mp4: no such file\n")


def test_our_own_mistakes_are_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("vidstyle.styles.available_styles", fail)
    with pytest.raises(ZeroDivisionError):
        main(["--log-file", str(tmp_path / "log.txt"), "styles"])
    assert "ZeroDivisionError: ours" in (tmp_path / "log.txt").read_text()


def test_to_stderr_without_a_file(clip: Path, style: Path, capsys: Capture) -> None:
    assert vidstyle("--log-level", "info", "run", clip, "-s", style, *QUICK, *VIDEO) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 5 and all(LINE.fullmatch(line) for line in lines)
    assert vidstyle("--log-level", "debug", "run", "nosuch.mp4") == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err and err.endswith("vidstyle: nosuch.mp4: no such file\n")


def test_other_files_are_not_added_to(clip: Path, style: Path, capsys: Capture) -> None:
    before = clip.read_bytes()
    assert vidstyle("--log-file", clip, "run", clip, "-s", style) == 1
    assert "is not a log" in capsys.readouterr().err
    assert clip.read_bytes() == before
    assert vidstyle("--log-file", clip.parent / "no" / "log.txt", "styles") == 1
    assert "cannot be written" in capsys.readouterr().err
    assert vidstyle("--log-file", clip.parent, "styles") == 1
    assert vidstyle("--log-level", "nosuch", "styles") == 2


def test_nothing_of_a_log_stays_behind(tmp_path: Path) -> None:
    logger = logging.getLogger("vidstyle")
    before = logger.level, logger.propagate, list(logger.handlers)
    assert vidstyle("--log-file", tmp_path / "log.txt", "styles") == 0
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


# -- what cannot be printed -------------------------------------------------------------------


def program(*arguments: str | Path, stdout: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START, *map(str, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"},
        timeout=120,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "command", [("--version",), ("styles",), ("run", "clip.mp4", "--progress", "none")]
)
def test_a_full_stdout_is_one_line(
    clip: Path, style: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(clip.parent)
    more = ("-s", str(style), *QUICK, *VIDEO) if command[0] == "run" else ()
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = program(*command, *more, stdout=full)
    finally:
        os.close(full)
    assert done.returncode == 1
    assert re.fullmatch(r"vidstyle: .*no space left on device\)?\n", done.stderr, re.IGNORECASE)
    if command[0] == "run":  # the work was done by then
        assert (clip.parent / "clip.alpha.mp4").is_file()


def test_a_log_on_a_full_disk_does_not_end_the_run(
    clip: Path, style: Path, capsys: Capture
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    assert vidstyle("--log-file", "/dev/full", "run", clip, "-s", style, *QUICK, *VIDEO) == 0
    err = capsys.readouterr().err
    assert err == "vidstyle: note: the log /dev/full ends here (No space left on device)\n"


@pytest.mark.slow
def test_a_reader_that_leaves(clip: Path, style: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = program("run", clip, "-s", style, *QUICK, *VIDEO, "--progress", "json", stdout=write)
    finally:
        os.close(write)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
