"""The fast transfer network: one small backbone, conditioned on a vector per style.

It combines the feed-forward network trained with perceptual losses of Johnson, Alahi, Fei-Fei 2016
with the conditional instance normalization of Dumoulin, Shlens, Kudlur 2017: all styles share the
convolutions, and a style is only the scale and shift of each normalization layer. It departs from
both as follows:

* The first convolution has stride 4, and most blocks work at an eighth of the size, where a wide
  receptive field is cheap. Only the last addition runs at full size.
* Features are enlarged bilinearly. Pixel shuffle (Shi et al. 2016) is used only for the last factor
  of two; higher up it fills flat regions with a lattice of 4 or 8 pixels' period.
* No convolution pads with zeros, because a network learns from them where the border is and paints
  it differently. The picture is reflected outwards, and inner features are repeated outwards, once
  for several convolutions, which shrink them again.
* The picture reaches the output through a gain per channel that belongs to the style. The identity
  style has a gain of one, so blending with it keeps the photo's exposure and sharpness, which
  normalization would otherwise discard.
* The last two layers also see the photo through a separate convolution (like the generator of
  Texler et al. 2020). It supplies what an eighth of the size cannot carry, such as the features of
  a small face.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Architecture:
    """Sizes of the backbone, from which it can be rebuilt."""

    width: int = 48
    """Channels at a quarter of the picture's size."""
    deep: int = 96
    """Channels at an eighth."""
    deep_blocks: int = 3
    """Residual blocks at an eighth."""
    fine_blocks: int = 1
    """Residual blocks at a quarter."""
    half: int = 16
    """Channels at half of the size."""
    margin: int = 24
    """Reflected pixels around the picture that are drawn and then cropped; a multiple of twice the
    stride."""
    stride: int = 4
    """Stride of the first convolution: 4, or 2 for pictures at half of their size. With 2, all
    sizes mentioned here and below refer to the full-size picture, and only the input and the output
    are at half of it."""
    skip: bool = True
    """Whether the last two layers also see the photo; at stride 2, only the last one does."""

    def as_dict(self) -> dict[str, int]:
        return asdict(self)

    def style_splits(self) -> list[int]:
        """Lengths of a style vector's parts: scale and shift of each normalization in order of
        use; with ``skip``, the scale of what the last layer draws from the photo; then gain and
        shift of the photo."""
        norms = [
            self.width,
            *[self.deep] * (1 + 2 * self.deep_blocks),
            self.width,
            *[self.width] * (2 * self.fine_blocks),
            *[self.half] * (self.stride // 2),
        ]
        photo = [12] if self.skip else []
        return [size for channels in norms for size in (channels, channels)] + [*photo, 3, 3]

    def drawing_parts(self) -> int:
        """Number of parts before gain and shift that scale the whole drawing: those of the last
        normalization and, with ``skip``, the scale of the photo."""
        return 3 if self.skip else 2


class ConditionalNorm(nn.Module):
    """Instance normalization whose scale and shift are slices of a style vector.

    ``y = scale · (x − mean(x)) / std(x) + shift`` with mean and deviation over the pixels of each
    picture (Dumoulin et al. 2017, eq. 5).
    """

    eps = 1e-5

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """``x`` is N×C×H×W; ``scale`` and ``shift`` are N×C, or 1×C for all pictures."""
        if x.shape[0] == 1:
            # The same arithmetic in one fused kernel, which unlike instance_norm keeps
            # channels_last.
            return F.batch_norm(x, None, None, scale[0], shift[0], training=True, eps=self.eps)
        y = F.instance_norm(x, eps=self.eps)
        return y * scale[:, :, None, None] + shift[:, :, None, None]


class ResidualBlock(nn.Module):
    """Two convolutions plus the input; the result is 2 pixels smaller on each side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, bias=False)
        self.norm1 = ConditionalNorm()
        self.conv2 = nn.Conv2d(channels, channels, 3, bias=False)
        self.norm2 = ConditionalNorm()

    def forward(self, x: Tensor, vectors: Iterator[Tensor]) -> Tensor:
        y = self.norm1(self.conv1(x), next(vectors), next(vectors)).relu_()
        y = self.norm2(self.conv2(y), next(vectors), next(vectors))
        return y.add_(crop(x, 2))


class PhotoConv(nn.Conv2d):
    """Convolves the photo minus mid-grey, at half of its size, for the last layers."""

    def __init__(self, channels: int) -> None:
        super().__init__(3, channels, 6, stride=2, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """N×3×2H×2W to N×C×(H−2)×(W−2)."""
        return F.conv2d(image, self.weight, self.grey_bias(), self.stride)

    def grey_bias(self) -> Tensor:
        """The bias that subtracts mid-grey: C numbers."""
        return -0.5 * self.weight.sum(dim=(1, 2, 3))


class TransformerNet(nn.Module):
    """The backbone. A style is one flat vector of ``style_size`` numbers."""

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = a = architecture or Architecture()
        self.conv_in = nn.Conv2d(3, a.width, 3 * a.stride, stride=a.stride, bias=False)
        self.norm_in = ConditionalNorm()
        self.conv_down = nn.Conv2d(a.width, a.deep, 3, stride=2, bias=False)
        self.norm_down = ConditionalNorm()
        self.deep = nn.ModuleList(ResidualBlock(a.deep) for _ in range(a.deep_blocks))
        self.conv_up = nn.Conv2d(a.deep, a.width, 1, bias=False)
        self.norm_up = ConditionalNorm()
        self.fine = nn.ModuleList(ResidualBlock(a.width) for _ in range(a.fine_blocks))
        self.conv_narrow = nn.Conv2d(a.width, a.half, 3, bias=False)
        self.norm_narrow = ConditionalNorm()
        if a.stride == 4:
            self.conv_half = nn.Conv2d(a.half, a.half, 3, bias=False)
            self.norm_half = ConditionalNorm()
        self.conv_out = nn.Conv2d(a.half, 12, 3, bias=False)
        if a.skip:
            self.conv_photo = PhotoConv(sum(self.photo_outputs))
        self._initialize()

    def _initialize(self) -> None:
        if self.conv_out.weight.is_meta:
            return  # weights will be loaded; initializing them would import torch's compiler
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        # ICNR (Aitken et al. 2017): the four pixels of a shuffle start out equal, so that training
        # begins without a checkerboard.
        last = [self.conv_out.weight.data]
        if self.architecture.skip:
            last.append(self.conv_photo.weight.data[-12:])
        for weight in last:
            weight.copy_(0.1 * weight[:3].repeat(4, 1, 1, 1))

    @property
    def photo_outputs(self) -> tuple[int, int]:
        """Channels of ``conv_photo`` added before the last normalization, and to the drawing."""
        return self.architecture.half if self.architecture.stride == 4 else 0, 12

    @property
    def style_size(self) -> int:
        """Length of a style vector."""
        return sum(self.architecture.style_splits())

    def new_style(self) -> Tensor:
        """The initial vector for training: unit scales, no shift, mid-grey, no gain."""
        parts = torch.zeros(self.style_size).split(self.architecture.style_splits())
        for scale in parts[:-2:2]:  # including the scale of the photo in the last convolution
            scale.fill_(1.0)
        parts[-1].fill_(0.5)
        return torch.cat(parts)

    def identity_style(self) -> Tensor:
        """A vector that returns the picture unchanged."""
        parts = self.new_style().split(self.architecture.style_splits())
        for part in parts[-2 - self.architecture.drawing_parts() :]:
            part.zero_()
        parts[-2].fill_(1.0)
        return torch.cat(parts)

    def forward(self, image: Tensor, style: Tensor) -> Tensor:
        """Restyle pictures.

        Args:
            image: N×3×H×W in [0, 1], of any size; may have a more precise type than the network.
            style: N×V, or 1×V for all pictures.

        Returns:
            N×3×H×W of the image's type, not clamped, since training penalizes colours outside
            [0, 1].
        """
        height, width = image.shape[-2:]
        margin = self.architecture.margin
        padded = reflect_pad(image.to(style.dtype), *self.surround(height, width))
        *drawn, gain, shift = style.split(self.architecture.style_splits(), dim=1)
        # Normalization would amplify the rounding noise of a flat picture to full contrast.
        gate = contrast_gate(image).to(style.dtype)
        drawing = self._draw(padded, gated(drawn, gate, self.architecture))
        drawing = drawing[:, :, margin : margin + height, margin : margin + width]
        return add_scaled(drawing.to(image.dtype), image, gain, shift)

    def surround(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Pixels by which a picture is reflected outwards: left, right, top, bottom."""
        stride = self.architecture.stride
        # At least two cells of an eighth's size per side, because statistics need more than one.
        right, bottom = (max(-side % (2 * stride), 4 * stride - side) for side in (width, height))
        # Plus two cells of a quarter's size: one each for conv_in and conv_down.
        around = self.architecture.margin + 2 * stride
        return around, around + right, around, around + bottom

    def _draw(self, image: Tensor, parts: Sequence[Tensor]) -> Tensor:
        vectors = iter(parts)
        quarter = self.norm_in(self.conv_in(image), next(vectors), next(vectors)).relu_()
        x = self.norm_down(self.conv_down(quarter), next(vectors), next(vectors)).relu_()
        for block in self.deep:
            x = block(repeat_pad(x, 2), vectors)
        x = enlarge(self.conv_up(x)).add_(crop(quarter, 1))
        x = self.norm_up(x, next(vectors), next(vectors)).relu_()
        # The remaining convolutions remove a border of 2 per block, 1, and twice a half or 1.
        x = repeat_pad(x, 2 * len(self.fine) + 2)
        for block in self.fine:
            x = block(x, vectors)
        x = self.norm_narrow(self.conv_narrow(x), next(vectors), next(vectors)).relu_()
        if self.architecture.skip:
            seen = self.conv_photo(image).split(self.photo_outputs, dim=1)
        if self.architecture.stride == 4:
            x = self.conv_half(enlarge(x))
            if self.architecture.skip:
                x = x.add_(centre(seen[0], x))
            x = self.norm_half(x, next(vectors), next(vectors)).relu_()
        x = self.conv_out(x)
        if self.architecture.skip:
            x = x.addcmul_(centre(seen[1], x), next(vectors)[:, :, None, None])
        return pixel_shuffle(x)


def gated(parts: Sequence[Tensor], gate: Tensor, architecture: Architecture) -> list[Tensor]:
    """A style's parts without gain and shift, changed so that the drawing is scaled by ``gate``.

    Everything drawn comes from the last normalization or from the photo, so scaling both scales
    the drawing.
    """
    first = len(parts) - architecture.drawing_parts()
    return [*parts[:first], *(part * gate for part in parts[first:])]


def contrast_gate(image: Tensor) -> Tensor:
    """From 0 for a flat picture to 1 for an ordinary one: N×1.

    ``v / (v + n²)`` with the picture's variance v and a noise floor n of 2/255, so the drawing
    fades smoothly with a fade to black.
    """
    return gate(image[:, :, ::4, ::4])


def gate(sample: Tensor) -> Tensor:
    """``contrast_gate`` from a sample: every fourth pixel of every fourth row."""
    variance = sample.float().var(dim=(2, 3), correction=0).mean(dim=1, keepdim=True)
    return (variance / (variance + (2 / 255) ** 2)).to(sample.dtype)


def crop(x: Tensor, border: int) -> Tensor:
    """Remove the outermost pixels; returns a view."""
    return x[:, :, border:-border, border:-border]


def enlarge(x: Tensor) -> Tensor:
    """Double the size bilinearly."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def pixel_shuffle(x: Tensor) -> Tensor:
    """N×12×H×W to N×3×2H×2W, with channels in the order row, column, colour.

    The order of ``F.pixel_shuffle``, colour, row, column, takes four times as long in
    channels_last; here whole rows of six numbers move.
    """
    n, c, h, w = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(n, h, w, 2, c // 2).transpose(2, 3)
    return rows.reshape(n, 2 * h, 2 * w, c // 4).permute(0, 3, 1, 2)


def centre(x: Tensor, like: Tensor) -> Tensor:
    """Crop x to the size of another layer of the same scale; returns a view."""
    border = (x.shape[-1] - like.shape[-1]) // 2
    return crop(x, border) if border else x


def add_scaled(drawing: Tensor, image: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    """``drawing + gain · image + shift``, with a gain and a shift per channel.

    Works on rows of W·C numbers, which vectorize; broadcasting along C = 3 does not.
    """
    n, c, h, w = image.shape

    def rows(x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(n, h, w * c)

    gain, shift = (vector.to(image.dtype).repeat(1, w)[:, None] for vector in (gain, shift))
    scaled = torch.addcmul(rows(drawing), rows(image), gain).add_(shift)
    return scaled.view(n, h, w, c).permute(0, 3, 1, 2)


def repeat_pad(x: Tensor, border: int) -> Tensor:
    """Repeat the outermost pixels outwards."""
    return F.pad(x, (border, border, border, border), mode="replicate")


def reflect_pad(image: Tensor, left: int, right: int, top: int, bottom: int) -> Tensor:
    """Reflect a picture outwards, repeatedly if it is smaller than the border."""
    height, width = image.shape[-2:]
    if height > max(top, bottom) and width > max(left, right):
        return F.pad(image, (left, right, top, bottom), mode="reflect")
    rows = mirror_indices(height, top, bottom).to(image.device)
    columns = mirror_indices(width, left, right).to(image.device)
    return image[:, :, rows][:, :, :, columns]


def mirror_indices(size: int, before: int, after: int) -> Tensor:
    """Indices −before … size+after−1, reflected into 0 … size−1 as often as needed."""
    period = max(2 * (size - 1), 1)
    position = torch.arange(-before, size + after).remainder(period)
    return torch.where(position < size, position, period - position)
