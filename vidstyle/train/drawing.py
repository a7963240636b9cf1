"""Training whatever the network draws a style with: photos are drawn, and the losses judge them.

Uses perceptual losses after Johnson, Alahi, Fei-Fei 2016; ``docs/training.md`` has the recipe.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidstyle.models.losses import (
    STRUCTURE_LAYERS,
    STYLE_LAYERS,
    edge_correlation,
    gram_matrices,
    halo,
    lattice_energy,
    normalized_content,
    self_similarity,
    self_similarity_distance,
    style_distance,
    tone_correlation,
)
from vidstyle.models.transformer import TransformerNet, crop
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.options import TrainOptions
from vidstyle.styles.file import StyleFile
from vidstyle.styles.header import IDENTITY
from vidstyle.train.loop import Losses, TrainLoop
from vidstyle.train.photos import PhotoCrops, find_photos, shaken_pair

EDGE_SIZES = (2, 4)
"""Scales, in pixels, at which edges are compared. At coarser ones, light rims around dark objects
would raise the correlation."""
EDGE_EXPONENT = 0.5
"""Below 1, so that a face's faint edges count beside its outline, and rims have a cost."""
TONE_SIZE = 8
COARSE_LAYERS = ("relu3_1", "relu4_1")
"""Layers where style is compared at half size; shallower ones would repeat the full size's."""


@dataclass(frozen=True)
class Photo:
    """Photos to draw, with their features at ``STRUCTURE_LAYERS`` and self-similarities."""

    image: Tensor
    features: Mapping[str, Tensor]
    similarities: Mapping[str, Tensor]


@dataclass(frozen=True)
class Sample:
    """Photos, with the style and strength to draw each in."""

    photo: Photo
    order: Tensor
    strength: Tensor
    seed: int


class Turns:
    """Which style a sample is drawn in: in every round each as often as its share, in random order.

    Args:
        seed: decides the order, so that a resumed run sees what an uninterrupted one would.
    """

    def __init__(self, shares: Sequence[int], seed: int) -> None:
        self._round = np.repeat(np.arange(len(shares)), shares)
        self._seed = seed

    def __call__(self, sample: int) -> int:
        """The index of the style for a sample, counted from the beginning of the training."""
        number, place = divmod(sample, len(self._round))
        return int(np.random.default_rng((self._seed, 1, number)).permutation(self._round)[place])


@dataclass(frozen=True)
class Target:
    """What photos are drawn with, and what their drawings should be like.

    Attributes:
        vectors: a style vector for each photo, N×V.
        grams: the paintings' Gram matrices at ``STYLE_LAYERS``, each N×C×C.
        coarse: the same at half of the size, at ``COARSE_LAYERS``.
        weight: factors of the style weight, N.
        names: the styles' names.
    """

    vectors: Tensor
    grams: Mapping[str, Tensor]
    coarse: Mapping[str, Tensor]
    weight: Tensor
    names: Sequence[str]


