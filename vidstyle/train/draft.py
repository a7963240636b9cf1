"""Distillation of drafts: a smaller network learns to imitate a backbone at half of the size.

This is knowledge distillation (Hinton, Vinyals, Dean 2015) with pictures instead of classes. The
backbone is the teacher; no paintings and no VGG19 are needed. The student starts as the teacher,
pruned to its strongest channels.
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
from vidstyle.models.transformer import Architecture, ConditionalNorm, TransformerNet
from vidstyle.options import DistilOptions
from vidstyle.styles.draft import SHRINK, Draft, write_draft
from vidstyle.styles.file import StyleFile
from vidstyle.styles.header import IDENTITY
from vidstyle.train.loop import Losses, TrainLoop
from vidstyle.train.photos import PhotoCrops, find_photos


@dataclass(frozen=True)
class Lesson:
    """Photos of half the size, the styles to draw them in, and the teacher's drawings: all N×…"""

    photo: Tensor
    styles: Tensor
    wanted: Tensor


class Distiller(TrainLoop):
    """Distils the draft of a style file's backbone.

    Args:
        teacher: a style file with a backbone.
        output: the draft to write at every checkpoint.

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
        self.crops = PhotoCrops(find_photos(photos)[0], options.seed, self.division.readers)
        network = teacher.network()
        self.vectors = torch.stack(vectors)
        self.identity = teacher.vectors.get(IDENTITY, network.identity_style())
        draft = pruned(network, teacher.backbone_id, self.vectors, options)
        self.student = draft.network.requires_grad_(True).train().to(self.device)
        self.student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        maps = [weight.to(self.device).requires_grad_() for weight in draft.maps]
        self.draft = replace(draft, network=self.student, maps=maps)
        self.teacher = network.to(self.device, self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._learn_weights(
            (dict(self.student.named_parameters()), options.learning_rate),
            ({f"map.{index}": weight for index, weight in enumerate(maps)}, options.map_rate),
        )

    def _batches(self, pool: ThreadPoolExecutor) -> Iterator[Sequence[Lesson]]:
        while True:
            rng = np.random.default_rng((self.options.seed, self.step))
            largest = self.options.late_crop if self.progress() > 0.67 else self.options.crop
            side = int(rng.choice([largest * 3 // 4, largest])) // 16 * 16
            photos = self.crops(self.step, self.options.batch_size, side).to(self.device)
            styles = self._mixtures(rng, self.options.batch_size).to(self.device)
            parts = photos.split(self.division.part), styles.split(self.division.part)
            yield list(pool.map(self._lesson, *parts))

    @torch.no_grad()
    def _lesson(self, photo: Tensor, styles: Tensor) -> Lesson:
        pairs = zip(photo.to(self.dtype).split(1), styles.to(self.dtype).split(1), strict=True)
        drawn = torch.cat([self.teacher(*pair) for pair in pairs]).float().clamp(0, 1)
        small = F.avg_pool2d(photo, SHRINK).contiguous(memory_format=torch.channels_last)
        return Lesson(small, styles, F.avg_pool2d(drawn, SHRINK))

    def _mixtures(self, rng: np.random.Generator, count: int) -> Tensor:
        """Style vectors for training: N×V.

        They are styles, weaker styles, blends, and random styles with a different blend in each
        layer. The latter prepare the maps for styles that users will train.
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
            # A scale and its shift share weights; so do all parts that concern the photo.
            if len(parts) % 2 == 0 and len(parts) < len(self.draft.splits) - 1:
                weights = torch.from_numpy(rng.dirichlet([0.4] * len(part))).float()
            parts.append(weights @ part)
        return torch.cat(parts)

    def _losses(self, part: Lesson) -> Losses:
        with self._autocast():
            vectors = torch.stack([self.draft.vector(vector) for vector in part.styles])
            drawn = self.student(part.photo, vectors).float()
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
        """The loss, and the student's PSNR to its teacher in dB."""
        return {"loss": losses["loss"], "psnr": -10 * math.log10(max(losses["error"], 1e-12))}

    def _write(self) -> None:
        write_draft(self.result(), self.output)

    def _subject(self) -> dict[str, object]:
        return {
            "backbone_id": self.draft.backbone_id,
            "architecture": asdict(self.student.architecture),
        }

    def _check_subject(self, subject: Mapping[str, object]) -> None:
        if subject != self._subject():
            raise TrainingError(f"{self.checkpoint_path}: belongs to another backbone or network")

    def result(self) -> Draft:
        """The draft in its current state."""
        network = TransformerNet(self.student.architecture).requires_grad_(False).eval()
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
    """The teacher converted to pictures of half the size, pruned to its strongest channels.

    The strength of a channel is how much styles scale it. The first kernels are summed over 2×2
    pixels, which gives the same responses on a picture of half the size. The kept weights of other
    layers are rescaled to the energy of all.

    Args:
        vectors: the teacher's styles, N×V.
    """
    old = teacher.architecture
    splits = old.style_splits()
    last_norm = 2 * sum(isinstance(m, ConditionalNorm) for m in teacher.modules())
    scales = [part.abs().mean(0) for part in vectors.split(splits, dim=1)[:last_norm:2]]
    new = replace(
        old,
        width=min(options.width, old.width),
        deep=min(options.deep, old.deep),
        fine_blocks=min(options.fine_blocks, old.fine_blocks),
        margin=old.margin // SHRINK,
        stride=old.stride // SHRINK,
    )
    chosen = _chosen_channels(scales, new)
    network = TransformerNet(new)
    weights = _pruned_weights(teacher.state_dict(), chosen, new)
    network.load_state_dict({**network.state_dict(), **weights})
    maps = [
        torch.eye(len(scales[norm]))[chosen[norm]].clone()
        for norm in sorted(chosen)
        for _ in ("scale", "shift")
    ]
    if new.skip:  # each pixel of the draft is the mean of four, colour by colour
        maps.append(torch.eye(3).repeat(4, 4) / 4)
    return Draft(network, splits, maps, backbone_id)


