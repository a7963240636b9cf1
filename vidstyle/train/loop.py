"""The training loop, shared by training styles and distilling drafts.

It provides the learning rate schedule, the running mean of the weights, checkpoints and progress.
Subclasses define the weights and losses. Imports neither PyAV nor typer, so that it runs on a bare
GPU machine.
"""

from __future__ import annotations

import json
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vidstyle.device import pick_device, training_precision, tune_allocator, worker_pool
from vidstyle.disk import OutputLock, complete_file
from vidstyle.errors import TrainingError
from vidstyle.options import LoopOptions
from vidstyle.styles.header import all_tensors

WARM_UP = 50
"""Steps of linear warm-up of the learning rate; a twentieth of a training that is short."""


@dataclass(frozen=True)
class TrainEvent:
    """Progress, with losses averaged since the last event by name, and style losses by style."""

    step: int
    progress: float
    seconds: float
    losses: Mapping[str, float]
    styles: Mapping[str, float] = field(default_factory=dict)
    checkpoint: Path | None = None


@dataclass(frozen=True)
class Losses:
    """The losses of a part of a batch.

    Attributes:
        total: the part's share of the loss of the batch, to be differentiated.
        losses: values per sample, by name.
        styles: style losses of the samples, by style.
    """

    total: Tensor
    losses: Mapping[str, Sequence[float]]
    styles: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Division:
    """How a batch is divided among the cores of a CPU; a GPU computes all of it at once.

    Attributes:
        workers: parts that are computed in parallel.
        part: samples in each.
        readers: threads that read photos, of which one cannot keep up with a GPU.
    """

    workers: int
    part: int
    readers: int

    @classmethod
    def on(cls, device: torch.device, batch_size: int) -> Division:
        """The division for a device."""
        if device.type == "cpu":
            return cls(torch.get_num_threads(), 1, 1)
        return cls(1, batch_size, os.cpu_count() or 1)


