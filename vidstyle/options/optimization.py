"""The optimization engine: what it minimizes, and how frames of a video learn from each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import vidstyle.options.shared as shared
from vidstyle.errors import OptionError
from vidstyle.models.layers import (
    Layers,
    Normalization,
    Pooling,
    active_layers,
    check_layers,
    deepest,
    parse_layers,
    smallest_side,
)
from vidstyle.options.base import OPTIMIZATION, SPEED, STYLE, Options, option

OptimizerName = Literal["lbfgs", "adam"]


@dataclass(frozen=True)
class OptimizeOptions(Options):
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

    With several paintings, A is the mean by their weights: by gradient the same as the sum of their
    losses.
    """

    content_weight: float = OPTIMIZATION.option(1.0, "Weight of the content loss.", min=0)
    style_weight: float = OPTIMIZATION.option(5.0, "Weight of the style loss.", min=0)
    tv_weight: float = OPTIMIZATION.option(
        10.0, "Weight of the smoothness loss (total variation).", min=0
    )
    content_layers: Layers = OPTIMIZATION.option(
        (("relu4_2", 1.0),),
        "VGG19 layers of the content loss, with weights: relu4_2, or relu3_1:1,relu4_2:0.5.",
        flags=("--content-layer",),
        metavar="LAYERS",
        parse=parse_layers,
    )
    style_layers: Layers = OPTIMIZATION.option(
        tuple((f"relu{block}_1", 1.0) for block in range(1, 5)),
        "VGG19 layers of the style loss, with weights: relu1_1:1,relu2_1:0.8,…",
        metavar="LAYERS",
        parse=parse_layers,
    )
    normalization: Normalization = option("relative", "How losses of layers are normalized.")
    tv_exponent: float = option(
        2.0, "Exponent of the gradient's length in V; 2.5 in Keras's recipe.", min=2
    )
    init: str | Path = OPTIMIZATION.option(
        "content",
        "What to start from: the content, noise, the fast engine's result (fast), or a picture, "
        "which is resized.",
        metavar="content|noise|fast|PICTURE",
    )
    noise: float = option(
        0.25, "Standard deviation of the noise around ImageNet's mean, colours in [0, 1].", min=0
    )
    seed: int = OPTIMIZATION.option(0, "Seed of the noise.")
    optimizer: OptimizerName = OPTIMIZATION.option("lbfgs", "The optimization algorithm.")
    learning_rate: float | None = OPTIMIZATION.option(
        None, "Learning rate of the optimizer.", above=0, unset="0.02 for adam, 1 for lbfgs"
    )
    iterations: int = OPTIMIZATION.option(
        80, "Steps at each scale, at most; in videos, for the first frame of a shot.", min=1
    )
    scales: int | None = OPTIMIZATION.option(
        None,
        "Number of sizes to work at, each twice the one before; more gives larger strokes.",
        min=1,
        unset="as many as have 96 pixels a side",
    )
    style_size: int | None = OPTIMIZATION.option(
        None,
        "Scale the paintings to this short side; larger gives larger strokes.",
        metavar="PIXELS",
        min=1,
        unset="the picture's",
    )
    color: Literal["style", "keep", "histogram"] = STYLE.option(
        "style",
        "Whose colours to use: the style's, or the picture's own (keep: only brightness changes). "
        "histogram recolours the painting to match the picture first (optimization engine).",
    )
    pooling: Pooling = OPTIMIZATION.option("average", "Pooling inside VGG19.")
    tolerance: float = OPTIMIZATION.option(
        0.0,
        "End a scale early when 10 steps lower the loss by less than this share; 0 never does.",
        min=0,
    )
    device: str = shared.device()
    precision: str = SPEED.option("auto", "Precision of VGG19: auto, fp32 or bf16.")

    def check(self) -> None:
        check_layers(self.content_layers)
        check_layers(self.style_layers)
        if self.content_weight == self.style_weight == 0:
            raise OptionError("content weight and style weight are both 0; nothing to optimize")

    @property
    def active_content(self) -> dict[str, float]:
        """Weights of the layers that count, by name."""
        return active_layers(self.content_layers, self.content_weight)

    @property
    def active_style(self) -> dict[str, float]:
        """The same of the style loss."""
        return active_layers(self.style_layers, self.style_weight)

    @property
    def deepest_layer(self) -> str:
        """How far VGG19 has to be computed."""
        return deepest([*self.active_content, *self.active_style])

    @property
    def smallest_side(self) -> int:
        """Pixels that the sides of pictures and paintings need at least."""
        return smallest_side(self.deepest_layer)


@dataclass(frozen=True)
class VideoOptions(Options):
    """How frames of a video learn from each other (Ruder, Dosovitskiy, Brox 2016).

    ``OptimizeOptions`` hold for the first frame of each shot; the others differ in ``iterations``.
    """

    passes: int = OPTIMIZATION.option(
        1, "Passes over each shot, alternately forward and backward.", min=1
    )
    iterations: int = OPTIMIZATION.option(
        15, "Steps for each later frame of a shot, at most.", min=1
    )
    temporal_weight: float = OPTIMIZATION.option(
        100.0, "Weight of the temporal loss at --temporal 1, which scales it.", min=0
    )
    long_term: tuple[int, ...] = option(
        (1, 2, 4), "How many frames back to look for what a frame shows, ascending from 1."
    )
    refresh: bool = OPTIMIZATION.option(
        False,
        "With --init fast: start every frame from the fast engine's result, "
        "not from previous frames.",
    )
    drift: float = option(
        0.5,
        "Levels, out of 255, that the mean colour of what stays in view may change on its own.",
        min=0,
        finite=False,
    )

    def check(self) -> None:
        ascending = sorted(set(self.long_term))
        if list(self.long_term) != ascending or ascending[:1] != [1]:
            raise OptionError(f"long term must ascend from 1, not {self.long_term}")


FRAMES = OptimizeOptions(tolerance=0.01)
"""For videos: as for stills, but frames end early, as after a good start little is left to do."""
PHOTOGRAPHS = OptimizeOptions(style_weight=20.0, tv_weight=0.0, tolerance=0.01)
"""For photorealistic results, whose smoothness is the photo's own."""
