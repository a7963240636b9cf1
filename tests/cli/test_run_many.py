"""``vidstyle run`` with several inputs: printed lines, events, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from clips import Recipe, images, write_clip
from toys import toy_photo, write_toy, write_vgg

from vidstyle.cli.main import main
from vidstyle.image import write_image

Capture = pytest.CaptureFixture[str]
QUICK = ("--device", "cpu", "--precision", "fp32", "--preset", "ultrafast")
START = (sys.executable, "-m", "vidstyle")


def run(*arguments: str | Path) -> int:
    """The exit code of ``vidstyle run …``, without a bar unless asked for one."""
    shown = () if "--progress" in arguments else ("--progress", "none")
    with pytest.raises(SystemExit) as left:
        main(["run", *map(str, arguments), *QUICK, *shown])
    return int(left.value.code or 0)


def truncated(path: Path) -> None:
    """A Matroska file that ends too early."""
    write_clip(path, Recipe(ticks=tuple(range(96)), options={"g": "12"}))
    os.truncate(path, path.stat().st_size * 6 // 10)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two clips, a style, and something else, as the working directory."""
    write_clip(tmp_path / "a.mp4", Recipe(ticks=tuple(range(6))))
    write_clip(tmp_path / "b.mp4", Recipe(ticks=tuple(range(4))))
    write_toy(tmp_path / "toy.safetensors")
    (tmp_path / "bad.mp4").write_text("no video")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_summary_of_all(folder: Path, capsys: Capture) -> None:
    assert run("a.mp4", "bad.mp4", "b.mp4", "-o", "out/", "-s", "toy.safetensors") == 3
    printed = capsys.readouterr()
    reason = (
        "bad.mp4: not a video file that FFmpeg knows (invalid data found when processing input)"
    )
    assert printed.err == f"vidstyle: {reason}\n"
    first, second, third, total = printed.out.splitlines()
    assert re.fullmatch(r"done: out/a\.alpha\.mp4: 6 frames in \d+\.\d s, .* frames/s", first)
    assert second == f"failed: {reason}"
    assert re.fullmatch(r"done: out/b\.alpha\.mp4: 4 frames in .*", third)
    assert re.fullmatch(r"2 of 3 files: 10 frames in \d+\.\d s, \d+\.\d\d frames/s", total)
    assert names(folder / "out") == ["a.alpha.mp4", "b.alpha.mp4"]


def test_beside_their_inputs_and_again(folder: Path, capsys: Capture) -> None:
    style = ("-s", "toy.safetensors")
    assert run("a.mp4", "b.mp4", *style) == 0
    assert len(images(folder / "b.alpha.mp4")) == 4
    assert run("a.mp4", "b.mp4", *style) == 1
    assert capsys.readouterr().err.count("exists already") == 2
    (folder / "a.alpha.mp4").unlink()
    assert run("a.mp4", "b.mp4", *style) == 3
    assert run("a.mp4", "b.mp4", *style, "--overwrite") == 0
    # There are no notes of what is done, where all is done.
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_what_is_done_is_passed_over(folder: Path, capsys: Capture) -> None:
    given = ("a.mp4", "bad.mp4", "-o", "out/", "-s", "toy.safetensors", "--resume")
    assert run(*given) == 3
    write_clip(folder / "bad.mp4", Recipe(ticks=tuple(range(5))))
    capsys.readouterr()
    assert run(*given) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "done before: out/a.alpha.mp4"
    assert printed[1].startswith("done: out/bad.alpha.mp4: 5 frames")
    assert printed[2].startswith("2 of 2 files: 5 frames")


