"""Learning styles: data, a few real steps on a toy VGG19, checkpoints, and what can go wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from toys import TINY, toy_file, toy_photo, toy_vgg, write_photos, write_toy

from vidstyle.errors import InputError, OptionError, TrainingError
from vidstyle.image import read_image, write_image
from vidstyle.models.pixels import as_tensor
from vidstyle.styles import StyleFile, StyleInfo, load_style, read_style_file
from vidstyle.train import Painting, Trainer, TrainEvent, TrainOptions, read_painting

QUICK = TrainOptions(
    steps=4,
    batch_size=2,
    crop=48,
    early_crop=32,
    style_size=32,
    log_every=1,
    device="cpu",
    precision="fp32",
)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos``, two paintings and ``vgg.safetensors``."""
    folder = tmp_path_factory.mktemp("material")
    write_photos(folder / "photos", 12)
    rng = np.random.default_rng(0)
    stripes = np.where(np.arange(64) % 8 < 4, 220, 30).astype(np.uint8)
    red = np.stack([np.tile(stripes, (64, 1)), *np.full((2, 64, 64), 20, np.uint8)], axis=2)
    write_image(folder / "stripes.png", red)
    write_image(folder / "noise.png", rng.integers(0, 256, (64, 64, 3), np.uint8))
    save_file(toy_vgg(), folder / "vgg.safetensors")
    return folder


def trainer(
    material: Path,
    output: Path,
    names: tuple[str, ...] = ("stripes", "noise"),
    base: StyleFile | None = None,
    **changes: object,
) -> Trainer:
    options = dataclasses.replace(QUICK, **changes)  # type: ignore[arg-type]
    return Trainer(
        [read_painting(material / f"{name}.png") for name in names],
        material / "photos",
        output,
        options,
        base=base or (None if options.full else toy_file(["alpha", "beta"])),
        vgg=material / "vgg.safetensors",
    )


# -- where it starts ------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True])
def test_training_goes_on_from_another_file(material: Path, tmp_path: Path, full: bool) -> None:
    base = toy_file(["stripes", "beta"], seed=3)
    begun = trainer(material, tmp_path / "new.safetensors", base=base, full=full)
    assert base.backbone is not None
    for name, weight in begun.network.state_dict().items():
        assert torch.equal(weight, base.backbone[name])
    mean = (base.vectors["stripes"] + base.vectors["beta"]) / 2
    assert torch.equal(begun.vectors[0].detach(), base.vectors["stripes"])  # known by its name
    assert torch.allclose(begun.vectors[1].detach(), mean)
    begun.train()
    kept = [torch.equal(w, base.backbone[n]) for n, w in begun.network.state_dict().items()]
    assert all(kept) is not full
    assert not torch.equal(begun.vectors[0].detach(), base.vectors["stripes"])


# -- training -------------------------------------------------------------------------------


def check_output(material: Path, output: Path, names: tuple[str, ...]) -> StyleFile:
    file = read_style_file(output)
    assert set(file.vectors) - {"photo"} == set(names)
    assert file.infos[names[0]].training["steps"] == 4
    assert (output.parent / f"{output.stem}.checkpoint.safetensors").is_file()
    sheet = read_image(output.parent / f"{output.stem}.sheet.png")
    assert sheet.shape[1] > 256 * (1 + len(names))
    assert sorted(p.name for p in output.parent.iterdir()) == [
        f"{output.stem}.checkpoint.safetensors",
        output.name,
        f"{output.stem}.sheet.png",
    ]
    return file


def test_vectors_on_a_frozen_backbone(material: Path, tmp_path: Path) -> None:
    base = toy_file(["alpha", "beta"])
    run = trainer(material, tmp_path / "new.safetensors", base=base, style_rate=0.05)
    events: list[TrainEvent] = []
    run.train(events.append)
    file = check_output(material, tmp_path / "new.safetensors", ("stripes", "noise"))
    assert file.backbone is None
    assert file.backbone_id == base.backbone_id
    assert file.architecture == TINY
    assert base.backbone is not None
    assert all(torch.equal(base.backbone[k], v) for k, v in run.network.state_dict().items())
    assert [event.step for event in events] == [1, 2, 3, 4]
    assert events[-1].progress == 1
    seen = set().union(*(event.losses for event in events))
    assert seen >= {"style", "content", "edges", "tone", "stability"}
    assert set().union(*(event.styles for event in events)) == {"stripes", "noise"}
    start = (base.vectors["alpha"] + base.vectors["beta"]) / 2
    assert all((file.vectors[name] - start).abs().max() > 2e-3 for name in ("stripes", "noise"))
    assert not torch.allclose(file.vectors["stripes"], file.vectors["noise"])


