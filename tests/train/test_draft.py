"""Distilling: a student that begins as its teacher, learns, and goes on where it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toys import TINY, toy_file, toy_network, toy_vector, write_photos
from typer.testing import CliRunner

from vidstyle.cli.main import app
from vidstyle.errors import OptionError, TrainingError
from vidstyle.styles.draft import find_draft
from vidstyle.train import Distiller, DistilOptions, TrainEvent
from vidstyle.train.draft import pruned

OPTIONS = DistilOptions(
    width=6,
    deep=12,
    steps=90,
    batch_size=2,
    crop=64,
    late_crop=64,
    device="cpu",
    precision="fp32",
    log_every=10,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Several would wait for each other longer than such small pictures take."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos", 4, 300, 280)


def test_a_student_as_wide_as_its_teacher_has_its_first_layers() -> None:
    teacher = toy_network()
    vectors = torch.stack([toy_vector(teacher, n) for n in range(3)])
    options = DistilOptions(width=TINY.width, deep=TINY.deep, steps=1)
    student = pruned(teacher, "", vectors, options).network
    assert student.architecture == replace(TINY, stride=2, margin=12)
    small = torch.rand(1, 3, 30, 38)
    whole = F.interpolate(small, scale_factor=2, mode="nearest")
    torch.testing.assert_close(student.conv_in(small), teacher.conv_in(whole), rtol=1e-4, atol=1e-4)
    for name in ("conv_down.weight", "deep.0.conv2.weight", "fine.0.conv1.weight"):
        torch.testing.assert_close(student.state_dict()[name], teacher.state_dict()[name])


def test_a_student_may_lack_fine_blocks() -> None:
    architecture = replace(TINY, fine_blocks=2)
    teacher = toy_network(architecture=architecture)
    vectors = torch.stack([toy_vector(teacher, n) for n in range(3)])
    options = DistilOptions(width=6, deep=12, fine_blocks=1, steps=1)
    draft = pruned(teacher, "", vectors, options)
    assert draft.network.architecture.fine_blocks == 1
    photo = torch.rand(1, 3, 24, 32)
    drawn = draft.network(photo, draft.vector(vectors[0])[None])
    assert drawn.shape == photo.shape
    same = draft.network(photo, draft.vector(teacher.identity_style())[None])
    torch.testing.assert_close(same, photo, rtol=0, atol=1e-6)
    # The last scales of both act on the whole drawing; those of the missing block on nothing.
    splits = architecture.style_splits()
    missing = vectors[0].clone()
    for part in missing.split(splits)[-11:-7]:
        part.zero_()
    again = draft.network(photo, draft.vector(missing)[None])
    torch.testing.assert_close(again, drawn)


def test_it_learns_and_goes_on(tmp_path: Path, photos: Path) -> None:
    teacher, output = toy_file(["alpha", "beta"]), tmp_path / "draft.safetensors"
    first = Distiller(teacher, photos, output, OPTIONS)
    events: list[TrainEvent] = []
    first.train(events.append)
    assert events[-1].progress == 1
    assert len(events) > 2
    assert events[-1].losses["loss"] < 0.9 * events[0].losses["loss"]
    assert output.is_file()

    longer = replace(OPTIONS, steps=110)
    second = Distiller(teacher, photos, output, longer)
    second.resume()
    assert (second.step, second.seconds) == (first.step, first.seconds)
    for name, weight in first.average.items():
        torch.testing.assert_close(second.average[name], weight)
    moments = [d.optimizer.state_dict()["state"][0]["exp_avg"] for d in (first, second)]
    torch.testing.assert_close(*moments)


def test_the_loss_knows_blends_and_layers_of_their_own(tmp_path: Path, photos: Path) -> None:
    distiller = Distiller(toy_file(["alpha", "beta"]), photos, tmp_path / "d", OPTIONS)
    mixtures = distiller._mixtures(np.random.default_rng(0), 200)
    known = torch.stack([(mixtures == v).all(dim=1) for v in distiller.vectors]).any(dim=0)
    assert 0.4 < known.float().mean() < 0.7
    assert mixtures.isfinite().all()


def test_what_belongs_together_is_blended_alike(tmp_path: Path, photos: Path) -> None:
    """Scale and shift of a normalization; and all that passes of the photo."""
    distiller = Distiller(toy_file(["alpha", "beta"]), photos, tmp_path / "d", OPTIONS)
    distiller.vectors = torch.stack(
        [torch.zeros_like(v) + n for n, v in enumerate(distiller.vectors)]
    )
    distiller.identity = torch.zeros_like(distiller.identity)
    splits, own = TINY.style_splits(), 0
    for mixture in distiller._mixtures(np.random.default_rng(0), 60):
        *norms, photo, gain, shift = (part[0].item() for part in mixture.split(splits))
        assert norms[::2] == norms[1::2]
        assert photo == gain == shift
        own += len(set(norms)) > 2
    assert own > 2


def test_what_cannot_be_distilled(tmp_path: Path, photos: Path) -> None:
    with pytest.raises(TrainingError, match="no styles"):
        Distiller(toy_file([]), photos, tmp_path / "d", OPTIONS)
    with pytest.raises(OptionError, match="either"):
        DistilOptions()
    with pytest.raises(OptionError, match="minutes must be more than 0"):
        DistilOptions(minutes=0)
    other = Distiller(toy_file(["alpha"], seed=3), photos, tmp_path / "d.safetensors", OPTIONS)
    other.save()
    with pytest.raises(TrainingError, match="another backbone"):
        Distiller(toy_file(["alpha"]), photos, tmp_path / "d.safetensors", OPTIONS).resume()
    with pytest.raises(TrainingError, match="no checkpoint"):
        Distiller(toy_file(["alpha"]), photos, tmp_path / "e.safetensors", OPTIONS).resume()


def test_the_command(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vidstyle.styles import write_style_file

    monkeypatch.setenv("VIDSTYLE_STYLES", str(tmp_path))
    monkeypatch.setattr("vidstyle.train.DistilOptions.crop", 64)
    (tmp_path / "drafts").mkdir()
    base = write_style_file(toy_file(["alpha"]), tmp_path / "toy.safetensors")
    output = tmp_path / "drafts" / "toy.safetensors"
    arguments = ["distil", "--photos", str(photos), "-o", str(output), "--from", str(base)]
    result = CliRunner().invoke(app, [*arguments, "--steps", "2", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "steps" in result.output
    assert find_draft(toy_network()).network.architecture.stride == 2
