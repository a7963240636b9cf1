"""Teach a leaner network to draw at half of the size what a backbone draws: a draft.

Knowledge distillation (Hinton, Vinyals, Dean 2015) on pictures instead of classes: the backbone is
the teacher, and no painting and no VGG19 are needed. The pupil begins as the teacher, cut down to
its strongest channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidstyle.errors import TrainingError
from vidstyle.models.transformer import ConditionalNorm, TransformerNet
from vidstyle.options import DistilOptions
from vidstyle.styles.draft import SHRINK, Draft, write_draft
from vidstyle.styles.file import StyleFile
from vidstyle.styles.header import IDENTITY
from vidstyle.train.loop import Losses, TrainLoop
from vidstyle.train.photos import PhotoCrops, find_photos


@dataclass(frozen=True)
class Lesson:
    """Photos of half the size, in which styles to draw them, and how the teacher does: all N×…"""

    photo: Tensor
    styles: Tensor
    wanted: Tensor


class Distiller(TrainLoop):
    """Distils the draft of a style file's backbone.

    Args:
        teacher: a style file with its backbone.
        output: the draft to write, at every checkpoint.

    Raises:
        TrainingError: no photos, no styles to learn from, or no folder for the output.
    """

    checkpoint_format = "vidstyle-distil-checkpoint"
    options: DistilOptions

    def __init__(
        self, teacher: StyleFile, photos: str | Path, output: str | Path, options: DistilOptions
    ) -> None:
        vectors = [vector for name, vector in teacher.vectors.items() if name != IDENTITY]
        if not vectors:
            raise TrainingError(f"{teacher.path}: no styles to learn from")
        super().__init__(output, options)
        self.crops = PhotoCrops(find_photos(photos)[0], options.seed, self._readers)
        network = teacher.network()
        self.vectors = torch.stack(vectors)
        self.identity = teacher.vectors.get(IDENTITY, network.identity_style())
        draft = pruned(network, teacher.backbone_id, self.vectors, options)
        self.pupil = draft.network.requires_grad_(True).train().to(self.device)
        self.pupil.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        maps = [weight.to(self.device).requires_grad_() for weight in draft.maps]
        self.draft = replace(draft, network=self.pupil, maps=maps)
        self.teacher = network.to(self.device, self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._learn_weights(
            (dict(self.pupil.named_parameters()), options.learning_rate),
            ({f"map.{index}": weight for index, weight in enumerate(maps)}, options.map_rate),
        )

    # ---- batches --------------------------------------------------------------------------

    def _batches(self, pool: ThreadPoolExecutor) -> Iterator[Sequence[Lesson]]:
        while True:
            rng = np.random.default_rng((self.options.seed, self.step))
            largest = self.options.late_crop if self.progress() > 0.67 else self.options.crop
            side = int(rng.choice([largest * 3 // 4, largest])) // 16 * 16
            photos = self.crops(self.step, self.options.batch_size, side).to(self.device)
            styles = self._mixtures(rng, self.options.batch_size).to(self.device)
            parts = photos.split(self._part), styles.split(self._part)
            yield list(pool.map(self._lesson, *parts))

    @torch.no_grad()
    def _lesson(self, photo: Tensor, styles: Tensor) -> Lesson:
        pairs = zip(photo.to(self.dtype).split(1), styles.to(self.dtype).split(1), strict=True)
        drawn = torch.cat([self.teacher(*pair) for pair in pairs]).float().clamp(0, 1)
        small = F.avg_pool2d(photo, SHRINK).contiguous(memory_format=torch.channels_last)
        return Lesson(small, styles, F.avg_pool2d(drawn, SHRINK))

    def _mixtures(self, rng: np.random.Generator, count: int) -> Tensor:
        """Styles, weaker ones, blends, and styles that nobody has: each layer a blend of its own.

        The last teach the maps what a style is that a user will train later.
        """
        return torch.stack([self._mixture(rng) for _ in range(count)])

    def _mixture(self, rng: np.random.Generator) -> Tensor:
        kind = rng.random()
        first, second = self.vectors[rng.integers(len(self.vectors), size=2)]
        if kind < 0.55:
            return first
        if kind < 0.75:
            return self.identity + float(rng.uniform(0.1, 1)) * (first - self.identity)
        if kind < 0.87:
            return first + float(rng.random()) * (second - first)
        parts: list[Tensor] = []
        for part in self.vectors.split(list(self.draft.splits), dim=1):
            # A scale and its shift belong together, and so does all that passes of the photo.
            if len(parts) % 2 == 0 and len(parts) < len(self.draft.splits) - 1:
                weights = torch.from_numpy(rng.dirichlet([0.4] * len(part))).float()
            parts.append(weights @ part)
        return torch.cat(parts)

    # ---- losses ---------------------------------------------------------------------------

    def _losses(self, part: Lesson) -> Losses:
        with self._autocast():
            vectors = torch.stack([self.draft.vector(vector) for vector in part.styles])
            drawn = self.pupil(part.photo, vectors).float()
        error = drawn - part.wanted
        across, down = error.diff(dim=3), error.diff(dim=2)
        loss = (
            _mean_size(error)
            + self.options.gradient_weight * (_mean_size(across) + _mean_size(down))
            + self.options.coarse_weight * _mean_size(F.avg_pool2d(error, 4))
        )
        square = error.detach().square().mean(dim=(1, 2, 3))
        values = {"loss": loss.detach().tolist(), "error": square.tolist()}
        return Losses(loss.sum() / self.options.batch_size, values)

    def _summary(self, losses: dict[str, float]) -> dict[str, float]:
        """The loss, and the pupil's PSNR to its teacher in dB."""
        return {"loss": losses["loss"], "psnr": -10 * math.log10(max(losses["error"], 1e-12))}

    # ---- what is written ------------------------------------------------------------------

    def _write(self) -> None:
        write_draft(self.result(), self.output)

    def _subject(self) -> dict[str, object]:
        return {
            "backbone_id": self.draft.backbone_id,
            "architecture": asdict(self.pupil.architecture),
        }

    def _check_subject(self, subject: Mapping[str, object]) -> None:
        if subject != self._subject():
            raise TrainingError(f"{self.checkpoint_path}: belongs to another backbone or network")

    def result(self) -> Draft:
        """The draft as it stands."""
        network = TransformerNet(self.pupil.architecture).requires_grad_(False).eval()
        weights = {name: weight.cpu() for name, weight in self.average.items()}
        network.load_state_dict({name: weights[name] for name in network.state_dict()})
        maps = [weights[f"map.{index}"] for index in range(len(self.draft.maps))]
        return replace(self.draft, network=network, maps=maps)


