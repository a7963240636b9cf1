"""Drafts and fine pictures, and who computes them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from toys import toy_photo

from vidstyle.errors import DeviceError, OptionError, StyleError
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.stylizers.strokes import upscale_fast


def engine(style: str = "scream", **options: object) -> FastStylizer:
    chosen = {"device": "cpu", "precision": "fp32", **options}
    return FastStylizer(style, FastOptions(**chosen))  # type: ignore[arg-type]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


def halved(image: np.ndarray) -> np.ndarray:
    size = image.shape[1] // 2, image.shape[0] // 2
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
@pytest.mark.parametrize("style", ["scream", "wave", "starry_night", "scream:0.5,wave:0.5"])
def test_a_draft_is_what_the_backbone_draws(style: str, backend: str) -> None:
    photo = toy_photo(192, 144)
    draft, whole = (engine(style, backend=backend, quality=q) for q in ("draft", "standard"))
    drawn = draft.draw(photo[None])[0]
    assert drawn.shape == (72, 96, 3)
    assert psnr(drawn, halved(whole(photo))) > 18
    assert psnr(halved(photo), halved(whole(photo))) < 17


@pytest.mark.parametrize(("width", "height"), [(64, 48), (33, 47), (1, 1), (2, 3), (300, 7)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_drafts_of_any_size_and_type(width: int, height: int, dtype: type) -> None:
    photo = toy_photo(width, height).astype(dtype)
    result = engine(quality="draft")(photo)
    assert result.shape == photo.shape
    assert result.dtype == dtype


def test_a_draft_of_no_strength_is_the_photo() -> None:
    photo = cv2.GaussianBlur(toy_photo(96, 64), (0, 0), 1)
    assert psnr(engine(quality="draft", strength=0.0)(photo), photo) > 40


def test_a_draft_can_keep_colours() -> None:
    photo = 64 + toy_photo(96, 64) // 2
    result = engine(quality="draft", color="keep")(photo)
    inside = ((result > 0) & (result < 255)).all(axis=2)
    change = result[inside].astype(int) - photo[inside]
    assert inside.mean() > 0.5
    assert np.ptp(change, axis=1).max() <= 1
    assert np.abs(change).mean() > 5


def test_a_draft_can_be_steered() -> None:
    stylizer = engine(quality="draft")
    photo = toy_photo(96, 64)
    first = stylizer(photo)
    stylizer.set_style_vector(engine("wave").style.vector)
    np.testing.assert_array_equal(stylizer(photo), engine("wave", quality="draft")(photo))
    assert psnr(first, stylizer(photo)) < 20


def test_what_a_drawing_follows_is_as_sharp_as_the_photo() -> None:
    """A drawing that is the photo in other tones gets its edges back."""
    rng = np.random.default_rng(0)
    grey = cv2.resize(rng.integers(0, 256, (12, 16), np.uint8), (128, 96), interpolation=0)
    photo = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    wanted = (40 + 0.6 * photo).astype(np.uint8)
    small, drawn = halved(photo), halved(wanted)
    plain = cv2.resize(drawn, (128, 96), interpolation=cv2.INTER_CUBIC)
    result = upscale_fast(photo, small, drawn)
    assert psnr(result, wanted) > psnr(plain, wanted) + 3


def test_fine_is_fp32_unless_a_precision_is_given() -> None:
    assert engine(quality="fine", precision="auto").precision == torch.float32
    assert engine(quality="fine", precision="bf16").precision == torch.bfloat16


def test_what_is_refused() -> None:
    with pytest.raises(OptionError, match="draft, standard or fine"):
        FastOptions(quality="best")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="leave --tile out"):
        FastOptions(quality="draft", tile=64)
    with pytest.raises(OptionError, match="auto, torch or openvino"):
        engine(backend="tensorrt")
    with pytest.raises(DeviceError, match="fp32 or bf16, not on cpu in fp16"):
        engine(backend="openvino", precision="fp16")


def test_without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidstyle.device.find_spec", lambda name: None)
    monkeypatch.delenv("VIDSTYLE_OPENVINO")
    assert engine().backend == "torch"
    with pytest.raises(DeviceError, match=r"pip install 'vidstyle\[openvino\]'"):
        engine(backend="openvino")


def test_openvino_is_chosen_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine().backend == "torch"  # as the tests have it
    monkeypatch.delenv("VIDSTYLE_OPENVINO")
    assert engine().backend == "openvino"
    assert engine(precision="fp16").backend == "torch"
    assert engine(backend="torch").backend == "torch"


def test_styles_of_other_backbones_have_no_drafts() -> None:
    from toys import toy_style

    with pytest.raises(StyleError, match="no draft"):
        FastStylizer(toy_style(), FastOptions(device="cpu", quality="draft"))
