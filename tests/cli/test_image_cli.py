"""``vidstyle image`` as a user meets it: either engine, what is kept, what is refused."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from toys import toy_photo, write_toy, write_vgg

from vidstyle.cli.engines import SHARED
from vidstyle.cli.main import main
from vidstyle.cli.parameters import Take
from vidstyle.errors import OptimizationError
from vidstyle.image import beside, check_output, fit, read_image, write_image
from vidstyle.options import OptimizeOptions
from vidstyle.options.commands import PictureOutput, RecipeName
from vidstyle.stylizers import RECIPES, OptimizeStylizer

Capture = pytest.CaptureFixture[str]
SIZE = (48, 40)
KEPT = Take(PictureOutput(), without=("output",))


def call(*arguments: str | Path) -> int:
    """The exit code of ``vidstyle image …``."""
    with pytest.raises(SystemExit) as left:
        main(["image", *map(str, arguments), "--device", "cpu"])
    return int(left.value.code or 0)


def quick(folder: Path, *arguments: str | Path) -> int:
    """The same by optimization with toy weights, five steps at one scale."""
    given = ("--iterations", "5", "--scales", "1", "--vgg", folder / "vgg.safetensors")
    return call(folder / "photo.png", *given, "--precision", "fp32", *arguments)


def names(folder: Path) -> set[str]:
    """What has come into the folder."""
    return {path.name for path in folder.iterdir()} - {
        "photo.png",
        "painting.png",
        "other.png",
        "vgg.safetensors",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_vgg(tmp_path / "vgg.safetensors")
    write_image(tmp_path / "photo.png", toy_photo(*SIZE, seed=1))
    write_image(tmp_path / "painting.png", toy_photo(40, 60, seed=2))
    write_image(tmp_path / "other.png", 255 - toy_photo(50, 50, seed=3))
    return tmp_path


@pytest.fixture
def painting(folder: Path) -> Path:
    return folder / "painting.png"


# -- the fast engine ------------------------------------------------------------------------


def test_a_learned_style_is_drawn_at_once(folder: Path, capsys: Capture) -> None:
    assert call(folder / "photo.png", "--style", "wave") == 0
    printed = capsys.readouterr()
    output = folder / "photo.wave.png"
    assert re.fullmatch(rf"{re.escape(str(output))}: 48×40, \d+\.\d s\n", printed.out)
    assert read_image(output).shape == (40, 48, 3)
    assert names(folder) == {output.name}


def test_options_of_the_fast_engine_reach_the_work(folder: Path) -> None:
    style = write_toy(folder / "toy.safetensors")
    drawn = []
    for number, extra in enumerate((("--strength", "0"), ("--color", "keep"), ())):
        output = folder / f"{number}.png"
        assert call(folder / "photo.png", "-s", style, "-o", output, *extra) == 0
        drawn.append(read_image(output).astype(int))
    photo = read_image(folder / "photo.png").astype(int)
    assert np.abs(drawn[0] - photo).mean() < 2
    assert np.abs(drawn[2] - photo).mean() > 4
    inside = ((drawn[1] > 2) & (drawn[1] < 253)).all(axis=2)
    chroma = [picture[..., 0] - picture[..., 2] for picture in (drawn[1], photo)]
    assert np.abs(chroma[0] - chroma[1])[inside].max() <= 4


def test_json_of_the_fast_engine(folder: Path, capsys: Capture) -> None:
    assert call(folder / "photo.png", "-s", "wave", "--progress", "json", "--max-side", "24") == 0
    event = json.loads(capsys.readouterr().out)
    assert event["event"] == "done"
    assert read_image(Path(event["output"])).shape == (20, 24, 3)


def test_jpeg_stays_jpeg(folder: Path) -> None:
    photo = write_image(folder / "a.jpg", toy_photo(*SIZE))
    assert call(photo, "--style", "wave") == 0
    assert (folder / "a.wave.jpg").is_file()


# -- optimization ---------------------------------------------------------------------------


def test_a_painting_is_imitated(folder: Path, painting: Path, capsys: Capture) -> None:
    assert quick(folder, "--style", painting) == 0
    printed = capsys.readouterr()
    output = folder / "photo.painting.png"
    number = r"\d[\d.e-]*"
    assert re.fullmatch(
        rf"{re.escape(str(output))}: 48×40, 5 steps in \d+\.\d s; "
        rf"loss {number}, content {number}, style {number}, tv {number}\n",
        printed.out,
    )
    assert "5/5" in printed.err
    assert re.search(rf"content {number}, style {number}", printed.err)
    result, photo = read_image(output).astype(int), read_image(folder / "photo.png").astype(int)
    assert 3 < np.abs(result - photo).mean() < 60
    assert names(folder) == {output.name}


def test_the_result_is_the_librarys(folder: Path, painting: Path) -> None:
    options = ("--content-weight", "2", "--style-weight", "30", "--tv-weight", "0.5")
    layers = ("--content-layer", "block2_conv2", "--style-layers", "conv1_1:1,relu3_1:0.5")
    how = ("--optimizer", "adam", "--learning-rate", "0.05", "--style-size", "36", "--seed", "3")
    more = ("--init", "noise", "--pooling", "average", "--tolerance", "0", "--scales", "2")
    style = f"{painting}:0.75,{folder / 'other.png'}:0.25"
    out = folder / "out.png"
    assert quick(folder, "-s", style, "-o", out, *options, *layers, *how, *more) == 0
    from vidstyle.models.vgg import load_vgg19

    stylizer = OptimizeStylizer(
        [(read_image(painting), 0.75), (read_image(folder / "other.png"), 0.25)],
        OptimizeOptions(
            content_weight=2,
            style_weight=30,
            tv_weight=0.5,
            content_layers=(("relu2_2", 1.0),),
            style_layers=(("relu1_1", 1.0), ("relu3_1", 0.5)),
            init="noise",
            seed=3,
            optimizer="adam",
            learning_rate=0.05,
            iterations=5,
            scales=2,
            style_size=36,
            pooling="average",
            device="cpu",
            precision="fp32",
        ),
        load_vgg19(folder / "vgg.safetensors", "relu3_1"),
    )
    expected = stylizer(read_image(folder / "photo.png"))
    np.testing.assert_array_equal(read_image(out), expected)


def options_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str | Path
) -> OptimizeOptions:
    """What the engine is asked for by ``vidstyle image … --engine optimize``."""
    heard = []

    class Stylizer:
        def __init__(self, paintings: object, options: OptimizeOptions, vgg: object) -> None:
            heard.append(options)

        def __call__(self, photo: np.ndarray, **more: object) -> np.ndarray:
            return photo

    monkeypatch.setattr("vidstyle.stylizers.OptimizeStylizer", Stylizer)
    vgg = folder / "vgg.safetensors"
    arguments = ("-s", folder / "painting.png", "--vgg", vgg, "--overwrite", *arguments)
    arguments += ("--engine", "optimize")
    assert call(folder / "photo.png", *arguments) == 0
    return heard[0]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_comes_first_and_single_options_change_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    recipe = () if name == "default" else ("--recipe", name)
    usual = options_of(folder, monkeypatch, *recipe)
    expected = RECIPES[name].options
    assert vars(usual) == {**vars(expected), "device": "cpu"}
    changed = options_of(folder, monkeypatch, *recipe, "--style-weight", "7", "--iterations", "3")
    assert vars(changed) == {**vars(usual), "style_weight": 7.0, "iterations": 3}


def test_the_command_line_knows_all_recipes() -> None:
    assert list(get_args(RecipeName)) == list(RECIPES)


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        (("--color", "keep"), "color", "keep"),
        (("--color", "histogram"), "color", "histogram"),
        (("--init", "noise"), "init", "noise"),
        (("--init", "other.png"), "init", "other.png"),
        (("--seed", "0"), "seed", 0),
        (("--tv-weight", "0"), "tv_weight", 0.0),
    ],
)
def test_single_options(
    folder: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str], name: str, value: object
) -> None:
    monkeypatch.chdir(folder)
    assert getattr(options_of(folder, monkeypatch, *given), name) == value


def test_start_from_a_picture(folder: Path, painting: Path) -> None:
    """Too short a way to leave it."""
    start = folder / "other.png"
    out = folder / "out.png"
    given = ("--optimizer", "adam", "--learning-rate", "0.0001", "--init", start, "-o", out)
    assert quick(folder, "-s", painting, *given) == 0
    expected = cv2.resize(read_image(start), SIZE, interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(read_image(out) - expected).mean() < 2


def test_a_name_stands_for_its_swatch_and_starts_from_the_fast_engine(folder: Path) -> None:
    fast, out = folder / "fast.png", folder / "out.png"
    assert call(folder / "photo.png", "-s", "wave", "-o", fast, "--precision", "fp32") == 0
    still = ("--optimizer", "adam", "--learning-rate", "0.0001", "--iterations", "2")
    given = ("-s", "wave", "--engine", "optimize", "--init", "fast", "-o", out, *still)
    vgg = ("--vgg", folder / "vgg.safetensors", "--precision", "fp32")
    assert call(folder / "photo.png", *given, *vgg) == 0
    assert np.abs(read_image(out).astype(int) - read_image(fast)).mean() < 4


# -- what is kept on the way ----------------------------------------------------------------


def test_json_has_a_line_a_step(folder: Path, painting: Path, capsys: Capture) -> None:
    assert quick(folder, "-s", painting, "--progress", "json", "--tv-weight", "0.1") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    *steps, done = map(json.loads, printed.out.splitlines())
    assert [step["event"] for step in steps] == ["progress"] * 5
    assert [step["iteration"] for step in steps] == [1, 2, 3, 4, 5]
    assert {step["total"] for step in steps} == {5}
    for step in (*steps, done):
        assert step["loss"] == pytest.approx(step["content"] + step["style"] + step["tv"])
        assert step["tv"] > 0
    assert steps[-1]["style"] < steps[0]["style"]
    assert done["event"] == "done"
    assert done["output"] == str(folder / "photo.painting.png")
    assert done["steps"] == 5


def test_no_progress(folder: Path, painting: Path, capsys: Capture) -> None:
    assert quick(folder, "-s", painting, "--progress", "none") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert len(printed.out.splitlines()) == 1


def test_intermediate_pictures(folder: Path, painting: Path, capsys: Capture) -> None:
    large = write_image(folder / "photo.png", toy_photo(128, 96))
    given = ("-s", painting, "-o", folder / "b.png", "--save-every", "3", "--scales", "2")
    assert quick(folder, *given) == 0
    series = [f"b.{number:04d}.png" for number in (3, 6, 9)]
    assert names(folder) == {"b.png", *series}
    pictures = [read_image(folder / name) for name in (large.name, *series, "b.png")]
    assert {picture.shape for picture in pictures} == {(96, 128, 3)}
    assert len({picture.tobytes() for picture in pictures}) == 5
    capsys.readouterr()
    (folder / "b.png").unlink()
    assert quick(folder, *given) == 1
    assert re.fullmatch(r"vidstyle: .*b\.0003\.png: exists already.*\n", capsys.readouterr().err)
    assert quick(folder, *given, "--overwrite") == 0


def test_plot(folder: Path, painting: Path) -> None:
    write_image(folder / "photo.png", toy_photo(128, 96))
    assert quick(folder, "-s", painting, "--plot", folder / "plot.png", "--scales", "2") == 0
    picture = read_image(folder / "plot.png")
    assert picture.shape == (480, 1200, 3)
    assert picture.std() > 5
    assert names(folder) == {"photo.painting.png", "plot.png"}


@pytest.mark.parametrize("good", [True, False])
def test_the_last_good_picture_is_kept(
    folder: Path,
    painting: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    good: bool,
) -> None:
    kept = toy_photo(24, 20, seed=9) if good else None

    def fail(self: object, photo: np.ndarray, **more: object) -> np.ndarray:
        raise OptimizationError("the loss became nan", kept)

    monkeypatch.setattr(OptimizeStylizer, "__call__", fail)
    assert quick(folder, "-s", painting) == 1
    printed = capsys.readouterr().err
    if kept is None:
        assert printed == "vidstyle: the loss became nan\n"
        assert names(folder) == set()
    else:
        partial = folder / "photo.painting.partial.png"
        where = f"; the last good picture is in {partial}\n"
        assert printed == f"vidstyle: the loss became nan{where}"
        expected = cv2.resize(kept, SIZE, interpolation=cv2.INTER_CUBIC)
        np.testing.assert_array_equal(read_image(partial), expected)
        assert names(folder) == {partial.name}


def test_a_loss_that_is_no_number(folder: Path, painting: Path, capsys: Capture) -> None:
    given = ("--optimizer", "adam", "--learning-rate", "1e30", "--plot", folder / "plot.png")
    assert quick(folder, "-s", painting, *given) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.search(r"^vidstyle: the loss became .*lower.*photo\.painting\.partial\.png$", last)
    assert names(folder) == {"photo.painting.partial.png", "plot.png"}


@pytest.mark.parametrize("steps", [0, 2])
def test_an_interrupt(
    folder: Path, painting: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, steps: int
) -> None:
    draw: Any = OptimizeStylizer.__call__

    def interrupted(self: object, photo: np.ndarray, listener: Any, **more: object) -> np.ndarray:
        def listen(step: Any) -> None:
            if step.iteration > steps:
                raise KeyboardInterrupt
            listener(step)

        return draw(self, photo, listener=listen)

    monkeypatch.setattr(OptimizeStylizer, "__call__", interrupted)
    assert quick(folder, "-s", painting, "--progress", "none") == 130
    partial = folder / "photo.painting.partial.png"
    kept = f"; what was finished is in {partial}" if steps else ""
    assert capsys.readouterr().err == f"vidstyle: interrupted{kept}\n"
    assert names(folder) == ({partial.name} if steps else set())


@pytest.mark.slow
def test_ctrl_c(folder: Path, painting: Path) -> None:
    start = "from vidstyle.cli.main import main; main()"
    given = ("--vgg", folder / "vgg.safetensors", "--iterations", "100000", "--scales", "1")
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", start, "image", str(folder / "photo.png"), "-s", str(painting)),
            *(*map(str, given), "--progress", "json", "--device", "cpu", "--precision", "fp32"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if json.loads(line)["iteration"] >= 20:
            process.send_signal(signal.SIGINT)
            break
    _out, err = process.communicate(timeout=60)
    partial = folder / "photo.painting.partial.png"
    assert process.returncode == 130
    assert err == f"vidstyle: interrupted; what was finished is in {partial}\n"
    assert names(folder) == {partial.name}
    result, photo = read_image(partial).astype(int), read_image(folder / "photo.png").astype(int)
    assert 3 < np.abs(result - photo).mean() < 80


# -- what is refused ------------------------------------------------------------------------

OTHER_ENGINE = {
    "recipe": "gatys",
    "content-weight": "1",
    "style-weight": "1",
    "tv-weight": "0",
    "content-layer": "relu4_2",
    "style-layers": "relu1_1",
    "init": "content",
    "optimizer": "adam",
    "learning-rate": "1",
    "iterations": "9",
    "tolerance": "0",
    "scales": "1",
    "style-size": "64",
    "pooling": "max",
    "seed": "0",
    "save-every": "5",
    "plot": "a.png",
    "vgg": "a.pth",
}


@pytest.mark.parametrize("option", OTHER_ENGINE)
def test_options_of_optimization_are_not_the_fast_engines(
    folder: Path, capsys: Capture, option: str
) -> None:
    given = (f"--{option}", OTHER_ENGINE[option])
    for engine in ((), ("--engine", "fast")):
        assert call(folder / "photo.png", "-s", "wave", *engine, *given) == 2
        message = capsys.readouterr().err
        assert message == f"vidstyle: --{option} works only with --engine optimize\n"
    assert names(folder) == set()


def test_every_option_of_the_other_engine_is_refused() -> None:
    losses = {p.flags[0] for p in (*Take(OptimizeOptions()).parameters(), *KEPT.parameters())}
    assert losses - SHARED == {f"--{name}" for name in OTHER_ENGINE} - {"--recipe", "--vgg"}


BAD = {
    "strength": (["--strength", "1"], 2, "--strength works only with --engine fast"),
    "tile": (["--tile", "64"], 2, "--tile works only with --engine fast"),
    "strokes": (["--stroke-size", "2"], 2, "--stroke-size works only with --engine fast"),
    "strokes by name": (
        ["-s", "wave", "--stroke-size", "big"],
        2,
        "must be auto or a number, not 'big'",
    ),
    "no strokes": (["-s", "wave", "--stroke-size", "0"], 2, "from 0.25 to 32, not 0"),
    "negative tile": (["-s", "wave", "--tile", "-8"], 2, "tile must be 0 or more, not -8"),
    "a picture to learn": (["--engine", "fast", "--vgg", "{toy}"], 1, "missing|not VGG19"),
    "nothing to learn": (["-s", "wave", "--refine", "9"], 2, "'wave' has been learned already"),
    "too long to learn": (["--engine", "fast", "--refine", "5000"], 2, "0 to 3600 seconds"),
    "histogram": (["-s", "wave", "--color", "histogram"], 2, "works only with --engine optimize"),
    "unknown engine": (["--engine", "slow"], 2, "'slow' is not one of"),
    "unknown recipe": (["--recipe", "cubist"], 2, "'cubist' is not one of"),
    "old spelling": (["--preset", "gatys"], 2, "--preset is now --recipe"),
    "unknown layer": (["--content-layer", "relu4_9"], 2, "no layer 'relu4_9'; did you.*relu4_"),
    "unknown style layer": (["--style-layers", "relu1_1,con3"], 2, "no layer 'con3'"),
    "weights of layers": (["--style-layers", "relu1_1:0"], 2, "all zero"),
    "no layers": (["--style-layers", ""], 2, "no layers"),
    "nothing to aim at": (["--style-weight", "0", "--content-weight", "0"], 2, "both 0"),
    "negative weight": (["--style-weight", "-1"], 2, "--style-weight must be 0 or more, not -1"),
    "no iterations": (["--iterations", "0"], 2, "iterations must be at least 1"),
    "no scales": (["--scales", "0"], 2, "scales must be at least 1"),
    "no style size": (["--style-size", "0"], 2, "--style-size must be at least 1"),
    "save never": (["--save-every", "0"], 2, "--save-every must be at least 1 step"),
    "small photo": (
        ["--max-side", "24", "--style-layers", "relu5_1"],
        2,
        "24×20 pixels, but the layers need at least 32",
    ),
    "no size": (["--max-side", "0"], 2, "--max-side must be at least 2 pixels"),
    "missing photo": (["{folder}/no.png"], 1, r"no\.png: No such file"),
    "no picture": (["{folder}/text.png"], 1, r"text\.png: not a picture"),
    "missing painting": (["-s", "{folder}/no.png"], 1, r"no\.png: No such file"),
    "unreadable painting": (["-s", "{folder}/text.png"], 1, r"text\.png: not a picture"),
    "unknown style": (["-s", "screem", "--engine", "optimize"], 1, "did you mean .*scream"),
    "no swatch": (["-s", "{toy}", "--engine", "optimize"], 1, "has no swatch; give a picture"),
    "weights of paintings": (["-s", "{painting}:0"], 2, "cannot all be zero"),
    "negative painting": (["-s", "{painting}:-1"], 2, "cannot be negative"),
    "missing start": (["--init", "{folder}/no.png"], 1, r"no\.png: No such file"),
    "fast start of a picture": (["--init", "fast"], 2, "no network has learned"),
    "fast start in scales": (["--init", "fast", "--scales", "2"], 2, "leave --scales out"),
    "missing weights": (["--vgg", "{folder}/no.pth"], 1, r"no\.pth: no such VGG19 weights"),
    "foreign weights": (["--vgg", "{toy}"], 1, r"toy\.safetensors: .*missing|not VGG19"),
    "unknown precision": (["--precision", "int4"], 1, "unknown precision 'int4'"),
    "int8": (["--precision", "int8"], 1, "cannot .*optimize in int8"),
    "existing output": (["-o", "{folder}/there.png"], 1, "exists already.*--overwrite"),
    "output is the photo": (["-o", "{photo}", "--overwrite"], 1, "is the input itself"),
    "output is the painting": (["-o", "{painting}", "--overwrite"], 1, "is the input itself"),
    "unknown format": (["-o", "{folder}/a.xyz"], 1, "no picture format '.xyz'"),
    "no suffix": (["-o", "{folder}/a"], 1, "no picture format ''"),
    "no folder": (["-o", "{folder}/no/a.png"], 1, "no directory"),
    "output is a folder": (["-o", "{folder}/dir.png", "--overwrite"], 1, "not a regular file"),
    "plot is no PNG": (["--plot", "{folder}/a.jpg"], 2, "plots are written as PNG"),
    "plot in no folder": (["--plot", "{folder}/no/a.png"], 1, "no folder"),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals_are_one_line(folder: Path, painting: Path, capsys: Capture, case: str) -> None:
    given, code, reason = BAD[case]
    (folder / "text.png").write_text("no picture")
    (folder / "there.png").write_bytes(b"precious")
    (folder / "dir.png").mkdir()
    toy = write_toy(folder / "toy.safetensors")
    places = {"folder": folder, "photo": folder / "photo.png", "painting": painting, "toy": toy}
    filled = [argument.format(**places) for argument in given]
    photo = [] if filled[0].startswith("/") else [folder / "photo.png"]
    style = [] if "-s" in filled else ["-s", painting]
    vgg = [] if {"--vgg", "wave"} & {*filled} else ["--vgg", folder / "vgg.safetensors"]
    engine = [] if {"--engine", "wave"} & {*filled} else ["--engine", "optimize"]
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert call(*photo, *style, *vgg, *engine, "--progress", "none", *filled) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(rf"vidstyle: .*({reason}).*\n", printed.err), printed.err
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


# -- the helpers of pictures ----------------------------------------------------------------


def test_names_beside() -> None:
    assert beside("a/b.c.jpg", "wave") == Path("a/b.c.wave.jpg")


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [((64, 48), 32, (24, 32)), ((30, 60), 20, (20, 10)), ((64, 48), 99, (48, 64))],
)
def test_fit(size: tuple[int, int], limit: int, expected: tuple[int, int]) -> None:
    photo = toy_photo(*size)
    assert fit(photo, limit).shape[:2] == expected
    assert fit(photo, None) is photo


def test_a_free_place_is_no_error(tmp_path: Path) -> None:
    check_output(tmp_path / "a.jpeg")
