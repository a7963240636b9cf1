"""What all trainers share: how long they train, and checkpoints to go on from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vidstyle.errors import OptionError, TrainingError

SMALLEST_CROP = 32


def check_course(steps: int | None, minutes: float | None, *crops: int) -> None:
    """Raises OptionError unless one of steps and minutes is given, and crops are large enough."""
    if (steps is None) == (minutes is None):
        raise OptionError("training needs either a number of steps or of minutes")
    if min(crops) < SMALLEST_CROP:
        raise OptionError(f"crops must have at least {SMALLEST_CROP} pixels a side")


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """All that an optimizer remembers, by names for a checkpoint."""
    return {
        f"adam.{index}.{key}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer back what ``optimizer_tensors`` took of another like it.

    A checkpoint without it, which a repository may keep, lets the optimizer begin anew.
    """
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("adam."):
            _, index, key = name.split(".", 2)
            moments.setdefault(int(index), {})[key] = tensor
    if moments:
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def write_checkpoint(tensors: Mapping[str, Tensor], metadata: dict[str, str], path: Path) -> Path:
    """Under its name only when complete."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, temporary, metadata)
    return temporary.replace(path)


def read_checkpoint(path: Path, kind: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a checkpoint whose ``format`` is the kind.

    Raises:
        TrainingError: there is none, or it is none of that kind.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: no checkpoint to resume from ({error})") from error
    if metadata.get("format") != kind:
        raise TrainingError(f"{path}: not a training checkpoint")
    return metadata, tensors
