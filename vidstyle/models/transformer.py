"""The fast transfer network: one small backbone, and styles as vectors that steer it.

The idea is Johnson, Alahi, Fei-Fei 2016 (a feed-forward network trained with perceptual losses)
with the conditional instance normalization of Dumoulin, Shlens, Kudlur 2017: every style shares
all convolutions, and is itself only the scale and shift of each normalization layer. What departs
from both:

* the first convolution strides by 4, and most blocks work at an eighth of the size, where a wide
  receptive field is cheap; nothing but the last addition runs at full size;
* features are enlarged bilinearly. Pixel-shuffle (Shi et al. 2016) is used for the last factor of
  two alone: higher up it fills flat regions with a lattice of 4 or 8 pixels' period;
* no convolution pads with zeros, from which a network learns how far the border is and paints
  it otherwise. The picture is reflected outwards and inner features are repeated outwards, once
  for several convolutions, which then shrink them again;
* the picture itself reaches the output through a gain per channel that belongs to the style.
  The identity style is that gain at one, so a blend with it keeps the photo's exposure and
  sharpness, which normalization would otherwise discard;
* the last two layers also see the photo (as those of the generator of Texler et al. 2020 do),
  through a convolution of their own. What the trunk cannot carry at an eighth of the size, such as
  the features of a small face, they draw from the photo.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Architecture:
    """Sizes of the backbone; enough, with its weights, to rebuild it."""

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
    """Reflected pixels around the picture that are drawn and cut off again: a multiple of twice the
    stride."""
    stride: int = 4
    """Of the first convolution: 4, or 2 for pictures at half of their size. With 2, all that is
    said of sizes here and below is meant of the whole picture, and no layer but the input and the
    output runs at half of it."""
    skip: bool = True
    """Whether the last two layers see the photo, too; at stride 2 the last one alone."""

    def as_dict(self) -> dict[str, int]:
        return asdict(self)

    def style_splits(self) -> list[int]:
        """Lengths of a style vector's parts: scale and shift of each normalization in the order
        of use; with ``skip``, the scale of what the last layer draws of the photo; then gain and
        shift of the picture itself."""
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
        """How many of a style vector's parts, the last before gain and shift, scale the whole
        drawing: those of the last normalization and, with ``skip``, of the photo."""
        return 3 if self.skip else 2


class ConditionalNorm(nn.Module):
    """Instance normalization whose scale and shift are slices of a style vector.

    ``y = scale · (x − mean(x)) / std(x) + shift`` with mean and deviation over each picture's
    own pixels (Dumoulin et al. 2017, eq. 5).
    """

    eps = 1e-5

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """``x``: N×C×H×W; ``scale``, ``shift``: N×C, or 1×C for all pictures alike."""
        if x.shape[0] == 1:
            # The same arithmetic in one fused kernel that keeps channels_last, which
            # instance_norm does not.
            return F.batch_norm(x, None, None, scale[0], shift[0], training=True, eps=self.eps)
        y = F.instance_norm(x, eps=self.eps)
        return y * scale[:, :, None, None] + shift[:, :, None, None]


class ResidualBlock(nn.Module):
    """Two convolutions and the input; the result is smaller by 2 pixels on each side."""

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
    """What the last layers see of the photo, at half of its size: of the photo less mid-grey."""

    def __init__(self, channels: int) -> None:
        super().__init__(3, channels, 6, stride=2, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """N×3×2H×2W to N×C×(H−2)×(W−2)."""
        return F.conv2d(image, self.weight, self.grey_bias(), self.stride)

    def grey_bias(self) -> Tensor:
        """What takes mid-grey away, as a bias: C numbers."""
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
            return  # weights are to come; to draw none, torch would first import its compiler
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        # ICNR (Aitken et al. 2017): the four pixels of a shuffle start alike, so that training
        # begins without a checkerboard.
        last = [self.conv_out.weight.data]
        if self.architecture.skip:
            last.append(self.conv_photo.weight.data[-12:])
        for weight in last:
            weight.copy_(0.1 * weight[:3].repeat(4, 1, 1, 1))

    @property
    def photo_outputs(self) -> tuple[int, int]:
        """Channels that ``conv_photo`` adds before the last normalization, and to what is drawn."""
        return self.architecture.half if self.architecture.stride == 4 else 0, 12

    @property
    def style_size(self) -> int:
        """Length of a style vector."""
        return sum(self.architecture.style_splits())

    def new_style(self) -> Tensor:
        """The vector that training starts from: unit scales, no shift, mid-grey, no gain."""
        parts = torch.zeros(self.style_size).split(self.architecture.style_splits())
        for scale in parts[:-2:2]:  # the photo's in the last convolution among them
            scale.fill_(1.0)
        parts[-1].fill_(0.5)
        return torch.cat(parts)

    def identity_style(self) -> Tensor:
        """A vector that returns the picture as it is; training may only keep it so."""
        parts = self.new_style().split(self.architecture.style_splits())
        for part in parts[-2 - self.architecture.drawing_parts() :]:
            part.zero_()
        parts[-2].fill_(1.0)
        return torch.cat(parts)

    def forward(self, image: Tensor, style: Tensor) -> Tensor:
        """Restyle pictures.

        Args:
            image: N×3×H×W in [0, 1], any size; its type may be a finer one than the network's.
            style: N×V, or 1×V for all pictures alike.

        Returns:
            N×3×H×W of the image's type, not clamped: training needs to see what lies outside
            [0, 1].
        """
        height, width = image.shape[-2:]
        margin = self.architecture.margin
        padded = reflect_pad(image.to(style.dtype), *self.surround(height, width))
        *drawn, gain, shift = style.split(self.architecture.style_splits(), dim=1)
        # A flat picture holds nothing to draw, yet normalization would blow its rounding noise up
        # to full contrast.
        gate = contrast_gate(image).to(style.dtype)
        drawing = self._draw(padded, gated(drawn, gate, self.architecture))
        drawing = drawing[:, :, margin : margin + height, margin : margin + width]
        return add_scaled(drawing.to(image.dtype), image, gain, shift)

    def surround(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Pixels that a picture is reflected outwards by: left, right, top, bottom."""
        stride = self.architecture.stride
        # At least two cells of an eighth's size a side: statistics need more than one.
        right, bottom = (max(-side % (2 * stride), 4 * stride - side) for side in (width, height))
        # Two cells of a quarter's size more: one each for conv_in and conv_down.
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
        # What the convolutions still to come take away: 2 a block, 1, and twice a half or 1.
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
    """A style's parts but for gain and shift, so that what is drawn is ``gate`` times as strong.

    Everything drawn passes the last normalization or comes of the photo, so to scale these two
    scales all of it.
    """
    first = len(parts) - architecture.drawing_parts()
    return [*parts[:first], *(part * gate for part in parts[first:])]


