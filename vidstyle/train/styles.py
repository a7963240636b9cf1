"""Training styles from paintings: vectors on a frozen backbone, or the backbone with them.

Uses perceptual losses after Johnson, Alahi, Fei-Fei 2016; ``docs/training.md`` has the recipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidstyle import image as images
from vidstyle.errors import TrainingError
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
from vidstyle.models.pixels import as_image, as_tensor
from vidstyle.models.transformer import TransformerNet, crop
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.options import TrainOptions
from vidstyle.styles.file import StyleFile, backbone_hash, write_style_file
from vidstyle.styles.header import IDENTITY, StyleInfo
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
class Painting:
    """A style to train.

    Attributes:
        weight: factor of the style weight; a lower one keeps more of the photo.
        share: number of samples for each sample of a style whose share is 1.
    """

    info: StyleInfo
    path: Path
    weight: float = 1.0
    share: int = 1


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


class Trainer(TrainLoop):
    """Trains style vectors and, with ``options.full``, the backbone.

    Args:
        base: the style file to build on. With ``full`` it is the starting point, and may be
            omitted; otherwise its backbone stays unchanged.
        output: the style file to write at every checkpoint, with a sheet of samples beside it.

    Raises:
        TrainingError: no paintings, photos or backbone, two styles with the same name, or no folder
            for the output.
    """

    checkpoint_format = "vidstyle-checkpoint"
    options: TrainOptions

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
            raise TrainingError("no paintings to train on")
        if not options.full and base is None:
            raise TrainingError("training only style vectors needs a backbone; pass base")
        self.names = [painting.info.name for painting in paintings]
        taken = {name for name in self.names if self.names.count(name) > 1 or name == IDENTITY}
        if taken:
            raise TrainingError(f"two styles would be named '{min(taken)}'; rename one painting")
        super().__init__(output, options)
        self.paintings = list(paintings)
        self.photos, self.held_out = find_photos(photos)
        self.turns = Turns([painting.share for painting in paintings], options.seed)
        self.crops = PhotoCrops(self.photos, options.seed, self.division.readers)
        self.base = base
        self.vgg: VGG19 = load_vgg19(vgg, last=STYLE_LAYERS[-1]).to(self.device)
        self.network = (base.network() if base else TransformerNet()).to(
            self.device, memory_format=torch.channels_last
        )  # type: ignore[call-overload]
        self.network.requires_grad_(options.full).train(options.full)
        self.vectors = self._first_vectors(self.names).to(self.device).requires_grad_()
        self.identity = self._identity().to(self.device)
        trained = self.network.named_parameters() if options.full else ()
        self._learn_weights(
            ({"vectors": self.vectors}, options.style_rate),
            ({f"network.{name}": weight for name, weight in trained}, options.learning_rate),
        )
        self.targets, self.coarse_targets = self._targets()
        self.style_weights = torch.tensor([p.weight for p in paintings], device=self.device)

    def _first_vectors(self, names: Sequence[str]) -> Tensor:
        """Styles in the base start from their vectors there, others from the mean of them."""
        if self.base is None:
            return self.network.new_style().repeat(len(names), 1)
        known = {name: v.float() for name, v in self.base.vectors.items() if name != IDENTITY}
        mean = torch.stack(list(known.values())).mean(0)
        return torch.stack([known.get(name, mean) for name in names])

    def _identity(self) -> Tensor:
        if self.base and IDENTITY in self.base.vectors:
            return self.base.vectors[IDENTITY]
        return self.network.identity_style()

    def _targets(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Gram matrices of all paintings at full and at half size: S×C×C per layer."""
        fine, coarse = [], []
        for painting in self.paintings:
            picture = images.resize_short_side(
                images.read_image(painting.path), self.options.style_size
            )
            image = as_tensor(picture).to(self.device)
            with torch.no_grad():
                fine.append(self._grams(image, STYLE_LAYERS))
                coarse.append(self._grams(F.avg_pool2d(image, 2), COARSE_LAYERS))
        return _stacked(fine), _stacked(coarse)

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
        o, order, strength = self.options, part.order, part.strength
        style = self.identity + strength[:, None] * (self.vectors[order] - self.identity)
        with self._autocast():
            drawn = self.network(part.photo.image, style).float()
        losses = self._compared(part.photo, drawn, order)
        if self.step % o.stability_every == 0:
            losses["stability"] = self._stability(part, drawn, style)
        # A weaker style imitates less of the painting and keeps more of the photo.
        style_weight = o.style_weight * self.style_weights[order] * strength.square()
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
        for n, value in zip(order[whole].tolist(), values["style"], strict=True):
            styles.setdefault(self.names[n], []).append(value)
        return Losses(total / o.batch_size, values, styles)

    def _compared(self, photo: Photo, drawn: Tensor, order: Tensor) -> dict[str, Tensor]:
        """All losses but stability, each N."""
        shown = drawn.clamp(0, 1)
        judged, image = (_inner(x, self.options.margin) for x in (shown, photo.image))
        with self._autocast():
            features = self.vgg(judged, STYLE_LAYERS)
            grams = gram_matrices(features, STYLE_LAYERS)
            small = self._grams(F.avg_pool2d(judged, 2), COARSE_LAYERS)
        targets = {layer: target[order] for layer, target in self.targets.items()}
        coarse_targets = {layer: target[order] for layer, target in self.coarse_targets.items()}
        edges = [1 - edge_correlation(judged, image, size, EDGE_EXPONENT) for size in EDGE_SIZES]
        content = [normalized_content(features[k], f) for k, f in photo.features.items()]
        similarity = [
            self_similarity_distance(self_similarity(features[k]), target)
            for k, target in photo.similarities.items()
        ]
        return {
            "style": style_distance(grams, targets),
            "coarse": style_distance(small, coarse_targets),
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

    def style_file(self) -> StyleFile:
        """The styles in their current state."""
        vectors = dict(zip(self.names, self.average["vectors"].cpu(), strict=True))
        recipe = asdict(self.options) | {"step": self.step, "seconds": round(self.seconds)}
        for name in ("device", "log_every", "checkpoint_minutes"):
            del recipe[name]
        infos = {
            p.info.name: replace(
                p.info, training=recipe | {"weight": p.weight, "painting": p.path.name}
            )
            for p in self.paintings
        }
        if not self.options.full:
            assert self.base is not None
            return StyleFile(
                self.output, self.base.architecture, self.base.backbone_id, None, vectors, infos
            )
        backbone = self._backbone()
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

    def _write(self) -> None:
        write_style_file(self.style_file(), self.output)

    def _write_samples(self) -> None:
        images.write_image(self.output.with_suffix(".sheet.png"), self.sheet())

    def _subject(self) -> dict[str, object]:
        frozen = "" if self.options.full or self.base is None else self.base.backbone_id
        return {"styles": self.names, "backbone_id": frozen}

    def _check_subject(self, subject: Mapping[str, object]) -> None:
        path, own = self.checkpoint_path, self._subject()
        if subject["styles"] != own["styles"]:
            styles = ", ".join(map(str, subject["styles"]))  # type: ignore[call-overload]
            raise TrainingError(f"{path}: belongs to the styles {styles}")
        if subject["backbone_id"] != own["backbone_id"]:
            raise TrainingError(f"{path}: belongs to another backbone")

    def sheet(self, rows: int = 3, side: int = 256) -> np.ndarray:
        """A picture of held-out photos in all styles: one photo per row, the original first."""
        network = TransformerNet(self.network.architecture).to(self.device)
        network.load_state_dict({k: v.to(self.device) for k, v in self._backbone().items()})
        pictures = []
        for path in (self.held_out or self.photos)[:rows]:
            photo = images.resize_short_side(images.read_image(path), side)
            top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
            photo = photo[top : top + side, left : left + side]
            pictures.append(photo)
            for vector in self.average["vectors"]:
                with torch.inference_mode():
                    result = network(as_tensor(photo).to(self.device), vector[None])
                pictures.append(as_image(result))
        return images.contact_sheet(pictures, columns=1 + len(self.paintings))

    def _backbone(self) -> dict[str, Tensor]:
        """The averaged weights of the network."""
        return {
            name: self.average.get(f"network.{name}", weight).cpu()
            for name, weight in self.network.state_dict().items()
        }


def _inner(image: Tensor, margin: int) -> Tensor:
    """The picture without the margin, which the losses do not see."""
    return crop(image, margin) if margin else image


def _stacked(grams: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {layer: torch.cat([g[layer] for g in grams]) for layer in grams[0]}


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
    """Describe a painting in a file; the name defaults to the file's.

    Raises:
        InputError: the file is not a picture.
    """
    path = Path(path)
    images.read_image(path)
    return Painting(StyleInfo(name or path.stem, title, artist, year), path, weight, share)
