"""What stands for a style: pictures by their files, styles by their swatches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bundled import STYLES
from toys import toy_photo, write_toy

from vidstyle.errors import InputError, OptionError, StyleError
from vidstyle.image import read_image, write_image
from vidstyle.styles import available_styles, has_pictures, load_paintings
from vidstyle.styles.registry import BUNDLED


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder: ``alpha`` with a swatch, ``beta`` and another ``wave`` without."""
    folder = tmp_path / "own"
    (folder / "swatches").mkdir(parents=True)
    write_toy(folder / "mine.safetensors", ["alpha", "beta", "wave"])
    write_image(folder / "swatches" / "alpha.jpg", toy_photo())
    monkeypatch.setenv("VIDSTYLE_STYLES", str(folder))
    return folder


@pytest.mark.parametrize("name", STYLES)
def test_every_bundled_style_has_a_small_swatch(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDSTYLE_STYLES", str(tmp_path))
    swatch = available_styles()[name].swatch
    assert swatch == BUNDLED.parent / "swatches" / f"{name}.jpg"
    assert swatch.stat().st_size <= 60_000
    picture = read_image(swatch)
    assert picture.shape == (512, 512, 3)
    squares = picture.reshape(8, 64, 8, 64, 3).astype(float)
    assert squares.std(axis=(1, 3)).max(axis=-1).min() > 2  # something is painted everywhere


def test_the_photo_itself_has_none() -> None:
    assert available_styles()["photo"].swatch is None


def test_swatches_lie_beside_the_style_file(own: Path) -> None:
    found = available_styles()
    assert found["alpha"].swatch == own / "swatches" / "alpha.jpg"
    assert found["beta"].swatch is None
    assert found["wave"].swatch is None  # the user's wave is not Hokusai's


def test_pictures_and_styles_with_weights(own: Path) -> None:
    photo = write_image(own / "a.b.png", toy_photo(30, 20))
    paintings = load_paintings(f"{photo}:0.7,alpha:2")
    assert paintings.label == "a.b+alpha"
    assert paintings.paths == (photo, own / "swatches" / "alpha.jpg")
    (first, second), weights = zip(*paintings.weighted, strict=True)
    assert weights == (0.7, 2.0)
    np.testing.assert_array_equal(first, read_image(photo))
    np.testing.assert_array_equal(second, read_image(own / "swatches" / "alpha.jpg"))


def test_a_style_of_a_file(own: Path) -> None:
    paintings = load_paintings(f"{own / 'mine.safetensors'}#alpha")
    assert paintings.label == "alpha"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("scream", False),
        ("a.jpg", True),
        ("scream,b.PNG:2", True),
        ("my.safetensors#x", False),
        ("photo", False),
    ],
)
def test_which_styles_are_pictures(spec: str, expected: bool) -> None:
    assert has_pictures(spec) is expected


def test_what_cannot_be_seen(own: Path) -> None:
    with pytest.raises(StyleError, match="style 'beta' has no swatch; give a picture"):
        load_paintings("beta")
    with pytest.raises(StyleError, match="'photo' has no swatch"):
        load_paintings("photo")
    with pytest.raises(StyleError, match="unknown style 'alhpa'; did you mean alpha"):
        load_paintings("alhpa")
    with pytest.raises(InputError, match=r"no\.jpg: No such file"):
        load_paintings(own / "no.jpg")
    with pytest.raises(OptionError, match="all be zero"):
        load_paintings("alpha:0")
