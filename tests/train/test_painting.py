"""A painting at once: predicted, refined, kept in the cache, and what can go wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toys import toy_file, toy_photo, write_toy, write_vgg

from vidstyle.errors import InputError, WeightsError
from vidstyle.image import write_image
from vidstyle.models.vgg import load_vgg19
from vidstyle.options import LearnOptions
from vidstyle.styles import StyleInfo, load_style, read_style_file
from vidstyle.styles.paintings import painting_name, style_label
from vidstyle.styles.registry import BUNDLED
from vidstyle.train import Painting, read_painting
from vidstyle.train.loop import TrainEvent
from vidstyle.train.painting import PaintingLearner, with_predictions

PHOTOS = [toy_photo(80, 64, seed=n) for n in range(2)]


@pytest.fixture
def painting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_image(tmp_path / "monet.png", toy_photo(90, 70, seed=9))


def learner(vgg: Path, refine: float, **more: object) -> PaintingLearner:
    return PaintingLearner(lambda: PHOTOS, LearnOptions(refine=refine), vgg=vgg, **more)  # type: ignore[arg-type]


def test_a_prediction_depends_on_the_painting_alone(
    whole_vgg: Path, painting: Path, tmp_path: Path
) -> None:
    other = write_image(tmp_path / "other.png", 255 - toy_photo(90, 70, seed=3))

    def unused() -> list[np.ndarray]:
        raise AssertionError("a prediction needs no photos")

    paths = [
        PaintingLearner(unused, LearnOptions(refine=0), vgg=whole_vgg).learn(p)
        for p in (painting, other)
    ]
    first, second = (load_style(path) for path in paths)
    assert (first.label, second.label) == ("monet", "other")
    assert not torch.allclose(first.vector, second.vector, atol=1e-3)
    assert first.network.architecture == load_style("scream").network.architecture


def test_a_refined_style_is_kept_and_found_again(whole_vgg: Path, painting: Path) -> None:
    events: list[TrainEvent] = []
    predicted = learner(whole_vgg, 0).learn(painting)
    refined = learner(whole_vgg, 2, listener=lambda picture, event: events.append(event)).learn(
        painting
    )
    assert predicted != refined
    assert events and events[-1].progress == 1
    vectors = [read_style_file(path).vectors["monet"] for path in (predicted, refined)]
    assert not torch.equal(*vectors)
    assert refined.with_suffix(".sheet.png").is_file()
    assert {path.suffix for path in refined.parent.iterdir()} == {".safetensors", ".png"}
    heard = len(events)
    no_weights = learner(Path("nowhere.pth"), 2, listener=lambda *event: events.append(event[1]))
    assert no_weights.learn(painting) == refined
    assert len(events) == heard


def test_another_painting_under_the_same_name_is_learned_anew(
    whole_vgg: Path, painting: Path
) -> None:
    first = learner(whole_vgg, 0).learn(painting)
    write_image(painting, 255 - toy_photo(90, 70, seed=4))
    second = learner(whole_vgg, 0).learn(painting)
    assert first != second
    assert not torch.equal(load_style(first).vector, load_style(second).vector)


def test_pictures_stand_in_blends(whole_vgg: Path, painting: Path) -> None:
    spec = learner(whole_vgg, 0).style(f"{painting}:0.75,wave:0.25")
    style = load_style(spec)
    assert style.label == "monet+wave" == style_label(f"{painting}:0.75,wave:0.25")
    parts = load_style(learner(whole_vgg, 0).learn(painting)).vector, load_style("wave").vector
    assert torch.allclose(style.vector, 0.75 * parts[0] + 0.25 * parts[1], atol=1e-4)
    assert learner(whole_vgg, 0).style("scream") == "scream"


def test_an_interrupted_refinement_leaves_nothing(whole_vgg: Path, painting: Path) -> None:
    def interrupt(*event: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner(whole_vgg, 5, listener=interrupt).learn(painting)
    cache = painting.parent / "cache"
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("stem", "name"),
    [("monet", "monet"), ("a#1", "a_1"), ("photo", "photo-painting"), ("ü b", "ü b")],
)
def test_a_style_is_called_as_its_painting(stem: str, name: str) -> None:
    assert painting_name(Path(f"x/{stem}.jpg")) == name


def test_what_cannot_be_learned(painting: Path, whole_vgg: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"text\.png: not a picture"):
        learner(whole_vgg, 0).learn(tmp_path / "text.png")
    with pytest.raises(InputError, match=r"no\.jpg: No such file"):
        learner(whole_vgg, 0).learn(tmp_path / "no.jpg")
    narrow = write_vgg(tmp_path / "narrow.safetensors")
    with pytest.raises(WeightsError, match="120 channels up to relu4_1, not 960"):
        learner(narrow, 0).learn(painting)
    foreign = write_toy(tmp_path / "toy.safetensors")
    with pytest.raises(WeightsError, match=r"toy\.safetensors"):
        learner(foreign, 0).learn(painting)


def test_training_begins_at_the_prediction(whole_vgg: Path, painting: Path) -> None:
    base = read_style_file(BUNDLED)
    weights = load_vgg19(whole_vgg, "relu4_1")
    known = Painting(StyleInfo("wave"), painting)
    begun = with_predictions(base, [read_painting(painting), known], weights)
    expected = read_style_file(learner(whole_vgg, 0).learn(painting)).vectors["monet"]
    assert torch.allclose(begun.vectors["monet"], expected.float(), atol=2e-2, rtol=1e-2)
    assert torch.equal(begun.vectors["wave"], base.vectors["wave"])
    foreign = toy_file(["alpha"])
    assert with_predictions(foreign, [read_painting(painting)], weights) is foreign
