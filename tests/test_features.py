"""What VGG19 sees: the right channels, normalized, in a grid that shows them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import toy_photo, toy_vgg

from vidstyle.errors import OptionError
from vidstyle.features import LayerMaps, draw_grid, feature_maps
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19


@pytest.fixture(scope="module")
def vgg() -> VGG19:
    return VGG19(toy_vgg(), last="relu3_1")


def test_the_most_active_channels_come_first(vgg: VGG19) -> None:
    photo = toy_photo()
    (found,) = feature_maps(photo, ["relu2_1"], vgg, count=5)
    responses = vgg(as_tensor(photo), ["relu2_1"])["relu2_1"][0].numpy()
    means = {channel: float(response.mean()) for channel, response in enumerate(responses)}
    assert found.layer == "relu2_1"
    assert found.channels == len(responses) == 16
    assert list(found.chosen) == sorted(means, key=lambda channel: -means[channel])[:5]
    np.testing.assert_allclose(found.activity, [means[c] for c in found.chosen], rtol=1e-5)


def test_each_map_uses_the_whole_range(vgg: VGG19) -> None:
    photo = toy_photo()
    (found,) = feature_maps(photo, ["relu1_1"], vgg, count=3)
    responses = vgg(as_tensor(photo), ["relu1_1"])["relu1_1"][0].numpy()
    assert found.maps.shape == (3, 48, 64)
    assert found.maps.min() >= 0
    for channel, shown in zip(found.chosen, found.maps, strict=True):
        bright = np.sort(responses[channel].ravel())[round(0.995 * (48 * 64 - 1))]
        np.testing.assert_allclose(shown, np.minimum(responses[channel] / bright, 1), atol=0.02)
        assert 0.002 < (shown == 1).mean() < 0.01


def test_layers_keep_their_order_and_sizes(vgg: VGG19) -> None:
    found = feature_maps(toy_photo(), ["relu3_1", "relu1_2"], vgg, count=99)
    assert [layer.layer for layer in found] == ["relu3_1", "relu1_2"]
    assert [layer.maps.shape for layer in found] == [(32, 12, 16), (8, 48, 64)]


def test_silent_channels_stay_dark() -> None:
    state = toy_vgg()
    state["features.0.weight"][3] = 0
    state["features.0.bias"][3] = -1
    (found,) = feature_maps(toy_photo(), ["relu1_1"], VGG19(state, last="relu1_1"), count=8)
    assert found.chosen[-1] == 3
    assert not found.maps[-1].any()
    assert np.isfinite(found.maps).all()


def test_rare_responses_are_seen() -> None:
    """Fewer pixels than one in 200."""
    state = {"features.0.weight": torch.zeros(2, 3, 3, 3), "features.0.bias": torch.zeros(2)}
    state["features.0.weight"][0, :, 1, 1] = 1
    photo = np.zeros((40, 40, 3), np.uint8)
    photo[7, 9] = 255
    (found,) = feature_maps(photo, ["relu1_1"], VGG19(state, last="relu1_1"), count=1)
    assert found.maps[0, 7, 9] == found.maps.sum() == 1


def test_senseless_requests(vgg: VGG19) -> None:
    with pytest.raises(OptionError, match="at least 1 per layer"):
        feature_maps(toy_photo(), ["relu1_1"], vgg, count=0)
    with pytest.raises(OptionError, match="relu3_1 needs 8 pixels on each side, not 64×7"):
        feature_maps(toy_photo(64, 7), ["relu1_1", "relu3_1"], vgg)
    with pytest.raises(OptionError, match="at least 1 pixel"):
        draw_grid(toy_photo(), [], side=0)


# -- the grid -------------------------------------------------------------------------------


def layer(channels: list[int], maps: np.ndarray) -> LayerMaps:
    return LayerMaps("relu3_1", 256, tuple(channels), maps, maps.mean(axis=(1, 2)))


def tiles(sheet: np.ndarray, value: int) -> int:
    """How many squares of 32 by 24 pixels have this grey."""
    return int((sheet == value).all(axis=2).sum()) // (32 * 24)


def test_the_grid_shows_photo_and_maps() -> None:
    photo = np.full((48, 64, 3), (10, 200, 90), np.uint8)
    maps = np.stack([np.full((6, 8), level, np.float32) for level in (0.2, 0.4, 0.6)])
    sheet = draw_grid(photo, [layer([5, 77, 3], maps)], side=32, grey=True)
    assert sheet.dtype == np.uint8
    assert ((sheet == (10, 200, 90)).all(axis=2)).sum() == 32 * 24
    assert [tiles(sheet, value) for value in (51, 102, 153)] == [1, 1, 1]
    columns = [int(np.argwhere((sheet == v).all(axis=2))[0, 1]) for v in (51, 102, 153)]
    assert columns == sorted(columns)


def test_small_maps_show_their_pixels() -> None:
    maps = np.array([[[0, 1], [1, 0]]], np.float32)
    sheet = draw_grid(toy_photo(), [layer([0], maps)], side=32, grey=True)
    tile = sheet[-30:-6, -38:-6, 0]
    assert set(np.unique(tile)) == {0, 255}
    assert (tile[:12, 16:] == 255).all()


def test_colours_grow_lighter() -> None:
    ramp = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (1, 24, 1))
    sheet = draw_grid(toy_photo(), [layer([0], ramp)], side=32)
    line = sheet[-18, -38:-6].astype(int)
    assert (np.diff(line.sum(axis=1)) >= 0).mean() > 0.9
    assert line[0, 2] > line[0, 1]  # bluish
    assert line[-1, 0] > 200 > 100 > line[-1, 2]  # yellow


def test_many_maps_take_several_rows() -> None:
    maps = np.zeros((17, 6, 8), np.float32)
    one = draw_grid(toy_photo(), [layer(list(range(8)), maps[:8])], side=32)
    three = draw_grid(toy_photo(), [layer(list(range(17)), maps)], side=32)
    assert three.shape[1] == one.shape[1]
    assert three.shape[0] > one.shape[0] + 2 * 46