def contrast_gate(image: Tensor) -> Tensor:
    """From 0 for a flat picture to 1 for any ordinary one: N×1.

    ``v / (v + n²)`` with the picture's variance v and a noise floor n of 2/255; so a fade to black
    takes the drawing with it, smoothly.
    """
    return gate(image[:, :, ::4, ::4])


def gate(sample: Tensor) -> Tensor:
    """``contrast_gate`` of a picture, given every fourth pixel of every fourth row."""
    variance = sample.float().var(dim=(2, 3), correction=0).mean(dim=1, keepdim=True)
    return (variance / (variance + (2 / 255) ** 2)).to(sample.dtype)


def crop(x: Tensor, border: int) -> Tensor:
    """Without the outermost pixels; a view."""
    return x[:, :, border:-border, border:-border]


def enlarge(x: Tensor) -> Tensor:
    """Twice the size, bilinearly."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def pixel_shuffle(x: Tensor) -> Tensor:
    """N×12×H×W to N×3×2H×2W; channels stand in the order row, column, colour.

    ``F.pixel_shuffle`` has them in the order colour, row, column, which takes four times as long
    in channels_last: here whole rows of six numbers move.
    """
    n, c, h, w = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(n, h, w, 2, c // 2).transpose(2, 3)
    return rows.reshape(n, 2 * h, 2 * w, c // 4).permute(0, 3, 1, 2)


def centre(x: Tensor, like: Tensor) -> Tensor:
    """The middle of x, as large as another layer of its scale; a view."""
    border = (x.shape[-1] - like.shape[-1]) // 2
    return crop(x, border) if border else x


def add_scaled(drawing: Tensor, image: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    """``drawing + gain · image + shift``, with a gain and a shift for each channel.

    Works on rows of W·C numbers, which vectorize; broadcasting along C = 3 does not.
    """
    n, c, h, w = image.shape

    def rows(x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(n, h, w * c)

    gain, shift = (vector.to(image.dtype).repeat(1, w)[:, None] for vector in (gain, shift))
    scaled = torch.addcmul(rows(drawing), rows(image), gain).add_(shift)
    return scaled.view(n, h, w, c).permute(0, 3, 1, 2)


def repeat_pad(x: Tensor, border: int) -> Tensor:
    """The outermost pixels repeated outwards."""
    return F.pad(x, (border, border, border, border), mode="replicate")


def reflect_pad(image: Tensor, left: int, right: int, top: int, bottom: int) -> Tensor:
    """Mirror a picture outwards, again and again where it is smaller than the border."""
    height, width = image.shape[-2:]
    if height > max(top, bottom) and width > max(left, right):
        return F.pad(image, (left, right, top, bottom), mode="reflect")
    rows = mirror_indices(height, top, bottom).to(image.device)
    columns = mirror_indices(width, left, right).to(image.device)
    return image[:, :, rows][:, :, :, columns]


def mirror_indices(size: int, before: int, after: int) -> Tensor:
    """Indices −before … size+after−1, reflected into 0 … size−1 as often as it takes."""
    period = max(2 * (size - 1), 1)
    position = torch.arange(-before, size + after).remainder(period)
    return torch.where(position < size, position, period - position)
