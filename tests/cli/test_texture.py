"""``vidstyle texture`` and ``vidstyle reconstruct``: from noise to a texture, or to a photo."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from toys import toy_photo, write_toy, write_vgg

from vidstyle.cli.main import main
from vidstyle.image import read_image, write_image
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import load_vgg19

Capture = pytest.CaptureFixture[str]


def call(command: str, folder: Path, *arguments: str | Path) -> int:
    """The exit code of ``vidstyle COMMAND …`` with toy weights on a small picture."""
    usual = ("--vgg", folder / "vgg.safetensors", "--device", "cpu", "--precision", "fp32")
    with pytest.raises(SystemExit) as left:
        main([command, *map(str, (*arguments, *usual))])
    return int(left.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_vgg(tmp_path / "vgg.safetensors")
    write_image(tmp_path / "painting.png", toy_photo(56, 48, seed=2))
    return tmp_path


@pytest.fixture
def painting(folder: Path) -> Path:
    return folder / "painting.png"


def responses(folder: Path, picture: np.ndarray, layer: str) -> np.ndarray:
    vgg = load_vgg19(folder / "vgg.safetensors", layer)
    return vgg(as_tensor(picture), [layer])[layer][0].flatten(1).double().numpy()


def gram(folder: Path, picture: np.ndarray) -> np.ndarray:
    rows = responses(folder, picture, "relu2_1")
    return rows @ rows.T / rows.shape[1]


# -- textures -------------------------------------------------------------------------------


def test_a_texture_has_the_paintings_gram_matrix(
    folder: Path, painting: Path, capsys: Capture
) -> None:
    given = ("--size", "40x32", "--style-layers", "relu1_1,conv2_1:2", "--tv-weight", "0")
    how = ("--iterations", "60", "--pooling", "max")
    assert call("texture", folder, painting, *given, *how) == 0
    output = folder / "painting.texture.png"
    result = read_image(output)
    assert result.shape == (32, 40, 3)
    assert re.match(rf"{re.escape(str(output))}: 40×32, \d+ steps in ", capsys.readouterr().out)
    target = gram(folder, read_image(painting))
    noise = np.random.default_rng(0).integers(0, 256, result.shape, np.uint8)
    gaps = [np.square(gram(folder, p) - target).sum() for p in (result, noise)]
    assert gaps[0] < 0.05 * gaps[1]


@pytest.mark.parametrize(("size", "shape"), [("36", (36, 36, 3)), ("33X48", (48, 33, 3))])
def test_sizes(folder: Path, painting: Path, size: str, shape: tuple[int, int, int]) -> None:
    out = folder / "out.png"
    given = ("--size", size, "--iterations", "1", "--progress", "none", "-o", out)
    assert call("texture", folder, painting, *given) == 0
    assert read_image(out).shape == shape


@pytest.mark.parametrize("command", ["texture", "reconstruct"])
def test_seeds(folder: Path, painting: Path, command: str) -> None:
    how = ("--iterations", "3", "--progress", "none", "--overwrite", "-o", folder / "out.png")
    size = ("--size", "40") if command == "texture" else ()
    drawn = []
    for seed in ("1", "1", "2"):
        assert call(command, folder, painting, *size, *how, "--seed", seed) == 0
        drawn.append(read_image(folder / "out.png"))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.abs(drawn[0].astype(int) - drawn[2]).mean() > 3


def test_the_texture_of_a_style_by_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = folder / "own"
    (own / "swatches").mkdir(parents=True)
    write_toy(own / "mine.safetensors", ["alpha"])
    write_image(own / "swatches" / "alpha.jpg", toy_photo(48, 48))
    monkeypatch.setenv("VIDSTYLE_STYLES", str(own))
    monkeypatch.chdir(folder)
    given = ("--size", "32", "--iterations", "2", "--progress", "none")
    assert call("texture", folder, "alpha", *given) == 0
    assert read_image(folder / "alpha.texture.png").shape == (32, 32, 3)
    assert call("texture", folder, "alpha:3,painting.png:1", *given) == 0
    assert (folder / "alpha+painting.texture.png").is_file()


def test_steps_pictures_and_curves(folder: Path, painting: Path, capsys: Capture) -> None:
    out, plot = folder / "out.jpg", folder / "plot.png"
    given = ("--size", "64", "--iterations", "4", "--scales", "2", "--progress", "json", "-o", out)
    assert call("texture", folder, painting, *given, "--save-every", "4", "--plot", plot) == 0
    *steps, done = map(json.loads, capsys.readouterr().out.splitlines())
    assert [step["scale"] for step in steps] == 4 * [1] + 4 * [2]
    assert {step["content"] for step in steps} == {0}
    assert done["steps"] == 8
    for name in ("out.0004.jpg", "out.0008.jpg", "out.jpg"):
        assert read_image(folder / name).shape == (64, 64, 3)
    assert read_image(plot).std() > 5


BAD = {
    "no size": (["--size", "large"], 2, "'large' is not a size"),
    "three sides": (["--size", "4x4x4"], 2, "'4x4x4' is not a size"),
    "no pixels": (["--size", "0x64"], 2, "'0x64' is not a size"),
    "too small": (["--size", "40x12"], 2, "40×12 pixels, but the layers need at least 16"),
    "unknown layer": (["--style-layers", "rely3_1"], 2, "no layer 'rely3_1'; did you mean relu3_1"),
    "weights": (["--style-layers", "relu1_1:0,relu2_1:0"], 2, "all zero"),
    "old spelling": (["--layers", "relu1_1"], 2, "--layers is now --style-layers"),
    "missing": (["{folder}/no.png"], 1, r"no\.png: No such file"),
    "unknown style": (["screem"], 1, "unknown style 'screem'; did you mean .*scream"),
    "existing": (["-o", "{folder}/there.png"], 1, "exists already"),
    "itself": (["-o", "{painting}", "--overwrite"], 1, "is the input itself"),
    "save never": (["--save-every", "-1"], 2, "--save-every must be at least 1 step"),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals_are_one_line(folder: Path, painting: Path, capsys: Capture, case: str) -> None:
    given, code, reason = BAD[case]
    (folder / "there.png").write_bytes(b"precious")
    filled = [argument.format(folder=folder, painting=painting) for argument in given]
    source = [] if len(filled) == 1 else [painting]
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert call("texture", folder, *source, *filled) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(rf"vidstyle: .*({reason}).*\n", printed.err), printed.err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


# -- reconstruction -------------------------------------------------------------------------


def test_a_reconstruction_looks_alike_to_the_layer(
    folder: Path, painting: Path, capsys: Capture
) -> None:
    given = ("--content-layer", "block2_conv1", "--tv-weight", "0")
    how = ("--iterations", "80", "--pooling", "max")
    assert call("reconstruct", folder, painting, *given, *how) == 0
    output = folder / "painting.relu2_1.png"
    assert re.match(rf"{re.escape(str(output))}: 56×48, ", capsys.readouterr().out)
    result, photo = read_image(output), read_image(painting)
    noise = np.random.default_rng(0).integers(0, 256, photo.shape, np.uint8)
    target, near, far = (responses(folder, p, "relu2_1") for p in (photo, result, noise))
    assert np.square(near - target).sum() < 0.05 * np.square(far - target).sum()


def test_a_smaller_reconstruction_by_several_layers(folder: Path, painting: Path) -> None:
    given = ("--content-layer", "relu1_1,relu2_1:0.5", "--max-side", "28", "--iterations", "2")
    assert call("reconstruct", folder, painting, *given, "--progress", "none") == 0
    assert read_image(folder / "painting.relu1_1+relu2_1.png").shape == (24, 28, 3)


@pytest.mark.parametrize(
    ("given", "code", "reason"),
    [
        (["--content-layer", "relu6_1"], 2, "no layer 'relu6_1'; did you mean"),
        (
            ["--content-layer", "relu5_1", "--max-side", "28"],
            2,
            "28×24 pixels, but the layers need at least 32",
        ),
        (["-o", "{painting}", "--overwrite"], 1, "is the input itself"),
        (["{folder}/no.png"], 1, r"no\.png: No such file"),
    ],
)
def test_refused_reconstructions(
    folder: Path, painting: Path, capsys: Capture, given: list[str], code: int, reason: str
) -> None:
    filled = [argument.format(folder=folder, painting=painting) for argument in given]
    source = [] if len(filled) == 1 else [painting]
    assert call("reconstruct", folder, *source, *filled) == code
    assert re.fullmatch(rf"vidstyle: .*({reason}).*\n", capsys.readouterr().err)
    assert {path.name for path in folder.iterdir()} == {"painting.png", "vgg.safetensors"}
