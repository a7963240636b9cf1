"""``vidstyle export`` as a user meets it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import onnx
import pytest
from toys import write_toy

from vidstyle.cli.main import main

Capture = pytest.CaptureFixture[str]


def export(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main(["export", *map(str, arguments)])
    return int(left.value.code or 0)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A style file in the current folder."""
    monkeypatch.chdir(tmp_path)
    return write_toy(tmp_path / "toy.safetensors")


def test_one_line_tells_what_was_written(toy: Path, capsys: Capture) -> None:
    assert export(toy) == 0
    printed = capsys.readouterr()
    line = r"alpha\.onnx: 0\.\d MB, fp32, 1\d\d dB from torch in ONNX Runtime\n"
    assert re.fullmatch(line, printed.out)
    assert printed.err == ""
    assert (toy.parent / "alpha.onnx").is_file()


def test_options_reach_the_file(toy: Path) -> None:
    given = ("--strength", "0.5", "--precision", "fp16", "--pixels", "uint8", "--steerable")
    assert export(toy, *given, "-o", "out.onnx") == 0
    model = onnx.load(toy.parent / "out.onnx")
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert (facts["strength"], facts["precision"]) == ("0.5", "fp16")
    assert facts["pixels"] == "RGB uint8 N×H×W×3, 0 to 255"
    styles = json.loads(facts["styles"])
    assert set(styles) == {"photo", "alpha"}
    assert len(json.loads(facts["style"])) == len(styles["alpha"]) > 100
    assert [value.name for value in model.graph.input] == ["image", "style"]


@pytest.mark.parametrize(
    ("given", "code", "reason"),
    [
        (["screem"], 1, "unknown style 'screem'; did you mean scream"),
        (["photo.jpg"], 2, "'photo.jpg': only trained styles"),
        (["{toy}", "-o", "there.onnx"], 1, "there.onnx: exists already"),
        (["{toy}", "-o", "a.pt"], 1, r"a\.pt: exports are ONNX files; name it a\.onnx"),
        (["{toy}", "-o", "no/a.onnx"], 1, "no/a.onnx: there is no directory no"),
        (["{toy}", "--strength", "2"], 2, "strength must be from 0 to 1, not 2"),
        (["{toy}", "--precision", "int8"], 2, "'int8' is not one of"),
        (["{toy}", "--pixels", "rgb"], 2, "'rgb' is not one of"),
        ([], 2, "Missing argument 'STYLE'"),
    ],
)
def test_refusals_are_one_line(
    toy: Path, capsys: Capture, given: list[str], code: int, reason: str
) -> None:
    (toy.parent / "there.onnx").write_bytes(b"precious")
    before = {path: path.read_bytes() for path in toy.parent.iterdir()}
    assert export(*(argument.format(toy=toy) for argument in given)) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(rf"vidstyle: .*({reason}).*\n", printed.err), printed.err
    assert {path: path.read_bytes() for path in toy.parent.iterdir()} == before


def test_overwrite(toy: Path) -> None:
    (toy.parent / "there.onnx").write_bytes(b"old")
    assert export(toy, "-o", "there.onnx", "--overwrite") == 0
    assert (toy.parent / "there.onnx").stat().st_size > 1000


def test_what_to_install(toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert export(toy) == 2
    assert capsys.readouterr().err == (
        "vidstyle: export needs onnx: pip install 'vidstyle[onnx]'\n"
    )


def test_a_note_when_nothing_was_compared(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert export(toy) == 0
    printed = capsys.readouterr()
    assert re.fullmatch(r"alpha\.onnx: 0\.\d MB, fp32\n", printed.out)
    assert re.fullmatch(r"vidstyle: note: not compared .* onnxruntime .*\n", printed.err)


def test_help(capsys: Capture) -> None:
    assert export("--help") == 0
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    for option in ("--output", "--strength", "--precision", "--pixels", "--steerable"):
        assert option in shown
