"""The optimization engine: a picture is changed until VGG19 sees photo and painting in it.

Gatys, Ecker, Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks". Any painting
will do, nothing is learned beforehand, and every picture costs minutes instead of a moment.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidstyle import image as images
from vidstyle.device import (
    memory_size,
    out_of_memory,
    pick_device,
    training_precision,
    tune_allocator,
)
from vidstyle.errors import OptimizationError, OptionError
from vidstyle.models.losses import (
    Normalization,
    content_loss,
    gram_matrix,
    style_loss,
    total_variation,
)
from vidstyle.models.vgg import (
    IMAGENET_MEAN,
    VGG19,
    Layers,
    Pooling,
    check_layers,
    deepest,
    layer_values,
    load_vgg19,
    smallest_side,
    values_per_pixel,
)
from vidstyle.photos import as_image, as_tensor
from vidstyle.stylizers.color import keep_chroma, luma, match_colors

Color = Literal["style", "luma", "histogram"]

HISTORY = 20
"""Moves that L-BFGS remembers; more cost memory and gained nothing."""
ADAM_RATE = 0.02
FIRST_MOVE = 0.003
"""Mean change of a colour in L-BFGS's first move, when it knows no curvature yet."""
WINDOW = 10
"""Iterations over which ``tolerance`` looks for progress."""
KEPT_SIZES = 8
"""Sizes of paintings whose Gram matrices are kept."""


