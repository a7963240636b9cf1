"""Training the predictor of style vectors, on a backbone that stays as it is.

Every sample has a painting of its own: a crop of a picture, mirrored, with other colours and
contrasts. So a hundred paintings become many more; photos serve as paintings too, since what
people bring is not always painted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vidstyle import image as images
from vidstyle.errors import TrainingError
from vidstyle.models.losses import STYLE_LAYERS
from vidstyle.models.pixels import as_tensor
from vidstyle.models.predictor import StylePredictor, painting_statistics
from vidstyle.options import TrainOptions
from vidstyle.styles.file import StyleFile
from vidstyle.styles.header import IDENTITY
from vidstyle.styles.predictor import Predictor, write_predictor
from vidstyle.train.drawing import DrawingLoop, Photo, Sample, Target

CROP = 320
"""Side of the crops of paintings, in pixels."""
PAINTING, PHOTO = "paintings", "photos"
_PHOTOS = 64
"""Photos that serve as paintings."""
_EXAMPLES = 64
"""Paintings whose statistics set the scale of the inputs."""


def held_out(paintings: Sequence[Path], count: int) -> tuple[list[Path], list[Path]]:
    """Paintings to train on, and ``count`` to judge by, whose names have the lowest hashes."""
    ordered = sorted(paintings, key=lambda p: hashlib.sha256(p.name.encode()).hexdigest())
    return sorted(ordered[count:]), sorted(ordered[:count])


class PredictorTrainer(DrawingLoop):
    """Trains the predictor of a style file's backbone.

    ``options.style_rate`` is the learning rate; ``options.style_size`` the short side of the
    paintings, from which crops are taken.

    Args:
        paintings: pictures to learn from.
        photos: a folder of photos to draw.
        output: the predictor to write at every checkpoint.
        base: a style file with a backbone and at least two styles.

    Raises:
        TrainingError: no paintings or photos, too few styles, or no folder for the output.
    """

    checkpoint_format = "vidstyle-predictor-checkpoint"

    def __init__(
        self,
        paintings: Sequence[Path],
        photos: str | Path,
        output: str | Path,
        options: TrainOptions,
        *,
        base: StyleFile,
        vgg: str | Path | None = None,
    ) -> None:
        known = [vector for name, vector in base.vectors.items() if name != IDENTITY]
        if not paintings or len(known) < 2:
            raise TrainingError("a predictor needs paintings, and a backbone with two styles")
        shares = [1] * (len(paintings) + min(_PHOTOS, len(paintings) // 2))
        super().__init__(shares, photos, output, options, base=base, vgg=vgg)
        self.pictures = [*paintings, *self.photos[: len(shares) - len(paintings)]]
        self.kinds = [PAINTING if n < len(paintings) else PHOTO for n in range(len(shares))]
        self.predictor = StylePredictor(self.network.style_size).to(self.device)
        self.predictor.standardize(self._examples(), torch.stack(known).float().to(self.device))
        self._learn_weights((dict(self.predictor.named_parameters()), options.style_rate))

    def _examples(self) -> Tensor:
        """Statistics of some of the pictures: P×``STATISTICS``."""
        rng = np.random.default_rng(self.options.seed)
        chosen = rng.permutation(len(self.pictures))[:_EXAMPLES]
        return torch.cat([self._described(self._picture(n, rng))[0] for n in chosen])

    def _picture(self, index: int, rng: np.random.Generator) -> Tensor:
        """A crop of a picture with other colours: 1×3×H×W."""
        picture = images.read_image(self.pictures[index])
        short = int(rng.integers(CROP, self.options.style_size + 1))
        picture = images.resize_short_side(picture, short)
        top, left = (int(rng.integers(size - CROP + 1)) for size in picture.shape[:2])
        part = picture[top : top + CROP, left : left + CROP]
        part = part[:, ::-1] if rng.random() < 0.5 else part
        return recoloured(as_tensor(np.ascontiguousarray(part)), rng).to(self.device)

    def _described(self, picture: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """A painting's statistics, and its Gram matrices at full and at half size."""
        with torch.no_grad(), self._autocast():
            statistics = painting_statistics(self.vgg(picture, STYLE_LAYERS))
        return statistics, *self._style_grams(picture)

    def _target(self, part: Sample) -> Target:
        rng = np.random.default_rng((part.seed, 3))
        order = part.order.tolist()
        described = [self._described(self._picture(n, rng)) for n in order]
        statistics, fine, coarse = zip(*described, strict=True)
        return Target(
            self.predictor(torch.cat(statistics)),
            {layer: torch.cat([grams[layer] for grams in fine]) for layer in fine[0]},
            {layer: torch.cat([grams[layer] for grams in coarse]) for layer in coarse[0]},
            torch.ones(len(order), device=self.device),
            [self.kinds[n] for n in order],
        )

    def _compared(self, photo: Photo, drawn: Tensor, target: Target) -> dict[str, Tensor]:
        # The distance is relative to the painting's Gram matrices, which are small in a crop of
        # plain sky. Without the logarithm, such crops would decide the gradient.
        losses = super()._compared(photo, drawn, target)
        for name in ("style", "coarse"):
            losses[name] = losses[name].log1p()
        return losses

    def result(self) -> Predictor:
        """The predictor in its current state."""
        network = StylePredictor(self.network.style_size)
        state = {**self.predictor.state_dict(), **self.average}
        network.load_state_dict({name: tensor.cpu() for name, tensor in state.items()})
        return Predictor(network.requires_grad_(False).eval(), self._frozen_id())

    def _write(self) -> None:
        write_predictor(self.result(), self.output)

    def _subject(self) -> dict[str, object]:
        return {"backbone_id": self._frozen_id(), "pictures": [p.name for p in self.pictures]}


def recoloured(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Other contrast, brightness and saturation, and, one time in three, other hues: N×3×H×W."""
    contrast, saturation = rng.uniform(0.75, 1.3, size=2)
    grey = picture.mean(1, keepdim=True)
    level = grey.mean() + float(rng.uniform(-0.08, 0.08))
    changed = grey + (picture - grey) * float(saturation)
    changed = level + (changed - grey.mean()) * float(contrast)
    if rng.random() < 1 / 3:
        changed = changed[:, rng.permutation(3)]
    return changed.clamp(0, 1)
