"""Learn styles from paintings: vectors on the frozen bundled backbone, or everything together.

Perceptual losses after Johnson, Alahi, Fei-Fei 2016; see ``docs/training.md`` for the recipe.
Imports neither PyAV nor typer, so that it runs on a bare GPU machine.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vidstyle import image as images
from vidstyle.device import pick_device, training_precision, tune_allocator
from vidstyle.errors import OptionError, TrainingError
from vidstyle.learning import (
    check_course,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    write_checkpoint,
)
from vidstyle.models.losses import (
    STRUCTURE_LAYERS,
    STYLE_LAYERS,
    edge_correlation,
    gram_matrices,
    lattice_energy,
    normalized_content,
    self_similarity,
    self_similarity_distance,
    style_distance,
    tone_correlation,
)
from vidstyle.models.transformer import TransformerNet, crop
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.photos import PhotoCrops, as_image, as_tensor, find_photos, shaken_pair
from vidstyle.styles.file import StyleFile, backbone_hash, write_style_file
from vidstyle.styles.header import IDENTITY, StyleInfo

CHECKPOINT = "vidstyle-checkpoint"
EDGE_SIZES = (2, 4)
"""Pixels to one of the pictures whose edges are compared. Coarser ones are not: a painting raises
their correlation by a light rim around whatever is dark."""
EDGE_EXPONENT = 0.5
"""Below 1, so that a face's faint edges count beside its outline, and a rim costs something."""
TONE_SIZE = 8


@dataclass(frozen=True)
class Painting:
    """A style to learn.

    Attributes:
        weight: multiplies the style weight; lower keeps more of the photo.
        share: samples in its style to one in a style whose share is 1.
    """

    info: StyleInfo
    path: Path
    weight: float = 1.0
    share: int = 1


