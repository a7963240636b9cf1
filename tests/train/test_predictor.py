"""Training the predictor, with a VGG19 of random weights: what it learns from, and resuming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import toy_file, toy_photo, write_photos

from vidstyle.errors import StyleError, TrainingError
from vidstyle.image import write_image
from vidstyle.models.predictor import STATISTICS
from vidstyle.options import TrainOptions
from vidstyle.styles.predictor import read_predictor
from vidstyle.train import PredictorTrainer, held_out
from vidstyle.train.predictor import recoloured

QUICK = TrainOptions(
    steps=3, batch_size=2, crop=48, early_crop=32, style_size=70, device="cpu", precision="fp32"
)


@pytest.fixture(autouse=True)
def small_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidstyle.train.predictor.CROP", 64)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory, whole_vgg: Path) -> Path:
    folder = tmp_path_factory.mktemp("material")
    write_photos(folder / "photos", 8)
    for number in range(3):
        write_image(folder / f"{number}.png", toy_photo(80, 60, seed=number + 20))
    (folder / "vgg.safetensors").symlink_to(whole_vgg)
    return folder


def trainer(material: Path, output: Path, **changes: object) -> PredictorTrainer:
    return PredictorTrainer(
        sorted(material.glob("*.png")),
        material / "photos",
        output,
        replace(QUICK, **changes),  # type: ignore[arg-type]
        base=toy_file(["alpha", "beta"]),
        vgg=material / "vgg.safetensors",
    )


def test_training_changes_what_is_predicted_and_nothing_else(
    material: Path, tmp_path: Path
) -> None:
    begun = trainer(material, tmp_path / "new.safetensors", style_rate=0.02)
    backbone = {name: weight.clone() for name, weight in begun.network.state_dict().items()}
    described = torch.randn(1, STATISTICS)
    before = begun.predictor(described).detach().clone()
    begun.train()
    assert not torch.allclose(begun.predictor(described), before, atol=1e-4)
    for name, weight in begun.network.state_dict().items():
        assert torch.equal(weight, backbone[name])
    written = read_predictor(tmp_path / "new.safetensors")
    assert written.backbone_id == toy_file(["alpha", "beta"]).backbone_id
    expected = begun.result().network(described)
    assert torch.allclose(written.network(described), expected, atol=0.02)


def test_it_goes_on_where_it_ended(material: Path, tmp_path: Path) -> None:
    whole = trainer(material, tmp_path / "whole.safetensors")
    whole.train()
    half = trainer(material, tmp_path / "half.safetensors")
    events: list[int] = []

    def stop(event: object) -> None:
        events.append(half.step)
        if half.step == 2:
            raise KeyboardInterrupt

    half.options = replace(half.options, log_every=1)
    with pytest.raises(KeyboardInterrupt):
        half.train(stop)
    again = trainer(material, tmp_path / "half.safetensors")
    again.resume()
    again.train()
    for name, weight in whole.predictor.named_parameters():
        assert torch.allclose(weight, dict(again.predictor.named_parameters())[name], atol=1e-5)


def test_paintings_to_judge_by_are_the_same_each_time(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.jpg" for n in range(20)]
    trained, judged = held_out(paths, 5)
    assert len(judged) == 5
    assert set(trained) | set(judged) == set(paths)
    assert not set(trained) & set(judged)
    assert held_out(paths[::-1], 5) == (trained, judged)


def test_other_colours_stay_colours() -> None:
    rng = np.random.default_rng(0)
    picture = torch.rand(1, 3, 20, 20)
    changed = [recoloured(picture, rng) for _ in range(20)]
    assert all(c.min() >= 0 and c.max() <= 1 for c in changed)
    assert all((c - picture).abs().mean() > 0.005 for c in changed)


def test_without_paintings_or_styles_nothing_can_be_learned(material: Path, tmp_path: Path) -> None:
    for paintings, styles in (([], ["a", "b"]), ([material / "0.png"], ["a"])):
        with pytest.raises(TrainingError, match="needs paintings, and a backbone with two styles"):
            PredictorTrainer(
                paintings,
                material / "photos",
                tmp_path / "x.safetensors",
                QUICK,
                base=toy_file(styles),
                vgg=material / "vgg.safetensors",
            )


@pytest.mark.parametrize("content", [b"", b"no tensors", None])
def test_what_is_no_predictor_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "p.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StyleError, match=r"p\.safetensors: damaged, or not a predictor"):
        read_predictor(path)


def test_a_style_file_is_no_predictor(tmp_path: Path) -> None:
    from toys import write_toy

    path = write_toy(tmp_path / "toy.safetensors")
    with pytest.raises(StyleError, match=r"toy\.safetensors: not a predictor"):
        read_predictor(path)
