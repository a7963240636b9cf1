"""The fast engine: one pass through the transfer network, frame by frame, no memory of the past."""

from __future__ import annotations

import logging
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vidstyle.device import (
    device_errors,
    parallel_map,
    pick_device,
    pick_precision,
    precision_name,
    tune_allocator,
    usual_batch,
)
from vidstyle.errors import OptionError
from vidstyle.models.quantized import quantize_blocks
from vidstyle.styles.registry import Style, load_style
from vidstyle.stylizers.color import keep_chroma

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FastOptions:
    """How the fast engine draws and where it computes."""

    strength: float = 1.0
    """From 0, the photo, to 1, the style."""
    color: Literal["style", "keep"] = "style"
    """``keep`` restyles luma only and leaves the picture its own chroma."""
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    """Frames at once; None picks one for each core of a CPU, four at most, and 8 on a GPU."""

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise OptionError(f"strength is from 0 to 1, not {self.strength:g}")
        if self.color not in ("style", "keep"):
            raise OptionError(f"color is 'style' or 'keep', not '{self.color}'")
        if self.batch_size is not None and self.batch_size < 1:
            raise OptionError(f"batch size is at least 1, not {self.batch_size}")


class FastStylizer:
    """Restyles arrays. The result for a picture does not depend on the others in its batch.

    >>> stylizer = FastStylizer("scream", FastOptions(strength=0.8))
    >>> painting = stylizer(photo)                      # uint8 H×W×3 RGB, any size

    Args:
        style: a Style, or what ``load_style`` takes.

    Raises:
        StyleError, OptionError, DeviceError.
    """

    def __init__(self, style: str | Path | Style, options: FastOptions = FastOptions()) -> None:
        tune_allocator()
        self.style = style if isinstance(style, Style) else load_style(style)
        self.options = options
        self.device = pick_device(options.device)
        self.precision = pick_precision(options.precision, self.device)
        self.batch_size = options.batch_size or usual_batch(self.device)
        network = deepcopy(self.style.network)
        if self.precision == torch.int8:
            network = quantize_blocks(network)
        self.dtype = torch.float32 if self.precision == torch.int8 else self.precision
        self.network = network.to(self.device, self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.steer(self.style.at_strength(options.strength))
        logger.info(
            "style %s at %g, on %s in %s, %d at once",
            *(self.style.label, options.strength, self.device),
            *(precision_name(self.precision), self.batch_size),
        )

    def steer(self, vector: Tensor) -> None:
        """Draw with another vector of the same network from now on: V numbers."""
        self.vector = vector[None].to(self.device, self.dtype)

    @device_errors()
    def __call__(self, images: np.ndarray) -> np.ndarray:
        """RGB, N×H×W×3 or H×W×3, uint8 or float32 from 0 to 255, to the same shape and type.

        Float32 pictures keep all their precision where the photo passes through; what is drawn
        into them has the network's own.
        """
        known = images.dtype in (np.uint8, np.float32)
        if not known or images.ndim not in (3, 4) or images.shape[-1] != 3:
            raise OptionError(
                "pictures are uint8 or float32, H×W×3 or N×H×W×3, "
                f"not {images.dtype} {images.shape}"
            )
        if images.ndim == 3:
            return self(images[None])[0]
        if not images.size:
            return images.copy()
        if self.device.type == "cpu":
            # Each frame by itself, as a batch would only fall out of the caches.
            parts = parallel_map(self._stylize, list(images[:, None]), self.batch_size)
        else:
            steps = range(0, len(images), self.batch_size)
            parts = [self._stylize(images[i : i + self.batch_size]) for i in steps]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    @torch.inference_mode()
    def _stylize(self, images: np.ndarray) -> np.ndarray:
        # N×H×W×3 in memory is channels_last already.
        pixels = torch.from_numpy(np.require(images, requirements=["C", "W"])).permute(0, 3, 1, 2)
        photo = pixels.to(self.device, non_blocking=True)
        fine = photo.dtype == torch.float32
        photo = photo / 255 if fine else photo.to(self.dtype).mul_(1 / 255)
        result = self.network(photo, self.vector)
        if self.options.color == "keep":
            result = keep_chroma(photo, result)
        result = result.mul_(255)
        coded = result.clamp_(0, 255) if fine else result.add_(0.5).clamp_(0, 255).to(torch.uint8)
        return np.ascontiguousarray(coded.permute(0, 2, 3, 1).cpu().numpy())
