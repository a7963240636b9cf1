"""``vidstyle frames``, and pictures in ``vidstyle run``, as a user meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from clips import Recipe, images, write_clip
from sequences.shots import contents, pan, write_shot
from toys import write_toy

from vidstyle.cli.main import main
from vidstyle.image import read_image, write_image
from vidstyle.pipeline.frames import FrameOptions
from vidstyle.pipeline.summary import Summary
from vidstyle.stylizers import FastOptions
from vidstyle.temporal.motion import TemporalOptions

QUICK = ("--device", "cpu", "--precision", "fp32", "--progress", "none")
ROOT = Path(__file__).resolve().parents[2]
Capture = pytest.CaptureFixture[str]


def vidstyle(*arguments: str | Path) -> int:
    """The exit code of ``vidstyle …``."""
    with pytest.raises(SystemExit) as left:
        main([*map(str, arguments)])
    return int(left.value.code or 0)


def frames(*arguments: str | Path) -> int:
    return vidstyle("frames", *arguments, *QUICK)


@pytest.fixture
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("style") / "toy.safetensors", ["alpha", "beta"])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_shot(tmp_path / "in", range(1, 9))


# -- what is written and printed ----------------------------------------------------------------


def test_a_directory(source: Path, tmp_path: Path, style: Path, capsys: Capture) -> None:
    assert frames(source, tmp_path / "out", "-s", f"{style}#alpha") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{tmp_path / 'out'}: 8 frames in ")
    assert printed.err == ""
    assert contents(tmp_path / "out").keys() == contents(source).keys()
    # The same again is done at once, and says so.
    assert frames(source, tmp_path / "out", "-s", f"{style}#alpha") == 0
    assert "8 frames were there already" in capsys.readouterr().err


def test_progress_as_json(source: Path, tmp_path: Path, style: Path, capsys: Capture) -> None:
    (source / "shot_0004.png").unlink()
    arguments = ("frames", source, tmp_path / "out", "-s", f"{style}#alpha", "--device", "cpu")
    assert vidstyle(*arguments, "--progress", "json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["frames"] for e in events if e["event"] == "progress"][-1] == 7
    assert {e["total"] for e in events if e["event"] == "progress"} == {7}
    assert "no frame 4" in next(e["message"] for e in events if e["event"] == "warning")
    assert events[-1]["event"] == "done" and events[-1]["frames"] == 7


def test_options_reach_the_work(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[tuple, dict]] = []

    def stylize_frames(*arguments: object, **more: object) -> Summary:
        heard.append((arguments, more))
        return Summary(tmp_path, 8, 1.0)

    monkeypatch.setattr("vidstyle.pipeline.frames.stylize_frames", stylize_frames)
    assert vidstyle("frames", source, "out") == 0
    given = (
        *("-s", "scream", "--style", "wave", "--matte", "a.png", "--matte", "b", "--invert-matte"),
        *("--strength", "0.5", "--color", "keep", "--temporal", "0.2", "--flow", "fast"),
        *("--cuts", "cuts.txt", "--frames", "1-5", "--input-space", "srgb", "--alpha", "style"),
        *("--layer", "beauty", "--jpeg-quality", "80", "--fps", "25"),
        *("--write-flow", "flow", "--write-occlusion", "hidden", "--on-error", "skip"),
        *("--no-resume", "--overwrite", "--watch", "--watch-timeout", "5"),
        *("--device", "cpu", "--precision", "fp32", "--batch-size", "3"),
    )
    assert vidstyle("frames", source, "out", *given) == 0
    (plain, usual), (asked, chosen) = heard
    assert plain == (str(source), "out", ["scream"])
    assert (usual["fast"], usual["temporal"]) == (FastOptions(), TemporalOptions())
    assert usual["frames"] == FrameOptions()
    assert asked == (str(source), "out", ["scream", "wave"])
    assert chosen["fast"] == FastOptions(0.5, "keep", "cpu", "fp32", 3)
    assert chosen["temporal"] == TemporalOptions(0.2, "fast", "cuts.txt")
    assert chosen["frames"] == FrameOptions(
        frames="1-5",
        input_space="srgb",
        layer="beauty",
        jpeg_quality=80,
        alpha="style",
        mattes=("a.png", "b"),
        invert_matte=True,
        write_flow=Path("flow"),
        write_occlusion=Path("hidden"),
        on_error="skip",
        resume=False,
        overwrite=True,
        watch=True,
        watch_timeout=5.0,
        fps=25.0,
    )


def test_regions(source: Path, tmp_path: Path, style: Path) -> None:
    left = np.zeros((64, 96, 3), np.uint8)
    left[:, :40] = 255
    write_image(tmp_path / "left.png", left)
    pair = ("--matte", tmp_path / "left.png", "--style", f"{style}#alpha")
    assert frames(source, tmp_path / "out", *pair) == 0
    for index in range(8):
        result = read_image(tmp_path / "out" / f"shot_{index + 1:04d}.png")
        assert np.array_equal(result[:, 40:], pan(index)[:, 40:])
        assert not np.array_equal(result[:, :40], pan(index)[:, :40])


# -- ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("{in}/sh_%04d.png", "{out}"), 1, "matches none"),
        (("{in}", "{in}"), 1, "is the input itself"),
        (("{in}", "{out}", "--frames", "9-"), 1, "has none of the frames"),
        (("{in}", "{out}", "--frames", "x"), 2, "write 1001-1100,1150"),
        (("{in}", "{out}", "--style", "nobody"), 1, "nobody"),
        (("{in}", "{out}", "--style", "wave", "-s", "scream"), 2, "2 styles for 0 mattes"),
        (("{in}", "{out}", "--strength", "2"), 2, "strength must be from 0 to 1"),
        (("{in}", "{out}", "--on-error", "cry"), 2, "on-error"),
        (
            ("{in}", "{out}", "--watch", "--watch-timeout", "0"),
            2,
            "--watch-timeout must be more than 0",
        ),
        (("{in}", "{out}", "--jpeg-quality", "0"), 2, "--jpeg-quality must be from 1 to 100"),
        (("{in}", "{out}", "--quality", "80"), 2, "quality of JPEG files is --jpeg-quality"),
        (
            ("{in}", "{out}", "--quality", "good"),
            2,
            "'good' is not one of 'draft', 'standard'",
        ),
    ],
)
def test_errors_are_one_line(
    source: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    words: str,
    capsys: Capture,
) -> None:
    places = {"{in}": str(source), "{out}": str(tmp_path / "out")}
    filled = []
    for argument in arguments:
        for name, place in places.items():
            argument = argument.replace(name, place)
        filled.append(argument)
    assert frames(*filled) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err and len(printed.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_changed_settings_ask_for_overwrite(
    source: Path, tmp_path: Path, style: Path, capsys: Capture
) -> None:
    arguments = (source, tmp_path / "out", "-s", f"{style}#alpha", "--frames", "1-2")
    assert frames(*arguments) == 0
    assert frames(*arguments, "--strength", "0.5") == 2
    assert "was begun with strength 1.0, not 0.5" in capsys.readouterr().err
    before = contents(tmp_path / "out")
    assert frames(*arguments, "--strength", "0.5", "--overwrite") == 0
    assert contents(tmp_path / "out") != before


@pytest.mark.slow
def test_ctrl_c_while_watching(source: Path, tmp_path: Path, style: Path) -> None:
    output = tmp_path / "out"
    command = [sys.executable, "-m", "vidstyle", "frames", source, output, "--watch"]
    command += ["-s", f"{style}#alpha", *QUICK]
    process = subprocess.Popen(
        [*map(str, command)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 100
    while not (output / "shot_0008.png").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told == (
        f"vidstyle: interrupted; what was finished is in {output}; continue with the same command\n"
    )
    assert len(contents(output)) == 8


# -- pictures in vidstyle run -------------------------------------------------------------------


def run(*arguments: str | Path) -> int:
    return vidstyle("run", *arguments, *QUICK)


def test_pictures_to_video_and_back(source: Path, tmp_path: Path, style: Path) -> None:
    named = ("-s", f"{style}#alpha", "--strength", "0")
    lossless = ("--codec", "ffv1", "--pix-fmt", "bgr0")
    assert run(source, "-o", tmp_path / "a.mkv", "--fps", "24", *named, *lossless) == 0
    assert all(np.array_equal(image, pan(n)) for n, image in enumerate(images(tmp_path / "a.mkv")))
    pattern = tmp_path / "back" / "%03d.png"
    assert run(tmp_path / "a.mkv", "-o", pattern, *named) == 0
    for number in range(1, 9):
        back = read_image(tmp_path / "back" / f"{number:03d}.png")
        assert np.array_equal(back, pan(number - 1))


def test_a_video_beside_the_pictures(source: Path, style: Path, tmp_path: Path) -> None:
    assert run(source, "--fps", "25", "-s", f"{style}#alpha", "--preset", "ultrafast") == 0
    assert (tmp_path / "in.alpha.mp4").is_file()


def test_pictures_to_pictures(source: Path, tmp_path: Path, style: Path) -> None:
    named = ("-s", f"{style}#alpha")
    assert run(source, "-o", tmp_path / "run" / "####.png", *named) == 0
    assert frames(source, tmp_path / "frames", *named) == 0
    made = contents(tmp_path / "run"), contents(tmp_path / "frames")
    assert list(made[0].values()) == list(made[1].values())
    assert list(made[0]) == [f"{n:04d}.png" for n in range(1, 9)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("{in}", "-o", "{tmp}/a.mp4"), "--fps"),
        (("{in}", "-o", "{tmp}/a.mp4", "--fps", "24", "--start", "1"), "--frames"),
        (("{clip}", "-o", "{tmp}/a.mp4", "--fps", "24"), "only for image sequences"),
        (("{clip}", "-o", "{tmp}/%d.png", "--frames", "1-2"), "are for pictures"),
        (("{in}", "-o", "{tmp}/%d.png", "--max-side", "32"), "need a video as input or output"),
        (("{in}", "-o", "{tmp}/a.mp4", "--engine", "optimize"), "are for --engine fast"),
    ],
)
def test_options_that_do_not_go_together(
    source: Path, tmp_path: Path, arguments: tuple[str, ...], words: str, capsys: Capture
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", Recipe(ticks=(0, 1, 2)))
    places = {"{in}": str(source), "{tmp}": str(tmp_path), "{clip}": str(clip)}
    filled = []
    for argument in arguments:
        for name, place in places.items():
            argument = argument.replace(name, place)
        filled.append(argument)
    before = sorted(tmp_path.iterdir())
    assert run(*filled) == 2
    assert words in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before
