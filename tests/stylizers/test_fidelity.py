"""What is faster looks the same: all precisions and backends against fp32 in torch."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from vidstyle.device import has_int8
from vidstyle.evaluate.metrics import valid_mask, warping_error
from vidstyle.image import read_image, resize_short_side
from vidstyle.models.losses import STYLE_LAYERS, gram_matrices, style_distance
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import load_vgg19
from vidstyle.styles.registry import available_styles
from vidstyle.stylizers import FastOptions, FastStylizer
from vidstyle.temporal.flow import dense_flow

SAMPLE = Path(__file__).parents[2] / "samples" / "harbour.mp4"
STYLES = sorted(set(available_styles()) - {"photo"})
FASTER = [
    pytest.param("openvino", "fp32", 45, id="openvino-fp32"),
    pytest.param("openvino", "bf16", 45, id="openvino-bf16"),
    pytest.param("torch", "bf16", 45, id="torch-bf16"),
    pytest.param("torch", "fp16", 45, id="torch-fp16"),
    pytest.param(
        "torch",
        "int8",
        35,
        id="torch-int8",
        marks=pytest.mark.skipif(not has_int8(), reason="no 8-bit convolutions here"),
    ),
]


def drawn(style: str, frames: np.ndarray, backend: str, precision: str) -> np.ndarray:
    options = FastOptions(device="cpu", backend=backend, precision=precision)  # type: ignore[arg-type]
    return FastStylizer(style, options)(frames)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Four frames of the sample in a row, N×H×W×3, small."""
    with av.open(str(SAMPLE)) as container:
        decoded = container.decode(video=0)
        images = [frame.to_ndarray(format="rgb24") for frame, _ in zip(decoded, range(64))]  # noqa: B905
    return np.stack(
        [cv2.resize(image, (320, 180), interpolation=cv2.INTER_AREA) for image in images[60:]]
    )


@pytest.fixture(scope="module")
def exact(frames: np.ndarray) -> dict[str, np.ndarray]:
    return {style: drawn(style, frames, "torch", "fp32") for style in STYLES}


def flicker(frames: np.ndarray, results: np.ndarray) -> float:
    """Mean E_warp from frame to frame."""
    errors = []
    for (before, now), (old, new) in zip(pairwise(frames), pairwise(results), strict=True):
        backward, forward = dense_flow(now, before), dense_flow(before, now)
        errors.append(warping_error(new, old, backward, valid_mask(backward, forward)))
    return float(np.mean(errors))


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "precision", "decibels"), FASTER)
def test_pictures_are_close_and_as_steady(
    frames: np.ndarray,
    exact: dict[str, np.ndarray],
    backend: str,
    precision: str,
    decibels: float,
) -> None:
    change = []
    for style in STYLES:
        results = drawn(style, frames, backend, precision)
        error = np.square(results.astype(float) - exact[style]).mean()
        assert 10 * np.log10(255**2 / max(error, 1e-9)) > decibels, style
        change.append(flicker(frames, results) / flicker(frames, exact[style]))
    assert np.mean(change) == pytest.approx(1, abs=0.03)
    assert np.ptp(change) < 0.05


@pytest.mark.data
@pytest.mark.parametrize(("backend", "precision", "decibels"), FASTER)
def test_they_are_as_close_to_the_painting(
    data: Path,
    frames: np.ndarray,
    exact: dict[str, np.ndarray],
    backend: str,
    precision: str,
    decibels: float,
) -> None:
    vgg = load_vgg19(next((data / "vgg19").glob("*.safetensors")), last=STYLE_LAYERS[-1])

    @torch.inference_mode()
    def grams(image: np.ndarray) -> dict[str, torch.Tensor]:
        return gram_matrices(vgg(as_tensor(image), STYLE_LAYERS), STYLE_LAYERS)

    for style in ("scream", "wave", "la_muse"):
        painting = resize_short_side(read_image(data / "paintings" / f"{style}.jpg"), 256)
        wanted = grams(painting)
        before, after = (
            style_distance(grams(images[0]), wanted).item()
            for images in (exact[style], drawn(style, frames[:1], backend, precision))
        )
        assert after / before == pytest.approx(1, abs=0.02), style
