"""``vidstyle run --engine optimize`` as a user meets it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from clips import Recipe, images, write_clip
from toys import toy_photo, write_toy, write_vgg

from vidstyle.cli.main import main
from vidstyle.image import write_image

Capture = pytest.CaptureFixture[str]


def arguments(folder: Path, *more: str | Path) -> list[str]:
    """Few and small frames, toy weights, few steps; lossless."""
    given = [
        *("run", folder / "clip.mkv", "-o", folder / "out.mkv"),
        *("--vgg", folder / "vgg.safetensors", "--style-layers", "relu1_1,relu2_1"),
        *("--content-layer", "relu2_2", "--iterations", "3", "--first-iterations", "6"),
        *("--device", "cpu", "--precision", "fp32", "--codec", "ffv1", "--pix-fmt", "bgr0"),
    ]
    return [*map(str, given), *map(str, more)]


def run(folder: Path, *more: str | Path) -> int:
    """The exit code."""
    if "-s" not in more and "--style" not in more:
        more = ("-s", folder / "painting.png", *more)
    with pytest.raises(SystemExit) as left:
        main(arguments(folder, *more))
    return int(left.value.code or 0)


def names(folder: Path) -> set[str]:
    """What has come into the folder."""
    given = {"clip.mkv", "painting.png", "vgg.safetensors", "toy.safetensors"}
    return {path.name for path in folder.iterdir()} - given


def view(number: int, width: int, height: int) -> np.ndarray:
    return np.ascontiguousarray(toy_photo(200, height)[:, 2 * number : 2 * number + width])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_vgg(tmp_path / "vgg.safetensors")
    write_image(tmp_path / "painting.png", toy_photo(50, 60, seed=2))
    recipe = Recipe(ticks=tuple(range(4)), image=view, codec="ffv1", pix_fmt="bgr0")
    write_clip(tmp_path / "clip.mkv", recipe)
    return tmp_path


def test_a_picture_asks_for_the_engine(folder: Path, capsys: Capture) -> None:
    assert run(folder) == 0
    printed = capsys.readouterr()
    assert re.fullmatch(r".*out\.mkv: 4 frames in \d+\.\d s, .* frames/s\n", printed.out)
    assert "4/4" in printed.err
    assert "loss" in printed.err
    assert names(folder) == {"out.mkv"}
    results, sources = images(folder / "out.mkv"), images(folder / "clip.mkv")
    assert len(results) == 4
    assert not np.array_equal(results[0], sources[0])
    assert run(folder, "--engine", "optimize", "--overwrite", "--progress", "none") == 0
    assert all(map(np.array_equal, images(folder / "out.mkv"), results))


def test_the_usual_name_of_the_output(folder: Path) -> None:
    given = arguments(folder, "-s", folder / "painting.png", "--progress", "none")
    at = given.index("-o")
    with pytest.raises(SystemExit) as left:
        main(given[:at] + given[at + 2 :])
    assert left.value.code == 0
    assert names(folder) == {"clip.painting.mp4"}


def test_progress_as_json(folder: Path, capsys: Capture) -> None:
    assert run(folder, "--progress", "json", "--passes", "2") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["frames"] for event in events] == [1, 2, 3, 4, 5, 6, 7, 8, 4]
    assert {event["total"] for event in events[:-1]} == {8}
    assert all(event["loss"] > 0 for event in events[:-1])


@pytest.mark.slow
def test_options_change_the_video(folder: Path) -> None:
    assert run(folder, "--progress", "none") == 0
    plain = images(folder / "out.mkv")
    for more in (
        ("--temporal", "0"),
        ("--temporal-weight", "0"),
        ("--style-weight", "50"),
        ("--color", "keep"),
        ("--init", "noise"),
        ("--recipe", "gatys"),
        ("--passes", "2"),
        ("--cuts", folder / "cuts.txt"),
    ):
        (folder / "cuts.txt").write_text("#2\n")
        assert run(folder, "--progress", "none", "--overwrite", *more) == 0
        assert not all(map(np.array_equal, images(folder / "out.mkv"), plain)), more


def test_starting_from_the_fast_engine(folder: Path, capsys: Capture) -> None:
    """A style of one's own, its swatch beside it."""
    style = write_toy(folder / "toy.safetensors", ["alpha"])
    (folder / "swatches").mkdir()
    write_image(folder / "swatches" / "alpha.jpg", toy_photo(64, 64, seed=5))
    given = ("-s", style, "--engine", "optimize", "--progress", "none")
    videos = []
    for more in ((), ("--init", "fast"), ("--init", "fast", "--refresh")):
        assert run(folder, *given, *more, "--overwrite") == 0, capsys.readouterr().err
        videos.append(np.stack(images(folder / "out.mkv")))
    assert not np.array_equal(videos[0][0], videos[1][0])
    assert np.array_equal(videos[1][0], videos[2][0])
    assert not np.array_equal(videos[1][1], videos[2][1])


