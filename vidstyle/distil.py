"""Teach a leaner network to draw at half of the size what a backbone draws: a draft.

Knowledge distillation (Hinton, Vinyals, Dean 2015) on pictures instead of classes: the backbone is
the teacher, and no painting and no VGG19 are needed. The pupil begins as the teacher, cut down to
its strongest channels. Imports neither PyAV nor typer.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidstyle.device import pick_device, training_precision, tune_allocator
from vidstyle.errors import OptionError, TrainingError
from vidstyle.learning import (
    check_course,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    write_checkpoint,
)
from vidstyle.models.transformer import ConditionalNorm, TransformerNet
from vidstyle.photos import PhotoCrops, find_photos
from vidstyle.styles.draft import SHRINK, Draft, write_draft
from vidstyle.styles.file import StyleFile
from vidstyle.styles.header import IDENTITY

CHECKPOINT = "vidstyle-distil-checkpoint"


@dataclass(frozen=True)
class DistilOptions:
    """How to distil. ``steps`` or ``minutes``, whichever is given, is the whole of the training,
    and sets the course of the learning rate."""

    width: int = 32
    deep: int = 64
    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 8
    crop: int = 256
    """Side, in pixels of the teacher, of the largest crops in the first part of the training."""
    late_crop: int = 384
    """The same in the last third."""
    learning_rate: float = 2e-3
    map_rate: float = 1e-3
    """Of the maps from the teacher's style vectors to the pupil's."""
    gradient_weight: float = 0.5
    """Of the differences between neighbours, on which strokes depend."""
    coarse_weight: float = 0.5
    """Of the mean over 4×4 pixels."""
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    checkpoint_minutes: float = 3.0
    log_every: int = 50

    def __post_init__(self) -> None:
        check_course(self.steps, self.minutes, self.crop, self.late_crop)
        for name in ("steps", "minutes", "batch_size", "width", "deep"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise OptionError(f"{name} must be above zero, not {value}")


@dataclass(frozen=True)
class DistilEvent:
    """Progress: means since the last event; ``psnr`` is the pupil's to its teacher, in dB."""

    step: int
    progress: float
    seconds: float
    loss: float
    psnr: float
    checkpoint: Path | None = None


