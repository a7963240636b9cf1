"""Exported files: whole, described, faithful, or not there."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from bundled import STYLES
from toys import toy_file, toy_photo, toy_style, write_toy

import vidstyle
from vidstyle import ExportOptions, FastOptions, FastStylizer, export_style
from vidstyle.errors import OptionError, OutputError, StyleError
from vidstyle.export import LEAST_FIDELITY, measure_fidelity
from vidstyle.styles import Style, load_style, write_style_file
from vidstyle.styles.registry import BUNDLED


def draw(path: Path, image: np.ndarray, **more: np.ndarray) -> np.ndarray:
    """A uint8 picture by a file that takes such."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    (painting,) = session.run(["painting"], {"image": image[None], **more})
    return painting[0]


def product(style: str | Style, image: np.ndarray, strength: float = 1.0) -> np.ndarray:
    options = FastOptions(device="cpu", precision="fp32", strength=strength)
    return FastStylizer(style, options)(image)


def facts(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def gap(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b).max())


def test_a_file_is_whole_and_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "wave.onnx"
    made = export_style("wave", path)
    assert (made.path, made.bytes) == (path, path.stat().st_size)
    assert made.fidelity is not None and 100 < made.fidelity <= 150
    assert list(tmp_path.iterdir()) == [path]
    assert facts(path) == {
        "name": "wave",
        "title": "The Great Wave off Kanagawa",
        "artist": "Katsushika Hokusai",
        "year": "1831",
        "licence": load_style("wave").licence,
        "strength": "1",
        "precision": "fp32",
        "pixels": "RGB float32 N×3×H×W, 0 to 1",
        "smallest_size": "1x1",
        "vidstyle": vidstyle.__version__,
    }
    assert "The Great Wave off Kanagawa, Katsushika Hokusai, 1831" in onnx.load(path).doc_string


@pytest.mark.parametrize("strength", [0.0, 0.6, 1.0])
def test_blends_and_strengths_are_those_of_the_product(tmp_path: Path, strength: float) -> None:
    spec, photo = "scream:0.7,wave:0.3", toy_photo(97, 64)
    options = ExportOptions(strength, pixels="uint8")
    made = export_style(spec, tmp_path / "out.onnx", options)
    painting = draw(made.path, photo)
    assert gap(painting, product(spec, photo, strength)) <= 1
    assert (gap(painting, photo) <= 1) == (strength == 0)
    described = facts(made.path)
    assert described["name"] == "scream+wave"
    assert described["title"] == "The Scream + The Great Wave off Kanagawa"
    assert described["strength"] == f"{strength:g}"


@pytest.mark.parametrize("pixels", ["float", "uint8"])
def test_half_precision_is_measured_too(tmp_path: Path, pixels: str) -> None:
    made = export_style(
        "udnie", tmp_path / "a.onnx", ExportOptions(precision="fp16", pixels=pixels)
    )
    assert made.fidelity is not None and 50 < made.fidelity < 90
    assert made.bytes < 1_400_000


def test_a_users_style_with_a_backbone_and_a_licence_of_its_own(tmp_path: Path) -> None:
    file = replace(toy_file(), licence="CC0-1.0")
    source = write_style_file(file, tmp_path / "mine.safetensors")
    made = export_style(source, tmp_path / "mine.onnx", ExportOptions(pixels="uint8"))
    assert facts(made.path)["licence"] == "CC0-1.0"
    photo = toy_photo(70, 50)
    assert gap(draw(made.path, photo), product(str(source), photo)) <= 1


def test_a_steerable_file_holds_all_styles_of_its_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDSTYLE_STYLES", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    write_toy(tmp_path / "own" / "mine.safetensors", ["alpha"])
    options = ExportOptions(0.5, pixels="uint8", steerable=True)
    made = export_style("scream", tmp_path / "all.onnx", options)
    described, photo = facts(made.path), toy_photo(64, 48)
    styles = json.loads(described["styles"])
    assert set(styles) == {*STYLES, "photo"}
    for name, numbers in styles.items():
        vector = np.array([numbers], np.float32)
        expected = product(str(BUNDLED) + "#" + name, photo)
        assert gap(draw(made.path, photo, style=vector), expected) <= 1
    half = np.array([json.loads(described["style"])], np.float32)
    assert gap(draw(made.path, photo, style=half), product("scream", photo, 0.5)) <= 1


def test_the_name_is_the_styles_unless_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export_style(toy_style()).path == Path("toy.onnx")
    assert Path("toy.onnx").is_file()


def test_what_draws_otherwise_than_torch_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "toy.onnx"
    path.write_bytes(b"precious")
    monkeypatch.setitem(LEAST_FIDELITY, "fp32", 160)
    with pytest.raises(OutputError, match=r"toy\.onnx: not written, .* 1\d\d\.\d dB .* than 160"):
        export_style(toy_style(), path, ExportOptions(overwrite=True))
    nothing = replace(toy_style(), vector=torch.nan * toy_style().vector)
    with pytest.raises(OutputError, match=r"toy\.onnx: not written, .* nan dB .* than 45"):
        export_style(nothing, path, ExportOptions(precision="fp16", overwrite=True))
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("pixels", ["float", "uint8"])
def test_what_is_measured(tmp_path: Path, pixels: str) -> None:
    options = ExportOptions(0.5, pixels=pixels)
    path = export_style(toy_style(), tmp_path / "a.onnx", options).path
    assert measure_fidelity(path, toy_style(), options) > 80
    assert measure_fidelity(path, toy_style(1), options) < 30
    assert 20 < measure_fidelity(path, toy_style(), replace(options, strength=0.48)) < 50


def test_without_onnx_runtime_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    made = export_style(toy_style(), tmp_path / "a.onnx")
    assert made.fidelity is None
    onnx.checker.check_model(str(made.path), full_check=True)


def test_without_onnx_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(OptionError, match=r"pip install 'vidstyle\[onnx\]'"):
        export_style(toy_style(), tmp_path / "a.onnx")


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    there = tmp_path / "there.onnx"
    there.write_bytes(b"precious")
    (tmp_path / "folder.onnx").mkdir()
    for name, reason in (
        ("there.onnx", "exists already"),
        ("folder.onnx", "is not a regular file"),
        ("no/a.onnx", "there is no directory"),
        ("a.mp4", r"name it a\.onnx"),
    ):
        with pytest.raises(OutputError, match=reason):
            export_style(toy_style(), tmp_path / name)
    assert there.read_bytes() == b"precious"
    export_style(toy_style(), there, ExportOptions(overwrite=True))
    assert there.stat().st_size > 1000


@pytest.mark.parametrize(
    ("style", "error", "reason"),
    [
        ("screem", StyleError, "did you mean scream"),
        ("painting.jpg", OptionError, "only trained styles"),
    ],
)
def test_styles_that_cannot_be(
    tmp_path: Path, style: str, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        export_style(style, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"strength": 1.1}, {"precision": "int8"}, {"pixels": "rgb"}])
def test_options_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        ExportOptions(**wrong)  # type: ignore[arg-type]
