"""The fast engine: one pass through the transfer network per frame, with no memory of the past."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vidstyle.device import (
    device_errors,
    fitting_batch,
    memory_size,
    out_of_memory,
    parallel_map,
    pick_backend,
    pick_device,
    pick_precision,
    precision_name,
    tune_allocator,
    usual_batch,
)
from vidstyle.errors import DeviceError, OptionError
from vidstyle.models.quantized import quantize_blocks
from vidstyle.models.tiles import TILE_STEP, draw_in_tiles
from vidstyle.options import FastOptions
from vidstyle.styles.draft import SHRINK, Draft, find_draft
from vidstyle.styles.registry import Style, load_style
from vidstyle.stylizers.color import LUMA, keep_chroma
from vidstyle.stylizers.strokes import (
    drawing_size,
    resized,
    upscale_fast,
    upscale_guided,
)

if TYPE_CHECKING:
    from vidstyle.models.openvino import OpenVinoNetwork

WHOLE_PIXELS = 2**22
"""Pictures of more pixels are drawn in tiles by default: 4K is, 2560×1600 is not."""
TILE = 256
"""Default number of rows in a tile."""
SMALLEST_TILE = 4 * TILE_STEP
VALUES_PER_PIXEL = 40
"""Upper bound for the numbers held per pixel of a picture drawn whole (measured: 32 to 37)."""


logger = logging.getLogger(__name__)


class FastStylizer:
    """Restyles arrays. The result for a picture does not depend on the rest of its batch.

    >>> stylizer = FastStylizer("scream", FastOptions(strength=0.8))
    >>> painting = stylizer(photo)                      # uint8 H×W×3 RGB, any size

    Args:
        style: a Style, or anything that ``load_style`` accepts.

    Raises:
        StyleError, OptionError, DeviceError.
    """

    def __init__(self, style: str | Path | Style, options: FastOptions = FastOptions()) -> None:
        tune_allocator()
        self.style = style if isinstance(style, Style) else load_style(style)
        self.options = options
        self.device = pick_device(options.device)
        exact = options.quality == "fine" and options.precision == "auto"
        self.precision = pick_precision("fp32" if exact else options.precision, self.device)
        self.backend = pick_backend(options.backend, self.device, self.precision)
        self.batch_size = options.batch_size or usual_batch(self.device)
        self.tile = options.tile
        self.notices: list[str] = []
        draft = options.quality == "draft"
        self._draft: Draft | None = find_draft(self.style.network) if draft else None
        network = deepcopy(self._draft.network if self._draft else self.style.network)
        if self.precision == torch.int8:
            network = quantize_blocks(network)
        self.dtype = torch.float32 if self.precision == torch.int8 else self.precision
        self.network = network.to(self.device, self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._graph = self._compile() if self.backend == "openvino" else None
        self.set_style_vector(self.style.at_strength(options.strength))
        logger.info(
            "style %s at %g, %s, on %s in %s by %s, %d at once",
            *(self.style.label, options.strength, options.quality, self.device),
            *(precision_name(self.precision), self.backend, self.batch_size),
        )

    def _compile(self) -> OpenVinoNetwork:
        from vidstyle.models.openvino import OpenVinoNetwork

        network = self._draft.network if self._draft else self.style.network
        return OpenVinoNetwork(network, self.dtype, self.batch_size)

    def set_style_vector(self, vector: Tensor) -> None:
        """Draw with another style vector of the same backbone from now on: V numbers."""
        self.gain = vector.split(self.style.network.architecture.style_splits())[-2].float().numpy()
        """Share of each of the photo's colours that shows in the drawing: 3 numbers."""
        own = self._draft.vector(vector) if self._draft else vector
        self.vector = own[None].to(self.device, self.dtype)
        self._exact_vector = own.float()

    def configure_size(self, width: int, height: int) -> None:
        """Choose a batch size for pictures of this size that fits into memory.

        Call it before each clip; it undoes what ran out of memory in the clip before had changed.
        """
        self.batch_size = self.options.batch_size or usual_batch(self.device)
        self.tile = self.options.tile
        self.notices.clear()
        most = self.batch_size * WHOLE_PIXELS // (width * height)
        batch = min(self.batch_size, max(most, 1))
        # Larger pictures are drawn smaller, or in tiles.
        bytes_each = VALUES_PER_PIXEL * self.dtype.itemsize * min(width * height, WHOLE_PIXELS)
        self.batch_size = fitting_batch(batch, bytes_each, memory_size(self.device))

    @device_errors()
    def __call__(self, images: np.ndarray) -> np.ndarray:
        """RGB, N×H×W×3 or H×W×3, uint8 or float32 from 0 to 255, to the same shape and type.

        Float32 pictures keep their full precision where the photo passes through; the rest has the
        precision of the network.
        """
        known = images.dtype in (np.uint8, np.float32)
        if not known or images.ndim not in (3, 4) or images.shape[-1] != 3:
            raise OptionError(
                "pictures must be uint8 or float32, H×W×3 or N×H×W×3, "
                f"not {images.dtype} {images.shape}"
            )
        if images.ndim == 3:
            return self(images[None])[0]
        if not images.size:
            return images.copy()
        drawn = self.draw(images)
        if drawn.shape == images.shape:
            return drawn
        return np.stack([self.enlarge(*pictures) for pictures in zip(images, drawn, strict=True)])

    @device_errors()
    def draw(self, images: np.ndarray) -> np.ndarray:
        """Draw N×H×W×3 at the size that stroke size and quality ask for: N×h×w×3.

        Both are uint8, or both are float32 from 0 to 255.
        """
        size = self._drawn_size(images)
        natural = size == images.shape[2:0:-1]
        if not natural:
            images = np.stack([resized(image, *size) for image in images])
        # Drawings of another size take on the photo's chroma when they are enlarged.
        draw = partial(self._draw, keep=self.options.color == "keep" and natural)
        parts, done = [], 0
        while done < len(images):
            batch = images[done : done + self.batch_size]
            drawn = self._attempt(draw, batch)
            if drawn is None:
                self._use_less(batch)
            else:
                parts += drawn
                done += len(batch)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def enlarge(self, photo: np.ndarray, drawing: np.ndarray) -> np.ndarray:
        """Bring a drawing, h×w×3, to the size and type of its photo, H×W×3."""
        if drawing.shape == photo.shape:
            return drawing
        keep = self.options.color == "keep"
        small = resized(photo, *self._drawn_size(photo[None]))
        if self._draft and photo.dtype == np.uint8:
            return upscale_fast(photo, small, drawing, keep)
        return upscale_guided(photo, small, drawing, self.gain, keep)

    # -- memory -------------------------------------------------------------------------------

    def _attempt(
        self, draw: Callable[[np.ndarray], np.ndarray], images: np.ndarray
    ) -> list[np.ndarray] | None:
        """Draw a batch, in one or several parts; None when memory ran out."""
        try:
            if self.device.type != "cpu":
                return [draw(images)]
            # Frame by frame, since a batch does not fit into the caches.
            workers = 1 if self._tile_rows(*images.shape[2:0:-1]) else self.batch_size
            return parallel_map(draw, list(images[:, None]), workers)
        except (RuntimeError, MemoryError) as error:
            # Retrying in this handler would keep alive everything the failed attempt holds.
            if not out_of_memory(error):
                raise
            return None

    def _use_less(self, images: np.ndarray) -> None:
        """Use smaller batches from now on, then smaller tiles.

        Raises:
            DeviceError: both are as small as they can be.
        """
        count, height, width, _ = images.shape
        tile = self._tile_rows(width, height)
        if count > 1:
            self.batch_size = count // 2
        elif not tile or tile > SMALLEST_TILE:
            self.tile = max((tile or 2 * TILE) // 2, SMALLEST_TILE)
        else:
            raise DeviceError(
                f"{self.device} has not enough memory for {width}×{height} pixels, "
                f"even in strips of {tile} rows; use --max-side or --device cpu"
            )
        strips = f", in strips of {self.tile} rows" if self.tile else ""
        at_once = f"{self.batch_size} frame{'s' if self.batch_size > 1 else ''} at once"
        self.notices[:] = [f"{self.device} ran out of memory: continued with {at_once}{strips}"]
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _drawn_size(self, images: np.ndarray) -> tuple[int, int]:
        """Width and height at which pictures, N×H×W×3, are drawn."""
        height, width = images.shape[1:3]
        width, height = drawing_size(width, height, self.options.stroke_size)
        if self._draft:
            return -(-width // SHRINK), -(-height // SHRINK)
        return width, height

    def _tile_rows(self, width: int, height: int) -> int:
        """Rows per tile for pictures drawn at this size; 0 when they are drawn whole."""
        if self.tile is not None:
            return -(-self.tile // TILE_STEP) * TILE_STEP
        return TILE if height * width > WHOLE_PIXELS else 0

    # -- drawing ------------------------------------------------------------------------------

    @torch.inference_mode()
    def _draw(self, images: np.ndarray, keep: bool) -> np.ndarray:
        """Draw N×H×W×3 at the same size; ``keep`` keeps the photo's chroma."""
        height, width = images.shape[1:3]
        tile = self._tile_rows(width, height)
        if self._graph and images.dtype == np.uint8 and not tile:
            luma = LUMA if keep else None
            return np.stack([self._graph(image, self._exact_vector, luma) for image in images])
        # N×H×W×3 in memory is channels_last already.
        pixels = torch.from_numpy(np.require(images, requirements=["C", "W"])).permute(0, 3, 1, 2)
        pixels = pixels.to(self.device, non_blocking=True)
        if tile:
            coded = torch.empty_like(pixels)
            for picture, place in zip(pixels.split(1), coded.split(1), strict=True):
                self._draw_in_tiles(picture, place, tile, keep)
        else:
            photo = self._photo(pixels)
            result = self.network(photo, self.vector)
            coded = self._coded(photo, result, pixels.dtype, keep)
        return np.ascontiguousarray(coded.permute(0, 2, 3, 1).cpu().numpy())

    def _draw_in_tiles(self, pixels: Tensor, coded: Tensor, tile: int, keep: bool) -> None:
        strips = draw_in_tiles(self.network, pixels, self.vector, tile, self._photo)
        for rows, photo, result in strips:
            coded[:, :, rows] = self._coded(photo, result, coded.dtype, keep)

    def _photo(self, pixels: Tensor) -> Tensor:
        """Colours in [0, 1]; float32 pictures stay float32."""
        if pixels.dtype == torch.float32:
            return pixels / 255
        return pixels.to(self.dtype).mul_(1 / 255)

    @staticmethod
    def _coded(photo: Tensor, result: Tensor, dtype: torch.dtype, keep: bool) -> Tensor:
        """The drawing of a photo as uint8 or float32, from 0 to 255."""
        if keep:
            result = keep_chroma(photo, result)
        result = result.mul_(255)
        if dtype == torch.float32:
            return result.clamp_(0, 255)
        return result.add_(0.5).clamp_(0, 255).to(dtype)