@dataclass(frozen=True)
class OptimizeOptions:
    """What is minimized, from where, and how. The defaults are the recipe ``default``.

    The loss is the sum of ``content_weight · Σ_l w_l C_l``, ``style_weight · Σ_l w_l S_l``,
    ``tv_weight · V`` and the anchors' terms. With F, P the responses of picture and photo at a
    layer, G, A the Gram matrices ``F Fᵀ / (C·M)`` of picture and painting, C channels and M
    positions:

    =============  ===================  ========================  ====
    normalization  C_l                  S_l                       V
    =============  ===================  ========================  ====
    relative       ``‖F − P‖² / ‖P‖²``  ``‖G − A‖² / ‖A‖²``       mean
    gatys          ``½ Σ (F − P)²``     ``¼ ‖G − A‖²``            sum
    mean           ``mean (F − P)²``    ``mean (G′ − A′)²/(C·M)``  mean
    =============  ===================  ========================  ====

    where ``G′ = C·M·G`` and V is the total variation, with colours in [0, 1]. In the latter two,
    the responses are first divided by the layer's mean response to the photo (for content) or to
    the paintings (for style), much as Gatys's network was rescaled to mean responses of 1: the same
    weights then do the same with any VGG19, however strongly it responds.

    Of several paintings, A is the mean by their weights: by gradient the same as the sum of their
    losses.
    """

    content_weight: float = 1.0
    style_weight: float = 1.0
    tv_weight: float = 0.0
    content_layers: Layers = (("relu4_2", 1.0),)
    style_layers: Layers = tuple((f"relu{block}_1", 1.0) for block in range(1, 6))
    normalization: Normalization = "relative"
    tv_exponent: float = 2.0
    """Of the gradient's length; 2.5 in Keras's recipe."""
    init: str | Path = "content"
    """``content``, ``noise``, or a picture's file, which is resized to the photo's size."""
    noise: float = 0.25
    """Standard deviation of the noise to start from, about ImageNet's mean, colours in [0, 1]."""
    seed: int = 0
    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    learning_rate: float | None = None
    """Adam: 0.02, colours in [0, 1]; L-BFGS: 1, a whole quasi-Newton step."""
    iterations: int = 200
    """Evaluations of the loss and its gradient, each followed by a move; so many at each scale."""
    scales: int = 2
    """Sizes that are worked on one after the other, each twice the one before; the last is whole.
    Sizes too small for the layers are left out."""
    style_size: int | None = None
    """Short side of the paintings; None is the picture's. Larger: larger strokes."""
    color: Color = "style"
    """``luma`` leaves the photo its own chroma, ``histogram`` gives the paintings the photo's
    colours first (Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer")."""
    pooling: Pooling = "max"
    tolerance: float = 0.0
    """A scale ends early when the loss fell by less than this share in 10 iterations; 0: never."""
    device: str = "auto"
    precision: str = "auto"
    """Of VGG19, fp32 or bf16; losses are always computed in fp32. auto is the faster one."""

    def __post_init__(self) -> None:
        for name in ("content_weight", "style_weight", "tv_weight", "noise", "tolerance"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise OptionError(f"{_words(name)} is 0 or more, not {value:g}")
        for name in ("iterations", "scales", "style_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"{_words(name)} is at least 1, not {value}")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise OptionError(f"learning rate is above 0, not {self.learning_rate:g}")
        if not 2 <= self.tv_exponent < math.inf:
            raise OptionError(f"tv exponent is at least 2, not {self.tv_exponent:g}")
        choices = {
            "normalization": ("relative", "gatys", "mean"),
            "optimizer": ("lbfgs", "adam"),
            "color": ("style", "luma", "histogram"),
            "pooling": ("max", "average"),
        }
        for name, values in choices.items():
            if (value := getattr(self, name)) not in values:
                raise OptionError(f"{name} is {' or '.join(values)}, not '{value}'")
        check_layers(self.content_layers)
        check_layers(self.style_layers)
        if self.content_weight == self.style_weight == 0:
            raise OptionError("content weight and style weight are both 0: nothing to aim at")

    @property
    def active_content(self) -> dict[str, float]:
        """Weights of the layers that count, by name."""
        return _active(self.content_layers, self.content_weight)

    @property
    def active_style(self) -> dict[str, float]:
        return _active(self.style_layers, self.style_weight)

    @property
    def smallest_side(self) -> int:
        """Pixels that the sides of pictures and paintings need at least."""
        return smallest_side(deepest([*self.active_content, *self.active_style]))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _active(layers: Layers, weight: float) -> dict[str, float]:
    return {name: weight * share for name, share in layers if weight * share > 0}


@dataclass(frozen=True)
class Losses:
    """The terms of the loss, each with its weight in it."""

    content: float
    style: float
    tv: float
    temporal: float = 0.0

    @property
    def total(self) -> float:
        return self.content + self.style + self.tv + self.temporal


@dataclass(frozen=True)
class Step:
    """One iteration is done.

    Attributes:
        iteration: from 1, over all scales.
        total: as many as there will be, unless a scale ends early.
        scale: from 1, the smallest.
        losses: of the picture.
        seconds: since the beginning.
        picture: makes the picture that the losses belong to, RGB uint8 H×W×3 of the scale's size.
            A kept step keeps the picture's memory.
    """

    iteration: int
    total: int
    scale: int
    scales: int
    losses: Losses
    seconds: float
    picture: Callable[[], np.ndarray]


Listener = Callable[[Step], None]


def ignore(step: Step) -> None:
    """The listener that does nothing."""


@dataclass(frozen=True)
class Anchor:
    """Draws the result to a picture: ``weight · mean(trust · (x − image)²)``, colours in [0, 1].

    The temporal term of Ruder, Dosovitskiy, Brox 2016, eq. 7; the mean is over all pixels and
    channels.

    Attributes:
        image: H×W×3 float32, 0 to 255, of the picture's size.
        trust: H×W float32, 0 to 1.
    """

    image: np.ndarray
    trust: np.ndarray
    weight: float


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
        paintings: Sequence[tuple[np.ndarray, float]],
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
        self.layers = [*options.active_style, *options.active_content]
        vgg = vgg or load_vgg19(last=deepest(self.layers))
        self.vgg = vgg.fitted(self.device, self.dtype, options.pooling)
        self._grams: dict[int, dict[str, Target]] = {}

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
        _check_picture(image, "picture", self.options.smallest_side, np.uint8)
        options = replace(self.options, iterations=iterations or self.options.iterations)
        for other in [start, *(anchor.image for anchor in anchors)]:
            if other is not None and other.shape != image.shape:
                raise OptionError(
                    f"start and anchors have the picture's shape {image.shape}, not {other.shape}"
                )
        return self._optimize(image, image.shape[1::-1], options, start, anchors, listener)

    def _optimize(
        self,
        photo: np.ndarray | None,
        size: tuple[int, int],
        options: OptimizeOptions,
        start: np.ndarray | None = None,
        anchors: Sequence[Anchor] = (),
        listener: Listener = ignore,
    ) -> np.ndarray:
        """From the smallest size to the whole one. A texture has no photo."""
        sizes = [size] if start is not None else scale_sizes(*size, options)
        report = _Reporter(listener, len(sizes), options.iterations * len(sizes))
        self._check_memory(*size)
        picture: np.ndarray | None = None
        x: Tensor | None = None
        for width, height in sizes:
            report.scale += 1
            try:
                resized = None if photo is None else _tensor(photo, width, height, self.device)
                finish = self._finisher(resized)
                objective = self._objective(photo, resized, width / size[0], size, anchors)
                x = (
                    self._first(photo, start, width, height)
                    if x is None
                    else _enlarged(x, width, height)
                )
                x = minimize(x, objective, options, report, finish)
                picture = finish(x)
            except (RuntimeError, MemoryError) as error:
                if out_of_memory(error):
                    raise self._no_memory(width, height, picture) from error
                raise
        assert picture is not None
        return picture

    def _check_memory(self, width: int, height: int) -> None:
        """Refuse what would only make a computer swap, or have its system end the process."""
        size = memory_size(self.device)
        if size and width * height * memory_needed(self.options, self.dtype.itemsize) > size:
            raise self._no_memory(width, height, None)

    def _no_memory(self, width: int, height: int, picture: np.ndarray | None) -> OptimizationError:
        size = memory_size(self.device) or 0
        fits = size / memory_needed(self.options, self.dtype.itemsize) or math.inf
        return OptimizationError(
            f"not enough memory on {self.device} for {width}×{height} pixels; "
            f"about {_size_that_fits(width, height, fits)} would fit",
            picture,
        )

    def _first(
        self, photo: np.ndarray | None, start: np.ndarray | None, width: int, height: int
    ) -> Tensor:
        """Where the first scale begins: 1×3×H×W."""
        picture = start if start is not None else self.init
        if picture is None and self.options.init == "content":
            picture = photo
        if picture is not None:
            return _tensor(picture, width, height, self.device)
        generator = torch.Generator().manual_seed(self.options.seed)
        noise = self.options.noise * torch.randn((1, 3, height, width), generator=generator)
        return (noise + torch.tensor(IMAGENET_MEAN)[:, None, None]).to(self.device)

    def _finisher(self, photo: Tensor | None) -> Callable[[Tensor], np.ndarray]:
        """What turns the optimized tensor into a picture."""
        if self.options.color == "luma" and photo is not None:
            return lambda x: as_image(keep_chroma(photo, x))
        return as_image

    def _objective(
        self,
        photo: np.ndarray | None,
        resized: Tensor | None,
        scale: float,
        size: tuple[int, int],
        anchors: Sequence[Anchor],
    ) -> Objective:
        o = self.options
        side = max(round((o.style_size or min(size)) * scale), o.smallest_side)
        see = grey if o.color == "luma" else _as_it_is
        content: dict[str, Target] = {}
        if o.active_content and resized is not None:
            with torch.no_grad():
                features = self.vgg(see(resized), o.active_content)
            content = {layer: Target.of(f, f) for layer, f in features.items()}
        return Objective(
            self.vgg,
            o,
            content,
            self._style_targets(photo, side) if o.active_style else {},
            [_Pull.of(anchor, scale, self.device) for anchor in anchors],
            see,
        )

    def _style_targets(self, photo: np.ndarray | None, side: int) -> dict[str, Target]:
        """Gram matrices of the paintings, by layer, mixed by their weights."""
        if self.options.color != "style" and photo is not None:
            adapt = match_luma if self.options.color == "luma" else match_colors
            paintings = [(adapt(painting, photo), weight) for painting, weight in self.paintings]
            return self._mixed_grams(paintings, side)
        if side not in self._grams:
            while len(self._grams) >= KEPT_SIZES:
                del self._grams[next(iter(self._grams))]
            self._grams[side] = self._mixed_grams(self.paintings, side)
        return self._grams[side]

    @torch.no_grad()
    def _mixed_grams(
        self, paintings: Sequence[tuple[np.ndarray, float]], side: int
    ) -> dict[str, Target]:
        mixed: dict[str, Target] = {}
        for painting, weight in paintings:
            picture = as_tensor(images.resize_short_side(painting, side)).to(self.device)
            for layer, features in self.vgg(picture, self.options.active_style).items():
                target = Target.of(features, gram_matrix(features.float())).times(weight)
                mixed[layer] = mixed[layer].plus(target) if layer in mixed else target
        return mixed


def synthesize_texture(
    paintings: Sequence[tuple[np.ndarray, float]],
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
    return stylizer._optimize(None, (width, height), options, listener=listener)


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


# ---- what is minimized --------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Target:
    """What a layer is to respond with.

    Attributes:
        value: responses N×C×H×W, or their Gram matrix N×C×C.
        mean: of the layer's responses, a scalar.
    """

    value: Tensor
    mean: Tensor

    @classmethod
    def of(cls, features: Tensor, value: Tensor) -> Target:
        return cls(value, features.float().mean())

    def times(self, factor: float) -> Target:
        return Target(factor * self.value, factor * self.mean)

    def plus(self, other: Target) -> Target:
        return Target(self.value + other.value, self.mean + other.mean)


@dataclass(frozen=True, eq=False)
class _Pull:
    """An anchor at one scale: image 1×3×H×W in [0, 1], trust 1×1×H×W."""

    image: Tensor
    trust: Tensor
    weight: float

    @classmethod
    def of(cls, anchor: Anchor, scale: float, device: torch.device) -> _Pull:
        height, width = anchor.trust.shape
        size = round(width * scale), round(height * scale)
        resized = anchor.trust if scale == 1 else images.resize(anchor.trust, *size)
        trust = torch.from_numpy(np.ascontiguousarray(resized, np.float32))[None, None]
        return cls(_tensor(anchor.image, *size, device), trust.to(device), anchor.weight)


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss of a picture: its terms by name, each with its weight in it.

    Attributes:
        content: the photo's responses, by layer.
        style: the paintings' Gram matrices, by layer.
        pulls: the anchors.
        see: what the losses are shown of a picture, N×3×H×W to the same.
    """

    vgg: VGG19
    options: OptimizeOptions
    content: Mapping[str, Target]
    style: Mapping[str, Target]
    pulls: Sequence[_Pull]
    see: Callable[[Tensor], Tensor]

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """1×3×H×W, colours in [0, 1] (others will do), to scalars."""
        o, seen = self.options, self.see(image)
        zero = image.new_zeros(())
        terms = {"content": zero, "style": zero, "tv": zero, "temporal": zero}
        features = self.vgg(seen, {*self.content, *self.style})
        for layer, target in self.content.items():
            loss = content_loss(features[layer], target.value, o.normalization).sum()
            weight = o.active_content[layer] / self._rescale(target) ** 2
            terms["content"] = terms["content"] + weight * loss
        for layer, target in self.style.items():
            response = features[layer].float()
            positions = response.shape[2] * response.shape[3]
            loss = style_loss(gram_matrix(response), target.value, o.normalization, positions).sum()
            weight = o.active_style[layer] / self._rescale(target) ** 4
            terms["style"] = terms["style"] + weight * loss
        if o.tv_weight:
            count = image.numel() if o.normalization == "gatys" else 1
            variation = total_variation(seen, o.tv_exponent).sum()
            terms["tv"] = o.tv_weight * count * variation
        for pull in self.pulls:
            gap = (pull.trust * (seen - self.see(pull.image)).square()).mean()
            terms["temporal"] = terms["temporal"] + pull.weight * gap
        return terms

    def _rescale(self, target: Target) -> Tensor | float:
        """What responses are divided by."""
        return 1.0 if self.options.normalization == "relative" else target.mean


def _as_it_is(image: Tensor) -> Tensor:
    return image


def grey(image: Tensor) -> Tensor:
    """N×3×H×W to the same, each channel the luma."""
    return luma(image).expand(-1, 3, -1, -1)


def match_luma(painting: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """The painting in grey, its luma with the photo's mean and variance: H×W×3 float32, 0 to 255.

    Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", section 4.2.
    """
    greys = [grey(as_tensor(image))[0, :1].permute(1, 2, 0).numpy() for image in (painting, photo)]
    return np.repeat(match_colors(255 * greys[0], 255 * greys[1]), 3, axis=2)


# ---- how it is minimized ------------------------------------------------------------------


def scale_sizes(width: int, height: int, options: OptimizeOptions) -> list[tuple[int, int]]:
    """Width and height at each scale, the whole size last, each side half of the next one's."""
    sizes = [
        (round(width / 2**halvings), round(height / 2**halvings))
        for halvings in range(options.scales)
    ]
    return [size for size in sizes if min(size) >= options.smallest_side][::-1]


@dataclass
class _Reporter:
    """Counts iterations over all scales and tells the listener of each."""

    listener: Listener
    scales: int
    total: int
    scale: int = 0
    iteration: int = 0
    began: float = field(default_factory=time.perf_counter)

    def __call__(self, losses: Losses, picture: Callable[[], np.ndarray]) -> None:
        self.iteration += 1
        seconds = time.perf_counter() - self.began
        self.listener(
            Step(self.iteration, self.total, self.scale, self.scales, losses, seconds, picture)
        )


def minimize(
    start: Tensor,
    objective: Callable[[Tensor], Mapping[str, Tensor]],
    options: OptimizeOptions,
    report: Callable[[Losses, Callable[[], np.ndarray]], None],
    finish: Callable[[Tensor], np.ndarray],
) -> Tensor:
    """The picture of the lowest loss among those met on the way: 1×3×H×W.

    Raises:
        OptimizationError: the loss is no number any more; it has the best picture so far.
    """
    unit = FIRST_MOVE * start.numel() if options.optimizer == "lbfgs" else 1.0
    # L-BFGS's first move has an L1 norm of 1, whatever the loss: it must be a change that shows.
    z = (start.detach().contiguous() / unit).requires_grad_()
    optimizer = _optimizer(z, options)
    descent = _Descent(options)
    for _ in range(options.iterations):
        optimizer.step(lambda: descent.evaluate(z, unit, objective, finish, report))
        if descent.stalled():
            break
    assert descent.best is not None
    return descent.best


def _optimizer(z: Tensor, options: OptimizeOptions) -> torch.optim.Optimizer:
    if options.optimizer == "adam":
        return torch.optim.Adam([z], lr=options.learning_rate or ADAM_RATE)
    # One evaluation and one move a step; no tolerances of its own.
    return torch.optim.LBFGS(
        [z],
        lr=options.learning_rate or 1.0,
        max_iter=1,
        history_size=HISTORY,
        tolerance_grad=0,
        tolerance_change=0,
    )


class _Descent:
    """What is remembered on the way down: the best picture and the course of the loss."""

    def __init__(self, options: OptimizeOptions) -> None:
        self.tolerance = options.tolerance
        self.best: Tensor | None = None
        self.lowest = math.inf
        self.first: float | None = None
        self.course: deque[float] = deque(maxlen=WINDOW + 1)
        """The lowest loss so far, after each of the last iterations."""

    def evaluate(
        self,
        z: Tensor,
        unit: float,
        objective: Callable[[Tensor], Mapping[str, Tensor]],
        finish: Callable[[Tensor], np.ndarray],
        report: Callable[[Losses, Callable[[], np.ndarray]], None],
    ) -> float:
        """The loss, its gradient left at ``z``."""
        z.grad = None
        x = (z * unit).contiguous(memory_format=torch.channels_last)
        terms = objective(x)
        losses = Losses(**{name: term.item() for name, term in terms.items()})
        if not math.isfinite(losses.total):
            raise OptimizationError(
                f"the loss is no number after {len(self.course)} iterations; lower the learning "
                "rate or the weights, or use fp32",
                None if self.best is None else finish(self.best),
            )
        if self.first is None:
            self.first = losses.total or 1.0
        # Of order 1, as L-BFGS compares curvatures with an absolute threshold.
        total = torch.stack(list(terms.values())).sum() / self.first
        total.backward()
        picture = x.detach()
        if losses.total < self.lowest:
            self.lowest, self.best = losses.total, picture
        self.course.append(self.lowest)
        report(losses, lambda: finish(picture))
        return total.item()

    def stalled(self) -> bool:
        if not self.tolerance or len(self.course) <= WINDOW:
            return False
        return self.course[0] - self.course[-1] < self.tolerance * self.course[0]


# ---- pictures and memory ------------------------------------------------------------------


def _enlarged(x: Tensor, width: int, height: int) -> Tensor:
    return F.interpolate(x, (height, width), mode="bicubic", align_corners=False)


def _tensor(picture: np.ndarray, width: int, height: int, device: torch.device) -> Tensor:
    """0 to 255, H×W×3 of any size, to 1×3×H×W in [0, 1]."""
    if picture.shape[1::-1] != (width, height):
        picture = images.resize(picture, width, height)
    return as_tensor(picture).to(device)


def _weigh(paintings: Sequence[tuple[np.ndarray, float]]) -> list[tuple[np.ndarray, float]]:
    """The paintings that count, their weights adding up to 1."""
    if not paintings:
        raise OptionError("no painting to take the style from")
    for painting, weight in paintings:
        _check_picture(painting, "painting", 1, np.uint8)
        if not (math.isfinite(weight) and weight >= 0):
            raise OptionError(f"a painting's weight is 0 or more, not {weight:g}")
    total = sum(weight for _, weight in paintings)
    if not total:
        raise OptionError("the weights of the paintings are all zero")
    return [(painting, weight / total) for painting, weight in paintings if weight]


def _check_picture(image: np.ndarray, what: str, side: int, dtype: type) -> None:
    if image.dtype != dtype or image.ndim != 3 or image.shape[2] != 3:
        raise OptionError(f"a {what} is uint8 H×W×3, not {image.dtype} {image.shape}")
    height, width = image.shape[:2]
    if min(height, width) < side:
        raise OptionError(_too_small(what, width, height, side))


def _too_small(what: str, width: int, height: int, side: int) -> str:
    return (
        f"the {what} has {width}×{height} pixels; the layers need {side} a side at least, "
        "so use a larger one or fewer layers"
    )


def memory_needed(options: OptimizeOptions, itemsize: int) -> float:
    """Bytes for each pixel, by an estimate on the safe side.

    The factors are fitted to peaks measured on a CPU, 0 to 40 % above them.

    Args:
        itemsize: bytes of one of VGG19's responses.
    """
    layers = [*options.active_content, *options.active_style]
    responses = (2 * itemsize + 5) * values_per_pixel(deepest(layers))
    losses = 16 * sum(layer_values(layer) for layer in layers)
    pictures = 2 * HISTORY + 8 if options.optimizer == "lbfgs" else 10
    return responses + losses + 12 * pictures


def _size_that_fits(width: int, height: int, pixels: float) -> str:
    # Not much more than what failed, whatever the estimate says.
    shrink = min(math.sqrt(pixels / (width * height)), 0.8)
    return f"{int(width * shrink)}×{int(height * shrink)}"
