"""What results depend on, as JSON values by names that a user knows, to resume only with the same.

The options come from the records, which say of each field whether results depend on it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

import vidstyle
from vidstyle.device import precision_name
from vidstyle.options import (
    ClipOptions,
    ReadOptions,
    TemporalOptions,
    WriteOptions,
    settings_of,
)
from vidstyle.options.sequences import exact_rate
from vidstyle.stylizers import FastStylizer


def drawing_settings(
    stylizers: Sequence[FastStylizer], temporal: TemporalOptions
) -> dict[str, Any]:
    """All that the fast engine's pictures depend on besides the input, with what was chosen where
    the options leave a choice.

    Args:
        stylizers: one for each region; they differ only in their styles.
    """
    first = stylizers[0]
    return {
        "vidstyle": vidstyle.__version__,
        "style": ", ".join(stylizer.style.label for stylizer in stylizers),
        "style file": [fingerprint([s.style.vector, *arrays(s.style.network)]) for s in stylizers],
        **settings_of(first.options, temporal),
        "device": str(first.device),
        "precision": precision_name(first.precision),
        "backend": first.backend,
        "batch size": first.batch_size,
        "cuts": file_or_word(temporal.cuts, ("auto", "none")),
    }


def fast_settings(
    sources: Sequence[Path],
    stylizer: FastStylizer,
    temporal: TemporalOptions,
    read: ReadOptions,
    write: WriteOptions,
    clip: ClipOptions,
    compare: bool,
) -> dict[str, Any]:
    """All that the fast engine's video depends on."""
    return {
        **input_settings(sources),
        **drawing_settings([stylizer], temporal),
        # Sums depend on how many add them up, and so do encoders.
        "processors": [os.cpu_count(), torch.get_num_threads()],
        **settings_of(read, write, clip),
        "fps": None if clip.fps is None else str(exact_rate(clip.fps)),
        "compare": compare,
    }


def input_settings(sources: Sequence[Path]) -> dict[str, Any]:
    """Which files, and whether they are as they were."""
    states = [path.stat() for path in sources]
    times = [state.st_mtime_ns for state in states]
    return {
        "input": str(sources[0].resolve()),
        "bytes of input": sum(state.st_size for state in states),
        "time of input": max(times),
        **({"pictures": len(sources), "times": sum(times)} if len(sources) > 1 else {}),
    }


def fingerprint(values: Iterable[np.ndarray | Tensor]) -> str:
    """A short hash of numbers and shapes."""
    digest = hashlib.sha256()
    for array in values:
        plain = array.float().cpu().numpy() if isinstance(array, Tensor) else array
        digest.update(str(plain.shape).encode())
        digest.update(np.ascontiguousarray(plain).tobytes())
    return digest.hexdigest()[:16]


def arrays(network: Module) -> list[Tensor]:
    """A network's numbers."""
    return list(network.state_dict().values())


def file_or_word(value: str | Path, words: tuple[str, ...]) -> str:
    """A word as it is; of a file, what is in it."""
    if value in words:
        return str(value)
    return fingerprint([np.frombuffer(Path(value).read_bytes(), np.uint8)])
