"""The predictor of style vectors: what describes a painting, and where a prediction begins."""

from __future__ import annotations

import numpy as np
import torch

from vidstyle.models.losses import STYLE_LAYERS
from vidstyle.models.predictor import STATISTICS, StylePredictor, painting_statistics

WIDTHS = (64, 128, 256, 512)


def features(seed: int = 0, scale: float = 1.0) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    pairs = zip(STYLE_LAYERS, WIDTHS, strict=True)
    return {layer: scale * torch.rand((2, c, 6, 5), generator=rng) for layer, c in pairs}


def test_a_painting_is_described_by_means_and_deviations_of_all_channels() -> None:
    described = painting_statistics(features())
    assert described.shape == (2, STATISTICS) == (2, 2 * sum(WIDTHS))
    first = features()[STYLE_LAYERS[0]][1, 3].double().numpy()
    assert np.isclose(described[1, 3].item(), np.log(first.mean() + 1e-3), atol=1e-5)
    deviation = first.std(ddof=1)
    assert np.isclose(described[1, WIDTHS[0] + 3].item(), np.log(deviation + 1e-3), atol=1e-5)


def test_silent_channels_are_no_infinity() -> None:
    assert painting_statistics(features(scale=0.0)).isfinite().all()


def test_an_untrained_prediction_is_near_the_mean_of_the_known_styles() -> None:
    torch.manual_seed(0)
    predictor = StylePredictor(40)
    known = torch.randn(6, 40)
    examples = torch.cat([painting_statistics(features(n)) for n in range(4)])
    predictor.standardize(examples, known)
    away = (predictor(examples) - known.mean(0)) / known.std(0)
    assert away.abs().mean() < 0.2


def test_what_is_unlike_all_examples_stays_within_bounds() -> None:
    predictor = StylePredictor(40)
    predictor.standardize(torch.randn(8, STATISTICS), torch.randn(6, 40))
    assert torch.allclose(
        predictor(torch.full((1, STATISTICS), 1e3)), predictor(torch.full((1, STATISTICS), 1e6))
    )
