"""The loss that the optimization engine minimizes, term by term."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vidstyle import image as images
from vidstyle.models.losses import (
    Normalization,
    content_loss,
    gram_matrix,
    region_grams,
    style_loss,
    total_variation,
)
from vidstyle.models.matting import photorealism_loss
from vidstyle.models.pixels import as_tensor
from vidstyle.models.vgg import VGG19


@dataclass(frozen=True)
class Anchor:
    """Pulls the result towards a picture: ``weight · mean(trust · (x − image)²)``.

    This is the temporal term of Ruder, Dosovitskiy, Brox 2016, eq. 7, with colours in [0, 1] and
    the mean over all pixels and channels.

    Attributes:
        image: H×W×3 float32, 0 to 255, of the picture's size.
        trust: H×W float32, 0 to 1.
    """

    image: np.ndarray
    trust: np.ndarray
    weight: float


@dataclass(frozen=True, eq=False)
class Pull:
    """An anchor at the size being worked on: image 1×3×H×W in [0, 1], trust 1×1×H×W."""

    image: Tensor
    trust: Tensor
    weight: float

    @classmethod
    def from_anchor(cls, anchor: Anchor, width: int, height: int, device: torch.device) -> Pull:
        image = resized_tensor(anchor.image, width, height, device)
        trust = resized_tensor(anchor.trust[:, :, None], width, height, device)
        return cls(image, 255 * trust, anchor.weight)


@dataclass(frozen=True, eq=False)
class Target:
    """The response wanted from a layer.

    Attributes:
        value: responses N×C×H×W, or their Gram matrix N×C×C, one for each region if there are any.
        mean: mean of the layer's responses, a scalar.
    """

    value: Tensor
    mean: Tensor

    @classmethod
    def content(cls, features: Tensor) -> Target:
        return cls(features, features.float().mean())

    @classmethod
    def style(cls, features: Tensor, regions: Tensor | None = None) -> Target:
        return cls(grams(features.float(), regions), features.float().mean())

    @classmethod
    def mixed(cls, targets: Sequence[Target], weights: Sequence[float]) -> Target:
        """Their weighted mean; the weights must add up to 1."""
        values = [weight * t.value for t, weight in zip(targets, weights, strict=True)]
        means = [weight * t.mean for t, weight in zip(targets, weights, strict=True)]
        return cls(torch.stack(values).sum(dim=0), torch.stack(means).sum())


@dataclass(frozen=True)
class Measure:
    """How errors are weighted; ``OptimizeOptions`` has the formulas.

    Attributes:
        content, style: weights of the layers, by name.
    """

    content: Mapping[str, float]
    style: Mapping[str, float]
    tv: float
    tv_exponent: float
    normalization: Normalization

    def response_scale(self, target: Target) -> Tensor | float:
        """The number that a layer's responses are divided by."""
        return 1.0 if self.normalization == "relative" else target.mean


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss of a picture, as weighted terms by name.

    Attributes:
        content: the photo's responses, by layer.
        style: the paintings' Gram matrices, by layer.
        see: transforms a picture before the losses see it, N×3×H×W to the same.
        regions: 1×R×H×W, which parts of the picture imitate which Gram matrix; None where there is
            one of all.
        laplacian: the photo's, if the picture is to remain photorealistic, and its weight.
    """

    vgg: VGG19
    measure: Measure
    content: Mapping[str, Target]
    style: Mapping[str, Target]
    pulls: Sequence[Pull] = ()
    see: Callable[[Tensor], Tensor] = lambda image: image
    regions: Tensor | None = None
    laplacian: tuple[Tensor, float] | None = None

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """1×3×H×W to scalars. Colours are meant to be in [0, 1], but need not be."""
        m, seen = self.measure, self.see(image)
        features = self.vgg(seen, {*self.content, *self.style})
        content = style = tv = temporal = photorealism = image.new_zeros(())
        areas = 1.0 if self.regions is None else region_areas(self.regions)
        for layer, target in self.content.items():
            loss = content_loss(features[layer], target.value, m.normalization).sum()
            content = content + m.content[layer] / m.response_scale(target) ** 2 * loss
        for layer, target in self.style.items():
            response = features[layer].float()
            positions = response.shape[2] * response.shape[3]
            gram = grams(response, self.regions)
            loss = style_loss(gram, target.value, m.normalization, positions)
            scale = m.style[layer] / m.response_scale(target) ** 4
            style = style + scale * (areas * loss).sum()
        if m.tv:
            values = image.numel() if m.normalization == "gatys" else 1
            tv = m.tv * values * total_variation(seen, m.tv_exponent).sum()
        for pull in self.pulls:
            gap = (seen - self.see(pull.image)).square()
            temporal = temporal + pull.weight * (pull.trust * gap).mean()
        if self.laplacian is not None:
            laplacian, weight = self.laplacian
            photorealism = weight * photorealism_loss(image, laplacian)
        return {
            "content": content,
            "style": style,
            "tv": tv,
            "temporal": temporal,
            "photorealism": photorealism,
        }


def grams(features: Tensor, regions: Tensor | None) -> Tensor:
    """Gram matrices N×C×C of the whole picture, or of each region."""
    return gram_matrix(features) if regions is None else region_grams(features, regions)


def region_areas(regions: Tensor) -> Tensor:
    """The share of each region in all of them: 1×R×H×W to R."""
    areas = regions.mean(dim=(0, 2, 3))
    return areas / areas.sum()


@dataclass(frozen=True, eq=False)
class Scene:
    """What the optimization engine paints.

    Attributes:
        size: width and height.
        photo: H×W×3 uint8; None for a texture.
        start: H×W×3, 0 to 255, to start from instead of ``options.init``.
    """

    size: tuple[int, int]
    photo: np.ndarray | None = None
    start: np.ndarray | None = None
    anchors: Sequence[Anchor] = ()

    def photo_at(self, size: tuple[int, int], device: torch.device) -> Tensor | None:
        return None if self.photo is None else resized_tensor(self.photo, *size, device)


def resized_tensor(picture: np.ndarray, width: int, height: int, device: torch.device) -> Tensor:
    """H×W×C of any size, 0 to 255, to 1×C×height×width in [0, 1]."""
    if picture.shape[1::-1] != (width, height):
        picture = images.resize(picture, width, height).reshape(height, width, -1)
    return as_tensor(picture).to(device)