class Distiller:
    """Distils the draft of a style file's backbone.

    Args:
        teacher: a style file with its backbone.
        output: the draft to write, at every checkpoint.

    Raises:
        TrainingError: no photos, or no styles to learn from.
    """

    def __init__(
        self, teacher: StyleFile, photos: str | Path, output: str | Path, options: DistilOptions
    ) -> None:
        vectors = [vector for name, vector in teacher.vectors.items() if name != IDENTITY]
        if not vectors:
            raise TrainingError(f"{teacher.path}: no styles to learn from")
        tune_allocator()
        torch.manual_seed(options.seed)
        self.options = options
        self.output = Path(output)
        self.crops = PhotoCrops(find_photos(photos)[0], options.seed)
        self.device = pick_device(options.device)
        self.dtype = training_precision(options.precision, self.device)
        teacher_network = teacher.network()
        self.vectors = torch.stack(vectors)
        self.identity = teacher.vectors.get(IDENTITY, teacher_network.identity_style())
        draft = pruned(teacher_network, teacher.backbone_id, self.vectors, options)
        self.pupil = draft.network.requires_grad_(True).train().to(self.device)
        self.pupil.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.maps = nn.ParameterList(draft.maps).to(self.device)
        self.draft = replace(draft, network=self.pupil, maps=list(self.maps))
        self.average = {name: w.detach().clone() for name, w in self._weights()}
        self.teacher = teacher_network.to(
            self.device, self.dtype, memory_format=torch.channels_last
        )  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(
            [
                {"params": list(self.pupil.parameters()), "base": options.learning_rate},
                {"params": list(self.maps), "base": options.map_rate},
            ],
            lr=0.0,
            betas=(0.9, 0.99),
        )
        self.step, self.seconds = 0, 0.0

    # ---- the loop -------------------------------------------------------------------------

    def train(self, listener: Callable[[DistilEvent], None] = lambda event: None) -> Draft:
        """Run to the end of the minutes, checkpointing on the way; returns the draft.

        On Ctrl-C a checkpoint is written before the exception goes on.

        Raises:
            TrainingError: the loss is no number any more; the last checkpoint is kept.
        """
        began, saved = time.monotonic() - self.seconds, time.monotonic()
        past: list[tuple[float, float]] = []
        try:
            while self.progress < 1:
                past.append(self._learn())
                self.step += 1
                self.seconds = time.monotonic() - began
                checkpoint = None
                if time.monotonic() - saved > self.options.checkpoint_minutes * 60:
                    checkpoint, saved = self.save(), time.monotonic()
                if checkpoint or self.step % self.options.log_every == 0 or self.progress >= 1:
                    loss, error = (float(np.mean(values)) for values in zip(*past, strict=True))
                    psnr = -10 * math.log10(max(error, 1e-12))
                    done = min(self.progress, 1.0)
                    listener(DistilEvent(self.step, done, self.seconds, loss, psnr, checkpoint))
                    past.clear()
        except TrainingError:
            raise
        except BaseException:
            self.save()
            raise
        self.save()
        return self.result()

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        if self.options.steps is not None:
            return self.step / self.options.steps
        return self.seconds / (60 * (self.options.minutes or 0))

    def _learn(self) -> tuple[float, float]:
        """One step; its loss and squared error."""
        o = self.options
        rng = np.random.default_rng((o.seed, self.step))
        largest = o.late_crop if self.progress > 0.67 else o.crop
        side = int(rng.choice([largest * 3 // 4, largest])) // 16 * 16
        photo = self.crops(self.step, o.batch_size, side).to(self.device)
        styles = self._mixtures(rng, o.batch_size).to(self.device)
        with torch.no_grad():
            pairs = zip(photo.split(1), styles, strict=True)
            drawn = [self.teacher(p.to(self.dtype), v[None].to(self.dtype)) for p, v in pairs]
            wanted = F.avg_pool2d(torch.cat(drawn).float().clamp(0, 1), SHRINK)
        small = F.avg_pool2d(photo, SHRINK).contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16
        ):
            vectors = torch.stack([self.draft.vector(vector) for vector in styles])
            found = self.pupil(small, vectors).float()
        loss = self._loss(found - wanted)
        if not math.isfinite(loss.item()):
            raise TrainingError(f"the loss is no number at step {self.step}; lower the rate")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.pupil.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base"] * self._rate()
        self.optimizer.step()
        self._follow()
        return loss.item(), (found - wanted).detach().square().mean().item()

    def _loss(self, error: Tensor) -> Tensor:
        across, down = error.diff(dim=3), error.diff(dim=2)
        return (
            error.abs().mean()
            + self.options.gradient_weight * (across.abs().mean() + down.abs().mean())
            + self.options.coarse_weight * F.avg_pool2d(error, 4).abs().mean()
        )

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
            if len(parts) % 2 == 0:  # a scale and its shift belong together
                weights = torch.from_numpy(rng.dirichlet([0.4] * len(part))).float()
            parts.append(weights @ part)
        return torch.cat(parts)

    def _rate(self) -> float:
        """Linear warm-up over 100 steps, then half a cosine down."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(self.progress, 1)))
        return min(1.0, (self.step + 1) / 100) * max(cosine, 0.003)

    def _weights(self) -> Iterator[tuple[str, Tensor]]:
        yield from self.pupil.state_dict().items()
        for index, weight in enumerate(self.maps):
            yield f"map.{index}", weight

    @torch.no_grad()
    def _follow(self) -> None:
        """Keep a running mean of the weights, which draws better than they do at any one step."""
        share = max(0.001, 1 / (self.step / 10 + 1))
        for name, weight in self._weights():
            self.average[name].lerp_(weight, share)

    # ---- what is kept ---------------------------------------------------------------------

    def result(self) -> Draft:
        """The draft as it stands."""
        network = TransformerNet(self.pupil.architecture).requires_grad_(False).eval()
        names = network.state_dict()
        network.load_state_dict({name: self.average[name].cpu() for name in names})
        maps = [self.average[f"map.{index}"].cpu() for index in range(len(self.maps))]
        return replace(self.draft, network=network, maps=maps)

    @property
    def checkpoint_path(self) -> Path:
        return self.output.with_suffix(".checkpoint.safetensors")

    def save(self) -> Path:
        """Write the draft and the checkpoint."""
        write_draft(self.result(), self.output)
        tensors = {f"now.{name}": weight for name, weight in self._weights()}
        tensors |= {f"mean.{name}": weight for name, weight in self.average.items()}
        tensors |= optimizer_tensors(self.optimizer)
        metadata = {
            "format": CHECKPOINT,
            "state": json.dumps({"step": self.step, "seconds": self.seconds}),
            "backbone_id": self.draft.backbone_id,
            "architecture": json.dumps(asdict(self.pupil.architecture)),
        }
        return write_checkpoint(tensors, metadata, self.checkpoint_path)

    def resume(self) -> None:
        """Go on from the checkpoint beside the output.

        Raises:
            TrainingError: there is none, or it belongs to another backbone or network.
        """
        path = self.checkpoint_path
        metadata, tensors = read_checkpoint(path, CHECKPOINT)
        sizes = json.dumps(asdict(self.pupil.architecture))
        mine = (self.draft.backbone_id, sizes)
        if (metadata.get("backbone_id"), metadata.get("architecture")) != mine:
            raise TrainingError(f"{path}: belongs to another backbone or network")
        state = json.loads(metadata["state"])
        self.step, self.seconds = state["step"], state["seconds"]
        with torch.no_grad():
            for name, weight in self._weights():
                weight.copy_(tensors[f"now.{name}"])
                self.average[name].copy_(tensors[f"mean.{name}"])
        restore_optimizer(self.optimizer, tensors)


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
    architecture = replace(
        teacher.architecture,
        width=min(options.width, teacher.architecture.width),
        deep=min(options.deep, teacher.architecture.deep),
        margin=teacher.architecture.margin // SHRINK,
        stride=teacher.architecture.stride // SHRINK,
    )
    # Channels that are added together: of all blocks of a size, and of the first layer and them.
    wide = [0, 2 + 2 * blocks, *range(4 + 2 * blocks, len(scales) - 2, 2)]
    inner_wide = range(3 + 2 * blocks, len(scales) - 2, 2)
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
    for index in range(teacher.architecture.fine_blocks):
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
    used = [*range(last - 1), last]  # of the teacher's, without the last but one
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
