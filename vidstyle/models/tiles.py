"""The transfer network in strips, for pictures too large to draw as a whole.

Tiles drawn independently would differ in their normalization statistics, and seams would show.
Statistics from a thumbnail (thumbnail instance normalization, Chen et al. 2022) avoid seams but are
wrong, because a smaller picture varies more from pixel to pixel. Here the picture is drawn layer by
layer: each layer is computed in strips as wide as the picture, and normalized by the statistics of
all strips together. The result equals that of ``TransformerNet`` up to rounding, and only one small
convolution is computed twice.

The output of a layer at a quarter or an eighth of the picture's size is kept whole, and the
convolutions of a residual block overwrite their input. At most two such planes exist at a time, 24
bytes per pixel in fp32. Layers at half and at full size are never kept: for the last normalization
only the statistics are, and the layer is computed again when the picture is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidstyle.models.quantized import Int8Conv2d, value_range
from vidstyle.models.transformer import (
    ConditionalNorm,
    ResidualBlock,
    TransformerNet,
    add_scaled,
    crop,
    enlarge,
    gate,
    gated,
    mirror_indices,
    pixel_shuffle,
    reflect_pad,
)

TILE_STEP = 8
"""The rows of a tile are a multiple of this: one row of the smallest layer."""

Rows = Callable[[int, int], Tensor]
"""Computes rows ``start`` to ``stop`` of a layer: 1×C×h×W."""


def draw_in_tiles(
    network: TransformerNet,
    pixels: Tensor,
    style: Tensor,
    tile: int,
    photo: Callable[[Tensor], Tensor],
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Restyle one picture strip by strip, with the result of ``network`` on the whole picture.

    Args:
        network: may have 8-bit convolutions in its residual blocks.
        pixels: 1×3×H×W of any type.
        style: 1×V.
        tile: rows of the picture per strip, a multiple of ``TILE_STEP``.
        photo: converts any part of ``pixels`` to colours in [0, 1].

    Yields:
        From the top: the rows, the photo there and its drawing, both 1×3×h×W of the photo's type,
        not clamped.
    """
    *drawn, gain, shift = style.split(network.architecture.style_splits(), dim=1)
    strength = gate(photo(pixels[:, :, ::4, ::4])).to(style.dtype)
    parts = gated(drawn, strength, network.architecture)
    height, width = pixels.shape[-2:]
    left, right, top, bottom = network.surround(height, width)
    source_rows = mirror_indices(height, top, bottom).to(pixels.device)

    def padded(start: int, stop: int) -> Tensor:
        # Gathered in memory order, so that it stays channels_last.
        rows = pixels.permute(0, 2, 3, 1)[:, source_rows[start:stop]].permute(0, 3, 1, 2)
        return reflect_pad(photo(rows).to(style.dtype), left, right, 0, 0)

    drawing = _Drawing(network, parts, padded, len(source_rows), tile)
    margin = network.architecture.margin
    for start, stop in _strips(height, tile):
        image = photo(pixels[:, :, start:stop])
        drawn = drawing.rows(start + margin, stop + margin)[..., margin : margin + width]
        yield slice(start, stop), image, add_scaled(drawn.to(image.dtype), image, gain, shift)