class TrainLoop(ABC):
    """Trains for a given number of steps or minutes.

    Args:
        output: the file to write at every checkpoint.

    Raises:
        TrainingError: the output's folder does not exist.
    """

    checkpoint_format: ClassVar[str]

    def __init__(self, output: str | Path, options: LoopOptions) -> None:
        tune_allocator()
        torch.manual_seed(options.seed)
        self.output = Path(output)
        if not self.output.parent.is_dir():
            raise TrainingError(f"{self.output}: there is no folder {self.output.parent}")
        self.options = options
        self.device = pick_device(options.device)
        self.dtype = training_precision(options.precision, self.device)
        self.division = Division.on(self.device, options.batch_size)
        self.step, self.seconds = 0, 0.0

    def _learn_weights(self, *groups: tuple[Mapping[str, Tensor], float]) -> None:
        """Set the weights to train, by their names in a checkpoint, with their learning rates."""
        self.weights = {name: weight for group, _ in groups for name, weight in group.items()}
        self.average = {name: weight.detach().clone() for name, weight in self.weights.items()}
        parameters = [{"params": list(g.values()), "base": rate} for g, rate in groups if g]
        self.optimizer = torch.optim.Adam(parameters, lr=0.0, betas=(0.9, 0.99))

    @abstractmethod
    def _batches(self, pool: ThreadPoolExecutor) -> Iterator[Sequence[Any]]:
        """Yield batches, each divided into parts that are computed in parallel."""

    @abstractmethod
    def _losses(self, part: Any) -> Losses:
        """Compute the losses of a part; called from several threads."""

    @abstractmethod
    def _write(self) -> None:
        """Write the output with the weights in ``average``."""

    def _write_samples(self) -> None:  # noqa: B027
        """Write pictures that show how far the training is."""

    @abstractmethod
    def _subject(self) -> dict[str, object]:
        """JSON values that must match those in a checkpoint for it to be resumed."""

    def _check_subject(self, subject: Mapping[str, object]) -> None:
        """Raise TrainingError unless a checkpoint belongs to this training."""
        if subject != self._subject():
            raise TrainingError(f"{self.checkpoint_path}: belongs to another training")

    def _summary(self, losses: dict[str, float]) -> dict[str, float]:
        """The mean losses as reported in an event."""
        return losses

    def train(self, listener: Callable[[TrainEvent], None] = lambda event: None) -> None:
        """Train to the end, with a checkpoint every few minutes.

        On Ctrl-C, a checkpoint is written before the exception propagates.

        Raises:
            TrainingError: the loss became NaN or infinite; the last checkpoint is kept.
            OutputError: another training writes to the same file.
        """
        with OutputLock(self.output):
            try:
                with worker_pool(self.division.workers) as pool:
                    self._train(pool, listener)
            except TrainingError:
                raise
            except BaseException:
                self.save(samples=False)  # who has interrupted it does not wait for them
                raise
            self.save()

    def _train(self, pool: ThreadPoolExecutor, listener: Callable[[TrainEvent], None]) -> None:
        began, saved = time.monotonic() - self.seconds, time.monotonic()
        batches, tally = self._batches(pool), Tally()
        while self.progress() < 1:
            for part in self._learn(pool, next(batches)):
                tally.add(part)
            self.step += 1
            self.seconds = time.monotonic() - began
            checkpoint = None
            if time.monotonic() - saved > self.options.checkpoint_minutes * 60:
                checkpoint, saved = self.save(), time.monotonic()
            done = self.progress()
            if checkpoint or done >= 1 or self.step % self.options.log_every == 0:
                losses, styles = tally.take()
                listener(
                    TrainEvent(
                        self.step,
                        min(done, 1.0),
                        self.seconds,
                        self._summary(losses),
                        styles,
                        checkpoint,
                    )
                )

    def progress(self, step: int | None = None) -> float:
        """From 0 to 1, now or at a step; measured by the clock if minutes are given."""
        options = self.options
        if options.steps is not None:
            return (self.step if step is None else step) / options.steps
        return self.seconds / (60 * (options.minutes or 0))

    def _learn(self, pool: ThreadPoolExecutor, batch: Sequence[Any]) -> list[Losses]:
        """Take one step of the optimizer."""
        gradients, losses = zip(*pool.map(self._differentiated, batch), strict=True)
        for weight, *parts in zip(self.weights.values(), *gradients, strict=True):
            weight.grad = torch.stack(parts).sum(0)
        rate = self._rate()
        for group in self.optimizer.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
            group["lr"] = group["base"] * rate
        self.optimizer.step()
        self._average()
        return list(losses)

    def _differentiated(self, part: Any) -> tuple[Sequence[Tensor], Losses]:
        losses = self._losses(part)
        if not math.isfinite(losses.total.item()):
            raise TrainingError(
                f"the loss became {losses.total.item():g} at step {self.step}; "
                "lower the learning rate"
            )
        return torch.autograd.grad(losses.total, list(self.weights.values())), losses

    def _rate(self) -> float:
        """Linear warm-up, then half a cosine to zero; a factor of the learning rate."""
        done = min(self.progress(), 1.0)
        warm = max((self.step + 1) / WARM_UP, 20 * done)
        return min(1.0, warm) * 0.5 * (1 + math.cos(math.pi * done))

    @torch.no_grad()
    def _average(self) -> None:
        """Update the running mean of the weights, which draws better than those of any step."""
        share = max(0.002, 1 / (self.step / 10 + 1))
        for name, weight in self.weights.items():
            self.average[name].lerp_(weight, share)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16
        )

    @property
    def checkpoint_path(self) -> Path:
        return self.output.with_suffix(".checkpoint.safetensors")

    def save(self, *, samples: bool = True) -> Path:
        """Write the output and the checkpoint; each appears under its name when complete.

        Args:
            samples: also write pictures that show how far the training is, if it has some.
        """
        self._write()
        if samples:
            self._write_samples()
        tensors = dict(self.weights)
        tensors |= {f"average.{name}": weight for name, weight in self.average.items()}
        tensors |= {
            f"adam.{index}.{key}": torch.as_tensor(value)
            for index, state in self.optimizer.state_dict()["state"].items()
            for key, value in state.items()
        }
        state = {"step": self.step, "seconds": self.seconds, "subject": self._subject()}
        metadata = {"format": self.checkpoint_format, "state": json.dumps(state)}
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with complete_file(self.checkpoint_path) as temporary:
            save_file(plain, temporary, metadata)
        return self.checkpoint_path

    def resume(self) -> None:
        """Continue from the checkpoint beside the output.

        If the checkpoint lacks the optimizer's moments, as one kept in a repository may, they start
        at zero.

        Raises:
            TrainingError: there is no checkpoint, or it belongs to another training.
        """
        path = self.checkpoint_path
        metadata, tensors = _read_checkpoint(path, self.checkpoint_format)
        try:
            state = json.loads(metadata["state"])
            step, seconds, subject = state["step"], state["seconds"], state["subject"]
        except (KeyError, TypeError, ValueError) as error:
            raise TrainingError(f"{path}: damaged checkpoint ({error!r})") from error
        self._check_subject(subject)
        try:
            self._restore(tensors)
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(f"{path}: belongs to another network") from error
        self.step, self.seconds = step, seconds

    @torch.no_grad()
    def _restore(self, tensors: Mapping[str, Tensor]) -> None:
        for name, weight in self.weights.items():
            weight.copy_(tensors[name])
            self.average[name].copy_(tensors[f"average.{name}"])
        if moments := _moments(tensors):
            self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})


def _read_checkpoint(path: Path, expected: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a checkpoint of the expected format."""
    try:
        with safe_open(path, framework="pt") as stored:
            metadata, tensors = stored.metadata() or {}, all_tensors(stored)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: no checkpoint to resume from ({error})") from error
    if metadata.get("format") != expected:
        raise TrainingError(f"{path}: not a training checkpoint")
    return metadata, tensors


def _moments(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """The state of Adam, by the number of the weight."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("adam."):
            _, index, key = name.split(".", 2)
            moments.setdefault(int(index), {})[key] = tensor
    return moments


class Tally:
    """Losses since the last event."""

    def __init__(self) -> None:
        self._losses: dict[str, list[float]] = {}
        self._styles: dict[str, list[float]] = {}

    def add(self, losses: Losses) -> None:
        for kept, new in ((self._losses, losses.losses), (self._styles, losses.styles)):
            for name, values in new.items():
                kept.setdefault(name, []).extend(values)

    def take(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return the means by name, and start again."""
        losses, styles = (
            {name: float(np.mean(values)) for name, values in kept.items() if values}
            for kept in (self._losses, self._styles)
        )
        self._losses, self._styles = {}, {}
        return losses, styles
