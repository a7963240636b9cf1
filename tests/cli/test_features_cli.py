"""``vidstyle features``: the grid, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from toys import toy_photo, write_vgg

from vidstyle.cli.main import main
from vidstyle.image import read_image, write_image

Capture = pytest.CaptureFixture[str]


def features(folder: Path, *arguments: str | Path) -> int:
    vgg = folder / "vgg.safetensors"
    with pytest.raises(SystemExit) as left:
        main(["features", *map(str, (*arguments, "--vgg", vgg, "--device", "cpu"))])
    return int(left.value.code or 0)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    write_vgg(tmp_path / "vgg.safetensors")
    return write_image(tmp_path / "photo.jpg", toy_photo(64, 48))


def test_a_grid(photo: Path, capsys: Capture) -> None:
    assert features(photo.parent, photo, "--layers", "conv1_1, block3_conv1,relu1_1") == 0
    output = photo.with_name("photo.features.png")
    assert capsys.readouterr().out == f"{output}: relu1_1, relu3_1 of photo.jpg\n"
    assert read_image(output).shape[1] == 8 * 134 + 6


def test_options_reach_the_grid(photo: Path) -> None:
    usual = ("--layers", "relu1_1", "--maps", "4")
    shapes = {}
    for name, extra in {
        "usual": (),
        "small": ("--side", "32"),
        "more": ("--maps", "8"),
        "grey": ("--grey",),
        "coarse": ("--max-side", "16"),
    }.items():
        output = photo.with_name(f"{name}.png")
        assert features(photo.parent, photo, *usual, *extra, "-o", output) == 0
        shapes[name] = read_image(output)
    assert shapes["small"].shape[1] == 4 * 38 + 6
    assert shapes["more"].shape[1] == 2 * shapes["usual"].shape[1] - 6
    map_of = {name: sheet[-40:-20, 20:100].astype(int) for name, sheet in shapes.items()}
    assert np.ptp(map_of["grey"], axis=2).max() == 0
    assert np.ptp(map_of["usual"], axis=2).max() > 50
    assert np.abs(map_of["coarse"] - map_of["usual"]).mean() > 1


@pytest.mark.parametrize(
    ("given", "code", "reason"),
    [
        (["--layers", "relu3_9"], 2, "no layer 'relu3_9'; did you mean .*relu3_"),
        (["--layers", ""], 2, "no layer ''"),
        (["--layers", "relu5_1", "--max-side", "31"], 2, "relu5_1 needs 32 pixels"),
        (["--maps", "0"], 2, "at least 1 per layer"),
        (["--side", "0"], 2, "at least 1 pixel"),
        (["{folder}/no.png"], 1, r"no\.png: No such file"),
        (["-o", "{folder}/photo.jpg", "--overwrite"], 1, "is the input itself"),
        (["-o", "{folder}/there.png"], 1, "exists already"),
        (["--device", "abacus"], 1, "unknown device 'abacus'"),
    ],
)
def test_refusals_are_one_line(
    photo: Path, capsys: Capture, given: list[str], code: int, reason: str
) -> None:
    there = photo.with_name("there.png")
    there.write_bytes(b"precious")
    filled = [argument.format(folder=photo.parent) for argument in given]
    source = [] if len(filled) == 1 else [photo]
    with pytest.raises(SystemExit) as left:
        main(
            ["features", *map(str, source), "--vgg", str(photo.parent / "vgg.safetensors"), *filled]
        )
    assert left.value.code == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(rf"vidstyle: .*({reason}).*\n", printed.err), printed.err
    assert there.read_bytes() == b"precious"
    assert len(list(photo.parent.iterdir())) == 3
