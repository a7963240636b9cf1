"""The optimization engine: changes a picture until VGG19 sees the photo and the painting in it.

Gatys, Ecker, Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks". It needs no
training and works with any painting, but takes minutes per picture.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

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
from vidstyle.models.pixels import as_image
from vidstyle.models.vgg import IMAGENET_MEAN, VGG19, load_vgg19
from vidstyle.options import OptimizeOptions
from vidstyle.stylizers.color import grey, keep_chroma, match_colors, match_luma
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
    Scene,
    Target,
    resized_tensor,
)
from vidstyle.stylizers.photorealism import SMALLEST_SIDE, Photorealism
from vidstyle.stylizers.targets import (
    Paintings,
    StyleTargets,
    check_picture,
    check_size,
    normalized,
)

logger = logging.getLogger(__name__)


COARSEST_SIDE = 96
"""Smallest short side, in pixels, of the coarsest scale when the number of scales is not given."""


class OptimizeStylizer:
    """Paints photos one after another; keeps only the paintings' Gram matrices between calls.

    >>> stylizer = OptimizeStylizer([(painting, 1.0)])
    >>> result = stylizer(photo)                        # uint8 H×W×3 RGB

    Args:
        paintings: RGB uint8 H×W×3 of any size, each with its weight.
        vgg: the network, with at least the layers that are needed; it is copied. Loaded when not
            given.
        photorealism: keeps the result a photo, in a second stage at full size.

    Raises:
        OptionError: the style has a weight but no paintings, or the network ends too early.
        InputError: ``options.init`` names a picture that cannot be read.
        DeviceError, WeightsError.
    """

    batch_size = 1

    def __init__(
        self,
        paintings: Paintings,
        options: OptimizeOptions = OptimizeOptions(),
        vgg: VGG19 | None = None,
        photorealism: Photorealism | None = None,
    ) -> None:
        tune_allocator()
        self.options = options
        self.photorealism = photorealism
        self.device = pick_device(options.device)
        self.dtype = training_precision(options.precision, self.device)
        paintings = normalized(paintings) if options.style_weight else []
        known = options.init in ("content", "noise")
        self.init = None if known else images.read_image(options.init)
        layers = [*options.active_style, *options.active_content]
        vgg = vgg or load_vgg19(last=options.deepest_layer)
        vgg.require(layers)
        self.vgg = vgg.fitted(self.device, self.dtype, options.pooling)
        adapt = {"keep": match_luma, "histogram": match_colors}.get(options.color)
        of_style = photorealism.regions[1] if photorealism and photorealism.regions else None
        self.style = StyleTargets(
            paintings, options.active_style, self.vgg, self.device, adapt, of_style
        )
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
        """Paint a photo: the result with the lowest loss, RGB uint8 H×W×3 like the photo.

        Args:
            start: H×W×3 uint8 or float32, 0 to 255; replaces ``options.init``. Only the full size
                is optimized then, since smaller scales would lose its detail.
            anchors: pictures of the same size that pull the result towards them.
            iterations: replaces ``options.iterations``.
            listener: called after every iteration.

        Raises:
            OptionError: the array is not a picture, or is too small for the layers.
            OptimizationError: the loss became NaN or infinite, or memory ran out.
        """
        least = max(self.options.smallest_side, SMALLEST_SIDE if self.photorealism else 1)
        check_picture(image, "picture", least)
        _check_shapes(image, start, anchors)
        scene = Scene(image.shape[1::-1], image, start, anchors)
        return self.paint(scene, iterations or self.options.iterations, listener)

    def paint(self, scene: Scene, iterations: int, listener: Listener) -> np.ndarray:
        """Optimize from the coarsest scale to the full size; RGB uint8 H×W×3."""
        o, whole = self.options, scene.size
        sizes = [whole] if scene.start is not None else scale_sizes(*whole, o)
        # The paper's two stages; a start takes the place of the first.
        first = 0 if scene.start is not None else len(sizes)
        if self.photorealism and first:
            sizes.append(whole)
        plan = Plan(o.optimizer, o.learning_rate, iterations, o.tolerance)
        report = Reporter(listener, iterations * len(sizes), len(sizes))
        self._check_memory(*whole)
        picture: np.ndarray | None = None
        x: Tensor | None = None
        for number, size in enumerate(sizes):
            report.scale += 1
            try:
                photo = scene.photo_at(size, self.device)
                finish = self._finisher(photo)
                objective = self._objective(scene, photo, size)
                if self.photorealism and photo is not None and number >= first:
                    objective = replace(objective, laplacian=self.photorealism.laplacian(photo))
                descent = Descent(objective, plan, finish, report)
                x = descent(self._first(scene, size) if x is None else self._next(scene, size, x))
                picture = finish(x)
            except (RuntimeError, MemoryError) as error:
                if out_of_memory(error):
                    raise self._no_memory(*size, picture) from error
                raise
        assert picture is not None
        return picture

    def _first(self, scene: Scene, size: tuple[int, int]) -> Tensor:
        """The starting point of the first scale: 1×3×H×W."""
        picture = scene.start if scene.start is not None else self.init
        if picture is None and self.options.init == "content":
            picture = scene.photo
        if picture is not None:
            return resized_tensor(picture, *size, self.device)
        generator = torch.Generator().manual_seed(self.options.seed)
        noise = self.options.noise * torch.randn((1, 3, *size[::-1]), generator=generator)
        return (noise + torch.tensor(IMAGENET_MEAN)[:, None, None]).to(self.device)

    def _next(self, scene: Scene, size: tuple[int, int], coarse: Tensor) -> Tensor:
        """The starting point of a later scale: the coarser result, with the detail of the first
        starting point that was too fine for it."""
        if coarse.shape[:1:-1] == size:
            return coarse
        if scene.photo is None or self.options.init == "noise":
            return _enlarged(coarse, size)
        height, width = coarse.shape[2:]
        changed = coarse - self._first(scene, (width, height))
        return self._first(scene, size) + _enlarged(changed, size)

    def _finisher(self, photo: Tensor | None) -> Callable[[Tensor], np.ndarray]:
        """Make the function that turns the optimized tensor into a picture."""
        if self.options.color == "keep" and photo is not None:
            return lambda x: as_image(keep_chroma(photo, x))
        if self.photorealism and photo is not None:
            finish = self.photorealism.finish
            return lambda x: as_image(finish(photo, x))
        return as_image

    def _objective(self, scene: Scene, photo: Tensor | None, size: tuple[int, int]) -> Objective:
        o = self.options
        see = grey if o.color == "keep" else _unchanged
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
            self.style(scene.photo, side),
            [Pull.from_anchor(anchor, *size, self.device) for anchor in scene.anchors],
            see,
            self.photorealism.regions_at(size, self.device) if self.photorealism else None,
        )

    def _check_memory(self, width: int, height: int) -> None:
        """Refuse a size that would make the machine swap, or the system end the process."""
        size = memory_size(self.device)
        if size and width * height * self._bytes_per_pixel() > size:
            raise self._no_memory(width, height, None)

    def _no_memory(self, width: int, height: int, picture: np.ndarray | None) -> OptimizationError:
        # Well below the size that failed, whatever the estimate says.
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


def synthesize_texture(
    paintings: Paintings,
    width: int,
    height: int,
    options: OptimizeOptions = OptimizeOptions(),
    *,
    vgg: VGG19 | None = None,
    listener: Listener = ignore,
) -> np.ndarray:
    """Make a texture that looks like the paintings: RGB uint8 height×width×3.

    Starts from noise and has no content, whatever the options say (Gatys, Ecker, Bethge 2015,
    "Texture Synthesis Using Convolutional Neural Networks").

    Raises:
        OptionError: ``options.color`` asks for the colours of a photo, or as for
            ``OptimizeStylizer``, which raises the other errors, too.
    """
    if options.color != "style":
        raise OptionError(f"color {options.color} keeps a photo's colours, but a texture has none")
    options = replace(options, content_weight=0.0, init="noise")
    check_size("texture", width, height, options.smallest_side)
    stylizer = OptimizeStylizer(paintings, options, vgg)
    return stylizer.paint(Scene((width, height)), options.iterations, listener)


def reconstruct(
    image: np.ndarray,
    options: OptimizeOptions = OptimizeOptions(),
    *,
    vgg: VGG19 | None = None,
    listener: Listener = ignore,
) -> np.ndarray:
    """Show what ``content_layers`` represent of a picture: uint8 H×W×3 to the same shape.

    Starts from noise and has no style, whatever the options say (Mahendran, Vedaldi 2015,
    "Understanding Deep Image Representations by Inverting Them").

    Raises:
        The errors of ``OptimizeStylizer`` and its call.
    """
    options = replace(options, style_weight=0.0, init="noise", color="style")
    return OptimizeStylizer([], options, vgg)(image, listener=listener)


def scale_sizes(width: int, height: int, options: OptimizeOptions) -> list[tuple[int, int]]:
    """Width and height of each scale, the full size last; each side is half of the next one's."""
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
    """A conservative estimate of the memory needed per pixel of the picture.

    The factors were fitted to peaks measured on a CPU and are 0 to 40 % above them.

    Args:
        itemsize: bytes of one of VGG19's responses.
    """
    layers = [*options.active_content, *options.active_style]
    responses = (2 * itemsize + 5) * values_per_pixel(options.deepest_layer)
    losses = 16 * sum(layer_values(layer) for layer in layers)
    pictures = 2 * HISTORY + 8 if options.optimizer == "lbfgs" else 10
    return responses + losses + 12 * pictures


def _unchanged(image: Tensor) -> Tensor:
    return image


def _enlarged(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize after smoothing: differences from pixel to pixel would otherwise remain as a grid."""
    kernel = torch.tensor([0.25, 0.5, 0.25], device=x.device)
    kernel = torch.outer(kernel, kernel).expand(3, 1, 3, 3)
    smooth = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, groups=3)
    return F.interpolate(smooth, size[::-1], mode="bicubic", align_corners=False)


def _check_shapes(image: np.ndarray, start: np.ndarray | None, anchors: Sequence[Anchor]) -> None:
    for other in [start, *(anchor.image for anchor in anchors)]:
        if other is not None and other.shape != image.shape:
            raise OptionError(
                f"start and anchors must have the picture's shape {image.shape}, not {other.shape}"
            )
    for anchor in anchors:
        if anchor.trust.shape != image.shape[:2]:
            raise OptionError(
                f"trust must have the picture's size {image.shape[:2]}, not {anchor.trust.shape}"
            )