def test_backbone_and_styles_together(material: Path, tmp_path: Path) -> None:
    run = trainer(material, tmp_path / "new.safetensors", full=True)
    before = {name: weight.clone() for name, weight in run.network.state_dict().items()}
    run.train()
    file = check_output(material, tmp_path / "new.safetensors", ("stripes", "noise"))
    assert file.backbone is not None
    assert all(not torch.equal(before[k], v) for k, v in run.network.state_dict().items())
    style = load_style(f"{tmp_path / 'new.safetensors'}#noise")
    photo = as_tensor(toy_photo(64, 48))
    torch.testing.assert_close(style.network(photo, style.identity[None]), photo)
    assert not torch.allclose(style.network(photo, style.vector[None]), photo, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("full", "steps"), [(False, 120), (True, 40)])
def test_the_style_is_learned(material: Path, tmp_path: Path, full: bool, steps: int) -> None:
    events: list[TrainEvent] = []
    run = trainer(
        material,
        tmp_path / "new.safetensors",
        ("stripes",),
        full=full,
        steps=steps,
        crop=32,
        blend_share=0.0,
        style_rate=0.1,
    )
    run.train(events.append)
    losses = [event.losses["style"] for event in events]
    assert np.mean(losses[-8:]) < 0.7 * np.mean(losses[:4])


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True])
def test_the_seed_decides(material: Path, tmp_path: Path, full: bool) -> None:
    def vectors(name: str, seed: int) -> torch.Tensor:
        run = trainer(material, tmp_path / f"{name}.safetensors", full=full, seed=seed, steps=3)
        run.train()
        return run.vectors.detach()

    first = vectors("a", 0)
    assert torch.equal(first, vectors("b", 0))
    assert not torch.equal(first, vectors("c", 1))


def test_a_time_budget_ends(material: Path, tmp_path: Path) -> None:
    run = trainer(material, tmp_path / "new.safetensors", steps=None, minutes=0.01)
    events: list[TrainEvent] = []
    run.train(events.append)
    assert run.seconds >= 0.6
    progress = [event.progress for event in events]  # of one step alone on a busy machine
    assert progress[0] > 0 and progress == sorted(progress) and progress[-1] == 1


def test_checkpoints_come_on_the_way(material: Path, tmp_path: Path) -> None:
    run = trainer(material, tmp_path / "new.safetensors", checkpoint_minutes=1e-9)
    there: list[bool] = []

    def look(event: TrainEvent) -> None:
        assert event.checkpoint == tmp_path / "new.checkpoint.safetensors"
        there.append(event.checkpoint.is_file() and (tmp_path / "new.safetensors").is_file())

    run.train(look)
    assert there == [True] * 4


def test_weights_of_paintings_count(material: Path, tmp_path: Path) -> None:
    def learned(weight: float) -> torch.Tensor:
        run = trainer(material, tmp_path / f"{weight}.safetensors", ("stripes",), steps=2)
        run.style_weights = torch.tensor([weight])
        run.train()
        return run.vectors.detach()

    assert not torch.allclose(learned(1.0), learned(50.0))


def test_styles_are_practised_by_their_shares(material: Path, tmp_path: Path) -> None:
    paintings = [
        read_painting(material / "stripes.png", share=3),
        read_painting(material / "noise.png"),
    ]
    run = Trainer(
        paintings,
        material / "photos",
        tmp_path / "new.safetensors",
        dataclasses.replace(QUICK, steps=8, blend_share=0.0, batch_size=1),
        base=toy_file(),
        vgg=material / "vgg.safetensors",
    )
    events: list[TrainEvent] = []
    run.train(events.append)
    counts = [sum(name in event.styles for event in events) for name in ("stripes", "noise")]
    assert counts == [6, 2]