@dataclass(frozen=True)
class TrainOptions:
    """How to train. ``steps`` or ``minutes``, whichever is given, is the whole of the training,
    and sets the course of the learning rate."""

    full: bool = False
    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 4
    crop: int = 400
    """Side of the training crops in pixels, in the last part of the training. The last crops decide
    how a style looks on large pictures: normalization depends on how much is seen."""
    early_crop: int = 256
    """Before that, sides are drawn from between this and ``crop``: small ones cost less."""
    early_part: float = 0.67
    """How much of the training comes before."""
    learning_rate: float = 1e-3
    style_rate: float = 2.5e-3
    """Learning rate of the style vectors."""
    margin: int = 24
    """Pixels around each crop that the network sees and the losses do not. VGG19 pads with zeros,
    and a network whose border is VGG19's border learns to paint a pale frame against them."""
    style_weight: float = 8.0
    content_weight: float = 2.0
    """Of features normalized per channel."""
    similarity_weight: float = 1.0
    """Of how similar places of the picture are to each other."""
    edge_weight: float = 0.3
    tone_weight: float = 0.4
    stability_weight: float = 30.0
    stability_every: int = 2
    """Steps to one in which the same scene, moved, must give the same picture."""
    lattice_weight: float = 1000.0
    """Of the penalty for a checkerboard of the pixel shuffle."""
    range_weight: float = 10.0
    """Of the penalty for colours outside [0, 1]."""
    blend_share: float = 0.15
    """Share of the samples that are drawn at a random strength below 1."""
    style_size: int = 512
    """Short side of the paintings, in pixels."""
    photo_reuse: int = 4
    """Steps that share one batch of photos, each in other styles."""
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    checkpoint_minutes: float = 3.0
    log_every: int = 25

    def __post_init__(self) -> None:
        check_course(self.steps, self.minutes, self.crop, self.early_crop)
        for name in ("steps", "minutes", "batch_size", "crop", "early_crop", "style_size"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise OptionError(f"{name} must be above zero, not {value}")


@dataclass(frozen=True)
class TrainEvent:
    """Progress: losses averaged since the last event, by name and by style."""

    step: int
    progress: float
    seconds: float
    losses: Mapping[str, float]
    styles: Mapping[str, float]
    checkpoint: Path | None = None


@dataclass
class TrainState:
    """What a checkpoint holds."""

    step: int = 0
    seconds: float = 0.0
    paintings: list[str] = field(default_factory=list)
    backbone_id: str = ""
    """Of the frozen backbone; empty when it is trained too."""


@dataclass(frozen=True)
class Photo:
    """Photos to draw, and what their paintings are compared with: features at
    ``STRUCTURE_LAYERS`` and how similar their places are."""

    image: Tensor
    features: Mapping[str, Tensor]
    similarities: Mapping[str, Tensor]


@contextmanager
def samples_at_once(device: torch.device) -> Iterator[ThreadPoolExecutor]:
    """Threads for the samples of a step: on a CPU one a core, each computing on that core alone.

    Threads within an operation wait for each other, and beside another busy program most of the
    time; samples need not.
    """
    cores = torch.get_num_threads() if device.type == "cpu" else 1
    with ThreadPoolExecutor(cores) as pool:
        if cores == 1:
            yield pool
            return
        torch.set_num_threads(1)
        try:
            yield pool
        finally:
            torch.set_num_threads(cores)


class Trainer:
    """Trains style vectors, and the backbone with them when ``options.full``.

    Args:
        base: the style file to build on. Its backbone stays as it is, unless ``full``: then all
            training starts from it, or from nothing without it.
        output: the style file to write, at every checkpoint.
    """

    def __init__(
        self,
        paintings: Sequence[Painting],
        photos: str | Path,
        output: str | Path,
        options: TrainOptions,
        *,
        base: StyleFile | None = None,
        vgg: str | Path | None = None,
    ) -> None:
        if not paintings:
            raise TrainingError("no paintings to learn from")
        if not options.full and base is None:
            raise TrainingError("training vectors alone needs a backbone to build on")
        names = [painting.info.name for painting in paintings]
        taken = {name for name in names if names.count(name) > 1 or name == IDENTITY}
        if taken:
            raise TrainingError(f"two styles would be named '{min(taken)}'; rename one painting")
        tune_allocator()
        self.options = options
        self.paintings = list(paintings)
        self.output = Path(output)
        if not self.output.parent.is_dir():
            raise TrainingError(f"{self.output}: there is no folder {self.output.parent}")
        self.device = pick_device(options.device)
        self.dtype = training_precision(options.precision, self.device)
        torch.manual_seed(options.seed)
        self.photos, self.held_out = find_photos(photos)
        readers = 1 if self.device.type == "cpu" else os.cpu_count() or 1
        self.crops = PhotoCrops(self.photos, options.seed, readers)
        self.base = base
        self.vgg: VGG19 = load_vgg19(vgg, last=STYLE_LAYERS[-1]).to(self.device)
        self.network = (base.network() if base else TransformerNet()).to(
            self.device, memory_format=torch.channels_last
        )  # type: ignore[call-overload]
        self.network.requires_grad_(options.full).train(options.full)
        self.vectors = self._first_vectors(names).to(self.device).requires_grad_()
        self.identity = self._identity().to(self.device)
        self.optimizer = self._optimizer()
        self.average = {name: weight.detach().clone() for name, weight in self._weights()}
        self.targets = self._targets()
        self.weights = torch.tensor([p.weight for p in paintings], device=self.device)
        frozen = "" if options.full or base is None else base.backbone_id
        self.state = TrainState(paintings=names, backbone_id=frozen)

    def _first_vectors(self, names: Sequence[str]) -> Tensor:
        """A style that the base knows starts there, another from the mean of those."""
        if self.base is None:
            return self.network.new_style().repeat(len(names), 1)
        known = {name: v.float() for name, v in self.base.vectors.items() if name != IDENTITY}
        mean = torch.stack(list(known.values())).mean(0)
        return torch.stack([known.get(name, mean) for name in names])

    def _identity(self) -> Tensor:
        if self.base and IDENTITY in self.base.vectors:
            return self.base.vectors[IDENTITY]
        return self.network.identity_style()

    def _optimizer(self) -> torch.optim.Adam:
        groups = [{"params": [self.vectors], "base": self.options.style_rate}]
        if self.options.full:
            groups.append(
                {"params": list(self.network.parameters()), "base": self.options.learning_rate}
            )
        return torch.optim.Adam(groups, lr=0.0, betas=(0.9, 0.99))

    def _weights(self) -> Iterator[tuple[str, Tensor]]:
        """All that is trained, by names for a checkpoint."""
        yield "vectors", self.vectors
        if self.options.full:
            for name, weight in self.network.named_parameters():
                yield f"network.{name}", weight

    @torch.no_grad()
    def _set(self, weights: Mapping[str, Tensor]) -> None:
        for name, weight in self._weights():
            weight.copy_(weights[name])

    def _targets(self) -> dict[str, Tensor]:
        """Gram matrices of all paintings, S×C×C a layer."""
        grams = []
        for painting in self.paintings:
            picture = images.resize_short_side(
                images.read_image(painting.path), self.options.style_size
            )
            with torch.inference_mode(), self._autocast():
                features = self.vgg(as_tensor(picture).to(self.device), STYLE_LAYERS)
                grams.append(gram_matrices(features, STYLE_LAYERS))
        return {layer: torch.cat([g[layer] for g in grams]).clone() for layer in STYLE_LAYERS}

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16
        )

    # ---- the loop -------------------------------------------------------------------------

    def train(self, listener: Callable[[TrainEvent], None] = lambda event: None) -> StyleFile:
        """Run to the end of the budget, checkpointing on the way; returns the trained styles.

        On Ctrl-C a checkpoint is written before the exception goes on.

        Raises:
            TrainingError: the loss is no number any more; the last checkpoint is kept.
        """
        with samples_at_once(self.device) as self._samples:
            return self._train(listener)

    def _train(self, listener: Callable[[TrainEvent], None]) -> StyleFile:
        tally = Tally(self.state.paintings)
        began, saved = time.monotonic() - self.state.seconds, time.monotonic()
        batches = self._batches()
        try:
            while (progress := self._progress()) < 1:
                step = self.state.step
                tally.add(*self._step(next(batches), progress))
                self.state.step = step + 1
                self.state.seconds = time.monotonic() - began
                checkpoint = None
                if time.monotonic() - saved > self.options.checkpoint_minutes * 60:
                    checkpoint = self.save()
                    saved = time.monotonic()
                done = self._progress()
                if checkpoint or done >= 1 or self.state.step % self.options.log_every == 0:
                    listener(tally.event(self.state, done, checkpoint))
        except TrainingError:
            raise
        except BaseException:
            self.save()
            raise
        self.save()
        return self.style_file()

    def _progress(self, step: int | None = None) -> float:
        """From 0 to 1, now or at a step; by the clock, where the minutes are given."""
        if self.options.steps is not None:
            return (self.state.step if step is None else step) / self.options.steps
        return self.state.seconds / (60 * (self.options.minutes or 0))

    def _crop_size(self, progress: float, rng: np.random.Generator) -> int:
        if progress >= self.options.early_part:
            return self.options.crop
        sides = sorted((self.options.early_crop, self.options.crop))
        return int(rng.integers(sides[0] // 16, sides[1] // 16 + 1)) * 16

    def _batches(self) -> Iterator[list[Photo]]:
        """Parts of batches of photos, each batch as often as ``photo_reuse`` says, and read while
        the batch before is learned from."""
        reuse = self.options.photo_reuse
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self._read, self.state.step // reuse)
            while True:
                number, used = divmod(self.state.step, reuse)
                photo = coming.result().to(self.device, memory_format=torch.channels_last)
                coming = reader.submit(self._read, number + 1)
                batch = list(self._samples.map(self._photo, photo.split(self._part)))
                for _ in range(reuse - used):
                    yield batch

    def _read(self, number: int) -> Tensor:
        """Photos of a batch. All by its number: a resumed run sees what an uninterrupted would."""
        first = number * self.options.photo_reuse
        rng = np.random.default_rng((self.options.seed, first))
        size = self._crop_size(self._progress(first), rng) + 2 * self.options.margin
        return self.crops(number, self.options.batch_size, size)

    @property
    def _part(self) -> int:
        """Samples that are computed together: on a GPU all of a batch, on a CPU each by itself."""
        return 1 if self.device.type == "cpu" else self.options.batch_size

    def _photo(self, image: Tensor) -> Photo:
        with torch.no_grad(), self._autocast():
            features = self.vgg(self._judged(image), STRUCTURE_LAYERS)
        return Photo(image, features, {k: self_similarity(f) for k, f in features.items()})

    def _judged(self, image: Tensor) -> Tensor:
        """The part of a picture that style and content are taken from."""
        margin = self.options.margin
        return crop(image, margin) if margin else image

    def _round(self, number: int) -> np.ndarray:
        """All styles, each as often as its share says, in an order of its own."""
        rng = np.random.default_rng((self.options.seed, 1, number))
        shares = [painting.share for painting in self.paintings]
        return rng.permutation(np.repeat(np.arange(len(shares)), shares))

    def _choose(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Styles of one batch, used by their shares, and the strength of each."""
        count = sum(painting.share for painting in self.paintings)
        batch = self.options.batch_size
        first = self.state.step * batch
        order = [int(self._round(n // count)[n % count]) for n in range(first, first + batch)]
        strength = np.ones(batch)
        weaker = rng.random(batch) < self.options.blend_share
        strength[weaker] = rng.uniform(0.1, 1.0, weaker.sum())
        return torch.tensor(order, device=self.device), torch.tensor(
            strength, dtype=torch.float32, device=self.device
        )

    def _step(self, batch: Sequence[Photo], progress: float) -> tuple[list[int], dict[str, Tensor]]:
        rng = np.random.default_rng((self.options.seed, 2, self.state.step))
        order, strength = self._choose(rng)
        seeds = [int(seed) for seed in rng.integers(2**31, size=len(batch))]
        parts = zip(batch, order.split(self._part), strength.split(self._part), seeds, strict=True)
        results = list(self._samples.map(lambda part: self._sample(*part), parts))
        for gradients, (_, weight) in zip(
            zip(*(gradients for gradients, _ in results), strict=True), self._weights(), strict=True
        ):
            weight.grad = torch.stack(gradients).sum(0)
        for group in self.optimizer.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
            group["lr"] = group["base"] * self._rate(progress)
        self.optimizer.step()
        self._follow()
        whole = [int(n) if s == 1 else -1 for n, s in zip(order, strength, strict=True)]
        losses = {
            name: torch.cat([losses[name] for _, losses in results]) for name in results[0][1]
        }
        return whole, losses

    def _sample(
        self, photo: Photo, order: Tensor, strength: Tensor, seed: int
    ) -> tuple[Sequence[Tensor], dict[str, Tensor]]:
        """Gradients of a part of a batch, in the order of ``_weights``, and its losses."""
        style = self.identity + strength[:, None] * (self.vectors[order] - self.identity)
        with self._autocast():
            drawn = self.network(photo.image, style).float()
        losses = self._losses(photo, drawn, order)
        if self.state.step % self.options.stability_every == 0:
            losses["stability"] = self._stability(photo.image, drawn, style, seed)
        o = self.options
        weights = {
            # A weaker style asks less of the painting and so keeps more of the photo.
            "style": o.style_weight * self.weights[order] * strength.square(),
            "content": o.content_weight,
            "similarity": o.similarity_weight,
            "edges": o.edge_weight,
            "tone": o.tone_weight,
            "lattice": o.lattice_weight,
            "range": o.range_weight,
            "stability": o.stability_weight,
        }
        total = sum((weights[name] * loss).sum() for name, loss in losses.items())
        assert isinstance(total, Tensor)
        if not math.isfinite(total.item()):
            raise TrainingError(f"the loss is no number at step {self.state.step}; lower the rate")
        trained = [weight for _, weight in self._weights()]
        gradients = torch.autograd.grad(total / o.batch_size, trained)
        return gradients, {name: loss.detach() for name, loss in losses.items()}

    def _losses(self, photo: Photo, drawn: Tensor, order: Tensor) -> dict[str, Tensor]:
        """All but stability, each N."""
        shown = drawn.clamp(0, 1)
        judged, image = self._judged(shown), self._judged(photo.image)
        with self._autocast():
            features = self.vgg(judged, STYLE_LAYERS)
            grams = gram_matrices(features, STYLE_LAYERS)
        targets = {layer: target[order] for layer, target in self.targets.items()}
        edges = [1 - edge_correlation(judged, image, size, EDGE_EXPONENT) for size in EDGE_SIZES]
        content = [normalized_content(features[k], f) for k, f in photo.features.items()]
        similarity = [
            self_similarity_distance(self_similarity(features[k]), target)
            for k, target in photo.similarities.items()
        ]
        return {
            "style": style_distance(grams, targets),
            "content": torch.stack(content).mean(0),
            "similarity": torch.stack(similarity).mean(0),
            "edges": torch.stack(edges).mean(0),
            "tone": 1 - tone_correlation(judged, image, TONE_SIZE),
            "lattice": lattice_energy(drawn),
            "range": (drawn - shown).square().mean(dim=(1, 2, 3)),
        }

    def _stability(self, image: Tensor, drawn: Tensor, style: Tensor, seed: int) -> Tensor:
        """How much else is drawn of the same scene a moment later: N."""
        rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        moved, warp, pixel_weight = shaken_pair(image, rng, generator)
        with self._autocast():
            again = self.network(moved, style).float()
        change = warp(drawn.clamp(0, 1)) - again.clamp(0, 1)
        return (change.square() * pixel_weight).mean(dim=(1, 2, 3))

    @torch.no_grad()
    def _follow(self) -> None:
        """Keep a running mean of the weights, which draws better than they do at any one step."""
        share = max(0.002, 1 / (self.state.step / 10 + 1))
        for name, weight in self._weights():
            self.average[name].lerp_(weight, share)

    def _rate(self, progress: float) -> float:
        """Linear warm-up over 50 steps, then half a cosine down to zero."""
        return min(1.0, (self.state.step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * progress))

    # ---- what is kept ---------------------------------------------------------------------

    def style_file(self) -> StyleFile:
        """The styles as they stand."""
        vectors = dict(zip(self.state.paintings, self.average["vectors"].cpu(), strict=True))
        recipe = {k: v for k, v in asdict(self.options).items() if k not in ("device", "log_every")}
        recipe |= {"step": self.state.step, "seconds": round(self.state.seconds)}
        infos = {
            p.info.name: StyleInfo(
                **(
                    asdict(p.info)
                    | {"training": recipe | {"weight": p.weight, "painting": p.path.name}}
                )
            )
            for p in self.paintings
        }
        if not self.options.full:
            assert self.base is not None
            return StyleFile(
                self.output, self.base.architecture, self.base.backbone_id, None, vectors, infos
            )
        backbone = {
            name.removeprefix("network."): weight.cpu()
            for name, weight in self.average.items()
            if name != "vectors"
        }
        vectors[IDENTITY] = self.identity.cpu()
        infos[IDENTITY] = StyleInfo(IDENTITY, "The photo itself", "", "", recipe)
        return StyleFile(
            self.output,
            self.network.architecture,
            backbone_hash(backbone),
            backbone,
            vectors,
            infos,
        )

    @property
    def checkpoint_path(self) -> Path:
        return self.output.with_suffix(".checkpoint.safetensors")

    def save(self) -> Path:
        """Write the style file, the checkpoint and the sample sheet."""
        write_style_file(self.style_file(), self.output)
        tensors = {name: weight.detach() for name, weight in self._weights()}
        tensors |= {f"average.{name}": weight for name, weight in self.average.items()}
        tensors |= optimizer_tensors(self.optimizer)
        metadata = {"state": json.dumps(asdict(self.state)), "format": CHECKPOINT}
        write_checkpoint(tensors, metadata, self.checkpoint_path)
        images.write_image(self.output.with_suffix(".sheet.png"), self.sheet())
        return self.checkpoint_path

    def resume(self) -> None:
        """Go on from the checkpoint beside the output.

        Raises:
            TrainingError: there is none, or it belongs to other paintings or another network.
        """
        path = self.checkpoint_path
        metadata, tensors = read_checkpoint(path, CHECKPOINT)
        try:
            state = TrainState(**json.loads(metadata["state"]))
        except (KeyError, TypeError, ValueError) as error:
            raise TrainingError(f"{path}: damaged checkpoint ({error!r})") from error
        if state.paintings != self.state.paintings:
            raise TrainingError(f"{path}: belongs to the styles {', '.join(state.paintings)}")
        if state.backbone_id != self.state.backbone_id:
            raise TrainingError(f"{path}: belongs to another backbone")
        try:
            self._restore(tensors)
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(f"{path}: belongs to another network") from error
        self.state = state

    def _restore(self, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self._weights():
                weight.copy_(tensors[name])
                self.average[name].copy_(tensors[f"average.{name}"])
        restore_optimizer(self.optimizer, tensors)

    def sheet(self, rows: int = 3, side: int = 256) -> np.ndarray:
        """Held-out photos in all styles: one photo a row, the original first."""
        pictures = []
        now = {name: weight.detach().clone() for name, weight in self._weights()}
        self._set(self.average)
        for path in (self.held_out or self.photos)[:rows]:
            photo = images.resize_short_side(images.read_image(path), side)
            top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
            photo = photo[top : top + side, left : left + side]
            pictures.append(photo)
            for vector in self.vectors.detach():
                with torch.inference_mode():
                    result = self.network(as_tensor(photo).to(self.device), vector[None])
                pictures.append(as_image(result))
        self._set(now)
        return images.contact_sheet(pictures, columns=1 + len(self.paintings))


class Tally:
    """Running means of the losses between two events; blends count for no style."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._clear()

    def _clear(self) -> None:
        self.losses: dict[str, list[float]] = {}
        self.styles: dict[str, list[float]] = {name: [] for name in self.names}

    def add(self, order: Sequence[int], losses: Mapping[str, Tensor]) -> None:
        for name, loss in losses.items():
            whole = [value for n, value in zip(order, loss.tolist(), strict=True) if n >= 0]
            self.losses.setdefault(name, []).extend(whole)
        for number, value in zip(order, losses["style"].tolist(), strict=True):
            if number >= 0:
                self.styles[self.names[number]].append(value)

    def event(self, state: TrainState, progress: float, checkpoint: Path | None) -> TrainEvent:
        event = TrainEvent(
            step=state.step,
            progress=min(progress, 1.0),
            seconds=state.seconds,
            losses={k: float(np.mean(v)) for k, v in self.losses.items() if v},
            styles={k: float(np.mean(v)) for k, v in self.styles.items() if v},
            checkpoint=checkpoint,
        )
        self._clear()
        return event


def read_painting(
    path: str | Path,
    name: str | None = None,
    *,
    title: str = "",
    artist: str = "",
    year: str = "",
    weight: float = 1.0,
    share: int = 1,
) -> Painting:
    """A painting from a file, by default named after it.

    Raises:
        InputError: no picture there.
    """
    path = Path(path)
    images.read_image(path)
    return Painting(StyleInfo(name or path.stem, title, artist, year), path, weight, share)