def _chosen_channels(scales: Sequence[Tensor], new: Architecture) -> dict[int, Tensor]:
    """Indices of the teacher's channels to keep, by number of the normalization.

    Normalizations are numbered in order of use: ``conv_in``, ``conv_down``, two per deep block,
    ``conv_up``, two per fine block, and the last one.
    """
    up = 2 + 2 * new.deep_blocks
    end = up + 1 + 2 * new.fine_blocks
    # Channels that are added together must be the same ones: those that residual blocks of one size
    # pass on, and those of the first layer and the blocks at its size.
    chosen = _shared_channels(scales, [0, *range(up, end, 2)], new.width)
    chosen |= _shared_channels(scales, range(1, up, 2), new.deep)
    for norm in range(2, up, 2):
        chosen[norm] = _strongest(scales[norm], new.deep)
    for norm in range(up + 1, end, 2):
        chosen[norm] = _strongest(scales[norm], new.width)
    chosen[len(scales) - 1] = torch.arange(new.half)
    return chosen


def _shared_channels(
    scales: Sequence[Tensor], norms: Sequence[int], count: int
) -> dict[int, Tensor]:
    """The same channels for several normalizations: the strongest in sum."""
    total = scales[norms[0]].clone()
    for norm in norms[1:]:
        total += scales[norm]
    return dict.fromkeys(norms, _strongest(total, count))


def _pruned_weights(
    weights: Mapping[str, Tensor], chosen: Mapping[int, Tensor], new: Architecture
) -> dict[str, Tensor]:
    """The weights of all convolutions but the last ones, with the chosen channels only."""
    first = weights["conv_in.weight"][chosen[0]]
    side = 3 * new.stride
    cut = {"conv_in.weight": first.view(*first.shape[:2], side, SHRINK, side, SHRINK).sum((3, 5))}
    for name, inputs, outputs in _convolutions(new, max(chosen)):
        whole = weights[f"{name}.weight"]
        part = whole[chosen[outputs]][:, chosen[inputs]]
        cut[f"{name}.weight"] = part * (whole.square().sum() / part.square().sum()).sqrt()
    if new.skip:
        cut["conv_photo.weight"] = _halved_photo(weights["conv_photo.weight"][-12:])
    return cut


def _convolutions(new: Architecture, last: int) -> Iterator[tuple[str, int, int]]:
    """Convolutions between the first and the last ones, with the normalizations around each."""
    yield "conv_down", 0, 1
    norm = 1
    for index in range(new.deep_blocks):
        yield f"deep.{index}.conv1", norm, norm + 1
        yield f"deep.{index}.conv2", norm + 1, norm + 2
        norm += 2
    yield "conv_up", norm, norm + 1
    norm += 1
    for index in range(new.fine_blocks):
        yield f"fine.{index}.conv1", norm, norm + 1
        yield f"fine.{index}.conv2", norm + 1, norm + 2
        norm += 2
    yield "conv_narrow", norm, last


def _halved_photo(weight: Tensor) -> Tensor:
    """The last layer's part of ``conv_photo`` for pictures of half the size: 12×3×6×6 to the same.

    The kernel is averaged over the four pixels that it draws, summed over 2×2 pixels, and placed
    at each of the four pixels that the draft draws.
    """
    pixel = weight.view(4, 3, 3, 6, 6).mean(0)
    pixel = pixel.view(3, 3, 3, 2, 3, 2).sum((3, 5))
    halved = torch.zeros_like(weight)
    for row in range(2):
        for column in range(2):
            first = 3 * (2 * row + column)
            halved[first : first + 3, :, 1 + row : 4 + row, 1 + column : 4 + column] = pixel
    return halved


def _strongest(strength: Tensor, count: int) -> Tensor:
    """Indices of the largest numbers, in ascending order."""
    return strength.topk(count).indices.sort().values
