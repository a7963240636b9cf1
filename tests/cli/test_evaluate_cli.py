"""``vidstyle evaluate`` as a user meets it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import Sound, write_clip

from vidstyle.cli.main import main
from vidstyle.evaluate import Evaluation, Steadiness, report
from vidstyle.evaluate.audio import SoundMatch

Capture = pytest.CaptureFixture[str]


def call(*arguments: str | Path) -> int:
    """The exit code of ``vidstyle evaluate …``."""
    with pytest.raises(SystemExit) as left:
        main(["evaluate", *map(str, arguments), "--flow", "ultrafast"])
    return int(left.value.code or 0)


def texture(index: int, width: int, height: int, sigma: float = 0) -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width, 3)), (0, 0), 2)
    grain = np.random.default_rng(index).normal(0, 1, noise.shape) * sigma
    return np.clip(128 + 200 * noise + grain, 0, 255).astype(np.uint8)


def clip(path: Path, sigma: float = 0, **recipe: Any) -> Path:
    return write_clip(
        path,
        **{
            "codec": "ffv1",
            "pix_fmt": "bgr0",
            "ticks": range(6),
            "image": lambda *place: texture(*place, sigma),
            **recipe,
        },
    )


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return clip(tmp_path / "a.mkv", sounds=(Sound("flac", seconds=0.25),))


@pytest.fixture
def stylized(tmp_path: Path) -> Path:
    return clip(tmp_path / "b.mkv", 4, sounds=(Sound("flac", seconds=0.25),))


# -- what is printed ------------------------------------------------------------------------


def test_a_table(tmp_path: Path, original: Path, stylized: Path, capsys: Capture) -> None:
    assert call(original, stylized, "--per-frame", clip(tmp_path / "c.mkv", 8)) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == f"{stylized}: 6 of 6 frames compared at 64×48"
    assert re.fullmatch(r" +original +stylized +per frame", lines[2])
    warping = re.fullmatch(r"warping error ×1000 +0\.000 +(0\.\d{3}) +([12]\.\d{3})", lines[3])
    assert warping
    assert float(warping[1]) == pytest.approx(2000 * (4 / 255) ** 2, rel=0.1)
    assert float(warping[2]) == pytest.approx(2000 * (8 / 255) ** 2, rel=0.1)
    assert re.fullmatch(rf"  above the original +\+{warping[1]} +\+{warping[2]}", lines[4])
    assert {len(line) for line in lines[2:7]} == {len(lines[2])}
    said = dict(re.split(r"  +", line, maxsplit=1) for line in lines[7:] if "  " in line)
    assert 0 < float(said["detail kept"].rstrip("%")) < 100
    assert float(said["excess removed"].rstrip("%")) == pytest.approx(75, abs=3)
    assert said["judged"].startswith("100% of the pixels")
    assert said["static"] == "5 of 5 pairs, for the flicker"
    assert said["cuts"] == said["missing"] == said["repeated"] == "none"
    assert "additional none" in lines
    assert said["sound"] == "+0.00 ms against the picture (correlation 1.00)"
    assert "6/6" in printed.err


def test_json_alone_on_stdout(original: Path, stylized: Path, capsys: Capture) -> None:
    assert call(original, stylized, "--json") == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    document = json.loads(printed.out)
    assert document["stylized"]["file"] == str(stylized)
    assert document["original"]["e_warp"] == 0
    assert document["stylized"]["e_warp"] == pytest.approx(2 * (4 / 255) ** 2, rel=0.1)
    assert len(document["stylized"]["series"]) == 5
    assert document["detail_kept"] is None
    assert "6/6" in printed.err


def test_no_progress(original: Path, stylized: Path, capsys: Capture) -> None:
    assert call(original, stylized, "--progress", "none") == 0
    assert capsys.readouterr().err == ""


def test_what_the_lines_say() -> None:
    video = Steadiness(Path("b.mp4"), 0.001, None, None, 0.1, np.zeros(9), np.zeros(9))
    evaluation = Evaluation(
        floor=video,
        stylized=video,
        per_frame=None,
        size=(64, 48),
        frames=(12, 11),
        times=np.arange(9) / 10,
        judged=0.914,
        static_pairs=0,
        cuts=(0.5, 12.345),
        missing=tuple(map(float, range(7))),
        additional=(),
        repeated=(0.25,),
        sound=SoundMatch(None, 0.123),
        notes=("a.mp4 resized",),
    )
    lines = list(report(evaluation))
    assert lines[0] == "b.mp4: 10 of 12 frames compared at 64×48"
    assert not [line for line in lines if "flicker /255" in line or "detail" in line]
    assert lines[-8:] == [
        "judged     91% of the pixels; the rest was hidden or unsure",
        "static     0 of 9 pairs, for the flicker",
        "cuts       2, at 0.50, 12.35 s",
        "missing    7, at 0.00, 1.00, 2.00, 3.00, 4.00, … s",
        "additional none",
        "repeated   1, at 0.25 s",
        "sound      differs from the original's (correlation 0.12)",
        "note       a.mp4 resized",
    ]


# -- plots and refusals ---------------------------------------------------------------------


@pytest.mark.slow
def test_plot(tmp_path: Path, original: Path, stylized: Path) -> None:
    assert call(original, stylized, "--plot", tmp_path / "plot.png", "--progress", "none") == 0
    picture = cv2.imread(str(tmp_path / "plot.png"))
    assert picture.shape == (480, 1200, 3)
    assert picture.std() > 5


@pytest.mark.parametrize(("name", "code"), [("plot.jpg", 2), ("no/plot.png", 1)])
def test_a_plot_is_checked_before_the_work(
    tmp_path: Path, original: Path, capsys: Capture, name: str, code: int
) -> None:
    assert call(original, original, "--plot", tmp_path / name) == code
    printed = capsys.readouterr()
    assert re.fullmatch(r"vidstyle: .*plot\.(jpg|png).*\n", printed.err)
    assert printed.out == ""


def test_refusals_are_one_line(tmp_path: Path, original: Path, capsys: Capture) -> None:
    short = clip(tmp_path / "b.mkv", ticks=range(3), size=(32, 24))
    assert call(original, short, "--json") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(
        f"vidstyle: {original} has 6 frames of 64×48, {short} has 3 of 32×24: "
    )
    assert printed.err.count("\n") == 1
    assert call(original, tmp_path / "nosuch.mkv") == 1


def test_wrong_usage(original: Path, capsys: Capture) -> None:
    assert call(original) == 2
    assert call(original, original, "--progress", "json") == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
