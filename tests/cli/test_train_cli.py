"""``vidstyle train``: from paintings and photos to a style file, and the table on the way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from safetensors.torch import save_file
from toys import toy_photo, toy_vgg, write_photos, write_toy

from vidstyle.cli.main import main
from vidstyle.image import write_image
from vidstyle.styles import load_style, read_style_file
from vidstyle.styles.registry import BUNDLED
from vidstyle.train import Trainer, TrainEvent

Capture = pytest.CaptureFixture[str]
QUICK = ("--batch-size", "2", "--crop", "32", "--early-crop", "32", "--device", "cpu")


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos, paintings, and a toy VGG19 in the environment."""
    write_photos(tmp_path / "photos", 3)
    (tmp_path / "paintings").mkdir()
    for number, name in enumerate(("monet", "klee")):
        write_image(tmp_path / "paintings" / f"{name}.png", toy_photo(seed=number))
    save_file(toy_vgg(), tmp_path / "vgg.safetensors")
    monkeypatch.setenv("VIDSTYLE_VGG19", str(tmp_path / "vgg.safetensors"))
    return tmp_path


def train(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main(["train", *map(str, arguments), *QUICK])
    return int(left.value.code or 0)


def flags(studio: Path, steps: int = 2) -> tuple[str | Path, ...]:
    output = studio / "out" / "new.safetensors"
    output.parent.mkdir(exist_ok=True)
    return ("--photos", studio / "photos", "-o", output, "--steps", str(steps))


def test_one_painting_on_the_bundled_backbone(studio: Path, capsys: Capture) -> None:
    painting = studio / "paintings" / "klee.png"
    about = ("--name", "fish", "--title", "Fish Magic", "--artist", "Klee", "--year", "1925")
    assert train(painting, *about, *flags(studio)) == 0
    output = studio / "out" / "new.safetensors"
    head, row, end = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["step", "done", "time"]
    assert {"style", "content", "stability"} <= set(head.split())
    assert re.fullmatch(r" +2 +100\.0% +\d+( +\d+\.\d{4}){4,}", row)
    assert end == f"{output}: fish; 2 steps"
    info = read_style_file(output).infos["fish"]
    assert (info.title, info.artist, info.year) == ("Fish Magic", "Klee", "1925")
    assert read_style_file(output).backbone_id == read_style_file(BUNDLED).backbone_id
    assert load_style(output).label == "fish"
    assert sorted(path.name for path in output.parent.iterdir()) == [
        "new.checkpoint.safetensors",
        "new.safetensors",
        "new.sheet.png",
    ]


def test_another_file_to_build_on(studio: Path, capsys: Capture) -> None:
    base = write_toy(studio / "base.safetensors", ["klee"], seed=5)
    painting = studio / "paintings" / "klee.png"
    assert train(painting, "--from", base, *flags(studio)) == 0
    output = studio / "out" / "new.safetensors"
    assert read_style_file(output).backbone_id == read_style_file(base).backbone_id
    assert train(painting, "--from", studio / "nosuch.safetensors", *flags(studio)) == 1
    assert "nosuch.safetensors" in capsys.readouterr().err


@pytest.mark.slow
def test_a_folder_of_paintings_and_the_backbone(studio: Path, capsys: Capture) -> None:
    catalog = studio / "catalog.toml"
    catalog.write_text('[klee]\ntitle = "Fish Magic"\nweight = 0.5\n')
    assert train(studio / "paintings", "--full", "--catalog", catalog, *flags(studio, 6)) == 0
    head, *_rows, end = capsys.readouterr().out.splitlines()
    assert {"monet", "klee"} <= set(head.split())
    assert end.endswith("klee, monet, photo; 6 steps")
    file = read_style_file(studio / "out" / "new.safetensors")
    assert file.backbone is not None
    assert file.infos["klee"].title == "Fish Magic"
    assert file.infos["klee"].training["weight"] == 0.5
    assert file.infos["monet"].training["weight"] == 1.0


def test_resuming(studio: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    painting, real = studio / "paintings" / "klee.png", Trainer.train
    arguments = (painting, *flags(studio, 3))

    def interrupted(self: Trainer, listener: object) -> object:
        def stop(event: TrainEvent) -> None:
            raise KeyboardInterrupt

        object.__setattr__(self.options, "log_every", 1)
        return real(self, stop)

    monkeypatch.setattr(Trainer, "train", interrupted)
    assert train(*arguments) == 130
    assert capsys.readouterr().err.endswith("vidstyle: interrupted\n")
    monkeypatch.setattr(Trainer, "train", real)
    assert train(*arguments, "--resume") == 0
    assert capsys.readouterr().out.endswith("klee; 3 steps\n")


BAD = {
    "no photos": (["{klee}", "--photos", "{empty}"], 1, "no photos"),
    "no such photos": (["{klee}", "--photos", "{empty}/no"], 1, "no such folder"),
    "no painting": (["{empty}/no.png"], 1, r"no\.png: No such file"),
    "no paintings": (["{empty}"], 1, "no paintings"),
    "no picture": (["{catalog}"], 1, r"catalog\.toml: not a picture"),
    "no VGG19": (["{klee}", "--vgg", "{empty}/no.pth"], 1, "no such VGG19 weights"),
    "other weights": (["{klee}", "--vgg", "{catalog}"], 1, "cannot be read as VGG19"),
    "no checkpoint": (["{klee}", "--resume"], 1, "no checkpoint"),
    "no output folder": (["{klee}", "-o", "{empty}/no/a.safetensors"], 1, "no folder"),
    "one name for two": (["{paintings}", "--name", "a"], 2, "need a single painting"),
    "no name for a blend": (["{klee}", "--name", "a:b"], 2, "cannot name a style"),
    "the identity's name": (["{klee}", "--name", "photo"], 1, "named 'photo'"),
    "small crops": (["{klee}", "--crop", "8"], 2, "crop must be at least 32"),
    "steps and minutes": (["{klee}", "--minutes", "1"], 2, "either"),
    "unknown device": (["{klee}", "--device", "abacus"], 1, "abacus"),
    "missing catalogue": (["{klee}", "--catalog", "{empty}/no.toml"], 1, "no.toml"),
    "no TOML": (["{klee}", "--catalog", "{klee}"], 1, "not a TOML catalogue"),
    "unknown entry": (["{klee}", "--catalog", "{catalog}"], 1, r"\[klee\]"),
    "a number for a text": (["{monet}", "--catalog", "{catalog}"], 2, "text, not 1872"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(studio: Path, capsys: Capture, case: str) -> None:
    arguments, code, reason = BAD[case]
    (studio / "empty").mkdir()
    (studio / "catalog.toml").write_text("[klee]\ncolour = 3\n[monet]\nyear = 1872\n")
    places = {
        "klee": studio / "paintings" / "klee.png",
        "monet": studio / "paintings" / "monet.png",
        "paintings": studio / "paintings",
        "catalog": studio / "catalog.toml",
        "empty": studio / "empty",
    }
    with pytest.raises(SystemExit) as left:
        filled = [argument.format(**places) for argument in arguments]
        main(["train", *map(str, (*flags(studio), *QUICK)), *filled])
    printed = capsys.readouterr()
    assert re.fullmatch(rf"vidstyle: .*{reason}.*\n", printed.err), printed.err
    assert left.value.code == code
    assert printed.out == ""
    assert list((studio / "out").iterdir()) == list((studio / "empty").iterdir()) == []
