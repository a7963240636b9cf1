"""``--photorealistic`` as a user meets it, in ``vidstyle image`` and ``vidstyle run``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from clips import Recipe, images, write_clip
from toys import toy_photo, write_vgg

from vidstyle.cli.main import main
from vidstyle.image import read_image, write_image

Capture = pytest.CaptureFixture[str]


def write_labels(path: Path, size: tuple[int, int], *colors: tuple[int, int, int]) -> None:
    """A picture of bands, from top to bottom."""
    rows = np.arange(size[1]) * len(colors) // size[1]
    write_image(path, np.array(colors, np.uint8)[rows][:, None].repeat(size[0], 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_vgg(tmp_path / "vgg.safetensors")
    write_image(tmp_path / "photo.png", toy_photo(48, 40, seed=1))
    write_image(tmp_path / "night.png", toy_photo(60, 44, seed=2) // 3)
    write_image(tmp_path / "tiny.png", toy_photo(8, 8))
    write_labels(tmp_path / "here.png", (48, 40), (255, 0, 0), (0, 0, 255))
    write_labels(tmp_path / "there.png", (60, 44), (0, 0, 255), (255, 0, 0))
    write_labels(tmp_path / "more.png", (60, 44), (0, 0, 255), (255, 0, 0), (0, 255, 0))
    look = {"size": (48, 40), "codec": "ffv1", "pix_fmt": "bgr0", "image": view}
    write_clip(tmp_path / "clip.mkv", Recipe(ticks=tuple(range(4)), **look))
    return tmp_path


def view(number: int, width: int, height: int) -> np.ndarray:
    return np.ascontiguousarray(toy_photo(80, height)[:, number : number + width])


def call(command: str, folder: Path, source: str, *more: str | Path) -> int:
    """The exit code of a command with toy weights and few steps."""
    iterations = "--iterations" if command == "image" else "--first-iterations"
    given = [
        *(command, folder / source, "--vgg", folder / "vgg.safetensors", iterations, "5"),
        *("--scales", "1", "--device", "cpu", "--precision", "fp32"),
    ]
    style = () if "-s" in more else ("-s", folder / "night.png")
    with pytest.raises(SystemExit) as left:
        main([*map(str, given), *map(str, (*style, *more))])
    return int(left.value.code or 0)


def image(folder: Path, *more: str | Path) -> int:
    return call("image", folder, "photo.png", "--photorealistic", *more)


def run(folder: Path, *more: str | Path) -> int:
    lossless = ("--codec", "ffv1", "--pix-fmt", "bgr0", "-o", folder / "out.mkv")
    return call("run", folder, "clip.mkv", "--photorealistic", *lossless, *more)


# -- pictures -------------------------------------------------------------------------------


def test_a_photo_in_the_light_of_another(folder: Path, capsys: Capture) -> None:
    assert image(folder) == 0
    output = folder / "photo.night.png"
    printed = capsys.readouterr()
    assert re.fullmatch(
        rf"{re.escape(str(output))}: 48×40, 10 steps in .*photorealism [\d.]+\n", printed.out
    )
    drawn, photo = read_image(output), read_image(folder / "photo.png")
    assert drawn.mean() < photo.mean()


def test_the_term_is_among_the_losses(folder: Path, capsys: Capture) -> None:
    assert image(folder, "--progress", "json") == 0
    steps = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    values = [step["photorealism"] for step in steps if "scale" in step]
    assert values[:5] == [0] * 5
    assert all(value > 0 for value in values[5:])


def test_regions_change_the_result(folder: Path) -> None:
    results = []
    for name, regions in (
        ("a", ()),
        ("b", ("--regions", folder / "here.png", folder / "there.png")),
    ):
        assert image(folder, "-o", folder / f"{name}.png", *regions) == 0
        results.append(read_image(folder / f"{name}.png"))
    assert not np.array_equal(*results)


def test_regions_of_a_photo_that_is_shrunk_have_its_own_size(folder: Path) -> None:
    regions = ("--regions", folder / "here.png", folder / "there.png")
    assert image(folder, "--max-side", "36", *regions, "-o", folder / "small.png") == 0
    assert read_image(folder / "small.png").shape == (30, 36, 3)


def test_regions_that_are_found_can_be_given_back(folder: Path) -> None:
    assert image(folder, "--auto-regions", "2", "-o", folder / "a.jpg") == 0
    found = [folder / "a.regions.png", folder / "a.style-regions.png"]
    assert [read_image(path).shape[:2] for path in found] == [(40, 48), (44, 60)]
    labels = [len(np.unique(read_image(path).reshape(-1, 3), axis=0)) for path in found]
    assert max(labels) <= 2
    if labels == [2, 2]:
        assert image(folder, "--regions", *found, "-o", folder / "b.jpg") == 0


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "a label of one side": (
        ["--regions", "{folder}/here.png", "{folder}/more.png"],
        1,
        r"more\.png: .*here\.png has no region #00ff00",
    ),
    "another size": (
        ["--regions", "{folder}/there.png", "{folder}/there.png"],
        1,
        r"there\.png: is 60×44, but its photo is 48×40",
    ),
    "no labels": (
        ["--regions", "{folder}/photo.png", "{folder}/there.png"],
        1,
        r"photo\.png: has \d+ colours",
    ),
    "both kinds": (
        ["--regions", "{folder}/here.png", "{folder}/there.png", "--auto-regions", "2"],
        2,
        "either given or found",
    ),
    "two styles": (
        ["-s", "{folder}/night.png,{folder}/tiny.png", "--auto-regions", "2"],
        2,
        "regions are for one style",
    ),
    "one region": (["--auto-regions", "1"], 2, "from 2 to 8, not 1"),
    "a small photo": (["--max-side", "12"], 2, "12×10 pixels, but the layers need at least 16"),
    "a small style for regions": (
        ["-s", "{folder}/tiny.png", "--auto-regions", "2"],
        2,
        "8×8 pixels, but to find regions it needs at least 32",
    ),
    "no weights": (
        ["--style-weight", "0", "--content-weight", "0", "--photorealism-weight", "0"],
        2,
        "both 0",
    ),
    "a negative weight": (["--photorealism-weight", "-1"], 2, "0 or more, not -1"),
    "colours of the photo": (["--color", "keep"], 2, "leave out --color"),
    "another start": (["--init", "noise"], 2, "leave out --init"),
    "a recipe": (["--recipe", "gatys"], 2, "leave out the other"),
    "the fast engine": (["--engine", "fast"], 2, "leave out the other"),
    "strength": (["--strength", "0.5"], 2, "--strength works only with --engine fast"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_one_line(folder: Path, capsys: Capture, case: str) -> None:
    more, code, reason = REFUSED[case]
    before = set(folder.iterdir())
    filled = [argument.format(folder=folder) for argument in more]
    assert image(folder, "--progress", "none", *filled) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(rf"vidstyle: .*({reason}).*\n", printed.err), printed.err
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize("option", ["--auto-regions=2", "--photorealism-weight=5"])
def test_its_options_need_it(folder: Path, capsys: Capture, option: str) -> None:
    assert call("image", folder, "photo.png", option) == 2
    flag = option.split("=")[0]
    assert capsys.readouterr().err == f"vidstyle: {flag} works only with --photorealistic\n"


# -- videos ---------------------------------------------------------------------------------


def test_a_video_in_the_light_of_a_photo(folder: Path, capsys: Capture) -> None:
    assert run(folder) == 0
    assert re.search(r"out\.mkv: 4 frames in ", capsys.readouterr().out)
    pairs = zip(images(folder / "clip.mkv"), images(folder / "out.mkv"), strict=True)
    assert all(new.mean() < old.mean() for old, new in pairs)


REFUSED_VIDEOS = {
    "labels": (["--regions", "{folder}/here.png", "{folder}/there.png"], "use --auto-regions"),
    "strokes to steady": (["--temporal", "0.5"], "--temporal does not go with --photorealistic"),
    "passes": (["--passes", "2"], "--passes does not go with --photorealistic"),
    "no interval": (["--key-interval", "0"], "key-interval must be"),
}


@pytest.mark.parametrize("case", REFUSED_VIDEOS)
def test_refusals_of_videos_are_one_line(folder: Path, capsys: Capture, case: str) -> None:
    more, reason = REFUSED_VIDEOS[case]
    filled = [argument.format(folder=folder) for argument in more]
    assert run(folder, "--progress", "none", *filled) == 2
    assert re.fullmatch(rf"vidstyle: .*{reason}.*\n", capsys.readouterr().err)
    assert not (folder / "out.mkv").exists()