def _mean_size(error: Tensor) -> Tensor:
    """Mean absolute value of each picture: N."""
    return error.abs().mean(dim=(1, 2, 3))


def pruned(
    teacher: TransformerNet, backbone_id: str, vectors: Tensor, options: DistilOptions
) -> Draft:
    """The teacher for pictures of half the size, cut down to its strongest channels.

    Strong is what styles scale most. The first kernels are summed over 2×2 pixels, which on a
    picture of half the size yields what the teacher's yield on the whole; what is left of the
    others has the energy that they had.

    Args:
        vectors: of the teacher's styles, N×V.
    """
    splits = teacher.architecture.style_splits()
    last_norm = 2 * sum(isinstance(m, ConditionalNorm) for m in teacher.modules())
    scales = [part.abs().mean(0) for part in vectors.split(splits, dim=1)[:last_norm:2]]
    blocks = teacher.architecture.deep_blocks
    fine_blocks = min(options.fine_blocks, teacher.architecture.fine_blocks)
    architecture = replace(
        teacher.architecture,
        width=min(options.width, teacher.architecture.width),
        deep=min(options.deep, teacher.architecture.deep),
        fine_blocks=fine_blocks,
        margin=teacher.architecture.margin // SHRINK,
        stride=teacher.architecture.stride // SHRINK,
    )
    head = 3 + 2 * blocks + 2 * fine_blocks  # normalizations up to the last fine block's
    # Channels that are added together: of all blocks of a size, and of the first layer and them.
    wide = [0, 2 + 2 * blocks, *range(4 + 2 * blocks, head, 2)]
    inner_wide = range(3 + 2 * blocks, head, 2)
    chosen: dict[int, Tensor] = {}
    for places, count in (
        (wide, architecture.width),
        (range(1, 2 + 2 * blocks, 2), architecture.deep),
    ):
        strongest = _strongest(sum(scales[place] for place in places), count)
        chosen |= dict.fromkeys(places, strongest)
    for place in range(2, 2 + 2 * blocks, 2):
        chosen[place] = _strongest(scales[place], architecture.deep)
    for place in inner_wide:
        chosen[place] = _strongest(scales[place], architecture.width)
    last = len(scales) - 1
    chosen[last] = torch.arange(architecture.half)
    network = TransformerNet(architecture)
    weights = teacher.state_dict()
    first = weights["conv_in.weight"][chosen[0]]
    side = 3 * architecture.stride
    cut = {"conv_in.weight": first.view(*first.shape[:2], side, SHRINK, side, SHRINK).sum((3, 5))}
    places = [("conv_down", 0, 1)]
    for index in range(blocks):
        before, inside, after = 1 + 2 * index, 2 + 2 * index, 3 + 2 * index
        places += [(f"deep.{index}.conv1", before, inside), (f"deep.{index}.conv2", inside, after)]
    before = 2 + 2 * blocks
    places.append(("conv_up", before - 1, before))
    for index in range(fine_blocks):
        inside, after = before + 1, before + 2
        places += [(f"fine.{index}.conv1", before, inside), (f"fine.{index}.conv2", inside, after)]
        before = after
    places.append(("conv_narrow", before, last))
    for name, inputs, outputs in places:
        whole = weights[f"{name}.weight"]
        part = whole[chosen[outputs]][:, chosen[inputs]]
        cut[f"{name}.weight"] = part * (whole.square().sum() / part.square().sum()).sqrt()
    if architecture.skip:
        cut["conv_photo.weight"] = _halved_photo(weights["conv_photo.weight"][-12:])
    network.load_state_dict({**network.state_dict(), **cut})
    used = [*range(head), last]  # of the teacher's
    maps = [
        torch.eye(len(scales[place]))[chosen[place]].clone() for place in used for _ in range(2)
    ]
    if architecture.skip:  # each pixel of the draft is the mean of four, colour by colour
        maps.append(torch.eye(3).repeat(4, 4) / 4)
    return Draft(network, splits, maps, backbone_id)


def _halved_photo(weight: Tensor) -> Tensor:
    """Of the last layer's part of ``conv_photo``, for pictures of half the size: 12×3×6×6 each.

    The mean of the four pixels that it draws, its kernel summed over 2×2 pixels, at the place of
    each of the four pixels that the draft draws.
    """
    pixel = weight.view(4, 3, 3, 6, 6).mean(0)
    pixel = pixel.view(3, 3, 3, 2, 3, 2).sum((3, 5))
    halved = torch.zeros_like(weight)
    for row in range(2):
        for column in range(2):
            first = 3 * (2 * row + column)
            halved[first : first + 3, :, 1 + row : 4 + row, 1 + column : 4 + column] = pixel
    return halved


def _strongest(strength: Tensor | int, count: int) -> Tensor:
    """Indices of the largest numbers, in order."""
    assert isinstance(strength, Tensor)
    return strength.topk(count).indices.sort().values