REFUSED: dict[str, tuple[list[str], str]] = {
    "strength": (["--strength", "0.5"], "--strength works only with --engine fast"),
    "batches": (["--batch-size", "2"], "--batch-size works only with --engine fast"),
    "tiles": (["--tile", "64"], "--tile works only with --engine fast"),
    "strokes": (["--stroke-size", "2"], "--stroke-size works only with --engine fast"),
    "passes": (["-s", "scream", "--passes", "2"], "--passes works only with --engine optimize"),
    "recipe": (["-s", "scream", "--recipe", "owl"], "--recipe works only with --engine optimize"),
    "colour": (["-s", "scream", "--color", "histogram"], "--color histogram works only"),
    "weights": (["--engine", "fast", "--vgg", "no.pth"], r"no\.pth: no such VGG19 weights"),
    "fast of a picture": (["--init=fast"], "no network has learned"),
    "refresh alone": (["--refresh"], "--refresh needs --init fast"),
    "no passes": (["--passes", "0"], "passes must be at least 1, not 0"),
    "passes apart": (["--passes", "2", "--temporal", "0"], "with temporal 0 no frame does"),
    "layers": (["--style-layers", "relu6_1"], "relu6_1"),
    "no painting": (["-s", "no.png"], r"no\.png: No such file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go(folder: Path, capsys: Capture, case: str) -> None:
    more, reason = REFUSED[case]
    if "scream" in more or "fast" in more[1:]:  # without the options of the other engine
        style = [] if "scream" in more else ["-s", str(folder / "painting.png")]
        given = ["run", str(folder / "clip.mkv"), *style, *more]
        with pytest.raises(SystemExit) as left:
            main(given)
        assert left.value.code
    else:
        assert run(folder, *more)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(rf"vidstyle: .*{reason}.*\n", printed.err), printed.err
    assert names(folder) == set()


# -- ends and goes on -----------------------------------------------------------------------


def killed(folder: Path, sent: signal.Signals, *more: str) -> tuple[int, str]:
    """Run in a process of its own, and end it after two frames."""
    start = "from vidstyle.cli.main import main; main()"
    given = arguments(folder, "-s", folder / "painting.png", "--progress", "json", *more)
    process = subprocess.Popen(
        [sys.executable, "-c", start, *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if json.loads(line)["frames"] == 2:
            process.send_signal(sent)
            break
    _out, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_an_ended_run_goes_on(folder: Path, capsys: Capture, sent: signal.Signals) -> None:
    # Steps enough that the signal comes in time.
    more = ("--iterations", "40", "--temporal", "1")
    assert run(folder, "--progress", "none", *more) == 0
    whole = images(folder / "out.mkv")
    (folder / "out.mkv").unlink()
    code, err = killed(folder, sent, *more)
    work = folder / ".out.mkv.work"
    # What is killed cannot remove its lock, which nobody holds any longer.
    assert names(folder) - {".out.mkv.lock"} == {work.name}
    assert code == (130 if sent == signal.SIGINT else -signal.SIGKILL)
    if sent == signal.SIGINT:
        kept = re.escape(str(work))
        assert re.fullmatch(rf"vidstyle: interrupted; .* is in {kept}; .*--resume\n", err)
    capsys.readouterr()
    assert run(folder, *more) == 1
    assert re.search(r"--resume.*--overwrite", capsys.readouterr().err)
    assert run(folder, "--resume", *more, "--style-weight", "3") == 2
    assert "style weight 5.0, not 3.0" in capsys.readouterr().err
    assert run(folder, "--resume", "--progress", "json", *more) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["frames"] == 1
    assert all(map(np.array_equal, images(folder / "out.mkv"), whole))
    assert names(folder) == {"out.mkv"}
