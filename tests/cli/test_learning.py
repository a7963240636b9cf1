"""``--style painting.png`` with the fast engine, in every command that draws."""

from __future__ import annotations

import json
import re
from pathlib import Path

import av
import pytest
from clips import Recipe, write_clip
from toys import toy_photo, write_photos

from vidstyle.cli.main import main
from vidstyle.image import read_image, write_image

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_vgg: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("VIDSTYLE_VGG19", str(whole_vgg))
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "monet.png", toy_photo(90, 70, seed=9))
    write_image(tmp_path / "photo.png", toy_photo(80, 64))
    write_photos(tmp_path / "shot", 2, 80, 64)
    write_clip(tmp_path / "clip.mkv", Recipe(ticks=tuple(range(3))))
    return tmp_path


def call(*arguments: str) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--device", "cpu", "--precision", "fp32"])
    return int(left.value.code or 0)


def styles(folder: Path) -> list[str]:
    """What was learned."""
    return sorted(path.stem for path in folder.glob("cache/vidstyle/paintings/*/*.safetensors"))


COMMANDS = {
    "image": ["image", "photo.png", "-o", "out.png"],
    "run": ["run", "clip.mkv", "-o", "out.mp4"],
    "many": ["run", "clip.mkv", "-o", "out/"],
    "sequence": ["run", "shot", "--fps", "5", "-o", "out.mp4"],
    "frames": ["frames", "shot", "out"],
    "stream": ["stream", "clip.mkv", "--to", "out.mkv"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_picture_is_a_style_of_every_command(folder: Path, capsys: Capture, command: str) -> None:
    (folder / "out").mkdir(exist_ok=command == "frames")
    given = [*COMMANDS[command], "-s", "monet.png", "--refine", "0"]
    assert call(*given) == 0, capsys.readouterr().err
    assert styles(folder) == ["monet"]
    assert [path for path in folder.glob("out*") if path.is_file() or any(path.iterdir())]


def test_the_output_is_called_after_the_painting(folder: Path) -> None:
    assert call("run", "clip.mkv", "-s", "monet.png", "--refine", "0") == 0
    with av.open(str(folder / "clip.monet.mp4")) as made:
        assert len(list(made.decode(video=0))) == 3


def test_refinement_is_shown_and_happens_once(folder: Path, capsys: Capture) -> None:
    given = ("image", "photo.png", "-s", "monet.png", "--refine", "1", "--progress", "json")
    assert call(*given, "-o", "a.png") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    learning = [event for event in events if event["event"] == "learning"]
    assert learning[-1]["progress"] == 1
    assert learning[-1]["picture"] == "monet.png"
    assert call(*given, "-o", "b.png") == 0
    again = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "learning" not in {event["event"] for event in again}
    assert (read_image(folder / "a.png") == read_image(folder / "b.png")).all()


def test_a_run_with_a_picture_is_resumed(folder: Path, capsys: Capture) -> None:
    given = ("run", "clip.mkv", "-s", "monet.png", "--refine", "0", "-o", "out.mp4")
    assert call(*given) == 0
    assert call(*given, "--resume", "--overwrite") == 0, capsys.readouterr().err


@pytest.mark.parametrize("command", ["image", "run"])
def test_what_cannot_be_written_is_refused_before_anything_is_learned(
    folder: Path, capsys: Capture, command: str
) -> None:
    for name in ("out.png", "out.mp4"):
        (folder / name).write_bytes(b"precious")
    assert call(*COMMANDS[command], "-s", "monet.png") == 1
    assert re.fullmatch(r"vidstyle: out.*exists already.*--overwrite\n", capsys.readouterr().err)
    assert not (folder / "cache").exists()


@pytest.mark.parametrize("command", ["run", "frames", "stream"])
def test_refine_is_for_pictures(folder: Path, capsys: Capture, command: str) -> None:
    assert call(*COMMANDS[command], "-s", "wave", "--refine", "3") == 2
    assert "'wave' has been learned already" in capsys.readouterr().err


def test_missing_weights_are_named_with_the_remedy(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDSTYLE_VGG19", "nowhere.pth")
    assert call(*COMMANDS["run"], "-s", "monet.png") == 1
    assert capsys.readouterr().err == "vidstyle: nowhere.pth: no such VGG19 weights file\n"


def test_the_painting_is_never_overwritten(folder: Path, capsys: Capture) -> None:
    before = (folder / "monet.png").read_bytes()
    given = ("image", "photo.png", "-s", "monet.png", "-o", "monet.png", "--overwrite")
    assert call(*given, "--refine", "0") == 1
    assert "monet.png: is the input itself" in capsys.readouterr().err
    assert (folder / "monet.png").read_bytes() == before


def test_a_picture_may_stand_beside_a_learned_style(folder: Path, capsys: Capture) -> None:
    matte = write_image(folder / "matte.png", toy_photo(80, 64, seed=5))
    mattes = ("--matte", str(matte), "--matte", str(matte))
    given = ("frames", "shot", "out", "-s", "wave", "-s", "monet.png", "--refine", "0")
    assert call(*given, *mattes) == 0, capsys.readouterr().err
    assert styles(folder) == ["monet"]