def test_events_name_their_file(folder: Path, capsys: Capture) -> None:
    truncated(folder / "cut.mkv")
    given = ("a.mp4", "cut.mkv", "bad.mp4", "-o", "out/", "-s", "toy.safetensors")
    assert run(*given, "--progress", "json") == 3
    printed = capsys.readouterr()
    assert printed.err == ""
    events = [json.loads(line) for line in printed.out.splitlines()]
    assert [event.get("input") for event in events].count(None) == 1
    ends = [event for event in events if event["event"] not in ("progress", "warning")]
    assert [event["event"] for event in ends] == ["done", "done", "failed", "batch"]
    assert ends[0]["input"] == "a.mp4" and ends[0]["output"] == "out/a.alpha.mp4"
    assert ends[0]["first_frame"] > 0 and ends[0]["complete"] is True
    assert ends[1]["complete"] is False
    assert any("truncated" in e.get("message", "") and e["input"] == "cut.mkv" for e in events[:-3])
    assert ends[2]["message"].startswith("bad.mp4: not a video") and ends[2]["input"] == "bad.mp4"
    batch = ends[3]
    assert (batch["files"], batch["done"], batch["failed"]) == (3, 2, 1)
    assert batch["frames"] == ends[0]["frames"] + ends[1]["frames"]
    assert batch["complete"] is False and batch["seconds"] > 0 < batch["fps"]

    assert run("a.mp4", "-o", "single/", "-s", "toy.safetensors", "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["done", "batch"]


def test_something_lost_is_partial(folder: Path, capsys: Capture) -> None:
    truncated(folder / "cut.mkv")
    assert run("a.mp4", "cut.mkv", "-s", "toy.safetensors") == 3
    printed = capsys.readouterr()
    assert re.fullmatch(r"vidstyle: note: cut\.mkv: truncated: .*\n", printed.err)
    assert printed.out.splitlines()[1].endswith("; in part")


def test_a_bar_for_each_file(folder: Path, capsys: Capture) -> None:
    assert run("a.mp4", "b.mp4", "-s", "toy.safetensors", "--progress", "bar") == 0
    shown = capsys.readouterr().err
    assert re.search(r"a\.mp4: 100%.*6/6", shown) and re.search(r"b\.mp4: 100%.*4/4", shown)


def test_one_file_into_a_directory(folder: Path) -> None:
    for _ in range(2):  # made, and there
        assert run("a.mp4", "-o", "out/", "-s", "toy.safetensors", "--overwrite") == 0
        assert names(folder / "out") == ["a.alpha.mp4"]
    # Without the ending, as ever: pictures go into a directory that is there.
    (folder / "pictures").mkdir()
    assert run("a.mp4", "-o", "pictures", "-s", "toy.safetensors") == 0
    assert names(folder / "pictures")[0] == "a.000001.png"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("a.mp4", "b.mp4", "-o", "out.mp4"), r"-o out\.mp4: several inputs .* -o out\.mp4/"),
        (("a.mp4", "b.mp4", "-o", "new"), "-o new: several inputs need a directory"),
        (("a.mp4", "sub/a.mp4", "-o", "out/"), r"a\.mp4 and sub/a\.mp4 would both become"),
        (("a.mp4", "a.mp4"), "would both become"),
        (("a.mp4", "sub", "-o", "out/"), "sub: is an image sequence"),
        (("a.mp4", "x_%04d.png"), "is an image sequence"),
        (("a.mp4", "b.mp4", "--fps", "3"), "only for image sequences"),
        (("a.mp4", "b.mp4", "-o", "out/", "--jobs", "0"), "--jobs"),
    ],
)
def test_refused_before_anything_is_done(
    folder: Path, capsys: Capture, arguments: tuple[str, ...], reason: str
) -> None:
    (folder / "sub").mkdir()
    before = names(folder)
    assert run(*arguments, "-s", "toy.safetensors") == 2
    printed = capsys.readouterr()
    assert printed.out == "" and re.fullmatch(rf"vidstyle: .*{reason}.*\n", printed.err)
    assert names(folder) == before


def test_all_failed(folder: Path, capsys: Capture) -> None:
    assert run("bad.mp4", "nosuch.mp4", "-o", "out/") == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 of 2 files: 0 frames")


def test_a_painting(folder: Path, capsys: Capture) -> None:
    write_image(folder / "monet.png", toy_photo(50, 60))
    write_vgg(folder / "vgg.safetensors")
    given = ("a.mp4", "bad.mp4", "-s", "monet.png", "--vgg", "vgg.safetensors", "--end", "0.1")
    layers = ("--style-layers", "relu1_1", "--content-layer", "relu2_1")
    steps = ("--iterations", "1", "--first-iterations", "1", "--scales", "1")
    assert run(*given, *layers, *steps) == 3
    assert capsys.readouterr().out.startswith("done: a.monet.mp4: 3 frames")


@pytest.mark.slow
def test_ctrl_c(folder: Path) -> None:
    """The summary says what was kept of which file, and what was not begun."""
    recipe = Recipe(ticks=tuple(range(480)), size=(160, 120))
    write_clip(folder / "long.mp4", recipe)
    given = ["a.mp4", "long.mp4", "b.mp4", "-o", "out/", "-s", "toy.safetensors"]
    process = subprocess.Popen(
        [*START, "--log-level", "debug", "run", *given, *QUICK, "--progress", "none"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr and process.stdout
    for line in process.stderr:
        if re.search(r"process: (6|7|8)\d frames in", line):
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    kept = "what was finished is in out/long.alpha.partial.mp4"
    first, second, third, total = out.splitlines()
    assert first.startswith("done: out/a.alpha.mp4: 6 frames")
    assert second == f"interrupted: long.mp4; {kept}"
    assert third == "not begun: b.mp4"
    assert total.startswith("1 of 3 files: 6 frames")
    assert err.splitlines()[-1] == f"vidstyle: interrupted; {kept}; continue with --resume"
    assert 24 <= len(images(folder / "out" / "long.alpha.partial.mp4")) < 480
