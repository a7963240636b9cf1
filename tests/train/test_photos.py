"""Photos to train on: which are held out, how crops are cut and shaken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toys import toy_photo, write_photos

from vidstyle.errors import TrainingError
from vidstyle.image import write_image
from vidstyle.models.pixels import as_image, as_tensor
from vidstyle.train.photos import PhotoCrops, find_photos, shaken_pair


def test_held_out_photos_go_by_their_names_alone(tmp_path: Path) -> None:
    names = [f"{n:03d}.jpg" for n in range(40)]
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        for name in names if folder == "here" else reversed(names):
            (tmp_path / folder / name).touch()
    (tmp_path / "here" / "notes.txt").touch()
    train, held = find_photos(tmp_path / "here")
    assert sorted(p.name for p in train + held) == names
    assert len(held) == 4
    assert [p.name for p in held] != names[:4]
    elsewhere = find_photos(tmp_path / "there")
    assert [[p.name for p in part] for part in elsewhere] == [
        [p.name for p in part] for part in (train, held)
    ]


def test_held_out_photos_stay_so_when_more_photos_come(tmp_path: Path) -> None:
    for n in range(1000):
        (tmp_path / f"{n}.png").touch()
    held = set(find_photos(tmp_path)[1])
    assert len(held) == 100
    (tmp_path / "another.png").touch()
    assert len(held & set(find_photos(tmp_path)[1])) >= 99


def test_folders_without_photos_are_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(TrainingError, match=f"{tmp_path}: no photos"):
        find_photos(tmp_path)
    with pytest.raises(TrainingError, match="nowhere: no such folder"):
        find_photos(tmp_path / "nowhere")


def test_pictures_survive_becoming_tensors() -> None:
    photo = toy_photo(31, 17)
    tensor = as_tensor(photo)
    assert tensor.shape == (1, 3, 17, 31)
    assert 0 <= tensor.min() < tensor.max() <= 1
    np.testing.assert_array_equal(as_image(tensor), photo)
    assert as_image(tensor + 2).min() == 255


def test_crops_are_random_but_seeded(tmp_path: Path) -> None:
    write_photos(tmp_path, 12)
    photos = find_photos(tmp_path)[0]
    first, other = PhotoCrops(photos, seed=0), PhotoCrops(photos, seed=1)
    crops = first(7, 3, 40)
    assert crops.shape == (3, 3, 40, 40)
    assert torch.equal(crops, PhotoCrops(photos, seed=0, threads=3)(7, 3, 40))
    assert not torch.equal(crops, first(8, 3, 40))
    assert not torch.equal(crops, other(7, 3, 40))
    assert not torch.equal(crops[0], crops[1])


def test_large_crops_are_rather_taken_from_large_photos(tmp_path: Path) -> None:
    """An enlarged photo is blurred."""
    for number in range(20):
        side, color = (320, 255) if number % 2 else (64, 0)
        write_image(tmp_path / f"{number}.png", np.full((side, side, 3), color, np.uint8))
    crops = PhotoCrops(sorted(tmp_path.iterdir()), seed=0)
    large, small = (crops(0, 100, size).mean().item() for size in (280, 32))
    assert 0.65 < large < 0.85
    assert 0.35 < small < 0.65


@pytest.mark.parametrize("size", [64, 256])
def test_a_shaken_pair_is_one_scene(size: int) -> None:
    photo = as_tensor(toy_photo(size, size)).repeat(2, 1, 1, 1)
    views = set()
    for seed in range(12):
        moved, warp, weight = shaken_pair(
            photo, np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        )
        view = warp(photo)
        assert moved.shape == view.shape == (2, 3, *weight.shape[2:])
        counted = weight[0, 0] > 0
        assert (moved - view)[:, :, counted].std() < 0.035
        assert 0 <= moved.min() < moved.max() <= 1
        views.add(round(float(view.mean()), 6))
        frame = torch.ones_like(photo)
        frame[:, :, 4:-4, 4:-4] = 0  # what comes in from outside
        assert warp(frame)[:, :, counted].abs().max() < 1e-4
        if view.shape != photo.shape:  # a shift: exact, up to the border
            assert counted.all()
            assert weight[0, 0, 0, 0] > weight.min()
    assert len(views) > 6
