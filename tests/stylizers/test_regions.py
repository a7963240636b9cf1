"""Regions that are given and found, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from toys import toy_photo, toy_vgg

from vidstyle.errors import InputError, OptionError
from vidstyle.image import fit, read_image, write_image
from vidstyle.models.losses import gram_matrix, region_grams
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.stylizers.regions import Regions, find_pair, read_pair

RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (0, 255, 0)


def labels(path: Path, size: tuple[int, int], *colors: tuple[int, int, int]) -> Path:
    """Bands of colours from top to bottom."""
    rows = np.linspace(0, len(colors), size[1], endpoint=False).astype(int)
    picture = np.array(colors, np.uint8)[rows][:, None].repeat(size[0], 1)
    return write_image(path, picture)


def mattes(folder: Path, size: tuple[int, int], **levels: int) -> Path:
    """A folder of flat mattes."""
    folder.mkdir()
    for name, level in levels.items():
        write_image(folder / f"{name}.png", np.full((*size[::-1], 3), level, np.uint8))
    return folder


def test_label_pictures_are_matched_by_colour(tmp_path: Path) -> None:
    paths = (
        labels(tmp_path / "a.png", (8, 6), RED, BLUE),
        labels(tmp_path / "b.png", (10, 9), BLUE, RED, RED),
    )
    first, second = read_pair(paths, ((8, 6), (10, 9)))
    assert first.names == second.names == ("#0000ff", "#ff0000")
    np.testing.assert_allclose(first.masks.mean(axis=(1, 2)), [1 / 2, 1 / 2])
    np.testing.assert_allclose(second.masks.mean(axis=(1, 2)), [1 / 3, 2 / 3], atol=1e-6)


def test_edges_become_soft_at_other_sizes(tmp_path: Path) -> None:
    path = labels(tmp_path / "a.png", (9, 9), RED, RED, BLUE)
    regions, _ = read_pair((path, path), ((9, 9), (9, 9)))
    for masks in (regions.at((5, 5))[0].numpy(), regions.fitted(5).masks):
        assert masks.shape == (2, 5, 5)
        assert ((masks > 0.01) & (masks < 0.99)).any()
        np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-5)


def test_mattes_that_overlap_share_the_pixel(tmp_path: Path) -> None:
    folder = mattes(tmp_path / "m", (4, 4), sky=255, land=255, sea=0x33)
    regions, _ = read_pair((folder, folder), ((4, 4), (4, 4)))
    assert regions.names == ("land", "sea", "sky")
    np.testing.assert_allclose(regions.masks[:, 0, 0], np.array([1, 0.2, 1]) / 2.2, atol=1e-6)


def test_wrong_regions_are_named(tmp_path: Path) -> None:
    good = labels(tmp_path / "good.png", (8, 6), RED, BLUE)
    sizes = ((8, 6), (8, 6))
    other = labels(tmp_path / "other.png", (8, 6), RED, GREEN)
    with pytest.raises(InputError, match=r"good\.png: .*other\.png has no region #0000ff"):
        read_pair((good, other), sizes)
    more = labels(tmp_path / "more.png", (8, 6), RED, GREEN, BLUE)
    with pytest.raises(InputError, match=r"more\.png: .*good\.png has no region #00ff00"):
        read_pair((good, more), sizes)
    with pytest.raises(InputError, match=r"good\.png: is 8×6, but its photo is 9×6"):
        read_pair((good, good), ((8, 6), (9, 6)))
    with pytest.raises(InputError, match=r"photo\.png: has \d+ colours"):
        read_pair((write_image(tmp_path / "photo.png", toy_photo(8, 6)), good), sizes)
    with pytest.raises(InputError, match=r"nowhere\.png"):
        read_pair((tmp_path / "nowhere.png", good), sizes)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no matte"):
        read_pair((tmp_path / "empty", good), sizes)
    black = mattes(tmp_path / "black", (8, 6), sky=255, land=0)
    with pytest.raises(InputError, match="matte land is black"):
        read_pair((black, black), sizes)


def scene(dark: bool, horizon: int) -> np.ndarray:
    """A smooth sky above fine stripes, by day or by night."""
    picture = np.full((96, 128, 3), (120, 160, 230), np.uint8)
    picture[horizon:] = np.where(np.arange(128) % 4 < 2, 40, 140)[None, :, None]
    return cv2.convertScaleAbs(picture, alpha=0.3) if dark else picture


def test_regions_are_found_by_day_and_by_night() -> None:
    day, night = find_pair(scene(False, 40), scene(True, 64), 2, VGG19(toy_vgg(16)))
    assert day.names == night.names
    sky = int(day.masks[:, 5, 60].argmax())
    for regions, horizon in ((day, 40), (night, 64)):
        picked = regions.masks.argmax(axis=0) == sky
        assert picked[: horizon - 16].mean() > 0.95
        assert picked[horizon + 16 :].mean() < 0.05


def test_found_regions_can_be_written_and_given_back(tmp_path: Path) -> None:
    photo, style = toy_photo(64, 48), toy_photo(48, 64, seed=1)
    pair = find_pair(photo, style, 4, VGG19(toy_vgg()))
    again = find_pair(photo, style, 4, VGG19(toy_vgg()))
    for first, second in zip(pair, again, strict=True):
        np.testing.assert_array_equal(first.masks, second.masks)
    paths = tuple(write_image(tmp_path / f"{n}.png", each.picture()) for n, each in enumerate(pair))
    read = read_pair((paths[0], paths[1]), ((64, 48), (48, 64)))
    assert set(read[0].names) == set(pair[0].names)


def test_photos_too_small_to_divide_are_refused() -> None:
    with pytest.raises(OptionError, match="9×9 pixels"):
        find_pair(toy_photo(9, 9), toy_photo(), 2, VGG19(toy_vgg()))


def test_grams_of_regions_are_those_of_their_parts() -> None:
    features = torch.rand((1, 5, 6, 8))
    masks = torch.zeros((1, 2, 12, 16))
    masks[:, 0, :, :10] = 1
    masks[:, 1, :, 10:] = 1
    found = region_grams(features, masks)
    for gram, part in zip(found, (features[:, :, :, :5], features[:, :, :, 5:]), strict=True):
        torch.testing.assert_close(gram, gram_matrix(part)[0])
    whole = region_grams(features, torch.ones((1, 1, 12, 16)))
    torch.testing.assert_close(whole, gram_matrix(features))


def test_a_soft_region_weighs_its_pixels() -> None:
    features, soft = torch.rand((1, 5, 6, 8)), torch.rand((1, 1, 6, 8))
    rows = features[0].flatten(1).T
    weights = soft.flatten()
    wanted = torch.einsum("p,pi,pj->ij", weights, rows, rows) / (5 * weights.sum())
    torch.testing.assert_close(region_grams(features, soft)[0], wanted)


def test_regions_at_a_size() -> None:
    masks = np.stack([np.eye(8, dtype=np.float32), 1 - np.eye(8, dtype=np.float32)])
    assert Regions(("a", "b"), masks).at((3, 2)).shape == (1, 2, 2, 3)


@pytest.mark.data
def test_sky_and_mountain_are_found_in_photos(data: Path) -> None:
    """A volcano by day, and a mountain by moonlight."""
    paths = [data / "photos" / f"{name}.jpg" for name in ("sun_425", "sun_090")]
    photos = [fit(read_image(path), 256) for path in paths]
    vgg = load_vgg19(data / "vgg19" / "vgg19-imagenet-oxford-features.safetensors", "relu4_1")
    for regions in find_pair(photos[0], photos[1], 2, vgg):
        labels = regions.masks.argmax(axis=0)
        height = len(labels)
        sky = labels[2, 0]
        assert (labels[: height // 8] == sky).mean() > 0.95
        assert (labels[-height // 4 :] == sky).mean() < 0.05
