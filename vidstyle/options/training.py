"""Training: styles from paintings, and drafts from a backbone."""

from dataclasses import dataclass

import vidstyle.options.shared as shared
from vidstyle.errors import OptionError
from vidstyle.options.base import BASIC, LOSSES, SPEED, STYLE, TRAINING, Options, option

SMALLEST_CROP = 32


@dataclass(frozen=True)
class LoopOptions(Options):
    """What all training has in common.

    ``steps`` or ``minutes``, whichever is given, is the whole of the training, and sets the
    schedule of the learning rate.
    """

    steps: int | None = BASIC.option(None, "Stop after this many steps.", min=1)
    minutes: float | None = BASIC.option(None, "Stop after this many minutes.", above=0)
    batch_size: int = TRAINING.option(4, "Photos per step.", min=1)
    crop: int = TRAINING.option(
        256, "Side of the training crops.", metavar="PIXELS", min=SMALLEST_CROP, unit="pixels"
    )
    seed: int = TRAINING.option(0, "Seed of photos, crops and styles.")
    device: str = shared.device()
    precision: str = SPEED.option("auto", "auto, fp32 or bf16.")
    checkpoint_minutes: float = option(3.0, "Minutes between two checkpoints.", min=0)
    log_every: int = option(25, "Steps between two events.", min=1)

    def check(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise OptionError("give either steps or minutes of training")


@dataclass(frozen=True)
class TrainOptions(LoopOptions):
    """How to learn styles.

    ``early_crop``: crops cost less when small, so that early in the training they are drawn from
    between it and ``crop``. The last crops decide how a style looks on large pictures, as
    normalization depends on how much is seen: for a backbone, 400 pixels are worth their cost.

    ``margin``: VGG19 pads with zeros, and a network whose border is VGG19's border learns to paint
    a pale frame against them.
    """

    full: bool = TRAINING.option(False, "Train the backbone too, for all paintings together.")
    early_crop: int = TRAINING.option(
        160,
        "Side of the smallest crops early in the training.",
        metavar="PIXELS",
        min=SMALLEST_CROP,
        unit="pixels",
    )
    early_part: float = TRAINING.option(
        0.55, "Share of the training that counts as early.", min=0, max=1
    )
    learning_rate: float = TRAINING.option(1e-3, "Learning rate of the backbone.", above=0)
    style_rate: float = TRAINING.option(
        1e-2, "Learning rate of the style vectors; with --full, a quarter of it.", above=0
    )
    margin: int = option(24, "Pixels around each crop that the losses do not see.", min=0)
    style_weight: float = LOSSES.option(6.0, "Higher: more of the painting.", min=0)
    coarse_weight: float = option(
        0.5, "Weight of style at half size, where the layers see large strokes and swirls.", min=0
    )
    content_weight: float = LOSSES.option(2.5, "Higher: more of the photo.", min=0)
    similarity_weight: float = LOSSES.option(2.0, "Higher: similar places stay similar.", min=0)
    edge_weight: float = LOSSES.option(0.3, "Higher: more of the photo's edges.", min=0)
    tone_weight: float = LOSSES.option(0.4, "Higher: more of the photo's light and shade.", min=0)
    halo_weight: float = LOSSES.option(3.0, "Higher: weaker halos along outlines.", min=0)
    stability_weight: float = LOSSES.option(30.0, "Higher: less flicker.", min=0)
    stability_every: int = option(2, "Steps to each one that measures stability.", min=1)
    lattice_weight: float = option(
        1000.0, "Weight of the penalty for a checkerboard from pixel shuffling.", min=0
    )
    range_weight: float = option(10.0, "Weight of the penalty for colours outside [0, 1].", min=0)
    blend_share: float = option(
        0.15, "Share of the samples that are drawn at a random strength below 1.", min=0, max=1
    )
    style_size: int = option(512, "Short side of the paintings, in pixels.", min=1)
    photo_reuse: int = option(4, "Steps that share a batch of photos, in other styles.", min=1)


@dataclass(frozen=True)
class DistilOptions(LoopOptions):
    """How to distil a draft of a backbone."""

    width: int = option(32, "Channels at a quarter of the size.", min=1)
    deep: int = option(64, "Channels at an eighth of the size.", min=1)
    fine_blocks: int = option(1, "Residual blocks at a quarter of the size.", min=0)
    batch_size: int = option(8, "Photos per step.", min=1)
    crop: int = option(
        256, "Side of the largest crops, in pixels of the teacher.", min=SMALLEST_CROP
    )
    late_crop: int = option(384, "The same in the last third.", min=SMALLEST_CROP, unit="pixels")
    learning_rate: float = option(2e-3, "Learning rate of the network.", above=0)
    map_rate: float = option(1e-3, "Learning rate of the maps between style vectors.", above=0)
    gradient_weight: float = option(
        0.5, "Weight of the differences between neighbours, on which strokes depend.", min=0
    )
    coarse_weight: float = option(0.5, "Weight of the mean over 4×4 pixels.", min=0)


@dataclass(frozen=True)
class LearnOptions(Options):
    """How the fast engine learns the style of a picture at once."""

    refine: float = STYLE.option(
        30.0,
        "When a picture is the style: how long to refine its prediction on frames of the input. "
        "0 keeps the prediction.",
        min=0,
        max=3600,
        unit="seconds",
    )
