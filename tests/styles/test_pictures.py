"""The bundled styles keep what is in a photo and look like their paintings.

Bounds that no style may cross, on photos that no network was trained on.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vidstyle.image import read_image, resize_short_side
from vidstyle.models import losses
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.styles import StyleFile, read_style_file
from vidstyle.styles.registry import BUNDLED

pytestmark = [pytest.mark.data, pytest.mark.slow]

PHOTOS = ("woman", "deer", "church")
STYLES = [name for name in read_style_file(BUNDLED).vectors if name != "photo"]


@pytest.fixture(scope="module")
def vgg(data: Path) -> VGG19:
    return load_vgg19(next((data / "vgg19").glob("*.safetensors")), last=losses.STYLE_LAYERS[-1])


@pytest.fixture(scope="module")
def bundled() -> StyleFile:
    return read_style_file(BUNDLED)


def painting(data: Path, file: StyleFile, name: str) -> torch.Tensor:
    own = str(file.infos[name].training.get("painting", f"{name}.jpg"))
    folders = (data / "paintings", data / "paintings" / "more")
    path = next(folder / own for folder in folders if (folder / own).is_file())
    return as_tensor(resize_short_side(read_image(path), 512))


@pytest.mark.parametrize("name", STYLES)
@torch.inference_mode()
def test_faces_and_figures_survive(data: Path, vgg: VGG19, bundled: StyleFile, name: str) -> None:
    network, vector = bundled.network(), bundled.vectors[name][None]
    target = losses.gram_matrices(
        vgg(painting(data, bundled, name), losses.STYLE_LAYERS), losses.STYLE_LAYERS
    )
    rows = []
    for photo_name in PHOTOS:
        photo = as_tensor(
            resize_short_side(read_image(data / f"photos_test/{photo_name}.jpg"), 512)
        )
        drawn = network(photo, vector).clamp(0, 1)
        grams = losses.gram_matrices(vgg(drawn, losses.STYLE_LAYERS), losses.STYLE_LAYERS)
        edges = [losses.edge_correlation(drawn, photo, size).item() for size in (2, 4, 8)]
        rows.append(
            (
                losses.style_distance(grams, target).item(),
                sum(edges) / 3,
                losses.tone_correlation(drawn, photo, 16).item(),
                losses.halo(drawn, photo).item(),
            )
        )
    style, edge, tone, halo = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    assert style < (0.46 if name == "seaport" else 0.4)  # drawn as ink, its oil paint is not
    assert edge > 0.62
    assert tone > 0.75
    assert halo < 0.3
