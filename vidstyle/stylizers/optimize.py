"""The optimization engine: a picture is changed until VGG19 sees photo and painting in it.

Gatys, Ecker, Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks". Any painting
will do, nothing is learned beforehand, and every picture costs minutes instead of a moment.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidstyle import image as images
from vidstyle.device import (
    memory_size,
    out_of_memory,
    pick_device,
    precision_name,
    training_precision,
    tune_allocator,
)
from vidstyle.errors import OptimizationError, OptionError
from vidstyle.models.layers import layer_values, values_per_pixel
from vidstyle.models.pixels import as_image, as_tensor
from vidstyle.models.vgg import IMAGENET_MEAN, VGG19, load_vgg19
from vidstyle.options import OptimizeOptions
from vidstyle.stylizers.color import keep_chroma, luma, match_colors
from vidstyle.stylizers.descent import (
    HISTORY,
    Descent,
    Listener,
    Plan,
    Reporter,
    ignore,
)
from vidstyle.stylizers.objective import (
    Anchor,
    Measure,
    Objective,
    Pull,
    Target,
    resized_tensor,
)

logger = logging.getLogger(__name__)

Paintings = Sequence[tuple[np.ndarray, float]]
"""RGB uint8 H×W×3 of any size, each with its weight."""

COARSEST_SIDE = 96
"""Short side of the coarsest scale at least, in pixels, when the number of scales is left open."""
KEPT_SIZES = 8
"""Sizes of paintings whose Gram matrices are kept."""


class OptimizeStylizer:
    """Redraws one picture after the other.

    >>> stylizer = OptimizeStylizer([(painting, 1.0)])
    >>> result = stylizer(photo)                        # uint8 H×W×3 RGB

    What it keeps between calls are the Gram matrices of the paintings.

    Args:
        paintings: RGB uint8 H×W×3 of any size, each with its weight.
        vgg: the network, with at least the layers that are needed; loaded unless given. A copy is
            used.

    Raises:
        OptionError: no paintings though the style has a weight, or the network ends too early.
        InputError: ``options.init`` is no picture that can be read.
        DeviceError, WeightsError.
    """

    batch_size = 1

    def __init__(
        self,
        paintings: Paintings,
        options: OptimizeOptions = OptimizeOptions(),
        vgg: VGG19 | None = None,
    ) -> None:
        tune_allocator()
        self.options = options
        self.device = pick_device(options.device)
        self.dtype = training_precision(options.precision, self.device)
        self.paintings = _weigh(paintings) if options.style_weight else []
        known = options.init in ("content", "noise")
        self.init = None if known else images.read_image(options.init)
        layers = [*options.active_style, *options.active_content]
        vgg = vgg or load_vgg19(last=options.deepest_layer)
        vgg.require(layers)
        self.vgg = vgg.fitted(self.device, self.dtype, options.pooling)
        self._grams: dict[int, dict[str, Target]] = {}
        logger.info(
            "%d paintings, on %s in %s", len(paintings), self.device, precision_name(self.dtype)
        )

    def __call__(
        self,
        image: np.ndarray,
        *,
        start: np.ndarray | None = None,
        anchors: Sequence[Anchor] = (),
        iterations: int | None = None,
        listener: Listener = ignore,
    ) -> np.ndarray:
        """RGB uint8 H×W×3 to the same shape: the picture with the lowest loss that was met.

        Args:
            start: H×W×3 uint8 or float32, 0 to 255: begins there instead of at ``options.init``,
                at the whole size alone, as it would lose its detail otherwise.
            anchors: of the picture's size.
            iterations: instead of ``options.iterations``.
            listener: called after every iteration.

        Raises:
            OptionError: the array is no picture, or too small for the layers.
            OptimizationError: the loss is no number any more, or memory ran out.
        """
        _check_picture(image, "picture", self.options.smallest_side)
        for other in [start, *(anchor.image for anchor in anchors)]:
            if other is not None and other.shape != image.shape:
                raise OptionError(
                    f"start and anchors have the picture's shape {image.shape}, not {other.shape}"
                )
        for anchor in anchors:
            if anchor.trust.shape != image.shape[:2]:
                raise OptionError(
                    f"trust has the picture's size {image.shape[:2]}, not {anchor.trust.shape}"
                )
        scene = _Scene(image.shape[1::-1], image, start, anchors)
        return self._paint(scene, iterations or self.options.iterations, listener)

    def _paint(self, scene: _Scene, iterations: int, listener: Listener) -> np.ndarray:
        """From the coarsest scale to the whole size."""
        o, whole = self.options, scene.size
        sizes = [whole] if scene.start is not None else scale_sizes(*whole, o)
        plan = Plan(o.optimizer, o.learning_rate, iterations, o.tolerance)
        report = Reporter(listener, iterations * len(sizes), len(sizes))
        self._check_memory(*whole)
        picture: np.ndarray | None = None
        x: Tensor | None = None
        for size in sizes:
            report.scale += 1
            try:
                photo = scene.photo_at(size, self.device)
                finish = self._finisher(photo)
                descent = Descent(self._objective(scene, photo, size), plan, finish, report)
                x = descent(self._first(scene, size) if x is None else self._next(scene, size, x))
                picture = finish(x)
            except (RuntimeError, MemoryError) as error:
                if out_of_memory(error):
                    raise self._no_memory(*size, picture) from error
                raise
        assert picture is not None
        return picture

    def _first(self, scene: _Scene, size: tuple[int, int]) -> Tensor:
        """Where the first scale begins: 1×3×H×W."""
        picture = scene.start if scene.start is not None else self.init
        if picture is None and self.options.init == "content":
            picture = scene.photo
        if picture is not None:
            return resized_tensor(picture, *size, self.device)
        generator = torch.Generator().manual_seed(self.options.seed)
        noise = self.options.noise * torch.randn((1, 3, *size[::-1]), generator=generator)
        return (noise + torch.tensor(IMAGENET_MEAN)[:, None, None]).to(self.device)

    def _next(self, scene: _Scene, size: tuple[int, int], coarse: Tensor) -> Tensor:
        """Where another scale begins: at the result of the one before, with the detail added that
        it had no room for."""
        if scene.photo is None or self.options.init == "noise":
            return _enlarged(coarse, size)
        height, width = coarse.shape[2:]
        changed = coarse - self._first(scene, (width, height))
        return self._first(scene, size) + _enlarged(changed, size)

    def _finisher(self, photo: Tensor | None) -> Callable[[Tensor], np.ndarray]:
        """What turns the optimized tensor into a picture."""
        if self.options.color == "keep" and photo is not None:
            return lambda x: as_image(keep_chroma(photo, x))
        return as_image

    def _objective(self, scene: _Scene, photo: Tensor | None, size: tuple[int, int]) -> Objective:
        o = self.options
        see = grey if o.color == "keep" else _as_it_is
        content: dict[str, Target] = {}
        if o.active_content and photo is not None:
            with torch.no_grad():
                features = self.vgg(see(photo), o.active_content)
            content = {layer: Target.content(response) for layer, response in features.items()}
        # The paintings shrink with the picture.
        shrink = size[0] / scene.size[0]
        side = max(round((o.style_size or min(scene.size)) * shrink), o.smallest_side)
        return Objective(
            self.vgg,
            Measure(o.active_content, o.active_style, o.tv_weight, o.tv_exponent, o.normalization),
            content,
            self._style_targets(scene.photo, side) if o.active_style else {},
            [Pull.of(anchor, *size, self.device) for anchor in scene.anchors],
            see,
        )

    def _style_targets(self, photo: np.ndarray | None, side: int) -> dict[str, Target]:
        """Of the paintings with a short side of so many pixels, by layer."""
        if self.options.color != "style" and photo is not None:
            adapt = match_luma if self.options.color == "keep" else match_colors
            return self._mixed_grams(
                [(adapt(p, photo), weight) for p, weight in self.paintings], side
            )
        if side not in self._grams:
            while len(self._grams) >= KEPT_SIZES:
                del self._grams[next(iter(self._grams))]
            self._grams[side] = self._mixed_grams(self.paintings, side)
        return self._grams[side]

    @torch.no_grad()
    def _mixed_grams(self, paintings: Paintings, side: int) -> dict[str, Target]:
        layers = self.options.active_style
        each: list[dict[str, Target]] = []
        for painting, _ in paintings:
            picture = as_tensor(images.resize_short_side(painting, side)).to(self.device)
            features = self.vgg(picture, layers)
            each.append({layer: Target.style(response) for layer, response in features.items()})
        weights = [weight for _, weight in paintings]
        return {layer: Target.mixed([t[layer] for t in each], weights) for layer in layers}

    def _check_memory(self, width: int, height: int) -> None:
        """Refuse what would only make a computer swap, or have its system end the process."""
        size = memory_size(self.device)
        if size and width * height * self._bytes_per_pixel() > size:
            raise self._no_memory(width, height, None)

    def _no_memory(self, width: int, height: int, picture: np.ndarray | None) -> OptimizationError:
        # Well below what failed, whatever the estimate says.
        shrink = 0.8
        if size := memory_size(self.device):
            fits = size / self._bytes_per_pixel()
            shrink = min(math.sqrt(fits / (width * height)), shrink)
        return OptimizationError(
            f"not enough memory on {self.device} for {width}×{height} pixels; "
            f"about {int(width * shrink)}×{int(height * shrink)} would fit",
            picture,
        )

    def _bytes_per_pixel(self) -> float:
        return bytes_per_pixel(self.options, self.dtype.itemsize)


@dataclass(frozen=True, eq=False)
class _Scene:
    """What is to be painted.

    Attributes:
        size: width and height.
        photo: H×W×3 uint8; a texture has none.
        start: H×W×3, 0 to 255, instead of what the options say.
    """

    size: tuple[int, int]
    photo: np.ndarray | None = None
    start: np.ndarray | None = None
    anchors: Sequence[Anchor] = ()

    def photo_at(self, size: tuple[int, int], device: torch.device) -> Tensor | None:
        return None if self.photo is None else resized_tensor(self.photo, *size, device)


def synthesize_texture(
    paintings: Paintings,
    width: int,
    height: int,
    options: OptimizeOptions = OptimizeOptions(),
    *,
    vgg: VGG19 | None = None,
    listener: Listener = ignore,
) -> np.ndarray:
    """A picture of nothing, painted like the paintings: RGB uint8 height×width×3.

    From noise and with no content (Gatys, Ecker, Bethge 2015, "Texture Synthesis Using
    Convolutional Neural Networks"), whatever the options say of both.

    Raises:
        as ``OptimizeStylizer`` and its call do; OptionError also when the photo's colours are to be
        kept, as there is none.
    """
    if options.color != "style":
        raise OptionError(f"color {options.color} keeps a photo's colours, and a texture has none")
    options = replace(options, content_weight=0.0, init="noise")
    if min(width, height) < options.smallest_side:
        raise OptionError(_too_small("texture", width, height, options.smallest_side))
    stylizer = OptimizeStylizer(paintings, options, vgg)
    return stylizer._paint(_Scene((width, height)), options.iterations, listener)


def reconstruct(
    image: np.ndarray,
    options: OptimizeOptions = OptimizeOptions(),
    *,
    vgg: VGG19 | None = None,
    listener: Listener = ignore,
) -> np.ndarray:
    """What ``content_layers`` know of a picture, uint8 H×W×3 to the same shape.

    From noise and with no style (Mahendran, Vedaldi 2015, "Understanding Deep Image
    Representations by Inverting Them"), whatever the options say of both.

    Raises:
        as ``OptimizeStylizer`` and its call do.
    """
    options = replace(options, style_weight=0.0, init="noise", color="style")
    return OptimizeStylizer([], options, vgg)(image, listener=listener)


# ---- parts --------------------------------------------------------------------------------


def scale_sizes(width: int, height: int, options: OptimizeOptions) -> list[tuple[int, int]]:
    """Width and height at each scale, the whole size last, each side half of the next one's."""
    least = max(options.smallest_side, 1 if options.scales else COARSEST_SIDE)
    sizes = [(width, height)]
    while options.scales is None or len(sizes) < options.scales:
        factor = 2 ** len(sizes)
        smaller = round(width / factor), round(height / factor)
        if min(smaller) < least:
            break
        sizes.append(smaller)
    return sizes[::-1]


def bytes_per_pixel(options: OptimizeOptions, itemsize: int) -> float:
    """Memory for a picture, by an estimate on the safe side.

    The factors are fitted to peaks measured on a CPU, 0 to 40 % above them.

    Args:
        itemsize: bytes of one of VGG19's responses.
    """
    layers = [*options.active_content, *options.active_style]
    responses = (2 * itemsize + 5) * values_per_pixel(options.deepest_layer)
    losses = 16 * sum(layer_values(layer) for layer in layers)
    pictures = 2 * HISTORY + 8 if options.optimizer == "lbfgs" else 10
    return responses + losses + 12 * pictures


def grey(image: Tensor) -> Tensor:
    """N×3×H×W to the same, each channel the luma."""
    return luma(image).expand(-1, 3, -1, -1)


def match_luma(painting: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """The painting in grey, its luma with the photo's mean and variance: H×W×3 float32, 0 to 255.

    Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", section 4.2.
    """
    greys = [grey(as_tensor(image))[0, :1].permute(1, 2, 0).numpy() for image in (painting, photo)]
    return np.repeat(match_colors(255 * greys[0], 255 * greys[1]), 3, axis=2)


def _as_it_is(image: Tensor) -> Tensor:
    return image


def _enlarged(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Smoothed first: what alternates from pixel to pixel would stay as a grid."""
    kernel = torch.tensor([0.25, 0.5, 0.25], device=x.device)
    kernel = torch.outer(kernel, kernel).expand(3, 1, 3, 3)
    smooth = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, groups=3)
    return F.interpolate(smooth, size[::-1], mode="bicubic", align_corners=False)


def _weigh(paintings: Paintings) -> list[tuple[np.ndarray, float]]:
    """The paintings that count, their weights adding up to 1."""
    if not paintings:
        raise OptionError("no painting to take the style from")
    for painting, weight in paintings:
        _check_picture(painting, "painting", 1)
        if not (math.isfinite(weight) and weight >= 0):
            raise OptionError(f"a painting's weight is 0 or more, not {weight:g}")
    total = sum(weight for _, weight in paintings)
    if not total:
        raise OptionError("the weights of the paintings are all zero")
    return [(painting, weight / total) for painting, weight in paintings if weight]


def _check_picture(image: np.ndarray, what: str, side: int) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise OptionError(f"a {what} is uint8 H×W×3, not {image.dtype} {image.shape}")
    height, width = image.shape[:2]
    if min(height, width) < side:
        raise OptionError(_too_small(what, width, height, side))


def _too_small(what: str, width: int, height: int, side: int) -> str:
    return (
        f"the {what} has {width}×{height} pixels; the layers need {side} a side at least, "
        "so use a larger one or fewer layers"
    )