def test_what_is_written_is_a_running_mean(material: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.safetensors"
    run = trainer(material, output, full=True, steps=5, style_rate=1.0)
    seen = []
    run.train(lambda event: seen.append(run.vectors.detach().clone()))
    mean = seen[0]
    for step, vectors in enumerate(seen[1:], start=1):
        mean = torch.lerp(mean, vectors, 1 / (step / 10 + 1))
    written = read_style_file(output).vectors
    torch.testing.assert_close(written["stripes"], mean[0], rtol=0, atol=2e-3)
    assert not torch.allclose(written["stripes"], seen[-1][0], rtol=0, atol=2e-3)


@pytest.mark.slow
def test_samples_by_several_threads_are_those_of_one(material: Path, tmp_path: Path) -> None:
    threads, results = torch.get_num_threads(), []
    for count in (1, 3):
        torch.set_num_threads(count)
        try:
            run = trainer(material, tmp_path / f"{count}.safetensors", full=True, batch_size=3)
            run.train()
            assert torch.get_num_threads() == count
        finally:
            torch.set_num_threads(threads)
        results.append(run.vectors.detach())
    torch.testing.assert_close(*results, rtol=0, atol=1e-5)


# -- resuming -------------------------------------------------------------------------------


def stop_at(step: int) -> Callable[[TrainEvent], None]:
    def listen(event: TrainEvent) -> None:
        if event.step == step:
            raise KeyboardInterrupt

    return listen


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("stop", [2, 4])
def test_a_resumed_run_ends_like_an_uninterrupted_one(
    material: Path, tmp_path: Path, full: bool, stop: int
) -> None:
    whole = trainer(material, tmp_path / "whole.safetensors", full=full, steps=6, early_part=0.3)
    whole.train()
    output = tmp_path / "parts.safetensors"
    with pytest.raises(KeyboardInterrupt):
        trainer(material, output, full=full, steps=6, early_part=0.3).train(stop_at(stop))
    assert read_style_file(output).infos["noise"].training["step"] == stop
    rest = trainer(material, output, full=full, steps=6, early_part=0.3)
    rest.resume()
    assert rest.step == stop
    events: list[TrainEvent] = []
    rest.train(events.append)
    assert [event.step for event in events] == list(range(stop + 1, 7))
    torch.testing.assert_close(rest.vectors, whole.vectors, rtol=0, atol=1e-6)
    weights = whole.network.state_dict()
    for name, weight in rest.network.state_dict().items():
        torch.testing.assert_close(weight, weights[name], rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_checkpoint_without_the_optimizer_is_enough(material: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.safetensors"
    first = trainer(material, output, full=True)
    first.train()
    kept = load_file(first.checkpoint_path)
    assert any(name.startswith("adam.") for name in kept)
    light = {name: tensor for name, tensor in kept.items() if not name.startswith("adam.")}
    with safe_open(first.checkpoint_path, "pt") as stored:
        save_file(light, first.checkpoint_path, stored.metadata())
    again = trainer(material, output, full=True, steps=6)
    again.resume()
    assert torch.equal(first.vectors, again.vectors)
    again.train()
    assert again.step == 6


def test_a_finished_run_has_nothing_to_resume(material: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.safetensors"
    first = trainer(material, output)
    first.train()
    again = trainer(material, output)
    again.resume()
    again.train()
    assert torch.equal(first.vectors, again.vectors)


def foreign_checkpoint(material: Path, output: Path, kind: str) -> None:
    """Leave something beside ``output`` that a run of vectors alone cannot resume."""
    path = output.with_suffix(".checkpoint.safetensors")
    if kind == "text":
        path.write_text("not a checkpoint")
    elif kind == "style":
        write_toy(path)
    elif kind == "directory":
        path.mkdir()
    elif kind in ("no state", "bad state"):
        state = {"state": "{" if kind == "bad state" else "[]"}
        save_file({"vectors": torch.zeros(1)}, path, {"format": "vidstyle-checkpoint", **state})
    elif kind == "other styles":
        trainer(material, output, ("noise", "stripes"), steps=1).train()
    elif kind == "other network":
        trainer(material, output, full=True, steps=1).train()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "no checkpoint"),
        ("directory", "no checkpoint"),
        ("text", "no checkpoint"),
        ("style", "not a training checkpoint"),
        ("no state", "damaged"),
        ("bad state", "damaged"),
        ("other styles", "belongs to the styles noise, stripes"),
        ("other network", "belongs to another backbone"),
    ],
)
def test_foreign_checkpoints(material: Path, tmp_path: Path, kind: str, reason: str) -> None:
    output = tmp_path / "new.safetensors"
    foreign_checkpoint(material, output, kind)
    with pytest.raises(TrainingError, match=rf"new\.checkpoint\.safetensors: .*{reason}"):
        trainer(material, output).resume()


# -- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": None},
        {"minutes": 1.0},
        {"steps": 0},
        {"batch_size": 0},
        {"crop": -1},
        {"early_crop": 16},
        {"style_size": 0},
    ],
)
def test_senseless_options(changes: dict[str, float | None]) -> None:
    with pytest.raises(OptionError):
        dataclasses.replace(QUICK, **changes)  # type: ignore[arg-type]


def test_no_paintings(material: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no paintings"):
        trainer(material, tmp_path / "new.safetensors", ())


def test_paintings_of_one_name(material: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="named 'noise'"):
        trainer(material, tmp_path / "new.safetensors", ("noise", "noise"))


def test_the_name_of_the_identity_is_taken(material: Path, tmp_path: Path) -> None:
    painting = Painting(StyleInfo("photo"), material / "noise.png")
    with pytest.raises(TrainingError, match="named 'photo'"):
        Trainer([painting], material / "photos", tmp_path / "a.safetensors", QUICK, base=toy_file())


def test_vectors_need_a_backbone(material: Path, tmp_path: Path) -> None:
    painting = read_painting(material / "noise.png")
    with pytest.raises(TrainingError, match="needs a backbone"):
        Trainer([painting], material / "photos", tmp_path / "a.safetensors", QUICK)


def test_an_output_without_a_folder_is_refused_before_training(
    material: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="there is no folder"):
        trainer(material, tmp_path / "nowhere" / "new.safetensors")


def test_paintings_must_be_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"a\.png: "):
        read_painting(tmp_path / "a.png")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_diverging_run_says_so_and_keeps_the_last_checkpoint(
    material: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new.safetensors"
    trainer(material, output).train()
    before = output.read_bytes()
    with pytest.raises(TrainingError, match=r"became .* at step .*; lower the learning rate"):
        trainer(material, output, style_rate=1e30, steps=60).train()
    assert output.read_bytes() == before