class _Drawing:
    """The drawing of one picture; all layers but the last ones are computed at construction.

    Args:
        padded: returns rows of the padded picture.
        height: number of rows of the padded picture.
    """

    def __init__(
        self,
        network: TransformerNet,
        parts: Sequence[Tensor],
        padded: Rows,
        height: int,
        tile: int,
    ) -> None:
        self.network = network
        self.tile = tile
        self.padded = padded
        self.vectors = iter(parts)
        x = self._coarse(padded, height)
        # The remaining convolutions remove a border of 2 per block, 1, and twice a half.
        border = 2 * len(network.fine) + 2
        for block in network.fine:
            x, border = self._block(block, x, border, 4), 0
        self.narrow = self._narrow(x, border)
        self.half_norm = self._statistics(self._half, 2 * self.narrow.shape[2] - 2, 2)
        skip = network.architecture.skip
        self.photo_scale = next(self.vectors)[:, :, None, None] if skip else None

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows of the drawing including its margin; ``start`` must be even."""
        first, last = start // 2, -(-stop // 2)
        half = self.half_norm(self._half(first, last + 2)).relu_()
        x = self.network.conv_out(half)
        if self.photo_scale is not None:
            x = x.addcmul_(self._photo(first, last, 1, x), self.photo_scale)
        return pixel_shuffle(x)[:, :, : stop - start]

    def _coarse(self, padded: Rows, height: int) -> Tensor:
        """Everything drawn at an eighth of the size, enlarged to a quarter."""
        network = self.network
        quarter = self._layer(
            lambda start, stop: network.conv_in(padded(4 * start, 4 * stop + 8)), height // 4 - 2, 4
        )
        x = self._layer(
            lambda start, stop: network.conv_down(quarter[:, :, 2 * start : 2 * stop + 1]),
            height // 8 - 2,
            8,
        )
        for block in network.deep:
            x = self._block(block, x, 2, 8)
        return self._merge(x, quarter)

    def _block(self, block: nn.Module, x: Tensor, border: int, shrink: int) -> Tensor:
        """A residual block on ``repeat_pad(x, border)``."""
        height = x.shape[2] + 2 * border
        assert isinstance(block, ResidualBlock)
        conv1 = _prepared(block.conv1, x)
        y = self._layer(
            lambda start, stop: conv1(_extended(x, start, stop + 2, border)), height - 2, shrink
        )
        return self._residual(block, x, y, border, shrink)

    def _residual(
        self, block: ResidualBlock, x: Tensor, y: Tensor, border: int, shrink: int
    ) -> Tensor:
        conv2 = _prepared(block.conv2, y)
        height = y.shape[2] - 2
        result = self._layer(
            lambda start, stop: conv2(y[:, :, start : stop + 2]), height, shrink, into=y, relu=False
        )
        for start, stop in _strips(height, self.tile // shrink):
            same = _extended(x, start + 2, stop + 2, border)[..., 2:-2]
            result[:, :, start:stop].add_(same)
        return result

    def _merge(self, x: Tensor, quarter: Tensor) -> Tensor:
        """Enlarge the drawing from an eighth of the size, and add the first layer's output."""
        conv = self.network.conv_up

        def merged(start: int, stop: int) -> Tensor:
            return _enlarged(x, start, stop, conv).add_(crop(quarter[:, :, start : stop + 2], 1))

        return self._layer(merged, quarter.shape[2] - 2, 4, into=quarter)

    def _narrow(self, x: Tensor, border: int) -> Tensor:
        conv = self.network.conv_narrow
        height = x.shape[2] + 2 * border - 2
        return self._layer(
            lambda start, stop: conv(_extended(x, start, stop + 2, border)), height, 4
        )

    def _half(self, start: int, stop: int) -> Tensor:
        x = self.network.conv_half(_enlarged(self.narrow, start, stop + 2))
        return x.add_(self._photo(start, stop, 0, x)) if self.network.architecture.skip else x

    def _photo(self, start: int, stop: int, layer: int, like: Tensor) -> Tensor:
        """Rows of the photo's convolution as added to ``conv_half`` (0) or ``conv_out`` (1)."""
        # In rows of half the size, it begins 2 before the former and 3 before the latter.
        begin = 2 * (start + 2 + layer)
        seen = self.network.conv_photo(self.padded(begin, 2 * (stop - start) + begin + 4))
        part = seen.split(self.network.photo_outputs, dim=1)[layer]
        border = (part.shape[-1] - like.shape[-1]) // 2
        return part[..., border : part.shape[-1] - border]

    def _layer(
        self,
        compute: Rows,
        height: int,
        shrink: int,
        into: Tensor | None = None,
        relu: bool = True,
    ) -> Tensor:
        """Compute all rows, and normalize them.

        Args:
            shrink: pixels of the picture per pixel of the layer.
            into: a plane whose memory may be overwritten. The layer must be smaller than it, and
                may only read what lies below the row that it writes.
        """
        plane: Tensor | None = None

        def keep(start: int, stop: int) -> Tensor:
            nonlocal plane
            part = compute(start, stop)
            if plane is None:
                plane = _plane(part, height, into)
            plane[:, :, start:stop] = part
            return part

        norm = self._statistics(keep, height, shrink)
        assert plane is not None
        for start, stop in _strips(height, TILE_STEP):  # few rows, which stay in the cache
            part = norm(plane[:, :, start:stop])
            if relu:
                part.relu_()
        return plane

    def _statistics(self, compute: Rows, height: int, shrink: int) -> Callable[[Tensor], Tensor]:
        """Make the in-place normalization of a layer by the statistics of all of its rows."""
        counts, means, variances = [], [], []
        for start, stop in _strips(height, self.tile // shrink):
            part = compute(start, stop)
            count = part.shape[2] * part.shape[3]
            mean, variance = _moments(part)
            counts.append(count)
            means.append(mean)
            variances.append(variance * (count - 1) / count)
        share = torch.tensor(counts, dtype=torch.float64)[:, None] / sum(counts)
        mean, variance = (torch.stack(m).cpu().double() for m in (means, variances))
        center = (share * mean).sum(dim=0)
        spread = (share * (variance + (mean - center) ** 2)).sum(dim=0)
        scale, shift = (next(self.vectors)[0].cpu().double() for _ in range(2))
        factor = scale / (spread + ConditionalNorm.eps).sqrt()
        offset = (shift - center * factor).to(means[0])
        return partial(_normalize, factor=factor.to(means[0]), offset=offset)


def _normalize(x: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    """Scale and shift channels in place; factor and offset are C numbers of at least float32."""
    flat = x.permute(0, 2, 3, 1)
    torch.addcmul(offset, flat, factor, out=flat)
    return x


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance of each channel, C numbers in at least float32."""
    # The kernel of batch normalization sums in channels_last; its normalized output is not needed.
    dtype = torch.promote_types(x.dtype, torch.float32)
    mean, variance = (torch.zeros(x.shape[1], device=x.device, dtype=dtype) for _ in range(2))
    F.batch_norm(x, mean, variance, training=True, momentum=1.0)
    return mean, variance


def _prepared(conv: nn.Module, x: Tensor) -> Callable[[Tensor], Tensor]:
    """A convolution for parts of x, which quantizes them all with the same scale."""
    return partial(conv, limits=value_range(x)) if isinstance(conv, Int8Conv2d) else conv


def _strips(height: int, step: int) -> Iterator[tuple[int, int]]:
    """Start and stop row of each strip."""
    for start in range(0, height, step):
        yield start, min(start + step, height)


def _plane(part: Tensor, height: int, memory: Tensor | None) -> Tensor:
    """Storage for the layer that ``part`` belongs to, channels_last, in ``memory`` if given."""
    _, channels, _, width = part.shape
    shape = (1, height, width, channels)
    if memory is None:
        return part.new_empty(shape).permute(0, 3, 1, 2)
    front = memory.permute(0, 2, 3, 1).flatten()[: height * width * channels]
    return front.view(shape).permute(0, 3, 1, 2)


def _extended(x: Tensor, start: int, stop: int, border: int) -> Tensor:
    """Rows of ``repeat_pad(x, border)``."""
    if not border:
        return x[:, :, start:stop]
    height, count = x.shape[2], stop - start
    above = min(max(border - start, 0), count - 1)
    first = min(max(start - border, 0), height - 1)
    last = max(min(stop - border, height), first + 1)
    below = count - above - (last - first)
    return F.pad(x[:, :, first:last], (border, border, above, below), mode="replicate")


def _enlarged(
    x: Tensor, start: int, stop: int, change: Callable[[Tensor], Tensor] = lambda x: x
) -> Tensor:
    """Rows of ``enlarge(change(x))``, where ``change`` acts on each pixel separately."""
    first, last = max(start // 2 - 1, 0), min((stop + 1) // 2 + 1, x.shape[2])
    return enlarge(change(x[:, :, first:last]))[:, :, start - 2 * first : stop - 2 * first]