class DrawingLoop(TrainLoop):
    """Draws photos in styles and judges the drawings. Subclasses say which styles, and learn them.

    Args:
        shares: how often each style takes its turn.
        photos: a folder of photos.
        base: the style file whose backbone draws; without one, a new backbone does.
        vgg: VGG19, or a file of its weights.

    Raises:
        TrainingError: no photos, or no folder for the output.
    """

    options: TrainOptions

    def __init__(
        self,
        shares: Sequence[int],
        photos: str | Path,
        output: str | Path,
        options: TrainOptions,
        *,
        base: StyleFile | None = None,
        vgg: VGG19 | str | Path | None = None,
    ) -> None:
        super().__init__(output, options)
        self.photos, self.held_out = find_photos(photos)
        self.turns = Turns(shares, options.seed)
        self.crops = PhotoCrops(self.photos, options.seed, self.division.readers)
        self.base = base
        loaded = vgg if isinstance(vgg, VGG19) else load_vgg19(vgg, last=STYLE_LAYERS[-1])
        self.vgg: VGG19 = loaded.to(self.device)
        self.network = (base.network() if base else TransformerNet()).to(
            self.device, memory_format=torch.channels_last
        )  # type: ignore[call-overload]
        self.network.requires_grad_(options.full).train(options.full)
        self.identity = self._identity().to(self.device)

    @abstractmethod
    def _target(self, part: Sample) -> Target:
        """The styles of a part; called from several threads."""

    def _frozen_id(self) -> str:
        """The id of the backbone, if it is not trained."""
        return "" if self.options.full or self.base is None else self.base.backbone_id

    def _identity(self) -> Tensor:
        if self.base and IDENTITY in self.base.vectors:
            return self.base.vectors[IDENTITY]
        return self.network.identity_style()

    def _style_grams(self, image: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Gram matrices of paintings, N×3×H×W, at full and at half size."""
        with torch.no_grad():
            fine = self._grams(image, STYLE_LAYERS)
            return fine, self._grams(F.avg_pool2d(image, 2), COARSE_LAYERS)

    def _grams(self, image: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        with self._autocast():
            return gram_matrices(self.vgg(image, layers), layers)

    def _batches(self, pool: ThreadPoolExecutor) -> Iterator[Sequence[Sample]]:
        """Each batch of photos is used ``photo_reuse`` times, in other styles each time, while the
        next one is read."""
        reuse = self.options.photo_reuse
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self._read, self.step // reuse)
            while True:
                number, used = divmod(self.step, reuse)
                image = coming.result().to(self.device, memory_format=torch.channels_last)
                coming = reader.submit(self._read, number + 1)
                photos = list(pool.map(self._photo, image.split(self.division.part)))
                for _ in range(reuse - used):
                    yield self._samples(photos)

    def _read(self, number: int) -> Tensor:
        """Read a batch of photos. It depends only on its number, so runs can be resumed."""
        first = number * self.options.photo_reuse
        rng = np.random.default_rng((self.options.seed, first))
        size = self._crop_size(self.progress(first), rng) + 2 * self.options.margin
        return self.crops(number, self.options.batch_size, size)

    def _crop_size(self, progress: float, rng: np.random.Generator) -> int:
        if progress >= self.options.early_part:
            return self.options.crop
        sides = sorted((self.options.early_crop, self.options.crop))
        return int(rng.integers(sides[0] // 16, sides[1] // 16 + 1)) * 16

    def _photo(self, image: Tensor) -> Photo:
        with torch.no_grad(), self._autocast():
            features = self.vgg(_inner(image, self.options.margin), STRUCTURE_LAYERS)
        return Photo(image, features, {k: self_similarity(f) for k, f in features.items()})

    def _choose(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Styles and strengths for the samples of one batch."""
        batch = self.options.batch_size
        order = [self.turns(n) for n in range(self.step * batch, (self.step + 1) * batch)]
        strength = np.ones(batch)
        weaker = rng.random(batch) < self.options.blend_share
        strength[weaker] = rng.uniform(0.1, 1.0, weaker.sum())
        return torch.tensor(order, device=self.device), torch.tensor(
            strength, dtype=torch.float32, device=self.device
        )

    def _samples(self, photos: Sequence[Photo]) -> list[Sample]:
        rng = np.random.default_rng((self.options.seed, 2, self.step))
        order, strength = self._choose(rng)
        seeds = [int(seed) for seed in rng.integers(2**31, size=len(photos))]
        size = self.division.part
        parts = zip(photos, order.split(size), strength.split(size), seeds, strict=True)
        return [Sample(*part) for part in parts]

    def _losses(self, part: Sample) -> Losses:
        o, target, strength = self.options, self._target(part), part.strength
        style = self.identity + strength[:, None] * (target.vectors - self.identity)
        with self._autocast():
            drawn = self.network(part.photo.image, style).float()
        losses = self._compared(part.photo, drawn, target)
        if self.step % o.stability_every == 0:
            losses["stability"] = self._stability(part, drawn, style)
        # A weaker style imitates less of the painting and keeps more of the photo.
        style_weight = o.style_weight * target.weight * strength.square()
        weights: dict[str, Tensor | float] = {
            "style": style_weight,
            "coarse": o.coarse_weight * style_weight,
            "content": o.content_weight,
            "similarity": o.similarity_weight,
            "edges": o.edge_weight,
            "tone": o.tone_weight,
            "halo": o.halo_weight,
            "lattice": o.lattice_weight,
            "range": o.range_weight,
            "stability": o.stability_weight,
        }
        total = torch.stack([(weights[name] * loss).sum() for name, loss in losses.items()]).sum()
        # Without blends, which are easier and would make the losses look better.
        whole = strength == 1
        values = {name: loss.detach()[whole].tolist() for name, loss in losses.items()}
        styles: dict[str, list[float]] = {}
        names = [name for name, full in zip(target.names, whole.tolist(), strict=True) if full]
        for name, value in zip(names, values["style"], strict=True):
            styles.setdefault(name, []).append(value)
        return Losses(total / o.batch_size, values, styles)

    def _compared(self, photo: Photo, drawn: Tensor, target: Target) -> dict[str, Tensor]:
        """All losses but stability, each N."""
        shown = drawn.clamp(0, 1)
        judged, image = (_inner(x, self.options.margin) for x in (shown, photo.image))
        with self._autocast():
            features = self.vgg(judged, STYLE_LAYERS)
            grams = gram_matrices(features, STYLE_LAYERS)
            small = self._grams(F.avg_pool2d(judged, 2), COARSE_LAYERS)
        edges = [1 - edge_correlation(judged, image, size, EDGE_EXPONENT) for size in EDGE_SIZES]
        content = [normalized_content(features[k], f) for k, f in photo.features.items()]
        similarity = [
            self_similarity_distance(self_similarity(features[k]), wanted)
            for k, wanted in photo.similarities.items()
        ]
        return {
            "style": style_distance(grams, target.grams),
            "coarse": style_distance(small, target.coarse),
            "content": torch.stack(content).mean(0),
            "similarity": torch.stack(similarity).mean(0),
            "edges": torch.stack(edges).mean(0),
            "tone": 1 - tone_correlation(judged, image, TONE_SIZE),
            # Light rims along dark objects, and dark rims along light ones.
            "halo": halo(judged, image).square() + halo(1 - judged, 1 - image).square(),
            "lattice": lattice_energy(drawn),
            "range": (drawn - shown).square().mean(dim=(1, 2, 3)),
        }

    def _stability(self, part: Sample, drawn: Tensor, style: Tensor) -> Tensor:
        """How much the drawing of the same scene changes a moment later: N."""
        rng, generator = np.random.default_rng(part.seed), torch.Generator().manual_seed(part.seed)
        moved, warp, pixel_weight = shaken_pair(part.photo.image, rng, generator)
        with self._autocast():
            again = self.network(moved, style).float()
        change = warp(drawn.clamp(0, 1)) - again.clamp(0, 1)
        return (change.square() * pixel_weight).mean(dim=(1, 2, 3))


def _inner(image: Tensor, margin: int) -> Tensor:
    """The picture without the margin, which the losses do not see."""
    return crop(image, margin) if margin else image
