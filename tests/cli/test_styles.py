"""``vidstyle styles``: the list, one style, and the contact sheet."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from bundled import STYLES
from clips import Recipe, write_clip
from toys import toy_photo, write_toy

from vidstyle.cli.main import main
from vidstyle.image import read_image, write_image
from vidstyle.styles.registry import BUNDLED

Capture = pytest.CaptureFixture[str]


def styles(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main(["styles", *map(str, arguments)])
    return int(left.value.code or 0)


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, with the style ``alpha`` in it."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("VIDSTYLE_STYLES", str(folder))
    return write_toy(folder / "mine.safetensors", ["alpha"])


def test_the_list(own: Path, capsys: Capture) -> None:
    assert styles() == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAME", "TITLE", "ARTIST", "YEAR", "SIZE", "WHERE"]
    assert len(rows) == len(STYLES) + 2
    scream = next(row for row in rows if row.startswith("scream"))
    assert re.search(r"The Scream +Edvard Munch +1893 +\d+\.\d KB +", scream)
    assert scream.endswith(str(BUNDLED))
    alpha = next(row for row in rows if row.startswith("alpha"))
    assert re.search(r"Alpha +Nobody +2000 +", alpha)
    assert alpha.endswith(str(own))
    assert {row.index("/") for row in rows} == {head.index("WHERE")}


def test_the_list_as_json(own: Path, capsys: Capture) -> None:
    assert styles("--json") == 0
    lines = capsys.readouterr().out.splitlines()
    listed = {entry["name"]: entry for entry in map(json.loads, lines)}
    assert len(listed) == len(STYLES) + 2
    assert listed["wave"]["artist"] == "Katsushika Hokusai"
    assert listed["alpha"]["path"] == str(own)
    assert listed["alpha"]["bytes"] > 0
    assert listed["wave"]["swatch"] == str(BUNDLED.parent / "swatches" / "wave.jpg")
    assert listed["photo"]["swatch"] is listed["alpha"]["swatch"] is None


@pytest.mark.parametrize("name", ["scream", "alpha"])
def test_show(name: str, own: Path, capsys: Capture) -> None:
    assert styles("show", name) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown["name"] == name
    assert shown["title"] == ("The Scream" if name == "scream" else "Alpha")
    assert shown["file"] == str(BUNDLED if name == "scream" else own)
    assert re.match(r"\d+ numbers", shown["vector"])
    assert re.match(r"\d+ parameters", shown["backbone"])
    assert ("training" in shown) == (name == "scream")
    swatch = str(BUNDLED.parent / "swatches" / "scream.jpg")
    assert shown.get("swatch") == (swatch if name == "scream" else None)


def test_show_a_file(own: Path, capsys: Capture) -> None:
    assert styles("show", own) == 0
    assert f"file      {own}\n" in capsys.readouterr().out


def test_show_an_unknown_one(capsys: Capture) -> None:
    assert styles("show", "waves") == 1
    assert re.fullmatch(r"vidstyle: unknown style 'waves'; .*wave.*\n", capsys.readouterr().err)


@pytest.mark.parametrize("kind", ["photo", "video"])
def test_preview(tmp_path: Path, capsys: Capture, kind: str) -> None:
    if kind == "photo":
        source = write_image(tmp_path / "a.jpg", toy_photo(192, 144))
    else:
        recipe = Recipe(ticks=(0, 24, 48), size=(192, 144), image=lambda n, *s: toy_photo(*s, n))
        source = write_clip(tmp_path / "a.mp4", recipe)
    sheet = tmp_path / "sheet.png"
    options = ("--side", "96", "--columns", "4", "--device", "cpu")
    assert styles("preview", source, "-o", sheet, *options) == 0
    assert capsys.readouterr().out == f"{sheet}: {source.name} in {len(STYLES) + 2} styles\n"
    shown = cells(read_image(sheet), rows=5, columns=4)
    photo, *drawn, nothing = [cell[-72:] for cell in shown]
    assert photo.shape == (72, 96, 3)
    assert np.ptp(nothing) == 0
    like_the_photo = [np.abs(picture - photo).mean() < 2 for picture in drawn]
    assert sum(like_the_photo) == 1  # the identity
    for n, picture in enumerate(drawn):
        assert all(np.abs(picture - other).mean() > 3 for other in drawn[:n])


def cells(sheet: np.ndarray, rows: int, columns: int, gap: int = 6) -> list[np.ndarray]:
    """The labelled pictures of a contact sheet."""
    height, width = ((n - gap) // k for n, k in zip(sheet.shape, (rows, columns), strict=False))
    return [
        sheet[gap + row * height :, gap + column * width :][: height - gap, : width - gap].astype(
            int
        )
        for row in range(rows)
        for column in range(columns)
    ]


@pytest.mark.slow
def test_preview_of_a_moment(tmp_path: Path) -> None:
    recipe = Recipe(ticks=(0, 24, 48), size=(96, 72), image=lambda n, *s: toy_photo(*s, n))
    clip = write_clip(tmp_path / "a.mp4", recipe)
    sheets = []
    for at in ("0", "1", "1.5"):
        sheet = tmp_path / f"{at}.png"
        options = ("--at", at, "--side", "64", "--device", "cpu")
        assert styles("preview", clip, "-o", sheet, *options) == 0
        sheets.append(read_image(sheet).astype(int))
    assert np.abs(sheets[0] - sheets[1]).mean() > 5
    assert np.abs(sheets[1] - sheets[2]).mean() > 5


@pytest.mark.parametrize(
    ("source", "sheet", "code", "reason"),
    [
        ("missing.png", "sheet.png", 1, r"missing\.png: No such file"),
        ("missing.mp4", "sheet.png", 1, r"missing\.mp4: no such file"),
        ("text.png", "sheet.png", 1, r"text\.png: not a picture"),
        ("photo.png", "sheet.xyz", 1, r"sheet\.xyz: no picture format"),
        ("photo.png", "no/sheet.png", 1, r"sheet\.png: there is no directory"),
    ],
)
def test_preview_errors(
    tmp_path: Path, capsys: Capture, source: str, sheet: str, code: int, reason: str
) -> None:
    write_image(tmp_path / "photo.png", toy_photo())
    (tmp_path / "text.png").write_text("no picture")
    arguments = (tmp_path / source, "-o", tmp_path / sheet, "--device", "cpu", "--side", "32")
    assert styles("preview", *arguments) == code
    printed = capsys.readouterr()
    assert re.fullmatch(rf"vidstyle: .*{reason}.*\n", printed.err)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["own", "photo.png", "text.png"]
